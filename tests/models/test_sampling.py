"""Pieces that models make up: masked, kept to what stands there, and the same for the same seed whatever is drawn beside them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from musicgym import ChordChoice, NoteChoice, Score, StepChoice, Task
from musicgym.engine import Engine
from musicgym.models import LSTM, Transformer
from musicgym.models.sampling import ROWS, drawn_tokens
from musicgym.models.sequence_model import SequenceModel
from musicgym.models.tokens import alphabet_of
from musicgym.pieces import Excerpts
from musicgym.registration import registered
from musicgym.score import BLANK
from musicgym.testing.music import random_music

STEPS = StepChoice(52, 67)
TASKS = {
    "melody": Task(STEPS, length=12),
    "two voices with ranges": Task(StepChoice(50, 70, ((60, 70), (50, 59))), voices=2, length=8),
    "chords": Task(ChordChoice(((60, 67), (55, 64), (52, 60))), voices=3, length=6),
    "notes": Task(NoteChoice((-1, 55, 60), (2, 3, 5), (30, 80)), voices=2, length=13),
    "rhythm": Task(STEPS, length=8, meter=(2, 4), rhythm=("n h n h h h h h", "n h n h h h h h", "n h h h h h h h")),
}
GIVEN = {
    "second voice given": Task(STEPS, voices=3, length=7, given=(1,)),
    "holes": Task(STEPS, voices=2, length=9, blank=0.4),
    "chords among given voices": Task(ChordChoice(((52, 67),) * 3), voices=3, length=7, given=(1,), blank=0.7),
    "notes around given ones": Task(NoteChoice((-1, *range(52, 68)), tuple(range(1, 10))), voices=2, length=9, given=(0,)),
    "notes in holes": Task(NoteChoice((-1, *range(52, 68)), tuple(range(1, 10))), voices=2, length=9, blank=0.4),
}


def model_of(task: Task, kind: str = "lstm") -> SequenceModel:
    torch.manual_seed(1)
    if kind == "lstm":
        return LSTM(task, units=16, embedding=8)
    return Transformer(task, layers=1, width=16, heads=2, context=20)


def as_bytes(music: Excerpts) -> bytes:
    return b"".join(array.tobytes() for array in music)


@pytest.mark.parametrize("kind", ["lstm", "transformer"])
@pytest.mark.parametrize("name", TASKS)
def test_the_same_seed_gives_the_same_bytes_and_piece_i_has_seed_i_whatever_n_is(name: str, kind: str) -> None:
    model = model_of(TASKS[name], kind)
    many = model.sample_excerpts(ROWS + 3, seed=4)
    assert as_bytes(model.sample_excerpts(ROWS + 3, seed=4)) == as_bytes(many)
    assert as_bytes(model.sample_excerpts(2, seed=4)) == as_bytes(many.take(np.arange(2)))
    assert as_bytes(model.sample_excerpts(1, seed=4)) == as_bytes(many.take(np.arange(1)))
    if name != "rhythm":
        assert as_bytes(model.sample_excerpts(2, seed=40)) != as_bytes(many.take(np.arange(2)))
    alike = model.sample_excerpts(2, seed=4 + ROWS)  # in other rows: as the last bits of the sums may differ, most of it
    assert (alike.pitch == many.pitch[ROWS : ROWS + 2]).mean() > 0.9


@pytest.mark.parametrize("name", TASKS)
def test_what_is_made_up_was_offered_by_the_masks(name: str) -> None:
    task = TASKS[name]
    model, alphabet = model_of(task), alphabet_of(task)
    music = model.sample_excerpts(10, seed=1)
    found = model.sequences(music)
    engine = Engine(task, 10)
    engine.reset(np.arange(10), np.arange(10, dtype=np.uint64))
    at, factors = np.zeros(10, int), len(engine.plan.sizes)
    while not engine.pieces.done.all():
        actions = np.zeros((10, factors), np.int64)
        for row in np.flatnonzero(~engine.pieces.done):
            tokens = found.tokens[row, at[row] : at[row] + factors].astype(int)
            at[row] += factors
            if isinstance(task.choice, ChordChoice):
                tokens = [t if t < 2 else t - low + alphabet.low for t, (low, _) in zip(tokens, task.choice.ranges, strict=True)]
            elif alphabet.kind == "note":
                tokens = tokens - np.array(alphabet.offsets)
            actions[row] = tokens
        engine.write(actions)
    assert engine.pieces.illegal.sum() == 0
    np.testing.assert_array_equal(engine.pieces.pitch, music.pitch)
    np.testing.assert_array_equal(engine.pieces.onset, music.onset)


@pytest.mark.parametrize("name", GIVEN)
def test_what_stands_on_the_pages_stays_and_the_rest_is_written(name: str) -> None:
    task = GIVEN[name]
    pages = random_music(np.random.default_rng(3), task, 5)
    engine = Engine(task, 1, pages)
    made = model_of(task).sample_excerpts(7, seed=2, pages=pages)
    for row in range(7):
        engine.reset(np.array([0]), np.array([2 + row], np.uint64), pages.take(np.array([row % 5])))
        stands = engine.pieces.given[0] & (np.arange(pages.pitch.shape[2]) < engine.pieces.length[0])
        np.testing.assert_array_equal(made.pitch[row][stands], pages.pitch[row % 5][stands])
        inside = np.arange(pages.pitch.shape[2]) < made.length[row]
        assert (made.pitch[row][:, inside] != BLANK).all()
        assert (~stands[:, inside]).any()


@pytest.mark.parametrize("name", [*TASKS, *GIVEN])
def test_the_model_is_asked_what_whole_sequences_are_made_of(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the model reads while it plays is what `sequences` makes of the finished piece."""
    task = (TASKS | GIVEN)[name]
    model = model_of(task)
    read: list[tuple[list[int], list[int]]] = [([], []) for _ in range(ROWS)]
    step = model.step

    def listening(tokens, state, place, active=None):  # type: ignore[no-untyped-def]
        for row in range(ROWS):
            if active is None or active[row]:
                read[row][0].append(int(tokens[row]))
                read[row][1].append(int(place[row]))
        return step(tokens, state, place, active)

    monkeypatch.setattr(model, "step", listening)
    pages = random_music(np.random.default_rng(3), task, 5) if name in GIVEN else None
    made = model.sample_excerpts(ROWS, seed=9, pages=pages)
    found = model.sequences(made)
    for row in range(ROWS):
        tokens, places = read[row]
        assert tokens[0] == model.alphabet.start
        assert places == found.place[row, : len(places)].tolist()
        assert tokens[1:] == found.tokens[row, : len(tokens) - 1].tolist()


def test_a_prefix_begins_every_piece() -> None:
    model = model_of(Task(STEPS, length=16, key=("C major", "D minor")))
    prefix = Score.from_notes([[(0, 3, 60, 80), (3, 2, 62, 80)]])
    made = model.sample(5, prefix=prefix, seed=1)
    assert len({score.pitch.tobytes() for score in made}) == 5
    for score in made:
        assert score.finished
        np.testing.assert_array_equal(score.pitch[:, :5], prefix.pitch)
        np.testing.assert_array_equal(score.onset[:, :5], prefix.onset)


def test_a_soprano_is_harmonised() -> None:
    task = registered("musicgym/Chorale-v0").make(bars=1)
    chorale = task.material().take(np.arange(2))
    made = model_of(task).sample(2, pages=chorale, seed=0)
    for row, score in enumerate(made):
        np.testing.assert_array_equal(score.pitch[0], chorale.pitch[row, 0])
        assert score.finished
        assert score.tempo == task.tempo
    sopranos = [Score.from_notes([[(0, 16, 72, 80)]])]
    assert (model_of(task).sample(1, pages=sopranos)[0].pitch[0] == 72).all()


def test_draws_invert_the_distribution_function() -> None:
    logits = np.log(np.array([[0.1, 0.2, 0.3, 0.4]]))
    uniform = (np.arange(1000) + 0.5) / 1000
    rows = np.repeat(logits, 1000, axis=0)
    allowed = np.ones_like(rows, bool)

    def counts(**how: float) -> list[int]:
        return np.bincount(drawn_tokens(rows, allowed, uniform, **how), minlength=4).tolist()

    assert counts() == [100, 200, 300, 400]
    assert counts(temperature=0) == [0, 0, 0, 1000]
    assert counts(top_p=0.4) == [0, 0, 0, 1000]
    assert counts(top_p=0.7)[:2] == [0, 0]
    assert counts(temperature=0.5) == pytest.approx([1000 * p * p / 0.3 for p in (0.1, 0.2, 0.3, 0.4)], abs=1)
    allowed[:, 3] = False
    assert counts() == pytest.approx([167, 333, 500, 0], abs=1)
    assert counts(temperature=0) == [0, 0, 1000, 0]


def test_pages_have_the_length_and_metre_of_their_scores() -> None:
    (made,) = model_of(TASKS["melody"]).sample(1, pages=[Score.blank(1, 24, meter=(6, 8))], seed=2)
    assert (made.steps, made.meter, made.finished) == (24, (6, 8), True)


def test_a_low_temperature_draws_what_zero_does() -> None:
    model = model_of(TASKS["melody"])
    assert model.sample(3, temperature=1e-6, seed=1)[2] == model.sample(1, temperature=0, seed=5)[0]


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"n": 0}, "expected a whole number of pieces"),
        ({"temperature": -1.0}, "temperature=-1"),
        ({"temperature": float("nan")}, "temperature=nan"),
        ({"top_p": 0.0}, "top_p=0"),
        ({"seed": -1}, "seed=-1"),
        ({"prefix": Score.from_notes([[(0, 12, 60, 80)]])}, "fewer than 12 steps"),
        ({"pages": [Score.blank(2, 8)]}, "given score has 2 voices"),
        ({"pages": Excerpts.blank(1, 2, 8)}, "material has 2 voices"),
        (
            {"pages": Excerpts.from_scores([Score.blank(1, 24, steps_per_quarter=12)])},
            "pages have 12 steps a quarter: expected 4",
        ),
        ({"prefix": Score.from_notes([[(0, 2, 20, 80)]])}, r"pitch 20 stands on page 0 \(voice 0, step 0\): expected"),
    ],
)
def test_wishes_that_cannot_be_met_are_named(wish: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        model_of(TASKS["melody"]).sample(**{"n": 1, **wish})  # type: ignore[arg-type]


def test_a_model_that_has_diverged_is_not_played() -> None:
    model = model_of(TASKS["melody"])
    assert isinstance(model, LSTM)
    with torch.no_grad():
        model.head.bias[3] = torch.nan
    with pytest.raises(ValueError, match="logits are not finite"):
        model.sample(1)
