"""Training is repeatable, and goes on from a checkpoint as if it had never stopped."""

from dataclasses import replace

import numpy as np
import pytest

from musicgym.agents import checkpoint
from musicgym.agents.settings import Settings
from musicgym.agents.training import load_agent, make_agent, measured_scale, train
from musicgym.rewards import rule

TINY = Settings(steps=512, n_envs=8, n_steps=16, batch_size=64, net=(16,), reward_scale=0.05)


def weights(model):
    return {name: value.numpy() for name, value in model.policy.state_dict().items()}


def assert_same(one, two):
    for name, value in weights(one).items():
        np.testing.assert_array_equal(value, weights(two)[name], err_msg=name)


def test_the_same_seed_trains_the_same_agent_and_another_a_different_one():
    first, again = train(TINY), train(TINY)
    assert_same(first, again)
    other = train(Settings(**{**TINY.to_dict(), "seed": 1}))
    assert any((value != weights(other)[name]).any() for name, value in weights(first).items())


def test_steps_are_rounded_up_to_whole_rollouts():
    assert Settings(steps=129, n_envs=8, n_steps=16).total_steps == 256
    assert train(Settings(**{**TINY.to_dict(), "steps": 129})).num_timesteps == 256


def test_a_stop_at_any_checkpoint_changes_nothing(tmp_path):
    states, seen = [], []

    def watch(progress):
        seen.append(progress)
        path = tmp_path / "checkpoint.npz"
        if path.exists():
            states.append(checkpoint.read(path))

    whole = train(TINY, folder=tmp_path, watcher=watch, seconds_between_checkpoints=0)
    assert [progress.step for progress in seen] == [128, 256, 384, 512]
    assert [state["timesteps"] for state in states] == [128, 256, 384]
    for state in states:
        resumed = train(TINY, state=state)
        assert resumed.num_timesteps == 512
        assert_same(whole, resumed)
    assert_same(whole, load_agent(tmp_path, TINY))


def test_a_finished_checkpoint_has_nothing_left_to_learn(tmp_path):
    whole = train(TINY, folder=tmp_path)
    resumed = train(TINY, state=checkpoint.read(tmp_path / "checkpoint.npz"))
    assert resumed.num_timesteps == 512
    assert_same(whole, resumed)


def test_progress_tells_the_return_as_the_sum_of_its_terms():
    seen = []
    train(Settings(**{**TINY.to_dict(), "reward": "rl_tuner", "n_steps": 32}), watcher=seen.append)
    assert all(progress.mean_return == pytest.approx(sum(progress.terms.values()), abs=1e-3) for progress in seen)
    assert seen[0].losses.keys() >= {"train/value_loss", "train/entropy_loss"} or seen[1].losses
    assert set(seen[0].terms) == {"key", "tonic", "repeat", "autocorr", "motif", "rep_motif", "interval", "leap", "extrema"}


def test_rewards_are_scaled_by_what_random_play_varies():
    scale = measured_scale(Settings(reward="rl_tuner"))
    assert 0.01 < scale < 0.2
    assert measured_scale(Settings(reward="0*rl_tuner")) == 1.0
    assert measured_scale(Settings(reward="10*rl_tuner")) == pytest.approx(scale / 10)


@pytest.mark.parametrize("how", ["cut", "garbage", "missing"])
def test_a_damaged_checkpoint_is_refused_by_name(tmp_path, how):
    path = tmp_path / "checkpoint.npz"
    checkpoint.write(path, checkpoint.capture(make_agent_with_pieces()))
    data = path.read_bytes()
    path.write_bytes({"cut": data[: len(data) // 2], "garbage": b"\x80\x04N." * 50, "missing": b""}[how])
    if how == "missing":
        path.unlink()
    with pytest.raises(ValueError, match=r"checkpoint .*checkpoint\.npz' cannot be read"):
        checkpoint.read(path)


def make_agent_with_pieces():
    model = make_agent(TINY)
    model._last_obs, model._last_episode_starts = model.env.reset(), np.ones(8, bool)
    return model


def test_a_checkpoint_of_other_settings_is_refused(tmp_path):
    state = checkpoint.capture(make_agent_with_pieces())
    with pytest.raises(ValueError, match="weights don't fit"):
        train(Settings(**{**TINY.to_dict(), "net": (8,)}), state=state)
    with pytest.raises(ValueError, match="format 99"):
        train(TINY, state={**state, "format": 99})


ALTERED = {
    "a list": lambda state: [1, 2],
    "no policy": lambda state: {**state, "policy": 5},
    "policy of numbers": lambda state: {**state, "policy": dict.fromkeys(state["policy"], 1.0)},
    "another format": lambda state: {**state, "format": 99},
    "weights of nan": lambda state: {**state, "policy": {k: np.full_like(v, np.nan) for k, v in state["policy"].items()}},
    "a count below 0": lambda state: {**state, "timesteps": -1},
    "a float for a count": lambda state: {**state, "timesteps": 0.5},
}


@pytest.mark.parametrize("how", ALTERED)
def test_an_altered_checkpoint_is_refused_by_the_reader(tmp_path, how):
    path = tmp_path / "checkpoint.npz"
    checkpoint.write(path, ALTERED[how](checkpoint.capture(make_agent_with_pieces())))
    with pytest.raises(ValueError, match=r"checkpoint .*checkpoint\.npz' cannot be used: .*(expected|train anew)") as told:
        load_agent(tmp_path, TINY)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("plan", ["[" * 100_000 + "]" * 100_000, '{"dict": 5}', '{"array": 7}', "{"])
def test_a_plan_that_no_tree_has_is_refused(tmp_path, plan):
    path = tmp_path / "checkpoint.npz"
    np.savez(path, plan=np.array(plan))
    with pytest.raises(ValueError, match="cannot be read"):
        checkpoint.read(path)


@pytest.mark.parametrize("field", ["env", "random", "optimiser", "observations"])
def test_a_state_of_another_form_is_refused_in_a_line(field):
    state = checkpoint.capture(make_agent_with_pieces())
    with pytest.raises(ValueError, match="doesn't fit these settings") as told:
        train(TINY, state={**state, field: np.zeros((3, 3)) if field == "observations" else {"pieces": 5}})
    assert "\n" not in str(told.value)


@rule
def late_nan_for_tests(piece, voice, step, *, last=20.0):
    """nan at one step."""
    return np.nan if step == last else 0.0


def test_a_reward_that_pays_nan_is_named_with_the_choices_made_and_the_last_checkpoint_stays(tmp_path):
    settings = replace(TINY, reward="rl_tuner + late_nan_for_tests")
    with pytest.raises(ValueError, match=r"after 160 choices the reward paid late_nan_for_tests nan: expected finite"):
        train(settings, folder=tmp_path, seconds_between_checkpoints=0)
    assert checkpoint.read(tmp_path / "checkpoint.npz")["timesteps"] == 128
    with pytest.raises(ValueError, match="late_nan_for_tests nan"):  # random play finds it before anything is learned
        measured_scale(settings)


def test_weights_that_are_no_numbers_stop_training_and_are_not_kept(tmp_path):
    with pytest.raises(ValueError, match="after 128 choices the agent's weights are no finite numbers"):
        train(replace(TINY, learning_rate=1e30), folder=tmp_path)
    assert not (tmp_path / "checkpoint.npz").exists()


def test_a_tree_of_arrays_numbers_and_text_comes_back(tmp_path):
    tree = {
        "a": [1, 2.5, None, True, "text"],
        3: {"b": np.arange(6, dtype=np.uint64).reshape(2, 3), "empty": np.zeros((0, 4), bool)},
    }
    checkpoint.write(tmp_path / "t.npz", tree)
    found = checkpoint.read_tree(tmp_path / "t.npz")
    assert found["a"] == tree["a"]
    for name, array in tree[3].items():
        np.testing.assert_array_equal(found[3][name], array)
        assert found[3][name].dtype == array.dtype
    with pytest.raises(TypeError, match="cannot hold a set"):
        checkpoint.write(tmp_path / "t.npz", {1, 2})
    np.testing.assert_array_equal(checkpoint.read_tree(tmp_path / "t.npz")[3]["b"], tree[3]["b"])  # the old one is untouched


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("steps", 0, "1 or more"),
        ("seed", -1, "expected 0"),
        ("n_envs", 0, "1 or more"),
        ("reward_scale", 0.0, "above 0"),
        ("ent_coef", -1.0, "0 or more"),
        ("ent_coef_end", -1.0, "0 or more"),
        ("learning_rate", float("nan"), "0 or more"),
        ("options", 5, "names with values"),
        ("net", "x", "list of whole numbers"),
        ("task", 5, "text"),
        ("steps", True, "a whole number"),
        ("changes", "ab", "list of texts"),
    ],
)
def test_bad_settings_name_the_field(field, value, expected):
    with pytest.raises(ValueError, match=f"{field}=.*{expected}"):
        Settings(**{field: value})


def test_settings_come_back_from_json():
    assert Settings.from_dict(TINY.to_dict()) == TINY
    with pytest.raises(ValueError, match="'tempo'"):
        Settings.from_dict({"tempo": 120})
