"""The policy that reads tokens: the network of one-hot observations without the zeros."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from sb3_contrib import MaskablePPO

from musicgym.agents.sb3 import make_vec_env
from musicgym.agents.settings import Settings
from musicgym.agents.tokens import TokenPolicy, Tokens
from musicgym.agents.training import make_agent

TASKS = [("musicgym/Melody-v0", {"length": 8}), ("musicgym/Chorale-v0", {"bars": 1, "steps_per_quarter": 1})]

LAYERS = {"features_extractor_kwargs": {"width": 16}, "net_arch": [8]}


@pytest.mark.parametrize(("task", "options"), TASKS)
def test_features_are_those_of_a_linear_layer_on_the_one_hot_observation(task, options):
    torch.manual_seed(1)
    read = gym.make(task, observation="tokens", **options)
    bits = gym.make(task, observation="onehot", **options)
    tokens = Tokens(gym.spaces.Box(0, read.observation_space.nvec - 1, dtype=np.int64), 32)
    torch.nn.init.normal_(tokens.bias)
    seen, (raw, _) = read.reset(seed=3)[0], bits.reset(seed=3)
    for _ in range(6):
        expected = torch.tanh(torch.from_numpy(raw).float() @ tokens.vectors.weight + tokens.bias)
        torch.testing.assert_close(tokens(torch.from_numpy(seen).float()[None])[0], expected)
        action = read.unwrapped.action_space.sample(read.unwrapped.action_masks().astype(np.int8))
        seen, raw = read.step(action)[0], bits.step(action)[0]


def test_it_learns_is_saved_and_loaded_as_any_policy(tmp_path):
    env = make_vec_env("musicgym/Melody-v0", 4, observation="tokens", length=8)
    model = MaskablePPO(TokenPolicy, env, n_steps=8, batch_size=16, n_epochs=1, seed=0, device="cpu").learn(64)
    model.save(tmp_path / "agent")
    loaded = MaskablePPO.load(tmp_path / "agent", env=env)
    seen = env.reset()
    masks = env.env_method("action_masks")
    assert (
        loaded.predict(seen, action_masks=masks, deterministic=True)[0]
        == model.predict(seen, action_masks=masks, deterministic=True)[0]
    ).all()


def test_it_takes_the_space_of_its_own_copy():
    env = make_vec_env("musicgym/Melody-v0", 2, observation="tokens", length=8)
    policy = MaskablePPO(TokenPolicy, env, n_steps=8, batch_size=16, device="cpu", policy_kwargs=LAYERS).policy
    again = TokenPolicy(**policy._get_constructor_parameters())
    again.load_state_dict(policy.state_dict())
    assert again.features_dim == 16


def test_runs_that_see_tokens_read_them_as_tokens():
    assert isinstance(make_agent(Settings(observation="tokens", n_envs=2, reward_scale=1.0)).policy, TokenPolicy)
    assert not isinstance(make_agent(Settings(n_envs=2, reward_scale=1.0)).policy, TokenPolicy)
