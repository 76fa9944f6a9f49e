"""What a policy gradient needs of sequences: what came of tokens, and gradients of a network that leaves nothing to chance."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import numpy as np
import torch

from musicgym.models.neural import Network


def ahead(paid: np.ndarray, inside: np.ndarray, discount: float, group: int) -> np.ndarray:
    """What came after each token, less the mean over the sequences of its group at that place, float32 (M, T).

    Args:
        paid: float64 (M, T), what each token is paid.
        inside: bool (M, T): false after a sequence's end.
        discount: of what comes a token later.
        group: so many sequences, one after the other, are compared with each other.

    Example:
        >>> ahead(np.array([[5.0, 1.0], [0.0, -1.0]]), np.ones((2, 2), bool), 0.5, 2).tolist()
        [[0.5, 0.0], [-0.5, 0.0]]
    """
    paid = np.where(inside, paid, 0.0)
    returns = np.zeros_like(paid)
    for t in range(paid.shape[1] - 2, -1, -1):
        returns[:, t] = discount * (paid[:, t + 1] + returns[:, t + 1])
    firsts = np.arange(0, len(paid), group)
    total, count = (np.add.reduceat(array, firsts) for array in (np.where(inside, returns, 0.0), inside.astype(np.int64)))
    mean = np.repeat(total / np.maximum(count, 1), group, axis=0)[: len(paid)]
    return np.asarray(np.where(inside, returns - mean, 0.0), np.float32)


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
