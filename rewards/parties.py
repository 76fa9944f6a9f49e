"""Which other voices a value hangs on: "parallel fifths of soprano and tenor", where the rule itself only says "tenor, -1"."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from musicgym.score import BLANK

if TYPE_CHECKING:
    from musicgym.rewards.reward import Reward
    from musicgym.score import Score


def parties(reward: Reward, scores: Sequence[Score], sites: Sequence[np.ndarray], asked: Sequence[bool]) -> list[np.ndarray]:
    """For each piece bool (terms, voices, steps, voices): whether the value at a site is another without that other voice.

    Every voice is left out in turn, as if it were not written yet, and the piece judged again.

    Args:
        reward: what judged.
        scores: the pieces.
        sites: for each, what is paid at its sites, float32 (terms, voices, steps or more).
        asked: the terms of which it is asked; the others have no parties.
    """
    found = [np.zeros((*own.shape[:2], score.steps, score.voices), np.bool_) for score, own in zip(scores, sites, strict=True)]
    without = [_without(score, voice) for score in scores for voice in range(score.voices)]
    if not any(asked) or not any(score.voices > 1 for score in scores):
        return found
    judged = iter(reward.score(without, marks=True)[1])  # float32 (pieces * voices, terms, voices, steps)
    terms = np.flatnonzero(asked)
    for score, own, hangs in zip(scores, sites, found, strict=True):
        for voice in range(score.voices):
            other = next(judged)[: own.shape[0], : score.voices, : score.steps]
            hangs[terms, ..., voice] = other[terms] != own[terms, : score.voices, : score.steps]
            hangs[:, voice, :, voice] = False
    return found


def _without(score: Score, voice: int) -> Score:
    pitch, onset, velocity = score.pitch.copy(), score.onset.copy(), score.velocity.copy()
    pitch[voice], onset[voice], velocity[voice] = BLANK, False, 0
    return dataclasses.replace(score, pitch=pitch, onset=onset, velocity=velocity)
