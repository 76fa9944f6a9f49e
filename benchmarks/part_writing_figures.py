"""How often the rules of `part_writing` are broken in Bach's chorales, each beside its opportunities."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from musicgym.benchmarks.events import within
from musicgym.benchmarks.fit_part_writing import plain_parts
from musicgym.chords import CHORD_OF_SET, MEMBERS, QUALITIES
from musicgym.pieces import Excerpts

PAIRS = ("parallel_fifths", "parallel_octaves", "antiparallels")
NEIGHBOURS = ("voice_crossing", "voice_overlap", "spacing")
MOVES = ("wide_leaps", "augmented_intervals")
NOTES = ("voice_range", "cross_relation", "in_key")
BEATS_OF_VOICES = ("voice_rest", "held_over", "held_long")
FERMATAS = ("fermata_chord", "fermata_cadence")
TWO_BARS = (
    "bass_steps",
    "harmonic_rhythm",
    "root_positions",
    "second_inversions",
    "nonchord_share",
    "chord_variety",
    "ornaments",
)


class Rate(NamedTuple):
    """How often a rule of weight 1 speaks."""

    unit: str  # what it judges
    opportunities: int
    faults: int  # sites at which it says other than 0
    total: float  # of all that it says

    @property
    def share(self) -> float:
        """Faults for each opportunity."""
        return self.faults / max(self.opportunities, 1)


def rates(music: Excerpts) -> dict[str, Rate]:
    """For each rule of `part_writing` how often it speaks in finished music of several voices, and how often it could."""
    rules = plain_parts()
    found = opportunities(music)
    _, marks = rules.score(music, marks=True)
    made = {}
    for k, (term, _, _, _) in enumerate(rules.entries):
        unit, count = found[term]
        made[term] = Rate(unit, count, int((marks[:, k] != 0).sum()), float(marks[:, k].sum(dtype=np.float64)))
    return made


def opportunities(music: Excerpts) -> dict[str, tuple[str, int]]:
    """For each rule of `part_writing` what it judges and how many of these the music has.

    Counted from the arrays, without the rules' own readings.
    """
    pitch, inside = music.pitch.astype(np.int64), within(music)[:, None]
    voices = pitch.shape[1]
    sounds = (pitch >= 0) & inside
    notes = music.onset & sounds
    after = np.zeros_like(notes)  # a note right after another
    after[:, :, 1:] = notes[:, :, 1:] & sounds[:, :, :-1]
    moved = after.copy()
    moved[:, :, 1:] &= pitch[:, :, 1:] != pitch[:, :, :-1]
    on_beat = (music.position % music.beat == 0) & inside[:, 0]
    events = music.onset & inside
    begins = music.phrase_end & inside[:, 0]
    begins[:, 1:] &= ~music.phrase_end[:, :-1]
    ends = inside[:, 0] & (music.position == music.bar - 1)
    number = np.cumsum(music.position == 0, axis=1)
    pairs = sum(int((moved[:, a] & moved[:, b]).sum()) for a in range(voices) for b in range(a))
    neighbours = int(((events[:, 1:] | events[:, :-1]) & sounds[:, 1:] & sounds[:, :-1]).sum())
    beats, bars, fermatas = int(on_beat.sum()), int(ends.sum()), int(begins.sum())
    two_bars = int((ends & (number % 2 == 0) & (number > 0)).sum())
    sevenths, leading = _left(music, after)
    last = np.take_along_axis(music.phrase_end, np.maximum(music.length[:, None] - 1, 0), axis=1)
    made = dict.fromkeys(plain_parts().terms, ("beat", beats))
    made |= dict.fromkeys(PAIRS, ("two voices that move together", pairs))
    made |= dict.fromkeys(NEIGHBOURS, ("new note beside a neighbour", neighbours))
    made |= dict.fromkeys(MOVES, ("melodic interval", int(after.sum())))
    made |= dict.fromkeys(NOTES, ("note", int(notes.sum())))
    made |= dict.fromkeys(BEATS_OF_VOICES, ("voice and beat", beats * voices))
    made |= dict.fromkeys(FERMATAS, ("fermata", fermatas))
    made |= dict.fromkeys(TWO_BARS, ("two bars", two_bars))
    made["direct_perfects"] = "move of both outer voices", int((moved[:, 0] & moved[:, -1]).sum())
    made["all_one_way"] = "move of all voices", int(moved.all(axis=1).sum())
    made["inner_leaps"] = "melodic interval of an inner voice", int(after[:, 1:-1].sum())
    made["stuck_voice"] = "voice and two bars", two_bars * voices
    made["foreign_note"] = "note off the beat", int((notes & ~on_beat[:, None]).sum())
    made["worn_harmony"] = "bar", bars
    made["fermata_together"] = "voice and fermata", fermatas * voices
    made["final_chord"] = "piece that ends with a fermata", int(last.sum())
    made["seventh_resolution"] = "seventh that is left for another root", sevenths
    made["leading_tone_resolution"] = "leading tone that is left for I or vi", leading
    return made


def _left(music: Excerpts, after: np.ndarray) -> tuple[int, int]:
    """How many chords' sevenths are left where the root changes, and leading tones of V and vii° where I or vi follows."""
    kinds, pitch = len(QUALITIES), music.pitch.astype(np.int64)
    bits = np.bitwise_or.reduce(np.where(pitch >= 0, 1 << (pitch % 12), 0), axis=1)  # (M, steps)
    bass = np.where(pitch >= 0, pitch, 128).min(axis=1) % 12
    chord = CHORD_OF_SET[bits].astype(np.int64)
    kind = chord % kinds
    symmetrical = (chord >= 0) & ((kind == QUALITIES.index("augmented")) | (kind == QUALITIES.index("diminished seventh")))
    chord = np.where(symmetrical, bass * kinds + kind, chord)
    before, here = chord[:, :-1], chord[:, 1:]
    left, came_from = after[:, :, 1:], pitch[:, :, :-1] % 12
    changes = (before >= 0) & ~((here >= 0) & (here // kinds == before // kinds))
    seventh = np.where(before >= 0, MEMBERS[before, 3], -1)
    sevenths = int((left & (came_from == seventh[:, None]) & changes[:, None]).sum())
    tonic = music.tonic[:, :-1].astype(np.int64)
    degree, following = (before // kinds - tonic) % 12, (here // kinds - tonic) % 12
    dominant = (before >= 0) & (
        ((degree == 7) & np.isin(before % kinds, (0, 4))) | ((degree == 11) & np.isin(before % kinds, (2, 7, 8)))
    )
    resolves = dominant & (here >= 0) & np.isin(following, (0, 8, 9))
    leading = int((left & (came_from == ((tonic + 11) % 12)[:, None]) & resolves[:, None]).sum())
    return sevenths, leading
