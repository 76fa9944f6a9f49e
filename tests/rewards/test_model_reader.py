"""How models read along: once a step for all rewards, through copies and saved states, and what is said where they can't."""

from __future__ import annotations

import copy
import pickle
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from musicgym import REST, NoteChoice, StepChoice, Task
from musicgym.engine import Engine
from musicgym.models.lstm import LSTM
from musicgym.models.ngram import NGramModel
from musicgym.models.sequence_model import SequenceModel
from musicgym.models.transformer import Transformer
from musicgym.pieces import Excerpts
from musicgym.rewards import AtEnd, Likelihood, Potential, Typicality
from musicgym.rewards.model_reader import readers
from musicgym.rewards.model_state import put_rows
from musicgym.testing.music import TASKS, random_music, random_score
from musicgym.testing.reward import check_reward
from musicgym.vector_env import ComposeVectorEnv

STEPS = StepChoice(50, 70)
PAGE = Task(STEPS, length=11)


class Counted(LSTM):
    """Counts how often it is asked, and in how many rows."""

    kind: ClassVar[str] = "counted"
    calls: ClassVar[list[int]] = []

    def step(self, tokens: Any, state: Any, place: Any, active: Any = None) -> Any:
        self.calls.append(len(tokens))
        return super().step(tokens, state, place, active)


def test_a_model_that_several_rewards_share_reads_once_a_step(lstm: Any) -> None:
    task = PAGE
    model = Counted(task, units=4, embedding=2)
    other = lstm(task, 5)
    reward = Likelihood(model) + 0.5 * Typicality(model, surprise=1).clip(-1, 1) - AtEnd(Likelihood(model, minus=other))
    reward = reward + Potential(Likelihood(other, minus=model) + Typicality(pickle.loads(pickle.dumps(model)), surprise=2), 0.9)
    env = ComposeVectorEnv(task, 4, reward=reward, observation="tokens")
    env.reset(seed=0)
    assert [found.model.name for found in readers(env.session.bound)] == ["counted", "lstm-5"]
    Counted.calls.clear()
    for _ in range(25):  # two pieces and more
        env.step(env.action_space.sample())
    assert Counted.calls == [4] * 25


class Cold(LSTM):
    """The same weights, read in another way."""

    def logits(self, tokens: Any, place: Any) -> Any:
        return super().logits(tokens, place) / 3

    def step(self, tokens: Any, state: Any, place: Any, active: Any = None) -> Any:
        logits, state = super().step(tokens, state, place, active)
        return logits / 3, state


def test_models_of_equal_weights_and_other_code_are_two(lstm: Any) -> None:
    model = lstm(PAGE)
    cold = Cold(PAGE, "cold", **model.config)
    cold.load_tensors(model.tensors())
    reward = Likelihood(model, minus=cold)
    env = ComposeVectorEnv(PAGE, 2, reward=reward, observation="tokens", autoreset_mode="next-step")
    env.reset(seed=0)
    paid = np.zeros(2)
    for _ in range(PAGE.length):
        _, got, *_ = env.step(env.action_space.sample())
        paid += got
    assert (np.abs(paid) > 1e-3).all()
    assert np.allclose(paid, reward.score(env.scores())["likelihood"], atol=1e-4)


def test_a_task_of_all_pitches_is_no_finished_music(lstm: Any) -> None:
    with pytest.raises(ValueError, match=r"knows the pitches 50\.\.70, the task's choices are 0\.\.127"):
        Likelihood(lstm(PAGE)).bind(Task(StepChoice(0, 127), length=11), 1)


def test_rows_are_put_back_where_parts_of_a_state_are_one_tensor() -> None:
    shared = torch.zeros(4)
    made = put_rows((shared, shared), torch.tensor([1, 3]), (torch.tensor([5.0, 6.0]), torch.tensor([7.0, 8.0])))
    assert [part.tolist() for part in made] == [[0, 5, 0, 6], [0, 7, 0, 8]]


def test_shared_reading_survives_copies_saved_states_and_other_rows(lstm: Any) -> None:
    task = PAGE
    model = lstm(task)
    reward = Likelihood(model) + Typicality(model, surprise=1) - AtEnd(Likelihood(model, minus=lstm(task, 2)))
    engine, bound = Engine(task, 3), reward.bind(task, 3)
    engine.reset(np.arange(3), np.arange(3, dtype=np.uint64))
    bound.reset(engine.pieces, np.ones(3, bool))
    for code in (5, 1, 9):
        engine.write(np.array([[code], [code + 1], [0]]))
        bound(engine.pieces)
    rows, state, copied = np.array([2, 0, 0, 1]), bound.state(), copy.deepcopy(bound)
    branch, anew = engine.take(rows), reward.bind(task, 3)
    anew.load_state(state)
    for made in (copied, anew):
        made.take(rows)
    engine.write(np.array([[4], [5], [6]]))
    branch.write(np.array([[6], [4], [4], [5]]))
    expected = bound(engine.pieces)[:, rows]
    assert np.allclose(copied(branch.pieces), expected, atol=1e-5)
    assert np.allclose(anew(branch.pieces), expected, atol=1e-5)
    assert len(list(readers(copied))) == len(list(readers(anew))) == 2


def test_states_are_made_of_arrays_so_that_checkpoints_hold_them(lstm: Any) -> None:
    def leaves(value: Any) -> list[Any]:
        inside = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else None
        return [value] if inside is None else [leaf for one in inside for leaf in leaves(one)]

    counted = NGramModel(PAGE)
    counted.fit(counted.sequences(random_music(np.random.default_rng(0), PAGE, 3)))
    for model in (lstm(PAGE), counted, Transformer(PAGE, layers=1, width=8, heads=2)):
        engine, bound = Engine(PAGE, 2), Likelihood(model).bind(PAGE, 2)
        engine.reset(np.arange(2), np.zeros(2, np.uint64))
        bound.reset(engine.pieces, np.ones(2, bool))
        engine.write(np.array([[4], [5]]))
        bound(engine.pieces)
        assert {type(leaf) for leaf in leaves(bound.state())} == {np.ndarray}


def test_logits_are_those_of_the_next_choice_and_asking_costs_no_second_reading() -> None:
    task = PAGE
    model = Counted(task, units=4, embedding=2)
    env = ComposeVectorEnv(
        task, 3, reward=2 * Likelihood(model).clip(-9, 9) + Typicality(model, surprise=1), observation="tokens"
    )
    env.reset(seed=0)
    (reader,) = readers(env.session.bound)
    Counted.calls.clear()
    for _ in range(8):
        said = torch.log_softmax(reader.logits, dim=1).numpy()
        actions = env.action_space.sample()
        _, _, _, _, info = env.step(actions)
        paid = info["reward_terms"]["clip(likelihood(counted), -9, 9)"]
        assert np.allclose(paid, 2 * said[np.arange(3), actions], atol=1e-4)
    assert len(Counted.calls) == 8


class Broken(LSTM):
    """Says what is no number, or nothing at all, at some token."""

    kind: ClassVar[str] = "broken"
    says: float = float("nan")

    def step(self, tokens: Any, state: Any, place: Any, active: Any = None) -> Any:
        logits, state = super().step(tokens, state, place, active)
        logits[:, 7] = self.says
        return logits, state


@pytest.mark.parametrize("says", [float("nan"), float("-inf")])
def test_a_model_that_says_no_number_is_named(says: float) -> None:
    model = Broken(PAGE, "my-lstm", units=4, embedding=2)
    model.says = says
    env = ComposeVectorEnv(PAGE, 3, reward=Likelihood(model), observation="tokens")
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"'my-lstm' gives token 7 of piece 0 \(voice 0, step 0\) the log probability"):
        env.step(np.full(3, 7))


def test_what_a_model_cannot_read_is_refused_with_the_reason(lstm: Any) -> None:
    steps, notes = lstm(Task(StepChoice(55, 60), length=8)), lstm(Task(NoteChoice((REST, 55, 60), (1, 2, 3)), length=8))
    refused = {
        "knows the pitches 55..60, the task's choices are 50..70": (steps, Task(STEPS, length=8)),
        "reads 1 voices, the task has 2": (steps, Task(StepChoice(55, 60), voices=2, length=8)),
        "reads 4 steps a quarter, the task has 12": (steps, Task(StepChoice(55, 60), length=8, steps_per_quarter=12)),
        "reads whole notes, the task's choice is StepChoice": (notes, Task(STEPS, length=8)),
        r"doesn't know the durations \[8\]": (notes, Task(NoteChoice((60,), (1, 8)), length=8)),
    }
    for reason, (model, task) in refused.items():
        with pytest.raises(ValueError, match=reason):
            Likelihood(model).bind(task, 2)
    tune = random_score(np.random.default_rng(0), 1, 8, low=61, high=70)
    with pytest.raises(ValueError, match=r"'lstm-0' doesn't know pitch \d+ \(piece 0, voice 0, step \d+\)"):
        Likelihood(steps).score([tune])
    with pytest.raises(ValueError, match="expected voices within"):
        Likelihood(steps, given=(1,))
    with pytest.raises(TypeError, match=r"expected a musicgym.models.SequenceModel"):
        Likelihood("melody-ngram")  # type: ignore[arg-type]


class Own(SequenceModel):
    """A model of a user's own: every token is as likely as the next, but holds, which are likelier the longer the piece."""

    kind: ClassVar[str] = "own"
    device = torch.device("cpu")
    config: ClassVar[dict[str, Any]] = {}

    class State:
        """How much each row has read; no tuple, so that nothing but `take` is known of it."""

        def __init__(self, read: torch.Tensor) -> None:
            self.read = read

        def take(self, rows: torch.Tensor) -> Own.State:
            return Own.State(self.read[rows])

    def __init__(self) -> None:
        self.of_task(Task(STEPS, voices=2, length=6), "own")

    def tensors(self) -> dict[str, torch.Tensor]:
        return {}

    def load_tensors(self, tensors: dict[str, torch.Tensor]) -> None: ...

    def start(self, n: int) -> Own.State:
        return Own.State(torch.zeros(n))

    def step(self, tokens: Any, state: Any, place: Any, active: Any = None) -> Any:
        read = torch.where(tokens == self.alphabet.start, torch.zeros(len(tokens)), state.read + 1)
        read = read if active is None else torch.where(active, read, state.read)
        logits = torch.zeros(len(tokens), self.alphabet.size)
        logits[:, 1] = read / 4
        return logits, Own.State(read)

    def logits(self, tokens: Any, place: Any) -> Any:
        logits = torch.zeros(*tokens.shape, self.alphabet.size)
        logits[:, :, 1] = torch.arange(tokens.shape[1]) / 4
        return logits


@pytest.mark.parametrize("page", ["voices one after the other", "edits"])
def test_a_model_of_a_users_own_will_do(page: str) -> None:
    check_reward(Likelihood(Own()) + Typicality(Own(), surprise=2), TASKS[page], pieces=2)
    music = random_music(np.random.default_rng(0), TASKS["edits"], 4)
    assert isinstance(music, Excerpts)
    assert np.allclose(Likelihood(Own()).score(music)["likelihood"], Own().log_prob(music), atol=1e-4)
