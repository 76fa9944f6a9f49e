"""How a model is trained: all that the outcome hangs on besides its make and its music."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from musicgym.models.material import TRANSPOSE

# Numbers far beyond any use: torch, which reckons with them in float32, has no words of its own for larger ones.
MOST_RATE, MOST_WEIGHT, MOST_THREADS = 1e3, 1e6, 1024


@dataclasses.dataclass(frozen=True)
class Training:
    """Settings of AdamW and of what it is shown.

    Args:
        transpose: "all" (each piece in a key that is drawn anew each time), "C" or "none"; see `musicgym.models.material.moves`.
        window: steps of music that are read as one sequence, at most.
        batch: windows an update.
        updates: at most so many; the learning rate's cosine ends there.
        learning_rate: its height, reached after `warmup` updates; from there it falls to a hundredth along a cosine (Loshchilov
            and Hutter 2017, "SGDR").
        weight_decay: AdamW's, of matrices only.
        clip: largest norm of a gradient; longer ones are shortened to it.
        evaluate_every: updates between two looks at the held-out families.
        patience: training ends after so many looks in a row without a better one; the weights of the best are kept.
        seed: of first weights, order, keys and dropout.
        threads: of torch. Another number may change results in the last digits.

    Raises:
        ValueError: naming the field and what it expects.
    """

    transpose: str = "all"
    window: int = 512
    batch: int = 32
    updates: int = 2000
    learning_rate: float = 2e-3
    warmup: int = 100
    weight_decay: float = 0.01
    clip: float = 1.0
    evaluate_every: int = 100
    patience: int = 10
    seed: int = 0
    threads: int = 1

    def __post_init__(self) -> None:
        if self.transpose not in TRANSPOSE:
            raise ValueError(f"transpose={self.transpose!r}: expected one of {', '.join(map(repr, TRANSPOSE))}")
        for name in ("window", "batch", "updates", "evaluate_every", "patience", "threads", "warmup", "seed"):
            least = 0 if name in ("warmup", "seed") else 1
            check_count(name, getattr(self, name), least)
        for name in ("learning_rate", "weight_decay", "clip"):
            most = MOST_RATE if name == "learning_rate" else MOST_WEIGHT
            check_number(name, getattr(self, name), most, above=name == "clip")

    def rate(self, update: int) -> float:
        """The learning rate of an update, counted from 0.

        >>> [round(Training(learning_rate=1.0, warmup=2, updates=10).rate(update), 3) for update in (0, 1, 2, 6, 9)]
        [0.5, 1.0, 1.0, 0.505, 0.048]
        """
        if update < self.warmup:
            return self.learning_rate * (update + 1) / self.warmup
        done = min(1.0, (update - self.warmup) / max(1, self.updates - self.warmup))
        return self.learning_rate * (0.01 + 0.99 * (1 + math.cos(math.pi * done)) / 2)

    @classmethod
    def from_dict(cls, fields: Any) -> Training:
        """What `dataclasses.asdict` made. Raises ValueError for other fields, or values of another type."""
        names = {field.name for field in dataclasses.fields(cls)}
        if not isinstance(fields, dict) or set(fields) - names:
            raise ValueError(f"training={str(fields)[:80]}: expected an object with some of {', '.join(sorted(names))}")
        return cls(**fields)


def check_count(name: str, value: int, least: int) -> None:
    """Raises ValueError for what is no whole number from `least` on, and for more threads than there are anywhere."""
    if value.__class__ is not int or not least <= value < 1 << 32:
        raise ValueError(f"{name}={value!r}: expected a whole number, {least} or more")
    if name == "threads" and value > MOST_THREADS:
        raise ValueError(f"{name}={value!r}: expected at most {MOST_THREADS:,}")


def check_number(name: str, value: float, most: float, *, above: bool = False) -> None:
    """Raises ValueError for what is no number from 0 to `most`; `above`: 0 is none either."""
    if value.__class__ not in (int, float) or not 0 <= value <= most or (above and value == 0):
        raise ValueError(f"{name}={value!r}: expected a number {'above' if above else 'from'} 0, at most {most:,.0f}")
