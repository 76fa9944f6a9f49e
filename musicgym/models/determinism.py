"""What makes torch compute the same again: its threads, its kernels, its random draws."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import numpy as np
import torch


@contextlib.contextmanager
def threads(count: int) -> Iterator[None]:
    """Inside, torch uses so many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextlib.contextmanager
def deterministic(device: torch.device) -> Iterator[None]:
    """Inside, CUDA uses kernels that sum in one order, where there are such; on the CPU all do."""
    before = torch.are_deterministic_algorithms_enabled()
    warned = torch.is_deterministic_algorithms_warn_only_enabled()
    if device.type == "cuda":
        torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=warned)


@contextlib.contextmanager
def drawing(device: torch.device, *numbers: int) -> Iterator[None]:
    """Inside, torch draws what belongs to these numbers; outside, its random state is as it was."""
    cuda = [device.index or 0] if device.type == "cuda" else []
    seed = int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> np.uint64(1))
    with torch.random.fork_rng(devices=cuda):
        torch.manual_seed(seed)
        yield
