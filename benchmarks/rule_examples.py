"""For each rule music that obeys it and music that breaks it, as short as can be: what docs/rules.md shows and tests hold.

Texts are ABC, a line a voice from the highest down, in quarters, 4/4 and C major unless `fields` says otherwise.
"""

from __future__ import annotations

from typing import NamedTuple

from musicgym.score import Score


class Example(NamedTuple):
    """Music for one rule, which is worth more where it obeys than where it breaks."""

    obeys: str
    breaks: str
    fields: str = ""  # of ABC, such as "L:1/8"
    loud: tuple[tuple[int, ...], tuple[int, ...]] = ((), ())  # velocities of the notes that obey and that break, where they count


def music(text: str, fields: str = "", loud: tuple[int, ...] = ()) -> Score:
    """The score that a text of this module's stands for; `loud` has a velocity for each note of its only voice.

    >>> music("c2 B2\\nA,2 G,2").voices
    2
    """
    head = ["X:1"]
    for field in ("M:4/4", "L:1/4", "K:C"):
        own = [line for line in fields.split() if line.startswith(field[:2])]
        head += own or [field]
    lines = text.split("\n")
    body = lines if len(lines) == 1 else [line for v, one in enumerate(lines, 1) for line in (f"V:{v}", one)]
    score = Score.from_abc("\n".join([*head, *body]))
    if not loud:
        return score
    voices = [[note._replace(velocity=velocity) for note, velocity in zip(score.notes(0), loud, strict=True)]]
    return Score.from_notes(voices, steps=score.steps)


def _with(line: int, text: str, base: str) -> str:
    """The voices of `base`, but for one that goes as `text`."""
    lines = base.split("\n")
    lines[line] = text
    return "\n".join(lines)


_PROGRESSION = "c c B c|c d B c\nG A G G|A A G G\nE F D C|E D D E\nC, F,, G,, E,|A,, F,, G,, C,"
_ONE_CHORD = "c e c e|c e c c\nG G G G|G c G G\nE C E C|E G E E\nC, C, C, C,|C, C, C, C,"
_SUSPENSION = "z2 c2-|c2 B2|c4\nA4|D4|C4"
_FOUR_BARS = "CDEF|GABc|cBAG|"
_EVEN, _SWELL = (80, 80, 80, 80, 80, 80, 80, 80), (60, 72, 84, 96, 96, 84, 72, 60)

MELODY = {
    "in_key": Example("C D E F", "C ^C D ^D"),
    "chromatic_resolved": Example("C ^C D E", "C ^C F E"),
    "leading_tone": Example("A B c B|G4", "A B F B|c' B c B|B4"),
    "key_profile": Example("C E G c|c4", "C ^F ^C ^G|^D4"),
    "unstable_beat": Example("C E G c", "C ^F ^C E"),
    "opening": Example("z G D F", "z D G C"),
    "closing": Example("D B, C z", "D C B, z"),
    "cadence": Example("E F D C", "E F A C"),
    "leap_size": Example("C D C B,", "C c B C"),
    "dissonant_leap": Example("C A, A c", "F B C c'"),
    "leap_recovered": Example("C F E C", "C F G E"),
    "consecutive_leaps": Example("C E G c", "C F B E"),
    "stepwise": Example("C D E F", "C E D E"),
    "outlined_tritone": Example("E G A B|A4", "F G A B|A4"),
    "repeated_notes": Example("C C C D", "C C C C|C4"),
    "one_way": Example("C D E F|G A G A", "C D E F|G A B c"),
    "worn_figure": Example("C D C D|E F E F", "C D C D|C D C E"),
    "pitch_variety": Example("C D E F|G F E C", "C D C c|d D C D"),
    "compass": Example("C c f C", "C c f g|B, a B, a"),
    "narrow": Example("C E G A", "C E G E"),
    "tessitura": Example("C D E A", "C D E B"),
    "climax": Example("C E c G", "c E c G"),
    "arch": Example("C4|F2G2|A2F2|E4", "A4|E2C2|C2E2|A4"),
    "syncopation": Example("C D E F", "C D2 E2 F2 G", "L:1/8"),
    "downbeat": Example("C4|D4|z D3", "z D3|E4-|E4|z4"),
    "odd_length": Example("C6 D2 E4 F2 G", "C5 D2 E9", "L:1/16"),
    "long_note": Example("C4|D4", "C4-|C3D|E4-|E z3"),
    "silence": Example("z4|C z D E", "C z2 D|E z3"),
    "rest_inside": Example("z C D E|F G z A", "C z D E|z F G A|B z B z"),
    "empty_bar": Example("C4|z3D", "C4-|C4|z4"),
    "crowded_bar": Example("CDEFGFEDCDEF G4", "CDEFGFEDCDEFGFED", "L:1/16"),
    "length_variety": Example("C D E F|G2 A2", "C D E F|z2 G A|B4"),
    "phrase_end": Example(f"{_FOUR_BARS}CDE2", "C/D/E/F/ C/D/E/F/|" * 4),
    "breathless": Example(f"{_FOUR_BARS}CD>EF|CDEF|", f"{_FOUR_BARS}CDEF|CDEF|"),
    "motif_repeated": Example("C E G E|C E G E", "C E G E|C E G F"),
    "motif_transposed": Example("C D E C|D E F D", "C D E C|D E F B"),
    "motif_inverted": Example("C D E C|c B A c", "C D E C|c B A B"),
    "motif_varied": Example("C D E C|C D F D", "C D E C|C E F D"),
    "worn_out": Example("C E G E|C E G E|C F B F", "C E G E|C E G E|C E G E"),
    "worn_sequence": Example("C E D E|D F E F|C G F G", "C E D E|D F E F|E G F G"),
    "echo": Example("C E D F|C E D F", "C E D F|c A F c"),
    # Of loudness
    "metrical_accent": Example("C D E F|G F E D", "C D E F|G F E D", loud=((96, 60, 84, 60) * 2, (60, 96, 60, 96) * 2)),
    "phrase_arch": Example("C D E F|G F E D", "C D E F|G F E D", "", (_SWELL, tuple(156 - loud for loud in _SWELL))),
    "high_loud": Example("C D E F|G F E D", "C D E F|G F E D", "", (_SWELL, tuple(156 - loud for loud in _SWELL))),
    "smooth_velocity": Example("C D E F|G F E D", "C D E F|G F E D", loud=(_EVEN, (40, 120) * 4)),
}

COUNTERPOINT = {
    "dissonant_attack": Example("G4|E4\nC4|C4", "G4|F4\nC4|C4"),
    "wide_apart": Example("e4\nC4", "c'4\nC4"),
    "unison_inside": Example("G4|E4|c4\nC4|C4|C4", "G4|C4|c4\nC4|C4|C4"),
    "perfects_in_a_row": Example("G4|A4|c4\nC4|C4|C4", "G4|c4|c4\nC4|C4|C4"),
    "worn_interval": Example("E4|F4|G4|c4\nC4|D4|E4|C4", "E4|F4|G4|A4\nC4|D4|E4|F4"),
    "dissonance_by_step": Example("G2 F2|E4\nC4|C4", "A2 F2|E4\nC4|C4"),
    "dissonance_left_by_step": Example("G2 F2|E4\nC4|C4", "G2 F2|A4\nC4|C4"),
    "cambiata": Example("c B G A|c4\nC4|C4", "c B G E|c4\nC4|C4"),
    "midbar_neighbour": Example("G2 F2|E4\nC4|C4", "G2 F2|G4\nC4|C4"),
    "paired_eighths": Example("G A/B/ c2|c4\nC4|C4", "G/A/ B c2|c4\nC4|C4"),
    "suspension_prepared": Example(_SUSPENSION, "z2 c2-|c2 B2|c4\nG4|D4|C4"),
    "suspension_resolved": Example(_SUSPENSION, "z2 c2-|c2 d2|c4\nA4|D4|C4"),
    "held_over_two_lines": Example(_SUSPENSION, "z2 c2-|c4-|c2 B2\nA4|F4|D4"),
    "weak_suspension": Example(_SUSPENSION, "z2 d2-|d2 c2\nB,4|C4"),
    "fake_suspension": Example(_SUSPENSION, "z2 c2-|c2 B2|c4\nA4|F4|C4"),
    "similar_to_perfect": Example("F4|G4\nD4|C4", "E4|G4\nA,4|C4"),
    "perfects_on_bar_lines": Example("G2 B2|F4\nC4|D4", "G2 B2|A4\nC4|D4"),
    "battuta": Example("e4|d4\nC4|D4", "f4|d4\nC4|D4"),
    "similar_motion": Example("A4|B4|A4\nF4|E4|E4", "A4|B4|c4\nF4|G4|E4"),
    "leaps_together": Example("E4|c4\nG4|C4", "E4|c4\nC4|G4"),
    "unison_left_together": Example("C4|E4\nC4|B,4", "C4|E4\nC4|D4"),
    "perfect_beginning": Example("G4\nC4", "E4\nC4"),
    "perfect_close": Example("B4|c4\nD4|C4", "B4|e4\nD4|C4"),
    "clausula_vera": Example("B4|c4\nD4|C4", "G4|c4\nD4|C4"),
    "raised_leading_tone": Example("^c4|d4\nE4|D4", "c4|d4\nE4|D4", "K:Ddor"),
    "musica_ficta": Example("F4|E4|G4|c4\nD4|C4|E4|C4", "^F4|E4|G4|c4\nD4|C4|E4|C4"),
    "chromatic_semitone": Example("F4|G4|A4\nD4|E4|F4", "F4|^F4|A4\nD4|D4|D4"),
    "unsung_interval": Example("E4|c4\nC4|C4", "F4|B4\nD4|D4"),
    "sixth_down": Example("E4|c4\nC4|C4", "c4|E4\nC4|C4"),
    "short_note_repeated": Example("G2 A2|c4\nC4|C4", "G2 G2|c4\nC4|C4"),
    "leaps_one_way": Example("C4|G4|E4\nC4|C4|C4", "C4|G4|d4\nC4|C4|C4"),
    "broken_line": Example("z2 G2|A4\nC4|C4", "G2 z2|A4\nC4|C4"),
}

PART_WRITING = {
    "parallel_fifths": Example("e d\nc A\nG, F,\nC, D,", "e d\nc F\nG, A,\nC, D,"),
    "parallel_octaves": Example("c A\nE F\nG, F,\nC, D,", "c d\nE F\nG, F,\nC, D,"),
    "antiparallels": Example("c B\nE D\nG, G,\nC, G,", "c G\nE D\nG, B,\nC, G,"),
    "direct_perfects": Example("B c\nE G\nC E\nA,, C,", "G c\nE G\nC E\nA,, C,"),
    "voice_crossing": Example("G A\nE F\nC C\nC, F,", "E F\nG A\nC C\nC, F,"),
    "voice_overlap": Example("E G\nC D\nG, G,\nC, B,,", "E G\nC F\nG, G,\nC, B,,"),
    "all_one_way": Example("e d\nc A\nG, F,\nC, D,", "e f\nc d\nG, A,\nC, D,"),
    "inner_leaps": Example("c c\nG A\nG, F,\nC, F,", "c c\nc F\nG, F,\nC, F,"),
    "wide_leaps": Example("C c\nC C\nG, G,\nC, C,", "C B\nC D\nG, G,\nC, G,,"),
    "augmented_intervals": Example("A ^G\nE E\nC B,\nA,, E,", "F ^G\nD E\nA, B,\nD, E,", "K:Am"),
    "voice_leading_distance": Example("c B\nG G\nE D\nC, G,", "c g\nG d\nE B\nC, G,"),
    "stuck_voice": Example("e4|f4\nG4|A4\nC4|D4\nC,4|D,4", "e4|f4\nA4|A4\nC4|D4\nA,,4|D,4"),
    "bass_steps": Example(
        _with(3, "C, D, E, C,|F, G, G,, C,", _PROGRESSION), _with(3, "C, F,, C, G,,|C, F,, G,, C,", _PROGRESSION)
    ),
    "cross_relation": Example("d ^f\nA A\nA, A,\nD, D,", "d ^f\nA A\nF, A,\nD, D,"),
    "voice_range": Example("c\nG\nE\nC,", "c'\ng\ne\nC,"),
    "spacing": Example("e\nG\nC\nC,", "e\nC\nG,\nC,"),
    "doubled_leading_tone": Example("B\nG\nD\nG,,", "B\nD\nB,\nG,,"),
    "doubled_third": Example("e\nG\nC\nC,", "e\nG\nE\nC,"),
    "doubled_fault": Example("d\nB\nF\nG,,", "f\nB\nF\nG,,"),
    "incomplete_chord": Example("c\nG\nE\nC,", "c\nG\nC\nC,"),
    "leading_tone_resolution": Example("B c\nG G\nD E\nG,, C,", "B G\nG E\nD C\nG,, C,"),
    "seventh_resolution": Example("B c\nF E\nD C\nG,, C,", "B c\nF G\nD E\nG,, C,"),
    "unprepared_dissonance": Example("d d c\nG G G\nD E E\nB,, C, C,", "e f e\nG G G\nC E E\nC, C, C,"),
    "foreign_note": Example("e/f/ g\nc c\nG, G,\nC, C,", "e/d/ g\nc c\nG, G,\nC, C,"),
    "six_four": Example("f e\nc c\nA, G,\nF, G,", "f e\nd c\nA, G,\nD, G,"),
    "progression": Example("f d\nd B\nA, G,\nD, G,,", "f g\nd e\nA, B,\nD, E,"),
    "retrogression": Example("d e\nB c\nG, G,\nG,, C,", "d c\nB A\nG, F,\nG,, F,,"),
    "harmonic_rhythm": Example(_PROGRESSION, _ONE_CHORD),
    "root_positions": Example(_PROGRESSION, _with(3, "E, A,, B,, E,|C, F,, B,, E,", _PROGRESSION)),
    "second_inversions": Example(_PROGRESSION, _with(3, "G,, F,, D, G,,|E, F,, D, G,,", _PROGRESSION)),
    "nonchord_share": Example(_with(0, "c/B/ c B c/d/|c d B c", _PROGRESSION), _PROGRESSION),
    "chord_variety": Example(_PROGRESSION, _ONE_CHORD),
    "worn_harmony": Example(_PROGRESSION, _ONE_CHORD),
    "fermata_chord": Example("B Hc\nG HG\nD HE\nG,, HC,", "B Hc\nG HG\nD HC\nG,, HE,"),
    "fermata_cadence": Example("B Hc\nG HG\nD HE\nG,, HC,", "B Hc\nG HA\nE HC\nE, HF,"),
    "fermata_together": Example("B Hc\nG HG\nD HE\nG,, HC,", "B Hc\nG HG\nD D/E/\nG,, HC,"),
    "final_chord": Example("B Hc\nG HG\nD HE\nG,, HC,", "c Hc\nG HA\nE HF\nC, HF,"),
    "voice_rest": Example("c d\nG G\nE D\nC, B,,", "c d\nG G\nz D\nC, B,,"),
    "idle_beat": Example("c c\nG G\nE E\nC, C,", "c2\nG2\nE2\nC,2"),
    "held_over": Example("c d e\nG G G\nE D C\nC, B,, C,", "c/d e e/\nG G G\nE D C\nC, B,, C,"),
    "held_long": Example("c d e d\nG G G G\nE D C D\nC,2 C,2", "c d e d\nG G G G\nE D C D\nC,4"),
    "ornaments": Example(_with(0, "c/B/ c B c/d/|c d B c", _PROGRESSION), _PROGRESSION),
}

# Chords as ABC, from the highest note down.
_VOICED = {
    "C": "G E C C,", "C/E": "G E C E,", "C/G": "G E C G,", "Dm": "A F D D,", "Em": "G E B, E,", "F": "A F C F,",
    "F#": "^F ^C ^A, ^F,", "G": "G D B, G,", "G7": "F D B, G,", "Am": "A E C A,",
}  # fmt: skip


def _over(melody: str, chords: str) -> str:
    """A melody over chords, one a beat, in four voices below it."""
    beats = [_VOICED[chord].split() if chord != "|" else ["|"] * 4 for chord in chords.split()]
    return "\n".join([melody, *(" ".join(voice) for voice in zip(*beats, strict=True))])


_DOWN = "e f d c"
CHORD_SYMBOLS = {
    "melody_in_chord": Example(_over("e e d c", "C C G C"), _over("f e d c", "C C G C")),
    "nonchord_left_by_step": Example(_over("f e d c", "C C G C"), _over("f c d c", "C C G C")),
    "melody_silent": Example(_over("e e d c", "C C G C"), _over("e z d c", "C C G C")),
    "chord_in_key": Example(_over(_DOWN, "C F G C"), _over(_DOWN, "C F# G C")),
    "chord_succession": Example(_over(_DOWN, "C F G C"), _over(_DOWN, "C F# Em F#")),
    "cadence_chord": Example(_over("f d Hc", "F G C"), _over("f d Hc", "F G C/E")),
    "chord_over_bar_line": Example(_over("e e d d|c4", "C C G G | C C C C"), _over("e e d d|d d c2", "C C G G | G G C C")),
    "static_harmony": Example(_over("e e d c", "C C G C"), _over("e e e c", "C C C C")),
    "six_four_left": Example(_over("f e d c", "F C/G G C"), _over("f e d c", "F C/G Dm C")),
    "dominant_resolves": Example(_over("e d c", "C G7 C"), _over("e d c", "C G7 F")),
}

EXAMPLES: dict[str, Example] = MELODY | COUNTERPOINT | PART_WRITING | CHORD_SYMBOLS
