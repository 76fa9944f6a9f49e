"""Training as one watches it: bars, mean returns and the reward's terms as they are learned."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
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
    """Shows how the agents of a run get on; call it with a seed and each `Progress` of its agent.

    On a terminal bars that are redrawn in place, with a table of the terms where there is one agent alone; elsewhere a line for
    each agent every few seconds.
    """

    def __init__(self, console: Console, seeds: Sequence[int]) -> None:
        self.console, self.seeds = console, list(seeds)
        self.history: dict[int, dict[str, list[float]]] = {}  # seed -> "return" or a term -> values so far
        self.last: dict[int, Progress] = {}
        self._live: Live | None = None
        self._said: dict[int, float] = {}  # seed -> when

    @contextmanager
    def showing(self) -> Iterator[Display]:
        """Draw from here to the end of the block."""
        if not self.console.is_terminal:
            yield self
            return
        with Live(Text("starting ..."), console=self.console, refresh_per_second=4) as live:
            self._live = live
            yield self
        self._live = None

    def __call__(self, seed: int, progress: Progress) -> None:
        self.last[seed] = progress
        for name, value in {"return": progress.mean_return, **progress.terms}.items():
            self.history.setdefault(seed, {}).setdefault(name, []).append(value)
        now = time.monotonic()
        if self._live is not None:
            self._live.update(self._drawn())
        elif now - self._said.get(seed, -math.inf) >= _SECONDS_BETWEEN_LINES or progress.step >= progress.total:
            self._said[seed] = now
            self.console.print(_line(seed, progress), highlight=False, markup=False, soft_wrap=True)

    def _drawn(self) -> Group:
        bars = Table.grid(padding=(0, 1))
        several = len(self.seeds) > 1
        for seed in sorted(self.last):
            p = self.last[seed]
            left = (p.total - p.step) / max(p.steps_per_second, 1e-9)
            returns = (_told(p.mean_return), Text(curve(self.history[seed]["return"], 16), style="cyan"))
            bars.add_row(
                Text(f"seed {seed}", style="bold"),
                ProgressBar(p.total, p.step, width=20 if several else 30),
                f"{p.step / p.total:4.0%}",
                f"{p.step:,} steps",
                f"{p.steps_per_second:,.0f}/s",
                f"{left // 60:.0f}:{left % 60:02.0f} left",
                *(returns if several else ()),
            )
        if not several and all(map(math.isnan, self.history[self.seeds[0]]["return"])):
            return Group(bars, Text("no piece finished yet"))
        terms = Table.grid(padding=(0, 2))
        for name, values in {} if several else self.history[self.seeds[0]].items():
            style = "bold" if name == "return" else ""
            terms.add_row(Text(name, style=style), Text(_told(values[-1]), style=style), Text(curve(values), style="cyan"))
        return Group(bars, terms)


def _told(value: float) -> str:
    return f"{'–' if math.isnan(value) else f'{value:.1f}':>9}"


def _line(seed: int, p: Progress) -> str:
    terms = "  ".join(f"{name} {value:.1f}" for name, value in p.terms.items())
    told = "no piece finished yet" if math.isnan(p.mean_return) else f"return {p.mean_return:.1f}: {terms}"
    return f"seed {seed}: {p.step:,} of {p.total:,} steps, {p.steps_per_second:,.0f}/s, {told}"


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
