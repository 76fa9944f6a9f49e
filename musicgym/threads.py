"""Sharing the rows of a batch out over threads. Results never depend on how many there are."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

_ROWS_A_THREAD = 4096  # below this a second thread costs more than it brings
_asked = os.environ.get("MUSICGYM_THREADS", "1")
if not _asked.isdigit() or int(_asked) < 1:
    raise ValueError(f"MUSICGYM_THREADS={_asked!r}: expected a whole number, 1 or more")
_threads = int(_asked)


def set_threads(threads: int) -> None:
    """Let kernels use so many threads where a batch has thousands of pieces. 1 at first, or the variable MUSICGYM_THREADS."""
    global _threads
    if type(threads) is not int or not 1 <= threads <= 1024:
        raise ValueError(f"set_threads({threads!r}): expected a whole number, 1..1024")
    _threads = threads


def over_rows(kernel: Callable[..., Any], rows: int, *args: Any) -> Any:
    """Call `kernel(*args, lo, hi)` so that all rows are done, each once; returns the sum of what the calls return."""
    if _threads == 1 or rows < 2 * _ROWS_A_THREAD:
        return kernel(*args, 0, rows)
    shares = min(_threads, rows // _ROWS_A_THREAD)
    edges = [rows * i // shares for i in range(shares + 1)]
    jobs = [_pool(shares).submit(kernel, *args, edges[i], edges[i + 1]) for i in range(1, shares)]
    results = [kernel(*args, edges[0], edges[1])] + [job.result() for job in jobs]
    return None if results[0] is None else sum(results)


@functools.cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="musicgym")


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_pool.cache_clear)  # a forked child has the pool but not its threads
