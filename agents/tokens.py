"""A policy that reads tokens: each has a vector of its own for each place, and what is seen is the sum of these vectors.

That is what a first layer makes of one-hot observations, which are thousands of zeros and some dozens of ones, without the zeros:
many times less work, and a rollout buffer of the tokens alone. Policy and value share this layer, which SB3's `MlpPolicy` gives
each of them.
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import torch
from sb3_contrib.common.maskable.policies import MaskableActorCriticPolicy
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor


class Tokens(BaseFeaturesExtractor):
    """Tokens, float32 (N, tokens), to features, float32 (N, width): tanh of the sum of a vector for each token, and of a bias.

    Args:
        observation_space: `Box` of tokens from 0 to `high`.
        width: of the vectors.
    """

    first: torch.Tensor  # int64 (tokens,): where the vectors of each place begin

    def __init__(self, observation_space: gym.Space[Any], width: int = 64) -> None:
        assert isinstance(observation_space, gym.spaces.Box)
        super().__init__(observation_space, width)
        sizes = observation_space.high.astype(np.int64) + 1
        self.vectors = torch.nn.EmbeddingBag(int(sizes.sum()), width, mode="sum")
        torch.nn.init.normal_(self.vectors.weight, std=float(len(sizes)) ** -0.5)  # so that sums have a variance of 1
        self.bias = torch.nn.Parameter(torch.zeros(width))
        self.register_buffer("first", torch.from_numpy(np.cumsum(sizes) - sizes), persistent=False)

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        """Features, float32 (N, width)."""
        made: torch.Tensor = torch.tanh(self.vectors(observations.long() + self.first) + self.bias)
        return made


class TokenPolicy(MaskableActorCriticPolicy):
    """`MlpPolicy` for observations of tokens: `Tokens` first, shared by policy and value, then hidden layers of their own.

    Args:
        observation_space: `MultiDiscrete`, or the `Box` of the same tokens.
        features_extractor_kwargs: {"width": of the first layer}.
        net_arch: widths of the layers behind it.
    """

    def __init__(self, observation_space: gym.Space[Any], *args: Any, **kwargs: Any) -> None:
        if isinstance(observation_space, gym.spaces.MultiDiscrete):  # which SB3 would turn into bits
            high = (observation_space.nvec - 1).astype(np.int64)
            observation_space = gym.spaces.Box(np.zeros_like(high), high, dtype=np.int64)
        super().__init__(observation_space, *args, **{"features_extractor_class": Tokens, **kwargs})
