"""What a window of music may have come from, and what that says of how likely it is."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch


class Posterior(NamedTuple):
    """What M windows may have come from: a normal distribution each, its coordinates independent."""

    mean: torch.Tensor  # float32 (M, latent)
    log_variance: torch.Tensor  # float32 (M, latent)

    @property
    def kl(self) -> torch.Tensor:
        """Kullback-Leibler divergence from the prior, the standard normal distribution, in nats: float32 (M, latent)."""
        return 0.5 * (self.mean**2 + self.log_variance.exp() - 1 - self.log_variance)

    def at(self, noise: torch.Tensor) -> torch.Tensor:
        """Draws of it, from draws of the standard normal distribution, both float32 (..., latent)."""
        return self.mean + noise * (0.5 * self.log_variance).exp()


class Bound(NamedTuple):
    """What bounds the log likelihood of M windows from below, in nats; see `musicgym.models.latent_space.LatentSpace.bound`."""

    reconstruction: np.ndarray  # float64 (M,): surprise, -log p, at their tokens given their latents
    kl: np.ndarray  # float64 (M,): divergence of the posterior from the prior

    @property
    def nats(self) -> np.ndarray:
        """The bound on log p, float64 (M,)."""
        return np.asarray(-(self.reconstruction + self.kl))
