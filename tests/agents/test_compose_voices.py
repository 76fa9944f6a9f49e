"""`musicgym compose --given melody.mid` by an agent that writes voices to a given one: melodies of any length."""

import dataclasses
import json

import numpy as np
import pytest

from musicgym import Score
from musicgym.agents.options import make_task
from musicgym.agents.parts import parts_of
from musicgym.agents.runs import Run
from musicgym.agents.settings import Settings, reward_of
from musicgym.agents.training import train
from musicgym.chords import chord_name, parse_chord
from musicgym.commands import main
from musicgym.tasks.chord_symbols import chord_symbols
from musicgym.tasks.counterpoint import counterpoint

MELODY = [(0, 4, 69, 80), (4, 4, 71, 80), (8, 8, 73, 80), (16, 4, 76, 80), (20, 4, 74, 80), (24, 8, 73, 80), (32, 16, 69, 80)]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    out = tmp_path_factory.mktemp("voices") / "runs"
    reward = "parallel_fifths + parallel_octaves"
    for name, task, options in (
        ("choir", "musicgym/Chorale-v0", {}),
        ("online", "musicgym/Accompaniment-v0", {}),
        ("chords", "musicgym/ChordSymbols-v0", {}),
        ("tune", "musicgym/ChordSymbols-v0", {"compose": "melody"}),
    ):
        settings = Settings(task=task, reward=reward, steps=128, n_envs=4, observation="tokens", options={"bars": 1, **options})
        (out / name).mkdir(parents=True)
        Run(out / name).begin(settings, reward, reward_of(settings).fingerprint, [0])
        train(settings, folder=Run(out / name).folder)
    return out


def composed(capsys, runs, *words):
    assert main(["compose", *map(str, words), "--runs", str(runs), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    return found, [Score.from_midi(piece["mid"]) for piece in found["pieces"]]


def refused(capsys, runs, *words):
    assert main(["compose", *map(str, words), "--runs", str(runs)]) != 0
    return capsys.readouterr().err


@pytest.mark.parametrize("name", ["choir", "online"])
@pytest.mark.parametrize("ending", ["mid", "musicxml"])
def test_a_melody_longer_than_the_agents_own_pieces_is_harmonised(runs, tmp_path, capsys, name, ending):
    melody = Score.from_notes([MELODY], key="A major", tempo=88)
    file = tmp_path / f"melody.{ending}"
    getattr(melody, f"to_{'midi' if ending == 'mid' else ending}")(file)
    _, scores = composed(capsys, runs, name, "-n", 2, "--given", file, "--out", tmp_path / "out")
    for score in scores:
        assert (score.voices, score.key, score.tempo) == (4, "A major", 88.0)
        assert [note[:3] for note in score.notes(0)] == [note[:3] for note in MELODY]
        assert any(score.notes(voice) for voice in (1, 2, 3))


def test_a_melody_that_lies_too_low_is_moved_for_the_agent_and_back(runs, tmp_path, capsys):
    low = Score.from_notes([MELODY], key="A major").transpose(-14)
    low.to_midi(tmp_path / "low.mid")
    found, scores = composed(capsys, runs, "choir", "-n", 1, "--given", tmp_path / "low.mid", "--out", tmp_path / "out")
    assert [note.pitch for note in scores[0].notes(0)] == [note[2] - 14 for note in MELODY]
    assert "transposed by +2 semitones into the agent's range, and back afterwards" in json.dumps(found)


def test_an_agent_that_learned_in_one_key_is_given_the_melody_in_that_key(tmp_path):
    task = make_task("musicgym/Chorale-v0", {"transpose_to": "C", "steps_per_quarter": 2})
    tune = Score.from_notes([MELODY], key="A major")
    tune.to_midi(tmp_path / "tune.mid")
    found = parts_of(str(tmp_path / "tune.mid"), task)
    assert (found.learned, found.key, found.semitones) == ("C major", "A major", 3)
    tune.transpose(-19).to_midi(tmp_path / "low.mid")
    assert parts_of(str(tmp_path / "low.mid"), task).semitones == 10  # D major, lowest note 50: not down to C, but up to it


def test_where_no_octave_of_the_learned_key_fits_any_key_will_do_and_that_is_said(tmp_path):
    wide = [(4 * k, 4, pitch, 80) for k, pitch in enumerate((58, 70, 81, 58))]
    Score.from_notes([wide], key="A major").to_midi(tmp_path / "wide.mid")
    found = parts_of(str(tmp_path / "wide.mid"), make_task("musicgym/Chorale-v0", {"transpose_to": "C"}))
    assert found.semitones == 0
    assert "the agent learned in C, but no octave of the given part lies in its range there" in found.notes


def test_a_melody_beside_which_voices_would_leave_midi_is_refused_before_anything_is_composed(tmp_path):
    Score.from_notes([[(0, 16, 5, 80)]], key="C major").to_midi(tmp_path / "low.mid")
    with pytest.raises(ValueError, match=r"low\.mid' lies 52 semitones below what the agent writes to"):
        parts_of(str(tmp_path / "low.mid"), make_task("musicgym/Chorale-v0", {}))


@pytest.mark.parametrize(
    ("page", "words", "message"),
    [
        ({}, ("--given", ""), "--given '': expected the name of a file"),
        ({"meter": (3, 4)}, (), "in 3/4 at step 0: expected 4/4, the task's metre"),
        ({}, ("--keep", "1"), "--keep 1: this agent writes voices to the whole of"),
        ({}, ("--bars", "2"), "--bars 2: the length of this agent's pieces is that of the corpus"),
    ],
)
def test_what_does_not_fit_is_named(runs, tmp_path, capsys, page, words, message):
    Score.from_notes([MELODY], **page).to_midi(tmp_path / "melody.mid")
    assert message in refused(capsys, runs, "choir", "--given", tmp_path / "melody.mid", *words)


def test_a_melody_wider_than_the_range_is_refused(runs, tmp_path, capsys):
    Score.from_notes([[(0, 8, 40, 80), (8, 8, 90, 80)]]).to_midi(tmp_path / "wide.mid")
    assert "has pitches from 40 to 90: wherever they are moved" in refused(
        capsys, runs, "choir", "--given", tmp_path / "wide.mid"
    )


def lead_sheet(path, *names):
    """The melody above with these chords, half a bar each, "" for none; as MusicXML."""
    melody = Score.from_notes([MELODY], key="A major", tempo=88)
    codes = [parse_chord(name) for name in names]
    dataclasses.replace(melody, chord=np.repeat(codes, 8)).to_musicxml(path)
    return path


def symbols_of(found):
    """Chord symbols of each piece composed, half a bar each, and its melody's pitches."""
    scores = [Score.from_musicxml(piece["musicxml"]) for piece in found["pieces"]]
    return [[chord_name(int(code)) for code in score.chord[::8]] for score in scores], scores


def test_a_melody_is_composed_over_the_chords_of_a_lead_sheet(runs, tmp_path, capsys):
    sheet = lead_sheet(tmp_path / "sheet.musicxml", "A", "D", "E7", "F#m", "", "A")
    found, _ = composed(capsys, runs, "tune", "-n", 2, "--given", sheet, "--out", tmp_path / "out")
    symbols, scores = symbols_of(found)
    assert symbols == [["A", "D", "E7", "F#m", "F#m", "A"]] * 2
    assert all([note[:3] for note in score.notes(0)] != [note[:3] for note in MELODY] for score in scores)
    assert "its chord symbols were taken, its notes left out" in json.dumps(found)
    assert "8 steps without a chord" in json.dumps(found)


def test_chords_are_composed_where_a_lead_sheet_has_none(runs, tmp_path, capsys):
    sheet = lead_sheet(tmp_path / "sheet.musicxml", "A", "D", "", "", "E7", "A")
    found, _ = composed(capsys, runs, "chords", "-n", 2, "--given", sheet, "--out", tmp_path / "out")
    symbols, scores = symbols_of(found)
    for names, score in zip(symbols, scores, strict=True):
        assert names[:2] + names[4:] == ["A", "D", "E7", "A"]
        assert "" not in names
        assert [note[:3] for note in score.notes(0)] == [note[:3] for note in MELODY]


def test_chords_at_every_step_are_chosen_anew_and_that_is_said(tmp_path):
    sheet = lead_sheet(tmp_path / "sheet.musicxml", "A", "D", "A", "A", "E7", "A")
    assert "it has a chord at every step: all are chosen anew" in parts_of(str(sheet), chord_symbols()).notes


def test_a_cantus_firmus_is_in_the_key_of_its_last_note_and_that_is_said(tmp_path):
    cantus = Score.from_notes([[(16 * bar, 16, pitch, 80) for bar, pitch in enumerate((62, 65, 64, 62))]], key="F major")
    cantus.transpose(24).to_midi(tmp_path / "cantus.mid")
    found = parts_of(str(tmp_path / "cantus.mid"), counterpoint())
    assert (found.key, found.semitones) == ("D dorian", -17)  # as little as brings it into range, and back afterwards
    assert "a cantus firmus is in the key of its last note: D dorian" in found.notes


def test_a_melody_over_no_chords_is_refused(runs, tmp_path, capsys):
    Score.from_notes([MELODY]).to_midi(tmp_path / "melody.mid")
    assert "has no chord symbols: this agent writes a melody over some" in refused(
        capsys, runs, "tune", "--given", tmp_path / "melody.mid"
    )
