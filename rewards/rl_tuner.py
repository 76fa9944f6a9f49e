"""RL Tuner's reward: its nine music-theory terms, as its code computes them and as it meant them."""

from __future__ import annotations

from typing import Literal

from musicgym.rewards import rl_tuner_faithful, rl_tuner_fixed
from musicgym.rewards.reward import Rules

TERMS = ("key", "tonic", "repeat", "autocorr", "motif", "rep_motif", "interval", "leap", "extrema")
_FORMS = {"faithful": rl_tuner_faithful, "fixed": rl_tuner_fixed}


def rl_tuner(form: Literal["faithful", "fixed"] = "faithful") -> Rules:
    """RL Tuner's reward: the terms `key tonic repeat autocorr motif rep_motif interval leap extrema`, weight 1 each.

    Args:
        form: "faithful" computes what the original's code does, to 1e-5 at every step; "fixed" mends its traps: the repeat
            penalty no longer dwarfs all else or punishes held notes, motif, interval and autocorrelation terms are no
            longer paid at every step, and key and tonic are the piece's own.

    Raises:
        ValueError: another form.
    """
    if form not in _FORMS:
        raise ValueError(f"rl_tuner(form={form!r}): expected 'faithful' or 'fixed'")
    rules = {term: getattr(_FORMS[form], f"{form}_{term}") for term in TERMS}
    entries = [(term, rule, rule.values({}), 1.0) for term, rule in rules.items()]
    return Rules("rl_tuner" if form == "faithful" else "rl_tuner_fixed", entries)
