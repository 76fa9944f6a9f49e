"""Training as one watches it: a bar, the mean return and the reward's terms as they are learned."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from musicgym.agents.training import Progress

_BLOCKS = "▁▂▃▄▅▆▇█"
_CURVE_WIDTH = 32
_SECONDS_BETWEEN_LINES = 5.0  # where the output is no terminal


class Display:
    """Shows the progress of one training run; call it with each `Progress`.

    On a terminal a bar and a table that are redrawn in place, elsewhere a line every few seconds.
    """

    def __init__(self, console: Console, label: str) -> None:
        self.console, self.label = console, label
        self.history: dict[str, list[float]] = {}
        self._live: Live | None = None
        self._said = -math.inf

    @contextmanager
    def showing(self) -> Iterator[Display]:
        """Draw from here to the end of the block."""
        if not self.console.is_terminal:
            yield self
            return
        with Live(Text(f"{self.label}: starting ..."), console=self.console, refresh_per_second=4) as live:
            self._live = live
            yield self
        self._live = None

    def __call__(self, progress: Progress) -> None:
        for name, value in {"return": progress.mean_return, **progress.terms}.items():
            self.history.setdefault(name, []).append(value)
        if self._live is not None:
            self._live.update(self._drawn(progress))
        elif time.monotonic() - self._said >= _SECONDS_BETWEEN_LINES or progress.step >= progress.total:
            self._said = time.monotonic()
            self.console.print(self._line(progress), highlight=False, markup=False, soft_wrap=True)

    def _line(self, p: Progress) -> str:
        terms = "  ".join(f"{name} {value:.1f}" for name, value in p.terms.items())
        return f"{self.label}: {p.step:,} of {p.total:,} steps, {p.steps_per_second:,.0f}/s, return {p.mean_return:.1f}: {terms}"

    def _drawn(self, p: Progress) -> Group:
        head = Table.grid(padding=(0, 1))
        left = (p.total - p.step) / max(p.steps_per_second, 1e-9)
        head.add_row(
            Text(self.label, style="bold"),
            ProgressBar(p.total, p.step, width=30),
            f"{p.step / p.total:4.0%}",
            f"{p.step:,} steps",
            f"{p.steps_per_second:,.0f}/s",
            f"{left // 60:.0f}:{left % 60:02.0f} left",
        )
        body = Table.grid(padding=(0, 2))
        for name, values in self.history.items():
            style = "bold" if name == "return" else ""
            body.add_row(Text(name, style=style), Text(f"{values[-1]:9.1f}", style=style), Text(curve(values), style="cyan"))
        return Group(head, body)


def curve(values: list[float], width: int = _CURVE_WIDTH) -> str:
    """Values as a line of blocks, the lowest of them at the bottom.

    >>> curve([0.0, 1.0, 2.0, 7.0])
    '▁▂▃█'
    """
    size = -(-len(values) // width) if values else 1
    means = [sum(values[i : i + size]) / len(values[i : i + size]) for i in range(0, len(values), size)]
    known = [value for value in means if not math.isnan(value)]
    if not known:
        return ""
    low, span = min(known), max(known) - min(known)
    return "".join(" " if math.isnan(v) else _BLOCKS[round((v - low) / span * 7) if span > 0 else 0] for v in means)
