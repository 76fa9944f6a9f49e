"""How a generator and a discriminator learn in turns: the settings of `musicgym.models.adversarial`, and what rounds show."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, NamedTuple

from musicgym.models.settings import MOST_RATE, MOST_WEIGHT, check_count, check_number

if TYPE_CHECKING:
    from musicgym.models.discriminator import Discriminator

# By twin, weights of what a token is paid at once, for which all tokens are compared, and of what is paid later.
TWINS = {"": (1.0, 1.0), "constant": (0.0, 0.0), "negated": (-1.0, -1.0), "blind": (0.0, 1.0)}


@dataclasses.dataclass(frozen=True)
class Contest:
    """How the two learn.

    Args:
        rounds: how often each has its turn.
        batch: pieces a round, of each.
        group: so many of the generator's stand on the same page; what comes of a token is compared within them. With 1 nothing
            counts but what a token is paid at once.
        steps: of a piece, at most.
        generator_rate: its learning rate.
        discriminator_rate: its learning rate.
        discriminator_updates: of the discriminator, a round.
        leash: weight of the divergence from the pretrained generator, in nats of evidence a nat. With 1 and a discriminator that
            is right, the generator ends half way, in logarithms, between the pretrained one and the real music.
        discount: of evidence a token further on; 0 counts only what a token is paid at once.
        largest: nats that a token's evidence counts as, at most, for or against.
        inertia: how much less a round's weights count in their mean than those of the round after it; 0 for the last weights.
        pool: old pieces that are kept.
        pool_share: of what the discriminator sees of the generator's, as soon as there are old pieces.
        clip: largest norm of the generator's gradient.
        twin: "" for what this is about. To compare with: "constant" pays all the same, so that nothing but the leash is left,
            "negated" pays for being found out, "blind" pays what came of another piece, on another page, and nothing at once.
        seed: of all draws.
        threads: of torch.

    Raises:
        ValueError: naming the field and what it expects.
    """

    rounds: int = 200
    batch: int = 128
    group: int = 8
    steps: int = 128
    generator_rate: float = 1e-3
    discriminator_rate: float = 2e-4
    discriminator_updates: int = 1
    leash: float = 0.4
    discount: float = 0.97
    largest: float = 3.0
    inertia: float = 0.98
    pool: int = 4096
    pool_share: float = 0.5
    clip: float = 1.0
    twin: str = ""
    seed: int = 0
    threads: int = 1

    def __post_init__(self) -> None:
        for name in ("rounds", "batch", "group", "steps", "discriminator_updates", "pool", "threads", "seed"):
            check_count(name, getattr(self, name), 0 if name in ("seed", "pool") else 1)
        for name in ("generator_rate", "discriminator_rate"):
            check_number(name, getattr(self, name), MOST_RATE)
        for name in ("leash", "largest", "clip"):
            check_number(name, getattr(self, name), MOST_WEIGHT, above=name != "leash")
        for name in ("discount", "inertia", "pool_share"):
            value = getattr(self, name)
            if value.__class__ not in (int, float) or not 0 <= value <= 1:
                raise ValueError(f"{name}={value!r}: expected a share within 0..1")
        if self.twin == "blind" and self.batch < 2 * self.group:
            raise ValueError(
                f"batch={self.batch}, group={self.group}: the twin 'blind' needs two pages, 2 * group pieces or more"
            )
        if self.twin not in TWINS:
            raise ValueError(f"twin={self.twin!r}: expected one of {', '.join(map(repr, TWINS))}")


class Round(NamedTuple):
    """What one round showed: of the generator as it is then, not of the mean of its weights, which comes out in the end."""

    round: int  # from 1 on
    rounds: int
    log_odds: float  # of the generator's pieces, in the mean, before both learn
    surprise: float  # of the discriminator at which is which, in nats: 0.693 is not to know
    divergence: float  # of the generator from the pretrained one, in nats a token
    entropy: float  # of the generator, in nats a token
    seconds: float  # so far


class Outcome(NamedTuple):
    """How a contest ended. The generator has the mean of its weights."""

    rounds: int
    seconds: float
    discriminator: Discriminator
    last: Round | None  # None where there was nothing left to do
