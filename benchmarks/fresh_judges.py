"""Judges that have seen nothing yet, and learn to tell real pieces from a generator's: how well they do is how real these look.

Three of different kinds, so that no generator has learned against one of them: logistic regression on which n-grams of tokens
there are and how often, a convolutional network that looks both ways, a Transformer that does. All get the same pieces, as many
updates, the same early stopping on held-out pieces, and are then asked once about others.
"""

from __future__ import annotations

import copy
from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional

from musicgym.models.calibration import auc, log_loss
from musicgym.models.determinism import drawing, threads
from musicgym.models.opposition import by_length, of_like_lengths, side_by_side
from musicgym.models.tokens import POSITIONS, Alphabet, Sequences

KINDS = ("n-gram logistic", "CNN", "Transformer")
_RATES = {"n-gram logistic": 3e-2, "CNN": 3e-3, "Transformer": 3e-3}
_HASHED = 1 << 14
_GRAMS = (1, 2, 4, 8, 16)  # tokens


class Budget(NamedTuple):
    """What each judge may spend."""

    updates: int = 600
    batch: int = 64  # half of it real
    evaluate_every: int = 50
    patience: int = 4
    weight_decay: float = 0.01
    threads: int = 1


class Sides(NamedTuple):
    """Real pieces, and a generator's on the same pages, row by row."""

    real: Sequences
    generated: Sequences


class Verdict(NamedTuple):
    """What a judge says of pieces that it never saw."""

    real: np.ndarray  # float64 (M,): log-odds of being real
    generated: np.ndarray  # float64 (M,)
    updates: int  # of the best look

    @property
    def auc(self) -> float:
        """How well it tells them apart."""
        return auc(np.concatenate([self.real, self.generated]), np.arange(2 * len(self.real)) < len(self.real))


def verdict(kind: str, alphabet: Alphabet, learned: Sides, valid: Sides, test: Sides, budget: Budget, seed: int) -> Verdict:
    """Have a fresh judge learn, and ask it.

    Args:
        kind: one of `KINDS`.
        alphabet: of the tokens, of one voice.
        learned: what it learns from.
        valid: what says when it has learned enough.
        test: what it is asked about.
        budget: what it may spend.
        seed: of its weights and draws.

    Raises:
        ValueError: an unknown kind.
    """
    device = torch.device("cpu")
    with threads(budget.threads), drawing(device, seed):
        judge = _made(kind, alphabet)
        optimiser = torch.optim.AdamW(judge.parameters(), lr=_RATES[kind], weight_decay=budget.weight_decay)
        pools = [by_length(part) for part in learned]
        rng = np.random.default_rng(seed)
        best, best_nats, best_update, stale = copy.deepcopy(judge.state_dict()), np.inf, 0, 0
        for update in range(1, budget.updates + 1):
            real = rng.integers(len(pools[0].length), size=budget.batch // 2)
            other = of_like_lengths(pools[1], pools[0].length[real], rng)
            judge.train()
            said = judge(*_tensors(side_by_side(*(_rows(part, rows) for part, rows in zip(pools, (real, other))))))
            target = (torch.arange(len(said)) < len(real)).float()
            loss = functional.binary_cross_entropy_with_logits(said, target)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(judge.parameters(), 1.0)
            optimiser.step()
            if update % budget.evaluate_every == 0 or update == budget.updates:
                odds = np.concatenate([_asked(judge, part) for part in valid])
                nats = log_loss(odds, np.arange(len(odds)) < len(valid.real.length))
                stale += 1
                if nats < best_nats:
                    best, best_nats, best_update, stale = copy.deepcopy(judge.state_dict()), nats, update, 0
                if stale >= budget.patience:
                    break
        judge.load_state_dict(best)
        return Verdict(_asked(judge, test.real), _asked(judge, test.generated), best_update)


def _made(kind: str, alphabet: Alphabet) -> torch.nn.Module:
    if kind == "n-gram logistic":
        return _NGramLogistic(alphabet)
    if kind == "CNN":
        return _CNN(alphabet)
    if kind == "Transformer":
        return _Transformer(alphabet)
    raise ValueError(f"judge {kind!r}: expected one of {', '.join(KINDS)}")


@torch.no_grad()
def _asked(judge: torch.nn.Module, found: Sequences) -> np.ndarray:
    judge.eval()
    parts = [
        judge(*_tensors(_rows(found, np.arange(a, min(a + 128, len(found.length)))))) for a in range(0, len(found.length), 128)
    ]
    return torch.cat(parts).double().numpy()


def _rows(found: Sequences, rows: np.ndarray) -> Sequences:
    return Sequences(*(array[rows] for array in found))


def _tensors(found: Sequences) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Tokens and positions in the bar, int64 (M, T), and what is inside pieces, bool (M, T)."""
    width = int(found.length.max())
    tokens, place = (torch.from_numpy(array[:, :width].astype(np.int64)) for array in found[:2])
    return tokens, place, torch.arange(width) < torch.from_numpy(found.length)[:, None]


class _NGramLogistic(torch.nn.Module):
    """Logistic regression: for each n-gram of tokens a weight times its frequency, and one for its being there at all.

    The share of a length's n-grams that are new in the piece, not there before, has a weight of its own. All is divided by the
    number of n-grams of that length.
    """

    def __init__(self, alphabet: Alphabet) -> None:
        super().__init__()
        self.often, self.there = torch.nn.Embedding(_HASHED, 1), torch.nn.Embedding(_HASHED, 1)
        for weights in (self.often, self.there):
            torch.nn.init.zeros_(weights.weight)
        self.new = torch.nn.Parameter(torch.zeros(len(_GRAMS)))
        self.bias = torch.nn.Parameter(torch.zeros(()))

    def forward(self, tokens: torch.Tensor, place: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
        """(M, T) -> (M,)."""
        said = self.bias.expand(len(tokens))
        code, length = tokens + 1, 1
        for number, n in enumerate(_GRAMS):
            while length < n and length < tokens.shape[1]:
                code = (code[:, :-1] * 1_000_003 + tokens[:, length:] + 1) % 2_147_483_647
                length += 1
            if length < n:
                break
            within = inside[:, n - 1 :]
            before = torch.ones(code.shape[1], code.shape[1], dtype=torch.bool).tril(-1)
            new = within & ~((code[:, :, None] == code[:, None, :]) & before).any(dim=2)
            row, count = (code * 40_503 + n) % _HASHED, within.sum(dim=1).clamp(min=1)
            said = (
                said + (self.often(row)[..., 0] * within + (self.there(row)[..., 0] + self.new[number]) * new).sum(dim=1) / count
            )
        return said


class _Embedded(torch.nn.Module):
    """Tokens and positions as vectors."""

    def __init__(self, alphabet: Alphabet, width: int) -> None:
        super().__init__()
        self.factors = alphabet.factors
        self.token = torch.nn.Embedding(alphabet.size, width)
        self.position = torch.nn.Embedding(POSITIONS * self.factors, width)

    def forward(self, tokens: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
        """(M, T) -> (M, T, width)."""
        made: torch.Tensor = self.token(tokens) + self.position(place)
        return made


class _CNN(torch.nn.Module):
    """Dilated convolutions that look both ways; mean and maximum over the piece."""

    def __init__(self, alphabet: Alphabet, width: int = 48) -> None:
        super().__init__()
        self.reading = _Embedded(alphabet, width)
        self.layers = torch.nn.ModuleList(
            torch.nn.Conv1d(width, width, 5, padding=2 * distance, dilation=distance) for distance in (1, 2, 4, 8)
        )
        self.dropout = torch.nn.Dropout(0.1)
        self.head = torch.nn.Linear(2 * width, 1)

    def forward(self, tokens: torch.Tensor, place: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
        """(M, T) -> (M,)."""
        there = inside[:, None]
        x = self.reading(tokens, place).transpose(1, 2) * there
        for layer in self.layers:
            x = x + self.dropout(functional.relu(layer(x))) * there
        mean = x.sum(dim=2) / inside.sum(dim=1, keepdim=True)
        most = x.masked_fill(~there, -1e9).amax(dim=2)
        made: torch.Tensor = self.head(torch.cat([mean, most], dim=1))[:, 0]
        return made


class _Transformer(torch.nn.Module):
    """A convolution over three tokens, then two layers of attention that look both ways; the mean over the piece."""

    def __init__(self, alphabet: Alphabet, width: int = 48, longest: int = 2048) -> None:
        super().__init__()
        self.reading = _Embedded(alphabet, width)
        at, speed = torch.arange(longest)[:, None], torch.exp(-torch.arange(0, width, 2) / width * np.log(10_000.0))
        self.register_buffer("waves", torch.cat([(at * speed).sin(), (at * speed).cos()], dim=1), persistent=False)
        self.near = torch.nn.Conv1d(width, width, 3, padding=1)
        layer = torch.nn.TransformerEncoderLayer(width, 4, 2 * width, dropout=0.1, batch_first=True, norm_first=True)
        self.layers = torch.nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = torch.nn.Linear(width, 1)

    def forward(self, tokens: torch.Tensor, place: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
        """(M, T) -> (M,)."""
        waves = self.get_buffer("waves")[: tokens.shape[1]]
        x = self.reading(tokens, place) * inside[..., None]
        x = functional.gelu(self.near(x.transpose(1, 2)).transpose(1, 2)) + waves
        x = self.layers(x, src_key_padding_mask=~inside)
        mean = (x * inside[..., None]).sum(dim=1) / inside.sum(dim=1, keepdim=True)
        made: torch.Tensor = self.head(mean)[:, 0]
        return made
