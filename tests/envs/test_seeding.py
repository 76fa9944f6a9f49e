"""Seeds: which piece gets which, and what a reset without one does."""

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicgym import ComposeEnv, ComposeVectorEnv, Task

KEYS = ("C major", "G major", "D major", "A minor", "E minor", "F lydian", "Bb major")
TASK = Task(voices=2, length=5, order="random", key=KEYS)


def order_and_key(session, row):
    """What chance decides of a piece."""
    pieces = session.engine.pieces
    return pieces.order[row].tolist(), int(pieces.tonic[row, 0]), int(pieces.mode[row, 0])


def of_batch(batch):
    return [order_and_key(batch.session, row) for row in range(batch.num_envs)]


def of_single(seed, episode=0):
    env = ComposeEnv(TASK)
    env.reset(seed=seed)
    for _ in range(episode):
        env.reset()
    return order_and_key(env.session, 0)


@given(st.integers(0, 2**63), st.integers(1, 9))
def test_piece_i_has_the_seed_plus_i_however_many_there_are(seed, num_envs):
    batch = ComposeVectorEnv(TASK, num_envs)
    batch.reset(seed=seed)
    assert of_batch(batch)[-1] == of_single(seed + num_envs - 1)


def test_a_list_gives_each_piece_its_own_seed():
    batch = ComposeVectorEnv(TASK, 3)
    batch.reset(seed=[5, 900, 5])
    assert of_batch(batch) == [of_single(5), of_single(900), of_single(5)]


def test_none_in_a_list_keeps_a_pieces_seed_and_goes_to_its_next_episode():
    batch = ComposeVectorEnv(TASK, 3)
    batch.reset(seed=20)
    batch.reset(seed=[None, 7, None])
    assert of_batch(batch) == [of_single(20, 1), of_single(7), of_single(22, 1)]


def test_no_seed_goes_to_the_next_episode_in_both_environments():
    env, batch = ComposeEnv(TASK), ComposeVectorEnv(TASK, 2)
    env.reset(seed=3)
    batch.reset(seed=3)
    for _ in range(3):
        env.reset()
        batch.reset()
        assert of_batch(batch)[0] == order_and_key(env.session, 0)
    assert of_batch(batch)[1] == of_single(4, 3)


def test_the_next_piece_is_drawn_anew():
    batch = ComposeVectorEnv(TASK, 1)
    batch.reset(seed=3)
    seen = set()
    for _ in range(20):
        batch.reset()
        seen.add(str(of_batch(batch)))
    assert len(seen) > 15


def test_without_any_seed_two_environments_differ():
    batches = [ComposeVectorEnv(TASK, 8) for _ in range(2)]
    for batch in batches:
        batch.reset()
    assert of_batch(batches[0]) != of_batch(batches[1])


def test_a_first_list_of_nones_is_no_seed():
    batch = ComposeVectorEnv(TASK, 8)
    batch.reset(seed=[None] * 8)
    assert len({str(piece) for piece in of_batch(batch)}) > 1


def test_the_seed_can_be_asked_for():
    env, batch = ComposeEnv(), ComposeVectorEnv(num_envs=2)
    env.reset(seed=77)
    batch.reset(seed=77)
    assert env.np_random_seed == batch.np_random_seed == 77


@pytest.mark.parametrize("mode", ["same-step", "next-step", "disabled"])
def test_a_reset_mask_begins_those_pieces_and_no_others(mode):
    batch = ComposeVectorEnv(TASK, 3, autoreset_mode=mode)
    batch.reset(seed=1)
    batch.action_space.seed(1)
    for _ in range(4):
        batch.step(batch.action_space.sample())
    before = batch.scores()
    seen, _ = batch.reset(seed=[None, 50, None], options={"reset_mask": np.array([False, True, False])})
    assert of_batch(batch)[1] == of_single(50)
    assert batch.scores()[0] == before[0]
    assert batch.scores()[2] == before[2]
    fresh = ComposeVectorEnv(TASK, 1)
    np.testing.assert_array_equal(seen[1], fresh.reset(seed=50)[0][0])


def test_options_are_not_changed_by_reset():
    batch = ComposeVectorEnv(num_envs=2)
    batch.reset(seed=1)
    options = {"reset_mask": np.array([True, False]), "key": "E minor"}
    batch.reset(options=options)
    assert set(options) == {"reset_mask", "key"}


def test_the_same_seeds_give_the_same_bytes_in_every_process_and_mode():
    def play(batch):
        batch.action_space.seed(2)
        said = [batch.reset(seed=4)[0].tobytes()]
        for _ in range(10):
            seen, rewards, *_ = batch.step(batch.action_space.sample())
            said += [seen.tobytes(), rewards.tobytes()]
        return said

    modes = [play(ComposeVectorEnv(TASK, 4, autoreset_mode=mode)) for mode in ("same-step", "next-step", "disabled")]
    assert modes[1][:-2] == modes[2][:-2] == modes[0][:-2]  # the last step ends the pieces
    assert modes[1] == modes[2]


@pytest.mark.parametrize(
    "seed", [-1, 1.5, "7", True, np.float64(3), [1], [1, 2, 3, 4], [1, -2, 3], [1, "2", 3], [1, 2.0, 3], {1, 2, 3}]
)
def test_a_bad_seed_is_named(seed):
    batch = ComposeVectorEnv(num_envs=3)
    with pytest.raises(ValueError, match="seed"):
        batch.reset(seed=seed)


@pytest.mark.parametrize("seed", [-1, 1.5, "7", [1]])
def test_a_bad_seed_of_a_single_environment_is_an_error(seed):
    with pytest.raises((ValueError, gym.error.Error), match=r"(?i)seed"):
        ComposeEnv().reset(seed=seed)
