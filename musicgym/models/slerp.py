"""Ways between two points of a latent space."""

from __future__ import annotations

import numpy as np

_ALIKE = 1e-6  # sine of the angle below which two directions are one


def slerp(first: np.ndarray, last: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Points on the way from one vector to another along the arc between them (Shoemake 1985; White 2016, "Sampling generative
    networks"), float32 (S, latent): what is drawn from the prior lies near a sphere, and the straight way leaves it.

    Their lengths change evenly too. Where the vectors point the same way, or just opposite ways, the way is straight.

    Args:
        first, last: float (latent,).
        shares: float (S,), of the way.

    Example:
        >>> slerp(np.array([1.0, 0.0]), np.array([0.0, 2.0]), np.array([0.0, 0.5, 1.0])).astype(float).round(3).tolist()
        [[1.0, 0.0], [1.061, 1.061], [0.0, 2.0]]
    """
    first, last = np.asarray(first, np.float64), np.asarray(last, np.float64)
    share = np.asarray(shares, np.float64)[:, None]
    lengths = np.linalg.norm(first), np.linalg.norm(last)
    if min(lengths) > 0:
        one, other = first / lengths[0], last / lengths[1]
        angle = np.arccos(np.clip(one @ other, -1, 1))
        if np.sin(angle) > _ALIKE:
            way = (np.sin((1 - share) * angle) * one + np.sin(share * angle) * other) / np.sin(angle)
            return np.asarray(way * ((1 - share) * lengths[0] + share * lengths[1]), np.float32)
    return np.asarray((1 - share) * first + share * last, np.float32)
