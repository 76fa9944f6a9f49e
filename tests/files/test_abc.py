"""The ABC reader: what the standard says, what is reported, and what it refuses."""

import music21
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from musicgym import Score
from musicgym.files import abc
from musicgym.files.exact import TICKS
from musicgym.score import REST

EIGHTHS = "M:4/4\nL:1/8\n"


def tune(music: str, header: str = EIGHTHS + "K:C", **options: object) -> Score:
    return Score.from_abc(f"X:1\nT:A tune\n{header}\n{music}\n", **options)


def pitches(score: Score, voice: int = 0) -> list[int]:
    return [note.pitch for note in score.notes(voice)]


def durations(score: Score) -> list[int]:
    return [note.duration for note in score.notes(0)]


def reported(score: Score) -> str:
    return "; ".join(f"{change.kind} {change.detail}" for change in score.changes)


def test_octave_marks_and_letters_give_midi_numbers() -> None:
    assert pitches(tune("C,, C, C c c' c''")) == [36, 48, 60, 72, 84, 96]


@pytest.mark.parametrize(
    ("field", "tonic", "mode"),
    [
        *[(f"{tonic}{word}", tonic, mode) for tonic in ("C", "D", "Bb", "F#") for word, mode in (("", "major"), ("m", "minor"))],
        ("Gdor", "G", "dorian"),
        ("E Phrygian", "E", "phrygian"),
        ("Flyd", "F", "lydian"),
        ("A Mixolydian", "A", "mixolydian"),
        ("Bloc", "B", "locrian"),
        ("Aaeo", "A", "minor"),
        ("EION", "E", "major"),
        ("Dmix clef=bass", "D", "mixolydian"),
    ],
)
def test_signature_of_every_mode_is_music21s(field: str, tonic: str, mode: str) -> None:
    score = tune("CDEFGAB", EIGHTHS + f"K:{field}")
    key = music21.key.Key(tonic.replace("b", "-"), mode)
    expected = [music21.pitch.Pitch(f"{letter}4") for letter in "CDEFGAB"]
    for pitch in expected:
        pitch.accidental = key.accidentalByStep(pitch.step)
    assert pitches(score) == [pitch.midi for pitch in expected]
    assert (score.keys[0].tonic, score.key.split()[1]) == (key.tonic.pitchClass, mode)


def test_accidentals_in_the_key_field_change_the_signature() -> None:
    assert pitches(tune("FGABcde", EIGHTHS + "K:Dmix =f ^g")) == [65, 68, 69, 71, 72, 74, 76]
    assert pitches(tune("FGABcd", EIGHTHS + "K:D exp _b")) == [65, 67, 69, 70, 72, 74]


def test_pipes_sound_with_f_and_c_sharp() -> None:
    assert pitches(tune("FGAcf", EIGHTHS + "K:HP")) == pitches(tune("FGAcf", EIGHTHS + "K:Hp")) == [66, 67, 69, 73, 78]


def test_an_accidental_holds_in_every_octave_until_the_bar_line() -> None:
    assert pitches(tune("^F F f =F F | F f")) == [66, 66, 78, 65, 65, 65, 77]
    assert pitches(tune("_B B ^^c c | c __d", EIGHTHS + "K:D")) == [70, 70, 74, 74, 73, 72]


def test_a_tie_joins_equal_pitches_and_carries_an_accidental_over_the_bar_line() -> None:
    score = tune("C6 ^F2-|F2 F2 E-D")
    assert [(n.pitch, n.duration) for n in score.notes(0)] == [(60, 12), (66, 8), (65, 4), (64, 2), (62, 2)]


def test_lengths() -> None:
    assert durations(tune("C C2 C3/2 C/ C/2 C// C//", EIGHTHS + "K:C", steps_per_quarter=8)) == [4, 8, 6, 2, 2, 1, 1]


@pytest.mark.parametrize(
    ("meter", "quarters"), [("2/4", 0.25), ("6/8", 0.5), ("3/4", 0.5), ("C|", 0.5), ("none", 0.5), ("5/8", 0.25)]
)
def test_without_a_unit_length_the_metre_gives_it(meter: str, quarters: float) -> None:
    assert durations(tune("C", f"M:{meter}\nK:C")) == [quarters * 4]


def test_broken_rhythm() -> None:
    assert durations(tune("A>B c<d | A2>>B2 e f", steps_per_quarter=8)) == [6, 2, 2, 6, 14, 2, 4, 4]
    assert durations(tune('(A>"x"{g}B) A > B')) == [3, 1, 3, 1]


def test_tuplets_count_notes_and_know_compound_metre() -> None:
    assert durations(tune("(3CDE (3:2:2C2D F", steps_per_quarter=12)) == [4, 4, 4, 8, 4, 6]
    assert durations(tune("(2CD E", "M:6/8\nL:1/8\nK:C", steps_per_quarter=4)) == [3, 3, 2]
    assert durations(tune("(5CDEFG", "M:6/8\nL:1/8\nK:C", steps_per_quarter=20)) == [6] * 5
    assert durations(tune("(5CDEFG", steps_per_quarter=20)) == [4] * 5


def test_rests_begin_events_and_bar_rests_last_whole_bars() -> None:
    score = tune("C2 z2 x2 C2 | Z2 | C8")
    assert [(n.start, n.duration, n.pitch) for n in score.events(0)] == [
        (0, 4, 60),
        (4, 4, REST),
        (8, 4, REST),
        (12, 4, 60),
        (16, 16, REST),
        (32, 16, REST),
        (48, 16, 60),
    ]


def test_a_pickup_and_a_bar_split_by_a_repeat_have_their_true_position() -> None:
    score = tune("G2 | C8 | C6 :: G2 | C4 C4 | C6 |]")
    at_onsets = score.position[[n.start for n in score.notes(0)]].tolist()
    assert at_onsets == [12, 0, 0, 12, 0, 8, 0]
    assert "repeat" in reported(score)


def test_position_stays_below_the_bar_where_bar_lines_are_missing() -> None:
    assert tune("C8 D8 E8 |]").position.tolist() == [*range(16)] * 3


def test_endings_stay_in_written_order_and_are_reported() -> None:
    score = tune("C8 |1 D8 :|2 E8 |] [1 F8 :| [2 G8 |]")
    assert pitches(score) == [60, 62, 64, 65, 67]
    assert "endings" in reported(score)


def test_fields_inside_the_tune_change_key_metre_unit_and_tempo() -> None:
    score = tune("F8 | [K:G] F8 | [M:3/4][L:1/4][Q:1/4=60] F3 |\nK:Dm\nB3 |")
    assert pitches(score) == [65, 66, 66, 70]
    assert [(m.step, m.numerator, m.denominator) for m in score.meters] == [(0, 4, 4), (32, 3, 4)]
    assert [(k.step, k.tonic, k.mode) for k in score.keys] == [(0, 0, 0), (16, 7, 0), (44, 2, 1)]
    assert score.tempos[-1] == (32, 60.0)
    assert (score.tonic[[0, 16, 44]].tolist(), score.mode[44]) == ([0, 7, 2], 1)


def test_chords_keep_the_highest_note_and_grace_notes_go_and_both_are_told() -> None:
    score = tune("[CEG]2 {fe}D2 [Fc]4-[Fc]")
    assert [(n.pitch, n.duration) for n in score.notes(0)] == [(67, 4), (62, 4), (72, 10)]
    assert "merged 3 chords" in reported(score)
    assert "dropped 1 grace notes" in reported(score)


def test_ornaments_words_and_chord_symbols_change_no_note() -> None:
    plain = tune("C2 D2 E2 F2 | G8")
    dressed = tune('"Am"~C2 !trill!D2 T.E2 (uF2)\\\n % a comment\n| "^slow"vG8 % the end\nw: la la la')
    assert pitches(dressed) == pitches(plain)
    assert durations(dressed) == durations(plain)
    assert "chord symbols" in reported(dressed)


def test_fermatas_end_phrases() -> None:
    score = tune("C4 HD4 | E4 !fermata!F4 |")
    assert np.flatnonzero(score.phrase_end).tolist() == [*range(8, 16), *range(24, 32)]


def test_voices_stand_side_by_side() -> None:
    score = tune("V:1\nc4 d4 |\nV:2\nC8 | \n[V:1] e8 |\n[V:2] G,4 |")
    assert [pitches(score, voice) for voice in range(2)] == [[72, 74, 76], [60, 55]]
    assert score.names == ("1", "2")


def test_overlays_are_left_out_and_told() -> None:
    score = tune("C8 & E8 | D8 |")
    assert pitches(score) == [60, 62]
    assert "overlay" in reported(score)


def test_header_gives_title_tempo_and_key() -> None:
    score = Score.from_abc("X:7\nT:First title\nT:Second\nM:6/8\nQ:3/8=120\nK:Ador\nABc\n")
    assert (score.title, score.tempo, score.meter, score.key) == ("First title", 180.0, (6, 8), "A dorian")


def test_spelling_is_the_written_one() -> None:
    score = tune("^C _D F", EIGHTHS + "K:C")
    assert score.spelling is not None
    assert score.spelling[0, [0, 2, 4]].tolist() == [7, -5, -1]


def test_notes_off_the_grid_are_moved_and_told_or_refused() -> None:
    score = tune("(3CDE F2")
    assert "quantised D4 lay from step 1.333 to 2.667, now from 1 to 3" in reported(score)
    with pytest.raises(ValueError, match=r"A tune.*does not fit 4 steps a quarter: steps_per_quarter=12"):
        tune("(3CDE F2", strict=True)
    assert tune("(3CDE F2", strict=True, steps_per_quarter=12).changes == ()


def test_notes_too_short_for_the_grid_vanish_and_are_told() -> None:
    assert "dropped C4" in reported(tune("C//4 D4", steps_per_quarter=1))


def test_files_with_many_tunes(tmp_path: object) -> None:
    text = "%abc-2.1\nM:3/4\n\nX:1\nT:One\nK:C\nC3\n\nX:2\nT:Two\nM:2/4\nK:D\nF2\n"
    assert [(s.title, s.meter) for s in abc.read_tunes(text)] == [("One", (3, 4)), ("Two", (2, 4))]
    assert abc.read(text, number=2).title == "Two"
    with pytest.raises(ValueError, match="2 tunes"):
        abc.read(text)
    with pytest.raises(ValueError, match="number=5"):
        abc.read(text, number=5)


def test_reads_files_and_bytes_in_utf8_and_latin1(tmp_path) -> None:  # type: ignore[no-untyped-def]
    text = "X:1\nT:Ó Néill\nK:C\nCDE\n"
    path = tmp_path / "tune.abc"
    path.write_bytes(text.encode("latin-1"))
    assert Score.from_abc(path) == Score.from_abc(str(path))
    assert Score.from_abc(path).title == Score.from_abc(text.encode()).title == "Ó Néill"
    assert Score.from_abc(path).source == "tune.abc"


@pytest.mark.parametrize(
    ("music", "message"),
    [
        ("", "no notes"),
        ("z4", "no notes"),
        ("C,,,,,,,,", "outside the MIDI range"),
        ("C99999999", "too large"),
        ("C999999 " * 20, "quarters"),
        ("C/0", "divisor"),
    ],
)
def test_music_that_no_score_can_hold_is_refused_by_name(music: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as error:
        tune(music)
    assert "A tune" in str(error.value)


@pytest.mark.parametrize("text", ["", "\n", "hello", "T:only\nM:4/4\n", b"", b"\x00\xff\xfe"])
def test_what_is_no_abc_is_refused(text: str | bytes) -> None:
    with pytest.raises(ValueError, match=r"0 tunes|no notes"):
        Score.from_abc(text)


SYMBOLS = st.sampled_from(
    [
        *"CDEFGABcdefgabzxZ,'/|:[](){}<>-^_=&.~\"!%\\ \n0123456789yHTuvIV",
        "(3",
        "[K:",
        "[M:",
        "[V:2]",
        "|:",
        "\nK:",
        "\nM:",
        "\nL:",
        "\nQ:",
    ]
)


@given(st.one_of(st.text(max_size=200), st.lists(SYMBOLS, max_size=120).map(lambda s: "X:1\nK:C\n" + "".join(s))))
@example("X:1\nK:C\n(3C[M:7/32]D|z//Z")
def test_any_text_gives_a_score_or_a_value_error(text: str) -> None:
    try:
        score = Score.from_abc(text)
    except ValueError:
        return
    assert score.notes(0)
    assert (score.position < 32767).all()


@given(st.binary(max_size=200))
def test_any_bytes_give_a_score_or_a_value_error(data: bytes) -> None:
    try:
        Score.from_abc(b"X:1\nK:G\n" + data)
    except ValueError:
        return


@given(st.lists(st.tuples(st.sampled_from("CDEFGAB"), st.integers(1, 16)), min_size=1, max_size=40))
def test_what_is_written_is_read(notes: list[tuple[str, int]]) -> None:
    score = tune(" ".join(f"{letter}{length}" for letter, length in notes), "M:4/4\nL:1/16\nK:C")
    scale = {"C": 60, "D": 62, "E": 64, "F": 65, "G": 67, "A": 69, "B": 71}
    assert [(n.pitch, n.duration) for n in score.notes(0)] == [(scale[letter], length) for letter, length in notes]
    assert abc.parse(abc.split("X:1\nK:C\nC2")[0]).ticks == TICKS


def test_notes_left_out_are_counted() -> None:
    score = tune("[CEG]2 {ga}D2 [DF] E | C2 & E F G | z0")
    assert sum(change.notes for change in score.changes) == 2 + 2 + 1 + 3
