"""Counts of n-grams in sequences of whole numbers, and the probabilities that Witten and Bell make of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

_BEGINNING = 0  # number of the context that reaches back before a sequence's first token
_UNSEEN = -1


class Level(NamedTuple):
    """What was counted after contexts of one length. Contexts are numbered; a seen gram is the next level's context, plus 1."""

    grams: np.ndarray  # int64 (G,), rising: context * vocabulary + token
    counts: np.ndarray  # int64 (G,)
    total: np.ndarray  # int64 (contexts + 1,): tokens seen after each context; the last is 0, for contexts never seen
    kinds: np.ndarray  # int64 (contexts + 1,): different ones among them


class NGram:
    """Each token's probability given the tokens before it, from counts.

    p(w | c) = (n(c, w) + t(c) p(w | c')) / (n(c) + t(c)), where n counts, t(c) is the number of different tokens seen after the
    context c, and c' is c without its first token; after the shortest comes 1 / vocabulary (Witten and Bell 1991, "The
    zero-frequency problem", method C, interpolated as in Chen and Goodman 1998, "An empirical study of smoothing techniques for
    language modeling"). Contexts at a sequence's beginning know that it begins there. No random draw has a part in it.

    What is known of each token before it comes, such as its voice, may stand in the place of the empty context: then each of
    these has its own counts of single tokens, and longer contexts, which begin with a token, know what was known of that one.

    Args:
        vocabulary: tokens are 0..vocabulary - 1.
        order: tokens of context + 1.

    Example:
        >>> model = NGram(3, order=2).fit([np.array([0, 1, 0, 1, 0, 1])])
        >>> model.distribution([np.array([1, 0])]).round(3).tolist()
        [[0.115, 0.865, 0.021]]
    """

    def __init__(self, vocabulary: int, order: int = 5) -> None:
        if vocabulary < 1 or order < 1:
            raise ValueError(f"NGram(vocabulary={vocabulary}, order={order}): both must be 1 or more")
        self.vocabulary = vocabulary
        self.order = order
        self.levels: list[Level] = []  # a level for each length of contexts, from none; empty until `fit`

    def fit(self, sequences: Sequence[np.ndarray], known: Sequence[np.ndarray] | None = None) -> NGram:
        """Count anew; returns the model itself.

        Args:
            sequences: int arrays of one dimension.
            known: int arrays of the same lengths, 0..: what is known of each token before it comes; None for nothing.

        Raises:
            ValueError: no token at all, or one outside the vocabulary.
        """
        tokens, first = self._flat(sequences)
        if not len(tokens):
            raise ValueError(f"NGram.fit: {len(sequences)} sequences without a token: expected at least one token")
        self.levels = []
        context = _known(known, len(tokens))
        for _ in range(self.order):
            keys = context * self.vocabulary + tokens
            grams, gram, counts = np.unique(keys, return_inverse=True, return_counts=True)
            owners = grams // self.vocabulary
            total = np.append(np.bincount(owners, counts), 0).astype(np.int64)
            self.levels.append(Level(grams, counts, total, np.append(np.bincount(owners), 0)))
            context = _longer(gram, first)
        return self

    def log_prob(self, sequences: Sequence[np.ndarray], known: Sequence[np.ndarray] | None = None) -> list[np.ndarray]:
        """Natural logarithm of each token's probability given those before it in its sequence, float64 of the same lengths.

        Args:
            sequences: int arrays of one dimension.
            known: as the model was fitted with.

        Raises:
            ValueError: a token outside the vocabulary, or the model isn't fitted.
        """
        tokens, first = self._flat(sequences)
        probability = np.full(len(tokens), 1 / self.vocabulary)
        context = _known(known, len(tokens))
        for level in self._fitted():
            probability, gram = self._interpolated(level, context, tokens, probability)
            context = _longer(gram, first)
        ends = np.cumsum([len(sequence) for sequence in sequences])
        return np.split(np.log(probability), ends[:-1]) if len(sequences) else []

    def distribution(self, contexts: Sequence[np.ndarray], known: Sequence[np.ndarray] | None = None) -> np.ndarray:
        """Probability of every token after each of N beginnings of sequences, float64 (N, vocabulary); a beginning may be empty.

        Args:
            contexts: int arrays of one dimension.
            known: as the model was fitted with; each is longer by one, for the token to come.

        Raises:
            ValueError: as `log_prob`.
        """
        tokens, first = self._flat([np.append(context, 0).astype(np.int64) for context in contexts])
        last = np.roll(first, -1)  # the tokens put there in the place of the next one
        every = np.arange(self.vocabulary)
        probability = np.full((len(contexts), self.vocabulary), 1 / self.vocabulary)
        context = _known(known, len(tokens))
        for level in self._fitted():
            probability, _ = self._interpolated(level, context[last][:, None], every, probability)
            _, gram = self._interpolated(level, context, tokens, np.zeros(len(tokens)))
            context = _longer(gram, first)
        return probability

    def _interpolated(
        self, level: Level, context: np.ndarray, token: np.ndarray, shorter: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities given contexts of this level and those given shorter ones; and the numbers of the grams or `_UNSEEN`."""
        key = context * self.vocabulary + token  # below 0 where the context is unseen
        gram = np.minimum(np.searchsorted(level.grams, key), len(level.grams) - 1)
        seen = level.grams[gram] == key
        at = np.minimum(context, len(level.total) - 1)  # the last one, which counts nothing, for contexts without counts
        total, kinds = level.total[at], level.kinds[at]
        counted = np.where(seen, level.counts[gram], 0) + kinds * shorter
        return np.where(total > 0, counted / np.maximum(total + kinds, 1), shorter), np.where(seen, gram, _UNSEEN)

    def _flat(self, sequences: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """All tokens in a row, int64 (T,), and where sequences begin, bool (T,)."""
        lengths = np.array([len(sequence) for sequence in sequences], np.int64)
        tokens = np.concatenate([np.zeros(0, np.int64), *sequences]).astype(np.int64)
        if len(tokens) and not 0 <= tokens.min() <= tokens.max() < self.vocabulary:
            raise ValueError(f"tokens {tokens.min()}..{tokens.max()}: expected 0..{self.vocabulary - 1}, the model's vocabulary")
        first = np.zeros(len(tokens), np.bool_)
        first[(np.cumsum(lengths) - lengths)[lengths > 0]] = True
        return tokens, first

    def _fitted(self) -> list[Level]:
        if not self.levels:
            raise ValueError("NGram: fit the model before asking it for probabilities")
        return self.levels


def _known(known: Sequence[np.ndarray] | None, tokens: int) -> np.ndarray:
    """The empty contexts of all tokens, int64 (T,): the number of what is known. Raises ValueError for other lengths."""
    if known is None:
        return np.zeros(tokens, np.int64)
    flat = np.concatenate([np.zeros(0, np.int64), *known]).astype(np.int64)
    if len(flat) != tokens or flat.min(initial=0) < 0:
        raise ValueError(
            f"known holds {len(flat)} numbers from {flat.min(initial=0)} on: expected one for each of {tokens} tokens, 0.."
        )
    return flat


def _longer(gram: np.ndarray, first: np.ndarray) -> np.ndarray:
    """The contexts of the next level, int64 (T,): the gram that ends right before each token."""
    before = np.roll(gram, 1)
    return np.where(first, _BEGINNING, np.where(before == _UNSEEN, _UNSEEN, before + 1))
