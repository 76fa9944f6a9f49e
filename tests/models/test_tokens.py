"""Tokens of sequence models: their meaning is the engine's, and nothing is lost on the way there and back."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicgym import ChordChoice, NoteChoice, Score, StepChoice, SymbolChoice, Task
from musicgym.corpus import load
from musicgym.engine import Engine
from musicgym.models.tables import tables
from musicgym.models.tokens import Alphabet, Sequences, alphabet_of, decode, encode, readable
from musicgym.pieces import Excerpts
from musicgym.testing.music import random_music

STEPS = StepChoice(52, 67)
NOTES = NoteChoice((-1, 55, 60, 64, 67), (2, 3, 5), (30, 80, 127))
TASKS = {
    "melody": Task(STEPS, length=12),
    "three voices": Task(STEPS, voices=3, length=7, meter=(3, 8)),
    "chords": Task(ChordChoice(((60, 67), (55, 64), (52, 60))), voices=3, length=6),
    "notes": Task(NOTES, length=17),
    "notes in three voices": Task(NOTES, voices=3, length=13, meter=(3, 4)),
    "notes of one velocity": Task(NoteChoice((60, 62), (1, 2, 4)), voices=2, length=9),
}


def played(task: Task, seed: int) -> tuple[Excerpts, list[list[int]]]:
    """Pieces made of random legal choices, and the tokens of these in the order in which they were made."""
    engine, alphabet, draws = Engine(task, 5), alphabet_of(task), np.random.default_rng(seed)
    engine.reset(np.arange(5), np.arange(5, dtype=np.uint64))
    pieces, edges = engine.pieces, np.cumsum(engine.plan.sizes)[:-1]
    chosen: list[list[int]] = [[] for _ in range(5)]
    while not pieces.done.all():
        masks = np.empty((5, engine.mask_size), np.int8)
        engine.masks(masks)
        actions = np.array([[draws.choice(np.flatnonzero(part)) for part in np.split(mask, edges)] for mask in masks])
        for row in np.flatnonzero(~pieces.done):
            codes = actions[row].tolist()
            if isinstance(task.choice, ChordChoice):
                lows = [low - alphabet.low for low, _ in task.choice.ranges]
                codes = [code if code < 2 else code + low for code, low in zip(codes, lows, strict=True)]
            elif isinstance(task.choice, NoteChoice):
                if task.choice.pitches[codes[0]] < 0:
                    codes[2] = 0  # a rest has no velocity
                codes = [code + offset for code, offset in zip(codes, alphabet.offsets, strict=False)]
            chosen[row] += codes
        engine.write(actions)
    return Excerpts(*(getattr(pieces, name) for name in Excerpts._fields)), chosen


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("seed", range(3))
def test_tokens_are_the_choices_that_the_engine_was_given(name: str, seed: int) -> None:
    task = TASKS[name]
    music, chosen = played(task, seed)
    found = encode(music, alphabet_of(task), task.voices)
    assert [row[:length].tolist() for row, length in zip(found.tokens, found.length)] == chosen
    back = decode(found, alphabet_of(task), task.voices, music)
    for array, again in zip(music, back, strict=True):
        np.testing.assert_array_equal(array, again)


@pytest.mark.parametrize("name", TASKS)
def test_places_say_position_voice_and_factor(name: str) -> None:
    task = TASKS[name]
    music, _ = played(task, 0)
    alphabet = alphabet_of(task)
    found = encode(music, alphabet, task.voices)
    assert 0 <= found.place.min() <= found.place.max() < alphabet.places(task.voices)
    factors = alphabet.factors
    events = [
        (int(music.position[0, step]), voice)
        for step in range(music.length[0])
        for voice in range(task.voices)
        if music.onset[0, voice, step] or alphabet.kind == "step"
    ]
    expected = [(position * task.voices + voice) * factors + f for position, voice in events for f in range(factors)]
    assert found.place[0, : found.length[0]].tolist() == expected


@given(st.lists(st.lists(st.integers(0, 17), min_size=6, max_size=6), min_size=1, max_size=4))
def test_every_sequence_of_steps_is_one_piece_and_back(rows: list[list[int]]) -> None:
    task = Task(STEPS, voices=2, length=3)
    alphabet = alphabet_of(task)
    page = task.material().take(np.zeros(len(rows), int))
    tokens = np.array(rows, np.int16)
    pieces = decode(Sequences(tokens, np.zeros_like(tokens), np.full(len(rows), 6, np.int32)), alphabet, 2, page)
    np.testing.assert_array_equal(encode(pieces, alphabet, 2).tokens, tokens)
    for row in range(len(rows)):
        Score(
            **{
                name: getattr(pieces, name)[row]
                for name in ("pitch", "onset", "velocity", "position", "tonic", "mode", "phrase_end")
            }
        )


@given(st.integers(0, 10_000), st.integers(1, 3), st.integers(1, 12))
def test_random_music_goes_there_and_back_with_its_velocities(seed: int, voices: int, length: int) -> None:
    choice = NoteChoice((-1, *range(50, 71)), tuple(range(1, 13)), tuple(range(1, 128)))
    task = Task(choice, voices=voices, length=length)
    music = random_music(np.random.default_rng(seed), task, 3)
    music.onset[:, :, 0] = True  # a silence before the piece is a rest where whole notes are read
    assert readable(music, alphabet_of(task)).all()
    back = decode(encode(music, alphabet_of(task), voices), alphabet_of(task), voices, music)
    for array, again in zip(music, back, strict=True):
        np.testing.assert_array_equal(array, again)


@pytest.mark.parametrize(("corpus", "voices"), [("aird", 1), ("bach", 4)])
def test_real_music_goes_there_and_back_as_steps(corpus: str, voices: int) -> None:
    music = load(corpus).excerpts(48, voices=voices, stride=3)
    alphabet = alphabet_of(Task(StepChoice(36, 96), voices=voices, length=48))
    assert readable(music, alphabet).all()
    back = decode(encode(music, alphabet, voices), alphabet, voices, music)
    np.testing.assert_array_equal(back.pitch, music.pitch)
    np.testing.assert_array_equal(back.onset, music.onset)
    np.testing.assert_array_equal(back.velocity, np.where(music.pitch >= 0, 80, 0))


@pytest.mark.parametrize(("corpus", "voices"), [("aird", 1), ("bach", 4)])
def test_real_music_goes_there_and_back_as_notes_with_velocities(corpus: str, voices: int) -> None:
    music = load(corpus).excerpts(48, voices=voices, stride=3)
    louder = np.random.default_rng(0).integers(1, 128, music.pitch.shape)
    began = np.maximum.accumulate(np.where(music.onset, np.arange(48), 0), axis=2)
    music = music._replace(velocity=np.where(music.pitch >= 0, np.take_along_axis(louder, began, 2), 0).astype(np.uint8))
    task = Task(NoteChoice((-1, *range(36, 97)), (1, 2, 3, 4, 6, 8, 12, 16), tuple(range(1, 128))), voices=voices, length=48)
    fits = readable(music, alphabet_of(task))
    assert fits.mean() > 0.9
    music = music.take(fits)
    back = decode(encode(music, alphabet_of(task), voices), alphabet_of(task), voices, music)
    for array, again in zip(music, back, strict=True):
        np.testing.assert_array_equal(array, again)


def test_a_note_that_the_end_cuts_is_the_shortest_that_covers_it() -> None:
    alphabet = alphabet_of(Task(NOTES))
    music = Excerpts.from_scores([Score.from_notes([[(0, 2, 60, 80), (2, 4, 55, 80)]])])
    found = encode(music, alphabet, 1)
    assert found.tokens[0, 4] - alphabet.offsets[1] == 2  # 4 steps: a note of 5, cut
    np.testing.assert_array_equal(decode(found, alphabet, 1, music).pitch, music.pitch)
    longer = Excerpts.from_scores([Score.from_notes([[(0, 4, 60, 80), (4, 2, 55, 80)]])])
    with pytest.raises(ValueError, match=r"none of the durations \(2, 3, 5\)"):
        encode(longer, alphabet, 1)


def test_velocities_become_the_nearest_and_a_softer_one_of_two() -> None:
    table = tables(alphabet_of(Task(NoteChoice((60,), (1,), (80, 40)))))
    offset = 2
    assert (table.velocity[[0, 1, 40, 60, 61, 127]] - offset).tolist() == [0, 1, 1, 1, 0, 0]


def test_tables_take_pitches_outside_by_octaves_towards_the_range() -> None:
    table = tables(alphabet_of(Task(StepChoice(60, 71))))
    assert table.pitch[np.array([-1, 60, 48, 83, 127]) + 1].tolist() == [0, 2, 2, 13, 9]
    notes = tables(alphabet_of(Task(NoteChoice((60, 64), (1,)))))
    assert notes.pitch[np.array([-1, 64, 52, 61]) + 1].tolist() == [0, 1, 1, 0]


def test_an_alphabet_survives_json_and_is_the_same_for_steps_and_chords() -> None:
    for task in TASKS.values():
        assert Alphabet.from_json(alphabet_of(task).to_json()) == alphabet_of(task)
    chords = ChordChoice(((60, 67), (52, 60)))
    assert alphabet_of(Task(chords, voices=2)) == alphabet_of(Task(StepChoice(52, 67), voices=2))
    with pytest.raises(ValueError, match="expected an object with"):
        Alphabet.from_json({"kind": "step"})


@pytest.mark.parametrize(
    "task",
    [
        Task(STEPS, voices=2, order="voice"),
        Task(STEPS, order="random"),
        Task(STEPS, sweeps=2),
        Task(SymbolChoice(4), voices=4),
    ],
)
def test_what_is_not_chosen_in_order_of_time_is_refused(task: Task) -> None:
    with pytest.raises(ValueError, match="sequence model"):
        alphabet_of(task)


def test_neither_the_package_of_models_nor_their_tokens_load_torch() -> None:
    code = "import sys, musicgym.models, musicgym.models.tokens, musicgym.models.witten_bell; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_one_voice_after_the_other_is_in_time_where_there_is_one() -> None:
    assert alphabet_of(Task(STEPS, order="voice")) == alphabet_of(Task(STEPS))


@pytest.mark.parametrize(
    ("score", "message"),
    [
        (Score.blank(1, 4), "has blanks"),
        (Score.from_notes([[(0, 4, 40, 80)]]), r"MIDI numbers 52\.\.67"),
        (Score.from_notes([[(0, 4, 60, 80)], [(0, 4, 60, 80)]]), "2 voices: expected 1"),
    ],
)
def test_music_that_the_alphabet_lacks_is_named(score: Score, message: str) -> None:
    fitting = Score.from_notes([[(0, 4, 60, 80)]] * score.voices)
    music = Excerpts.from_scores([fitting, score])
    with pytest.raises(ValueError, match=message):
        encode(music, alphabet_of(Task(STEPS)), 1)
    if score.voices == 1:
        assert readable(music, alphabet_of(Task(STEPS))).tolist() == [True, False]


def test_tokens_that_are_none_or_fill_no_page_are_refused() -> None:
    task = Task(NOTES, length=4)
    alphabet, page = alphabet_of(task), task.material()
    place = np.zeros((1, 3), np.int16)
    for tokens, message in [
        ([[1, 40, 8]], r"expected 0\.\.10"),
        ([[1, 1, 8]], "factors of each note in turn"),
        ([[1, 5, 8]], "don't fill the pages"),
    ]:
        with pytest.raises(ValueError, match=message):
            decode(Sequences(np.array(tokens, np.int16), place, np.array([3], np.int32)), alphabet, 1, page)
    with pytest.raises(ValueError, match="expected a token for each slot"):
        decode(Sequences(np.zeros((1, 3), np.int16), place, np.array([3], np.int32)), alphabet_of(Task(STEPS)), 1, page)
    with pytest.raises(ValueError, match="fit int16"):
        alphabet.places(1000)
