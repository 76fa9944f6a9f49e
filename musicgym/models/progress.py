"""Training a model as one watches it: a bar on a terminal, elsewhere a line every few seconds."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

from tqdm import tqdm

if TYPE_CHECKING:
    from musicgym.models.training import Progress, Watcher

_SECONDS_BETWEEN_LINES = 5.0


@contextmanager
def showing(name: str, out: TextIO | None = None) -> Iterator[Watcher]:
    """What is to be told of each update, from here to the end of the block.

    Args:
        name: of the model.
        out: where it is shown; stderr if None.
    """
    out = sys.stderr if out is None else out
    if not out.isatty():
        yield _lines(name, out)
        return
    with tqdm(total=0, desc=name, unit="update", file=out, dynamic_ncols=True) as bar:

        def watch(progress: Progress) -> None:
            if bar.total == 0:
                bar.reset(progress.updates)
                bar.update(progress.update - 1)
            bar.set_postfix_str(_told(progress), refresh=False)
            bar.update()

        yield watch


def _lines(name: str, out: TextIO) -> Watcher:
    said = -math.inf

    def watch(progress: Progress) -> None:
        nonlocal said
        now = time.monotonic()
        if now - said >= _SECONDS_BETWEEN_LINES or progress.update == progress.updates:
            said = now
            print(f"{name}: {progress.update:,} of {progress.updates:,} updates, {_told(progress)}", file=out, flush=True)

    return watch


def _told(progress: Progress) -> str:
    best = f", best {progress.best_nats:.3f} held out" if math.isfinite(progress.best_nats) else ""
    return f"{progress.loss:.3f} nats a token{best}, {progress.tokens_per_second:,.0f} tokens/s"


def quiet(_: Any) -> None:
    """Show nothing."""
