"""`Lookback`: which tokens are the same as those a bar or a phrase before."""

from __future__ import annotations

import torch
from torch.nn import functional

from musicgym.models.model import Model
from musicgym.models.tokens import POSITIONS

# So many choices ago: of melodies in sixteenths these are half bars, bars and phrases. Of several voices a choice is a token of
# each; of whole notes it is a note, so that voices may not match. A change makes all weights useless.
LAGS = (2, 4, 6, 8, 12, 16, 18, 24, 32, 36, 48, 64, 72, 96)
_NOTHING = -1


class Lookback(torch.nn.Module):
    """What a network is told of tokens long before, and what it may say of their coming back.

    It is told for each lag whether the token just read is the one that stood so long before, and says for each lag, anew at each
    place, how much it speaks for a token to come that it stood so long before. So it need not remember a bar to repeat it: the
    idea of Magenta's Lookback RNN (Waite 2016, "Generating long-term structure in songs and stories"), which is told of one bar
    and two, and has labels for what comes back from there.

    Args:
        model: whose tokens these are.
        width: of what is read.
        heard: of what the network made of it.
    """

    def __init__(self, model: Model, width: int, heard: int) -> None:
        super().__init__()
        slots = model.places // POSITIONS  # voices * factors
        self.lags = tuple(lag * slots for lag in LAGS)
        self.alphabet = model.alphabet
        self.same = torch.nn.Linear(len(LAGS), width, bias=False)
        self.again = torch.nn.Linear(heard, len(LAGS))
        torch.nn.init.normal_(self.again.weight, std=0.02)  # at first nothing speaks for what was
        torch.nn.init.zeros_(self.again.bias)

    def start(self, n: int) -> torch.Tensor:
        """int64 (N, longest lag + 1): a ring of the last tokens of rows that have read nothing."""
        return torch.full((n, self.lags[-1] + 1), _NOTHING, device=self.same.weight.device)

    def stepped(self, ring: torch.Tensor, tokens: torch.Tensor, position: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Put tokens into the ring; int64 (N, lags) twice: those so long before them, and before the ones to come; -1 for none.

        Args:
            ring: of `start`; changes.
            tokens: int64 (N,), read now.
            position: int64 (N,), how many each row has read before.
        """
        size = ring.shape[1]
        ring[torch.arange(len(tokens), device=ring.device), position % size] = tokens
        wanted = position[:, None] - torch.tensor(self.lags, device=ring.device)
        before, ahead = (torch.where(at >= 0, ring.gather(1, at % size), _NOTHING) for at in (wanted, wanted + 1))
        return before, ahead

    def whole(self, read: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The same for whole sequences of tokens read, int64 (M, T): int64 (M, T, lags) twice."""
        width = read.shape[1]
        before, ahead = (
            torch.stack([functional.pad(read, (lag - early, 0), value=_NOTHING)[:, :width] for lag in self.lags], dim=2)
            for early in (0, 1)
        )
        return before, ahead

    def told(self, tokens: torch.Tensor, before: torch.Tensor) -> torch.Tensor:
        """What is told of tokens just read (...), to be added to their vectors: (..., width)."""
        made: torch.Tensor = self.same((before == tokens[..., None]).float())
        return made

    def spoken_for(self, said: torch.Tensor, x: torch.Tensor, ahead: torch.Tensor) -> torch.Tensor:
        """What is said of each token to come (..., A), and besides that what speaks for it to come back.

        Args:
            said: (..., A).
            x: (..., heard), what the network made so far.
            ahead: int64 (..., lags).
        """
        start = self.alphabet.start
        made = functional.pad(said, (0, 1)).scatter_add(-1, torch.where(ahead < 0, start, ahead), self.again(x))
        return made[..., :start]
