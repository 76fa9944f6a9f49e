"""Hard rules: striking from the mask every choice that a rule would punish."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from musicgym.engine import Engine
from musicgym.rewards.expression import parse
from musicgym.rewards.reward import Rules, add
from musicgym.threads import over_rows


class Forbid:
    """Rules that no choice may break: a choice is struck where any of them pays less than nothing for it.

    A weight of 0 strikes nothing, a negative one what the rule rewards. On blank pages nothing is then broken but at dead ends.
    Where music stands already and is edited (drafts, later sweeps) a choice is struck if it makes a rule's total worse: what was
    broken before may stay, or be broken elsewhere instead.

    Args:
        expressions: names of rules or sets of rules, with parameters if need be.

    Raises:
        ValueError: a name that isn't known, or a reward that isn't made of rules.
    """

    def __init__(self, expressions: Sequence[str]) -> None:
        rules = add(*((parse(text), 1.0) for text in expressions))
        if not isinstance(rules, Rules):
            raise ValueError(f"forbid={tuple(expressions)}: expected rules, but {rules.name} holds something else")
        self._rules, self._params, self._weights = rules, rules.params, rules.weights

    def __call__(self, engine: Engine, masks: np.ndarray, dead: np.ndarray) -> None:
        """Strike what is forbidden from `masks`, int8 (N, codes); where nothing is left, set `dead` and leave the row."""
        over_rows(
            self._rules.kernels.forbid_codes,
            engine.num_pieces,
            engine.desk,
            self._params,
            self._weights,
            masks,
            dead,
        )

    def struck(self, engine: Engine, row: int) -> dict[str, int]:
        """How many of the choices that piece `row` is left by range and rhythm each rule strikes, those that strike most first.

        Found rule by rule: for a person to read, not for every step. Empty where no rule strikes any.
        """
        plain = np.empty((engine.num_pieces, engine.mask_size), np.int8)
        engine.masks(plain)
        counts: dict[str, int] = {}
        for i, term in enumerate(self._rules.terms):
            alone = np.zeros_like(self._weights)
            alone[i] = self._weights[i]
            masks, dead = plain.copy(), np.zeros(engine.num_pieces, np.bool_)
            self._rules.kernels.forbid_codes(engine.desk, self._params, alone, masks, dead, row, row + 1)
            left = 0 if dead[row] else int(masks[row].sum())
            counts[term] = int(plain[row].sum()) - left
        return {term: count for term, count in sorted(counts.items(), key=lambda item: -item[1]) if count}
