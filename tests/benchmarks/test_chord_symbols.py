"""`chord_symbols` tells the chords of chorales from others; what is spoiled is the chords alone."""

from __future__ import annotations

import numpy as np
import pytest

from musicgym import rewards
from musicgym.benchmarks.chord_symbols import kinds_of_symbols, sopranos_over_chords
from musicgym.benchmarks.discrimination import discrimination
from musicgym.benchmarks.tunes import Tunes

KINDS = ("another chorale's", "the same a beat late", "the same shuffled", "random ones")


@pytest.fixture(scope="module")
def real() -> Tunes:
    return sopranos_over_chords("valid")


def test_all_kinds_are_known(real: Tunes) -> None:
    assert tuple(kinds_of_symbols(real.families)) == KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_melodies_stay_and_every_beat_has_another_chord_or_order(real: Tunes, kind: str) -> None:
    made = kinds_of_symbols(real.families)[kind](real.excerpts, np.random.default_rng(1))
    for name in ("pitch", "onset", "velocity"):
        np.testing.assert_array_equal(getattr(made, name)[:, 0], getattr(real.excerpts, name)[:, 0])
    on_beat = real.excerpts.position % real.excerpts.beat == 0
    np.testing.assert_array_equal(made.onset[:, 1:], np.broadcast_to(on_beat[:, None], made.onset[:, 1:].shape))
    assert (made.pitch[:, 1:] != real.excerpts.pitch[:, 1:]).any(axis=(1, 2)).mean() > 0.9
    if kind.startswith("the same"):
        chords = [np.sort(music.pitch[:, 4][on_beat].reshape(len(music.pitch), -1), axis=1) for music in (made, real.excerpts)]
        np.testing.assert_array_equal(*chords)


def test_late_chords_come_a_beat_later(real: Tunes) -> None:
    made = kinds_of_symbols(real.families)["the same a beat late"](real.excerpts, np.random.default_rng(1))
    np.testing.assert_array_equal(made.pitch[:, 1:, 4:], real.excerpts.pitch[:, 1:, :-4])


@pytest.mark.slow  # compiles the set
@pytest.mark.parametrize("kind", KINDS)
def test_chords_of_chorales_are_worth_more(real: Tunes, kind: str) -> None:
    found = discrimination(rewards.parse("chord_symbols"), real, kinds_of_symbols(real.families)[kind])
    assert found.auc["total"].low > 0.8
    assert found.paired["total"].mean > 0.95
