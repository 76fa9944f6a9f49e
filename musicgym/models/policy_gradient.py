"""What a policy gradient needs of sequences: advantages of tokens, and gradients of a network that leaves nothing to chance."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator

import numpy as np
import torch

from musicgym.models.neural import Network


def advantages(evidence: np.ndarray, inside: np.ndarray, discount: float) -> np.ndarray:
    """How much more than others each token earned from its place on, float32 (M, T), of mean 0 at each place and spread 1 in all.

    Args:
        evidence: float64 (M, T), what each token is paid.
        inside: bool (M, T): false after a piece's end.
        discount: of what comes a token later.

    Example:
        >>> advantages(np.array([[0.0, 1.0], [0.0, -1.0]]), np.ones((2, 2), bool), 1.0).tolist()
        [[1.0, 1.0], [-1.0, -1.0]]
    """
    paid = np.where(inside, evidence, 0.0)
    returns = np.zeros_like(paid)
    ahead = np.zeros(len(paid))
    for t in range(paid.shape[1] - 1, -1, -1):
        ahead = paid[:, t] + discount * ahead
        returns[:, t] = ahead
    mean = np.where(inside, returns, 0.0).sum(axis=0) / np.maximum(inside.sum(axis=0), 1)
    better = np.where(inside, returns - mean, 0.0)
    spread = math.sqrt(float((better**2).sum()) / max(1, int(inside.sum())))
    return np.asarray(better / spread if spread > 0 else better, np.float32)


@contextlib.contextmanager
def without_dropout(model: Network) -> Iterator[None]:
    """Gradients flow, also on CUDA, where a recurrent network has to be in training for that, and dropout rests."""
    model.train()
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.eval()
    try:
        yield
    finally:
        model.eval()
