"""`NGramModel`: counts instead of a network; what all others must beat, and a reward that costs almost nothing."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch

from musicgym.compiled import Entry, inlined, kernel
from musicgym.models.sequence_model import SequenceModel
from musicgym.models.tokens import POSITIONS, Sequences
from musicgym.models.witten_bell import Level, NGram
from musicgym.task import Task

_UNSEEN = -1
_LONGEST = 64
_TYPES = (torch.uint8, torch.int16, torch.int32, torch.int64)  # of counts on disk, the smallest that holds them


class NGramState(NamedTuple):
    """Where N rows stand in the counts."""

    context: torch.Tensor  # int64 (N, order): number of the context of each length, from none; -1 for one never seen

    def take(self, rows: torch.Tensor) -> NGramState:
        """A copy of these rows, int64 (R,)."""
        return NGramState(self.context[rows])


class _Counts(NamedTuple):
    """All levels of an `NGram` side by side, as kernels read them. Context c of level k is row at[k] + c of `ends`."""

    at: np.ndarray  # int64 (order + 1,): first context of each level
    ends: np.ndarray  # int64 (contexts + 1,): the grams of context i are ends[i]..ends[i + 1] - 1
    first: np.ndarray  # int64 (order,): first gram of each level
    token: np.ndarray  # int64 (grams,): the last token of each gram, rising within a context
    seen: np.ndarray  # float64 (grams,): how often
    total: np.ndarray  # float64 (contexts,): tokens seen after each context


class NGramModel(SequenceModel):
    """Each token's probability given the last `order - 1` ones and its voice and factor, from counts (`NGram`).

    It lives on the CPU and is made by `fit`.

    Args:
        task: of whose choices the tokens are.
        name: of the model.
        order: tokens of context + 1.
        positions: the position in the bar is known too; each has counts of its own.

    Raises:
        ValueError: an order outside 1..64, positions that are neither True nor False, or a task that no sequence model reads.

    Example:
        >>> from musicgym import Score
        >>> model = NGramModel(Task(length=4), order=2)
        >>> tune = Score.from_notes([[(0, 2, 60, 80), (2, 2, 62, 80)]])
        >>> float(model.fit(model.sequences([tune])).log_prob([tune])[0].round(3))
        -1.966
    """

    kind: ClassVar[str] = "ngram"

    def __init__(self, task: Task, name: str = "", *, order: int = 5, positions: bool = False) -> None:
        self.of_task(task, name)
        if order.__class__ is not int or not 1 <= order <= _LONGEST:
            raise ValueError(f"NGramModel(order={order!r}): expected a whole number within 1..{_LONGEST}")
        if positions.__class__ is not bool:
            raise ValueError(f"NGramModel(positions={positions!r}): expected True or False")
        self.order, self.positions = order, positions
        # What is known of a token is its place modulo this: voice and factor, or the position in the bar too.
        self._slots = self.places if positions else self.places // POSITIONS
        self._counts: _Counts | None = None

    def fit(self, sequences: Sequences) -> NGramModel:
        """Count anew; returns the model itself. Raises ValueError where there is no token."""
        rows = range(len(sequences.length))
        tokens = [sequences.tokens[row, : sequences.length[row]] for row in rows]
        known = [sequences.place[row, : sequences.length[row]] % self._slots for row in rows]
        counted = NGram(self.alphabet.size, self.order).fit(tokens, known)
        self._counts = _side_by_side([_grams(level, self.alphabet.size) for level in counted.levels], self._slots)
        return self

    @property
    def device(self) -> torch.device:
        """The CPU."""
        return torch.device("cpu")

    @property
    def config(self) -> dict[str, Any]:
        """The constructor's numbers."""
        return {"order": self.order, **({"positions": True} if self.positions else {})}

    def tensors(self) -> dict[str, torch.Tensor]:
        """For each length k of contexts: the last tokens of its grams ("token.k"), how often they were seen ("count.k"), and how
        many grams each context has ("grams.k"); contexts are numbered as the grams that are shorter by one, 0 is the beginning.
        """
        made, counts = {}, self._fitted()
        grams = np.diff(counts.ends)
        edges = np.append(counts.first, len(counts.token))
        for k in range(self.order):
            level = slice(edges[k], edges[k + 1])
            made[f"token.{k}"] = torch.from_numpy(counts.token[level].astype(np.int16))
            made[f"count.{k}"] = _smallest(counts.seen[level].astype(np.int64))
            made[f"grams.{k}"] = _smallest(grams[counts.at[k] : counts.at[k + 1]])
        return made

    def load_tensors(self, tensors: dict[str, torch.Tensor]) -> None:
        """Take on counts that `tensors` gave. Raises ValueError for what can't be counts of this order and vocabulary."""
        names = {f"{part}.{k}" for part in ("token", "count", "grams") for k in range(self.order)}
        if set(tensors) != names:
            raise ValueError(
                f"the counts are named {sorted(tensors)[:4]} ..: expected {sorted(names)}, those of order {self.order}"
            )
        levels, contexts = [], self._slots
        for k in range(self.order):
            parts = [tensors[f"{part}.{k}"] for part in ("token", "count", "grams")]
            if any(part.dim() != 1 or part.dtype.is_floating_point or part.dtype.is_complex for part in parts):
                raise ValueError(
                    f"the counts of level {k} are no whole numbers in one dimension: expected those of an n-gram model"
                )
            token, count, grams = (part.numpy().astype(np.int64) for part in parts)
            fits = len(grams) == contexts and grams.min(initial=0) >= 0 and grams.sum() == len(token) == len(count) and len(token)
            owner = np.repeat(np.arange(contexts), grams) if fits else token
            if (
                not fits
                or not 0 <= token.min() <= token.max() < self.alphabet.size
                or count.min() < 1
                or (np.diff(owner * self.alphabet.size + token) <= 0).any()
            ):
                raise ValueError(
                    f"the counts of level {k} don't fit the levels before it and a vocabulary of {self.alphabet.size} tokens in "
                    f"{self._slots} places: expected those of an n-gram model of this task"
                )
            levels.append((token, count, grams))
            contexts = len(token) + 1
        self._counts = _side_by_side(levels, self._slots)

    def start(self, n: int) -> NGramState:
        """N rows that have read nothing."""
        return NGramState(torch.zeros((n, self.order), dtype=torch.int64))

    def step(
        self, tokens: torch.Tensor, state: NGramState, place: torch.Tensor, active: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, NGramState]:
        """See `SequenceModel.step`."""
        logits = torch.empty((len(tokens), self.alphabet.size))
        reads = np.ones(len(tokens), np.bool_) if active is None else active.numpy()
        slots = (place % self._slots).numpy()
        _step(self._fitted(), tokens.numpy(), slots, reads, state.context.numpy(), logits.numpy())
        return logits, state

    def logits(self, tokens: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
        """See `SequenceModel.logits`; there is nothing for gradients to flow to."""
        logits = torch.empty((*tokens.shape, self.alphabet.size))
        slots = (place % self._slots).numpy()
        context = np.zeros(self.order, np.int64)
        _read(self._fitted(), np.ascontiguousarray(tokens.numpy()), np.ascontiguousarray(slots), context, logits.numpy())
        return logits

    def _fitted(self) -> _Counts:
        if self._counts is None:
            raise ValueError("NGramModel: fit the model before asking it for probabilities")
        return self._counts


def _grams(level: Level, vocabulary: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Last tokens and counts of a level's grams, and how many grams each context has."""
    return level.grams % vocabulary, level.counts, np.bincount(level.grams // vocabulary)


def _side_by_side(levels: list[tuple[np.ndarray, np.ndarray, np.ndarray]], slots: int) -> _Counts:
    """Levels of last tokens, counts and grams a context as `_Counts`."""
    contexts = [slots, *(len(token) + 1 for token, _, _ in levels[:-1])]
    grams = np.concatenate([np.pad(grams, (0, size - len(grams))) for (_, _, grams), size in zip(levels, contexts, strict=True)])
    ends = np.append(0, np.cumsum(grams))
    count = np.concatenate([count for _, count, _ in levels]).astype(np.float64)
    reached = np.append(0.0, np.cumsum(count))
    sizes = np.array([len(token) for token, _, _ in levels])
    return _Counts(
        at=np.append(0, np.cumsum(contexts)),
        ends=ends,
        first=np.cumsum(sizes) - sizes,
        token=np.concatenate([token for token, _, _ in levels]).astype(np.int64),
        seen=count,
        total=reached[ends[1:]] - reached[ends[:-1]],
    )


def _smallest(values: np.ndarray) -> torch.Tensor:
    """Whole numbers from 0 on in the smallest type that holds them."""
    most = int(values.max(initial=0))
    return torch.from_numpy(values).to(next(kind for kind in _TYPES if most <= torch.iinfo(kind).max))


@Entry
def _step(counts: _Counts, read: np.ndarray, slots: np.ndarray, active: np.ndarray, context: np.ndarray, out: np.ndarray) -> None:
    _step_rows(counts, read, slots, active, context, out)


@kernel
def _step_rows(
    counts: _Counts, read: np.ndarray, slots: np.ndarray, active: np.ndarray, context: np.ndarray, out: np.ndarray
) -> None:
    """Read token `read[n]` in each active row, and write the logarithms of the probabilities of the next into `out`, (N, A)."""
    for n in range(read.shape[0]):
        if active[n]:
            _go_on(counts, read[n], slots[n], out.shape[1], context[n])
            _say(counts, context[n], out[n])


@Entry
def _read(counts: _Counts, read: np.ndarray, slots: np.ndarray, context: np.ndarray, out: np.ndarray) -> None:
    _read_rows(counts, read, slots, context, out)


@kernel
def _read_rows(counts: _Counts, read: np.ndarray, slots: np.ndarray, context: np.ndarray, out: np.ndarray) -> None:
    """As `_step_rows` for whole sequences, one after the other, with `context`, int64 (order,), to work in."""
    start = out.shape[2]
    for m in range(read.shape[0]):
        for t in range(read.shape[1]):
            _go_on(counts, read[m, t - 1] if t else start, slots[m, t], start, context)
            _say(counts, context, out[m, t])


@inlined
def _go_on(counts: _Counts, read: int, slot: int, start: int, context: np.ndarray) -> None:
    """The contexts after a token: each is the gram that the token ends, in the context shorter by one."""
    for k in range(context.shape[0] - 1, 0, -1):
        before = context[k - 1]
        context[k] = 0 if read == start else _UNSEEN
        if read != start and before != _UNSEEN:
            low, end = counts.ends[counts.at[k - 1] + before], counts.ends[counts.at[k - 1] + before + 1]
            high = end
            while low < high:  # the first gram whose last token isn't below the one read
                middle = (low + high) // 2
                if counts.token[middle] < read:
                    low = middle + 1
                else:
                    high = middle
            if low < end and counts.token[low] == read:
                context[k] = low - counts.first[k - 1] + 1
    context[0] = slot


@inlined
def _say(counts: _Counts, context: np.ndarray, out: np.ndarray) -> None:
    """Logarithms of the probabilities of all tokens after the contexts of one row, from the shortest to the longest."""
    out[:] = 1.0 / out.shape[0]
    for k in range(context.shape[0]):
        row = counts.at[k] + context[k]
        if context[k] != _UNSEEN and counts.total[row] > 0:
            kinds = counts.ends[row + 1] - counts.ends[row]
            known = counts.total[row] + kinds
            for w in range(out.shape[0]):
                out[w] *= kinds / known
            for gram in range(counts.ends[row], counts.ends[row + 1]):
                out[counts.token[gram]] += counts.seen[gram] / known
    for w in range(out.shape[0]):
        out[w] = np.log(out[w])
