"""musicgym/ChordSymbols-v0 and the choice of a chord symbol."""

from __future__ import annotations

import dataclasses

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import musicgym
from musicgym import SymbolChoice, Task, corpus, rewards
from musicgym.chords import QUALITIES, VOICINGS, chord_name, chord_of, parse_chord
from musicgym.score import BLANK, NO_CHORD, Note, Score
from musicgym.tasks.chord_symbols import chord_symbols

ID = "musicgym/ChordSymbols-v0"


def code_as_action(name: str) -> list[int]:
    chord, inversion = divmod(parse_chord(name), 4)
    return [*divmod(chord, len(QUALITIES)), inversion]


def melody(*pitches: int, chords: list[str] | None = None) -> Score:
    """A melody in quarters, in bars of four, and a chord for each note."""
    score = Score.from_notes([[Note(4 * i, 4, pitch, 80) for i, pitch in enumerate(pitches)]])
    if chords is None:
        return score
    return dataclasses.replace(score, chord=np.repeat([parse_chord(name) for name in chords], 4))


def play(env: gym.Env, given: Score, names: list[str]) -> Score:
    env.reset(seed=0, options={"given": given})
    for name in names:
        _, _, done, _, info = env.step(code_as_action(name))
    assert done
    assert info["illegal"] == 0
    score: Score = env.unwrapped.score
    return score


def test_chosen_symbols_are_the_scores_chords_and_sound_in_four_voices() -> None:
    env = gym.make(ID, length=16)
    names = ["C", "Dm7/F", "G7", "C/E"]
    score = play(env, melody(72, 69, 71, 72), names)
    assert score.chord is not None
    assert [chord_name(int(code)) for code in score.chord[::4]] == names
    assert [chord_of(score.pitch[1:, step]) for step in range(0, 16, 4)] == [parse_chord(name) for name in names]
    assert (score.pitch[0, ::4] == [72, 69, 71, 72]).all()


@given(st.integers(0, 11), st.integers(0, 8), st.integers(0, 3))
def test_the_notes_of_a_choice_name_its_chord(root: int, quality: int, inversion: int) -> None:
    pitches = VOICINGS[(root * len(QUALITIES) + quality) * 4 + inversion]
    found = chord_of(pitches)
    assert found != NO_CHORD
    assert list(pitches[:3]) == sorted(pitches[:3], reverse=True)
    if quality not in (3, 8):
        assert found == (root * 9 + quality) * 4 + (0 if inversion == 3 and quality < 4 else inversion)


def test_a_half_bar_has_one_chord() -> None:
    env = gym.make(ID, length=16, every="half bar")
    score = play(env, melody(72, 72, 71, 72), ["C", "G7"])
    assert score.chord is not None
    assert [chord_name(int(code)) for code in score.chord[::4]] == ["C", "C", "G7", "G7"]
    assert np.flatnonzero(score.onset[4]).tolist() == [0, 8]


def test_chords_that_are_given_stay() -> None:
    env = gym.make(ID, length=16)
    env.reset(seed=0, options={"given": melody(72, 69, 71, 72, chords=["", "F", "", "Am/C"])})
    for name in ("C", "G"):
        _, _, done, _, _ = env.step(code_as_action(name))
    assert done
    assert [chord_name(int(code)) for code in env.unwrapped.score.chord[::4]] == ["C", "F", "G", "Am/C"]


def test_a_melody_is_composed_over_own_chords() -> None:
    env = gym.make(ID, compose="melody", length=16)
    sheet = dataclasses.replace(Score.blank(1, 16), chord=melody(1, 1, 1, 1, chords=["C", "F", "G7", "C"]).chord)
    env.reset(seed=0, options={"given": sheet})
    low = chord_symbols("melody").choice.low
    for step in range(16):
        _, _, done, _, info = env.step(72 - low + 2 if step == 0 else 1)
    assert done
    assert info["illegal"] == 0
    score = env.unwrapped.score
    assert [note.pitch for note in score.notes(0)] == [72]
    assert [chord_name(int(code)) for code in score.chord[::4]] == ["C", "F", "G7", "C"]
    assert info["reward_terms"].keys() == dict.fromkeys(rewards.parse("chord_symbols").terms).keys()


def test_the_source_is_sopranos_over_labels() -> None:
    music = chord_symbols().material()
    assert music.pitch.shape[1:] == (5, 64)
    source = corpus.load("bach").split("train").excerpts(64, meter=(4, 4))
    fits = ((source.pitch[:, 0] < 0) | ((source.pitch[:, 0] >= 57) & (source.pitch[:, 0] <= 81))).all(axis=1)
    assert np.array_equal(music.pitch[:, 0], source.pitch[fits, 0])
    assert np.array_equal(VOICINGS[source.chord[fits][:, ::4]], np.moveaxis(music.pitch[:, 1:, ::4], 1, 2))


def test_what_is_composed_is_not_seen_before() -> None:
    env = gym.make(ID)
    env.reset(seed=3)
    assert (env.unwrapped.score.pitch[1:] == BLANK).all()
    assert env.unwrapped.score.chord is None


def worth(rule: str, score: Score) -> float:
    """What a rule says of a melody with its chords written out."""
    from musicgym.given import with_symbols

    return float(rewards.parse(rule).score([with_symbols(score)])[rule][0])


@pytest.mark.parametrize(
    ("rule", "good", "bad"),
    [
        ("melody_in_chord", melody(72, 69, chords=["C", "F"]), melody(72, 71, chords=["C", "F"])),
        ("nonchord_left_by_step", melody(74, 72, chords=["C", "C"]), melody(74, 67, chords=["C", "C"])),
        ("melody_silent", melody(72, 72, chords=["C", "F"]), dataclasses.replace(melody(72), chord=np.full(4, parse_chord("C")))),
        ("chord_in_key", melody(72, chords=["C"]), melody(73, chords=["F#"])),
        ("chord_succession", melody(74, 72, chords=["G", "C"]), melody(74, 73, chords=["G", "F#"])),
        ("chord_over_bar_line", melody(*[72] * 5, chords=["C"] * 3 + ["G", "C"]), melody(*[72] * 5, chords=["C"] * 5)),
        ("static_harmony", melody(*[72] * 3, chords=["C", "C", "F"]), melody(*[72] * 3, chords=["C"] * 3)),
        ("six_four_left", melody(72, 71, chords=["C/G", "G"]), melody(72, 72, chords=["C/G", "E"])),
        ("dominant_resolves", melody(71, 72, chords=["G7", "C"]), melody(71, 69, chords=["G7", "F#m"])),
    ],
)
def test_a_rule_tells_good_from_bad(rule: str, good: Score, bad: Score) -> None:
    if rule == "melody_silent":
        silent = np.full(bad.pitch.shape, -1)
        bad = dataclasses.replace(bad, pitch=silent, velocity=np.zeros(silent.shape))
    assert worth(rule, good) > worth(rule, bad)


def test_a_cadence_on_the_tonic_in_root_position_is_best() -> None:
    ends = [dataclasses.replace(melody(72, chords=[name]), phrase_end=np.ones(4, bool)) for name in ("C", "C/E", "Bb")]
    values = [worth("cadence_chord", score) for score in ends]
    assert values[0] == 0
    assert values[1] == -0.5
    assert values[2] < 0


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"compose": "bass"}, "compose='bass'"),
        ({"every": "bar"}, "every='bar'"),
        ({"bars": 0}, "bars=0"),
        ({"given": ()}, "a SymbolChoice writes the last 4 voices"),
        ({"voices": 4, "given": (), "programs": ()}, "has 5 voices"),
        ({"source": "aird:symbols"}, "has no music"),
        ({"range": (90, 95)}, "has no music"),
    ],
)
def test_what_makes_no_task_is_refused(fields: dict[str, object], expected: str) -> None:
    with pytest.raises(ValueError, match=r"expected|has no music|has 5 voices") as refused:
        chord_symbols(**fields).material()  # type: ignore[arg-type]  # that is what is tested
    assert expected in str(refused.value)


@pytest.mark.parametrize("fields", [{"duration": 0}, {"duration": True}, {"melody": (60,)}, {"melody": (80, 60)}])
def test_a_choice_of_symbols_says_what_it_expects(fields: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="SymbolChoice"):
        SymbolChoice(**fields)  # type: ignore[arg-type]  # that is what is tested
    with pytest.raises(ValueError, match="voices=4 or more"):
        Task(SymbolChoice(), voices=3)


@given(st.integers(1, 8), st.integers(0, 100))
@settings(max_examples=20, deadline=None)
def test_a_task_of_symbols_is_the_same_after_json(duration: int, low: int) -> None:
    task = Task(SymbolChoice(duration, (low, low + 20)), voices=5, given=(0,), length=16)
    assert Task.from_json(task.to_json()) == task


def test_it_is_registered() -> None:
    assert ID in musicgym.task_ids()
