"""What a user wants of a trained agent. Checked before anything heavy is loaded."""

from __future__ import annotations

import dataclasses

from musicgym.score import parse_key

COLDEST, HOTTEST = 0.01, 100.0  # outside, logits would come near those by which sb3-contrib masks, or near to nothing
SLOWEST, FASTEST = 4.0, 1000.0  # quarters a minute; a MIDI file holds 3.6 or more


@dataclasses.dataclass(frozen=True)
class Wish:
    """What is to be composed.

    Args:
        pieces: how many.
        given: a file whose first bars stand at the beginning of every piece; None for none.
        keep: how many bars of it; None for as many as leave the agent one.
        given_key: the file's key; None for its own.
        key: of what comes out; None for the given file's key, or the agent's own.
        tempo: quarters a minute; None for the given file's, or the task's.
        temperature: 1 as trained; less is surer, more is freer; 0 takes the likeliest choice every time.
        bars: length; None for the task's.
        seed: of pieces and choices.

    Raises:
        ValueError: naming the field and what it expects.
    """

    pieces: int = 8
    given: str | None = None
    keep: int | None = None
    given_key: str | None = None
    key: str | None = None
    tempo: float | None = None
    temperature: float = 1.0
    bars: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.pieces < 1:
            raise ValueError(f"-n {self.pieces}: expected 1 piece or more")
        if not (self.temperature == 0 or COLDEST <= self.temperature <= HOTTEST):  # also nan
            raise ValueError(
                f"--temperature {self.temperature:g}: expected {COLDEST:g}..{HOTTEST:g}, or 0 for the likeliest choices"
            )
        if self.tempo is not None and not SLOWEST <= self.tempo <= FASTEST:
            raise ValueError(f"--tempo {self.tempo:g}: expected {SLOWEST:g}..{FASTEST:g} quarter notes a minute")
        if self.bars is not None and self.bars < 1:
            raise ValueError(f"--bars {self.bars}: expected 1 or more")
        if not 0 <= self.seed < 1 << 32:
            raise ValueError(f"--seed {self.seed}: expected 0..{(1 << 32) - 1}")
        if self.given == "":
            raise ValueError("--given '': expected the name of a file")
        if self.given is None and (self.keep is not None or self.given_key is not None):
            raise ValueError(f"--{'keep' if self.keep is not None else 'given-key'} goes with --given FILE")
        for key in (self.key, self.given_key):
            if key is not None:
                parse_key(key)
