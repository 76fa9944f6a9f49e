"""`musicgym reward`: what it says of files, and of what is no music."""

import json
import sys
import textwrap

import mido
import pytest

from musicgym import Note, Score
from musicgym.commands import main
from musicgym.rewards import parse

FIXED = "rl_tuner(form='fixed')"
TUNE = [Note(0, 4, 67, 80), Note(4, 4, 66, 80), Note(8, 4, 65, 80), Note(12, 8, 60, 80), Note(20, 12, 67, 80)]
BOOK = """X:7
T:One
M:3/4
L:1/4
K:Ador
E | A2 B | c _d e | A3 |]

X:8
T:Two
M:4/4
L:1/4
K:C
CDEF|G4|]
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def tune(folder):
    score = Score.from_notes([TUNE], key="G major")
    score.to_midi(folder / "tune.mid")
    return score


def run(capsys, *words, status=0):
    assert main(["reward", *map(str, words)]) == status
    return capsys.readouterr()


def judged(capsys, *words, status=0):
    return json.loads(run(capsys, *words, "--json", status=status).out)


def test_marks_add_up_to_the_totals_of_the_same_reward_on_the_score(tune, capsys):
    found = judged(capsys, FIXED, "tune.mid")
    (piece,) = found["pieces"]
    expected = {term: float(values[0]) for term, values in parse(FIXED).score([tune]).items()}
    assert piece["terms"] == pytest.approx(expected)
    assert piece["total"] == pytest.approx(sum(expected.values()))
    for term, total in expected.items():
        assert sum(mark["value"] for mark in piece["marks"] if mark["rule"] == term) == pytest.approx(total, abs=1e-4)
    assert all(mark["value"] for mark in piece["marks"])
    assert found["reward"] == {"name": "rl_tuner_fixed", "fingerprint": parse(FIXED).fingerprint}


def test_a_mark_names_bar_beat_and_the_note_spelled_in_key(tune, capsys):
    (mark,) = judged(capsys, FIXED, "tune.mid", "--rule", "key")["pieces"][0]["marks"]
    place = {
        "voice": 0,
        "step": 8,
        "bar": 1,
        "beat": 3.0,
        "note": "F4",
        "scope": "note",
        "last_bar": 1,
        "paid_at": 8,
        "others": [],
    }
    assert mark == {**place, "rule": "key", "value": -1.0}
    other = judged(capsys, FIXED, "tune.mid", "--rule", "key", "--key", "Ab major")["pieces"][0]["marks"]
    assert [m["note"] for m in other] == ["Gb4"]


def test_text_has_a_line_a_mark_and_the_totals(tune, capsys):
    out = run(capsys, FIXED, "tune.mid", "--rule", "key").out
    lines = [line.split() for line in out.splitlines()]
    assert lines[0] == ["tune.mid:", "G", "major,", "4/4,", "bars", "1", "to", "2"]
    assert ["1", "3", "F4", "key", "-1.00"] in lines
    assert ["total", "-1.00"] in lines


def test_a_line_names_what_its_rule_is_about_not_where_it_pays(folder, capsys):
    (folder / "late.abc").write_text("X:1\nM:4/4\nL:1/8\nK:C\nC D2 E2 F2 G|z8|G2 A2 B2 e2|G2 C2 D2 F2|]\n")
    rules = "syncopation + leading_tone + leap_recovered + empty_bar + pitch_variety + closing"
    found = [line.split() for line in run(capsys, rules, "late.abc").out.splitlines()]
    assert found[2 : found.index(["by", "term", "(1", "more", "at", "0)"])] == [
        ["1", "1.5", "D4", "syncopation", "-1.00"],
        ["1", "2.5", "E4", "syncopation", "-2.00"],
        ["1", "3.5", "F4", "syncopation", "-1.00"],
        ["2", "whole", "bar", "empty_bar", "-1.00"],
        ["3", "3", "B4", "leading_tone", "-1.00"],
        ["3", "4", "E5", "leap_recovered", "-1.00"],
        ["4", "1", "G4", "leap_recovered", "-1.00"],
        ["1-4", "whole", "piece", "closing", "-1.00"],
    ]


def test_a_pickup_is_bar_0_and_bars_keep_their_numbers_in_an_excerpt(folder, capsys):
    (folder / "book.abc").write_text(BOOK)
    piece = judged(capsys, FIXED, "book.abc#7", "--rule", "key")["pieces"][0]
    assert (piece["file"], piece["key"], piece["bars"]) == ("book.abc#7", "A dorian", [0, 3])
    assert [(m["bar"], m["beat"], m["note"]) for m in piece["marks"]] == [(2, 2.0, "Db5")]
    part = judged(capsys, FIXED, "book.abc#7", "--rule", "key", "--bars", "2:3")["pieces"][0]
    assert part["bars"] == [2, 3]
    assert [(m["bar"], m["beat"]) for m in part["marks"]] == [(2, 2.0)]


def test_every_tune_of_a_book_folders_and_wildcards_are_judged(tune, folder, capsys):
    (folder / "more").mkdir()
    (folder / "more" / "book.abc").write_text(BOOK)
    tune.to_musicxml(folder / "more" / "tune.musicxml")
    names = [piece["file"] for piece in judged(capsys, FIXED, "*.mid", "more")["pieces"]]
    assert names == ["tune.mid", "more/book.abc#7", "more/book.abc#8", "more/tune.musicxml"]
    assert "4 pieces: totals from" in run(capsys, FIXED, "*.mid", "more", "--worst", "0").out


def test_worst_shows_what_costs_most_first(tune, capsys):
    marks = judged(capsys, "rl_tuner", "tune.mid", "--worst", 3)["pieces"][0]["marks"]
    everything = judged(capsys, "rl_tuner", "tune.mid")["pieces"][0]["marks"]
    assert [m["value"] for m in marks] == sorted(m["value"] for m in everything)[:3]
    assert judged(capsys, "rl_tuner", "tune.mid", "--worst", 0)["pieces"][0]["marks"] == []


def test_a_midi_file_without_a_key_gets_the_one_its_notes_fit(folder, capsys):
    import mido

    Score.from_notes([TUNE[:2] + [Note(8, 4, 69, 80), Note(12, 8, 71, 80), Note(20, 12, 67, 80)]]).to_midi(folder / "tune.mid")
    file = mido.MidiFile(folder / "tune.mid")
    for track in file.tracks:
        track[:] = [message for message in track if message.type != "key_signature"]
    file.save(folder / "nokey.mid")
    piece = judged(capsys, FIXED, "nokey.mid")["pieces"][0]
    assert (piece["key"], piece["key_from"]) == ("G major", "the notes")
    assert judged(capsys, FIXED, "tune.mid")["pieces"][0]["key_from"] == "the file"
    asked = judged(capsys, FIXED, "nokey.mid", "--key", "E minor")["pieces"][0]
    assert (asked["key"], asked["key_from"]) == ("E minor", "asked for")


def test_a_value_that_is_no_number_is_null_in_json(tune, folder, capsys, monkeypatch):
    (folder / "planted_nan.py").write_text(
        "import math\nfrom musicgym.rewards import rule\n@rule\ndef planted_nan(piece, voice, step):\n"
        '    """Not a number (our own)."""\n    return math.nan\n'
    )
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert judged(capsys, "planted_nan:planted_nan", "tune.mid")["pieces"][0]["total"] is None


def test_parameters_weights_and_rewards_of_ones_own(tune, folder, capsys, monkeypatch):
    (folder / "planted_rewards.py").write_text(
        "from musicgym.rewards import rule\n@rule\ndef planted_degree(piece, voice, step, *, degree=0):\n"
        '    """+1 for a degree (our own)."""\n'
        "    if piece.pitch[voice, step] < 0 or not piece.onset[voice, step]:\n        return 0.0\n"
        "    return 1.0 if (piece.pitch[voice, step] - piece.tonic[step]) % 12 == degree else 0.0\n"
    )
    monkeypatch.setattr(sys, "path", list(sys.path))
    words = ("planted_rewards:planted_degree", "tune.mid", "--set", "planted_degree.degree=11", "--set", "planted_degree=3")
    marks = judged(capsys, *words)["pieces"][0]["marks"]
    assert [(m["note"], m["value"]) for m in marks] == [("F#4", 3.0)]


def test_notes_that_a_voice_has_no_place_for_are_counted(folder, capsys):
    chords = [[Note(4 * i, 4, pitch, 80) for i in range(8)] for pitch in (60, 64, 67)]
    Score.from_notes(chords).to_midi(folder / "chords.mid")
    one_track = mido.MidiFile(folder / "chords.mid")
    in_one = [m.copy(channel=0) if m.type in ("note_on", "note_off") else m for m in mido.merge_tracks(one_track.tracks)]
    one_track.tracks, one_track.type = [mido.MidiTrack(m for m in in_one if m.type != "program_change")], 0
    one_track.save(folder / "chords.mid")
    assert judged(capsys, FIXED, "chords.mid")["pieces"][0]["left_out"] == 16
    out = run(capsys, FIXED, "chords.mid").out
    assert "16 notes were left out" in out
    assert "--voices split keeps" in out
    whole = run(capsys, "fixed_leap", "chords.mid", "--voices", "split")
    assert "left out" not in whole.out
    (folder / "chords.abc").write_text("X:1\nK:C\n[CEG]4 {cd}[CEG]4|\n")
    assert "6 notes were left out" in (out := run(capsys, FIXED, "chords.abc").out)
    assert "--voices" not in out


def test_a_grid_of_twelve_holds_triplets(folder, capsys):
    Score.from_notes([[Note(4 * i, 4, 60 + i, 80) for i in range(6)]], steps_per_quarter=12).to_midi(folder / "triplets.mid")
    assert judged(capsys, FIXED, "triplets.mid")["pieces"][0]["moved_to_grid"] > 0
    assert judged(capsys, FIXED, "triplets.mid", "--grid", 12)["pieces"][0]["moved_to_grid"] == 0


def test_voices_are_taken_as_asked(folder, capsys):
    Score.from_notes([[Note(0, 8, 72, 80)], [Note(0, 8, 60, 80)]]).to_midi(folder / "two.mid")
    assert judged(capsys, FIXED, "two.mid")["pieces"][0]["voices"] == 2
    assert judged(capsys, FIXED, "two.mid", "--voices", "skyline")["pieces"][0]["voices"] == 1


def test_what_cannot_be_judged_is_named_and_the_rest_is_judged(tune, folder, capsys):
    (folder / "notes.txt").write_text("no music")
    (folder / "noise.mid").write_bytes(bytes(range(200)))
    (folder / "silent.abc").write_text("X:1\nT:Silence\nM:4/4\nK:C\nz4|]\n")
    (folder / "odd.abc").write_text("X:1\nT:Odd\nM:5/32\nL:1/32\nK:C\nCDEFG|]\n")
    files = ["notes.txt", "noise.mid", "silent.abc", "odd.abc", "gone.mid", "gone.abc"]
    found = judged(capsys, FIXED, *files, "tune.mid", status=1)
    assert [piece["file"] for piece in found["pieces"]] == ["tune.mid"]
    reasons = {failure["file"]: failure["reason"] for failure in found["failures"]}
    assert set(reasons) == set(files)
    for file, words in {
        "notes.txt": "is no music",
        "noise.mid": "no MIDI file",
        "silent.abc": "no notes",
        "odd.abc": "a grid of 8 a quarter holds it",
        "gone.mid": "'gone.mid': there is no such file",
        "gone.abc": "'gone.abc': there is no such file",
    }.items():
        assert words in reasons[file]


def test_a_metre_that_the_grid_cannot_hold_is_refused_in_midi_too(folder, capsys):
    Score.from_notes([[Note(0, 10, 60, 80)]], meter=(5, 32), steps_per_quarter=8).to_midi(folder / "odd.mid")
    assert "a grid of 8 a quarter holds it" in run(capsys, FIXED, "odd.mid", status=1).err
    assert judged(capsys, FIXED, "odd.mid", "--grid", 8)["pieces"][0]["meter"] == [5, 32]


def test_ten_thousand_bars_are_refused_with_the_bars_that_fit(folder, capsys):
    Score.from_notes([[Note(4 * i, 4, 60 + i % 7, 80) for i in range(40_000)]]).to_midi(folder / "long.mid")
    error = run(capsys, FIXED, "long.mid", status=1).err
    assert "10,000 bars" in error
    assert "--bars 1:2047" in error
    piece = judged(capsys, FIXED, "long.mid", "--bars", "7954:10000", "--worst", "1")["pieces"][0]
    assert piece["bars"] == [7954, 10_000]
    assert piece["marks"][0]["bar"] >= 7954


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["rl_tunr", "tune.mid"], 2, "did you mean rl_tuner"),
        (["zzzzzz", "tune.mid"], 2, "see musicgym list rewards"),
        (["theory(leap=3)", "tune.mid"], 2, "theory takes no parameters; of its rules: --set leap_recovered.leap=3"),
        ([FIXED, "tune.mid", "--set", "repeat.mots=3"], 2, "did you mean repeat.most"),
        ([FIXED, "tune.mid", "--rule", "kye"], 2, "did you mean key?"),
        (["theory", "tune.mid", "--rule", "zzzzzz"], 2, "see musicgym list rewards 'theory'"),
        ([FIXED, "tune.mid", "--key", "H major"], 2, "key 'H major'"),
        ([FIXED, "tune.mid", "--bars", "3"], 2, "expected FIRST:LAST"),
        ([FIXED, "tune.mid", "--bars", "8:9"], 1, "it has the bars 1:2"),
        ([FIXED, "*.abc"], 1, "no music matches '*.abc'"),
        ([FIXED, "empty"], 1, "no music in 'empty'"),
        ([FIXED, "gone.mid"], 1, "'gone.mid': there is no such file"),
        (["no_such_house:mine", "tune.mid"], 2, "no module 'no_such_house'"),
    ],
)
def test_bad_input_is_one_line(tune, folder, capsys, words, status, message):
    (folder / "empty").mkdir()
    error = run(capsys, *words, status=status).err
    assert message in error
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize("words", [["-1*theory", "tune.mid", "--worst", "0"], ["--worst", "0", "-1*theory", "tune.mid"]])
def test_an_expression_may_begin_with_a_minus(tune, capsys, words):
    plain, turned = (judged(capsys, *w)["pieces"][0] for w in (["theory", "tune.mid"], words))
    assert turned["total"] == pytest.approx(-plain["total"])
    assert turned["marks"] == []


def test_fields_of_abc_that_are_not_understood_are_told(folder, capsys):
    (folder / "broken.abc").write_text("X:1\nM:0/4\nL:1/0\nK:Hdur\nCDEF|\n")
    out = run(capsys, FIXED, "broken.abc").out
    assert all(f"not understood: {field}" in out for field in ("M:0/4", "L:1/0", "K:Hdur"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([FIXED, "tune.mid", "--grid", "5"], "expected one of 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 96"),
        (["os:system", "tune.mid"], "unknown reward or rule 'system'"),
        (["os:system", "tune.mid"], "the module 'os'"),
        ([FIXED, "tune.mid", "--set", "leap=7", "--set", "leap=9"], "leap was set already, by 'leap=7'"),
    ],
)
def test_what_is_typed_wrongly_is_told(tune, capsys, words, message):
    assert message in run(capsys, *words, status=2).err


def test_a_rule_that_does_not_compile_is_told_in_one_line(tune, folder, capsys, monkeypatch):
    text = """
        from musicgym.rewards import rule

        @rule
        def wants_what_is_not_there(piece, voice, step):
            return float(piece.nope[voice])
    """
    (folder / "uncompilable.py").write_text(textwrap.dedent(text))
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert main(["reward", "uncompilable:wants_what_is_not_there", "tune.mid"]) == 1
    told = capsys.readouterr().err.strip().splitlines()[-1]
    assert "a rule doesn't compile" in told
    assert "nope" in told
    assert "uncompilable.py:6" in told
