"""torchrl's own checker, on single environments and on batches in the autoreset modes that it takes."""

import gymnasium as gym
import pytest
from gymnasium.vector import VectorWrapper
from torchrl.envs import GymEnv, GymWrapper, check_env_specs

import musicgym
from musicgym.observation import OBSERVATIONS

every_id = pytest.mark.parametrize("id", [name for name in musicgym.task_ids() if name.startswith("musicgym/")])
LENGTH = 32
# So that a piece is as many choices long in tasks of whole notes or several voices as in those of single steps.
SINGLE_STEPS = {
    "musicgym/ExpressiveMelody-v0": {"durations": (1,)},
    "musicgym/Chorale-v0": {"given": (0, 1, 2)},
    "musicgym/Accompaniment-v0": {"given": (0, 1, 2)},
    "musicgym/Infill-v0": {"given": (0, 1, 2), "blank": 1.0},
    "musicgym/ChordSymbols-v0": {"choice": musicgym.SymbolChoice(1)},
    "musicgym/Counterpoint-v0": {"cantus": (62, 65) * (LENGTH // 2 - 1) + (64, 62)},
}
every_observation = pytest.mark.parametrize("observation", OBSERVATIONS)


class WithoutTerms(VectorWrapper):
    """Leaves the terms out of infos: in SAME_STEP mode torchrl reads infos, and takes no dict inside them, whoever's it is."""

    autoreset_mode = property(lambda self: self.env.autoreset_mode)

    def reset(self, **arguments):
        seen, infos = self.env.reset(**arguments)
        return seen, self._without(infos)

    def step(self, actions):
        *turn, infos = self.env.step(actions)
        return *turn, self._without(infos)

    def _without(self, infos):
        return {name: value for name, value in infos.items() if "reward_terms" not in name}


def batch(id, **arguments):
    """Three pieces of LENGTH choices."""
    return gym.make_vec(id, num_envs=3, length=LENGTH, **SINGLE_STEPS.get(id, {}), **arguments)


@every_id
@every_observation
@pytest.mark.filterwarnings("error::RuntimeWarning")  # sums of value counts once wrapped around
def test_a_single_environment_has_the_specs_it_says(id, observation):
    env = GymEnv(id, observation=observation)
    check_env_specs(env)
    assert env.rollout(200)["next", "terminated"].sum() == 1


@every_id
@every_observation
def test_a_batch_that_torchrl_resets_has_the_specs_it_says(id, observation):
    env = GymWrapper(batch(id, observation=observation, autoreset_mode="disabled"))
    check_env_specs(env)
    rollout = env.rollout(65, break_when_any_done=False)
    assert rollout.batch_size == (3, 65)
    assert rollout["next", "terminated"].sum() == 6


@every_id
@every_observation
def test_a_batch_that_resets_itself_has_the_specs_it_says(id, observation):
    env = GymWrapper(WithoutTerms(batch(id, observation=observation)))
    check_env_specs(env)
    rollout = env.rollout(65, break_when_any_done=False)
    assert rollout["next", "terminated"].sum() == 6
    ended = rollout["next", "terminated"].squeeze(-1)
    first = rollout["next", "observation"][..., 0]  # slots still blank, as a number or as one-hot bits
    if observation == "tokens":
        assert ((first == 0) == ended).all()
    if observation == "onehot":
        assert (first == ended).all()


@every_id
def test_torchrl_refuses_the_next_step_mode(id):
    with pytest.raises(RuntimeError, match="SAME_STEP or DISABLED"):
        GymWrapper(gym.make_vec(id, num_envs=3, autoreset_mode="next-step"))
