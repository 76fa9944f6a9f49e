"""Loudness measured by piece: SciPy's correlation is the oracle."""

from __future__ import annotations

import numpy as np
from scipy.stats import pearsonr

from musicgym import Score
from musicgym.benchmarks.loudness import by_piece, varies
from musicgym.pieces import Excerpts

METRE = {0: 1.0, 4: -0.4, 8: 0.5, 12: -0.4}  # weights of the beats of 4/4 in sixteenths


def scores(seed: int) -> list[Score]:
    draws = np.random.default_rng(seed)
    return [
        Score.from_notes([[(4 * k, 4, int(draws.integers(55, 80)), int(draws.integers(30, 120))) for k in range(4 * bars)]])
        for bars in (1, 2, 3)
    ]


def test_correlations_of_each_piece_are_scipys() -> None:
    made = scores(1)
    found = by_piece(Excerpts.from_scores(made))
    for score, row in zip(made, found, strict=True):
        notes = score.notes(0)
        loud = [note.velocity for note in notes]
        assert np.isclose(row[0], pearsonr(loud, [METRE[note.start % 16] for note in notes])[0])
        assert np.isclose(row[1], pearsonr(loud, [note.pitch for note in notes])[0])
        assert np.isclose(row[2], np.std(loud))
        on, off = ([n.velocity for n in score.notes(0) if (n.start % 16 == 0) == first] for first in (True, False))
        assert np.isclose(row[3], np.mean(on) - np.mean(off))


def test_a_piece_of_one_velocity_has_no_correlation_and_no_spread() -> None:
    flat = Score.from_notes([[(0, 4, 60, 80), (4, 4, 67, 80)]])
    assert by_piece(Excerpts.from_scores([flat])).tolist() == [[0.0, 0.0, 0.0, 0.0]]
    assert not varies(Excerpts.from_scores([flat]))
    assert varies(Excerpts.from_scores(scores(2)))


def test_notes_on_bar_lines_need_others_to_be_louder_than() -> None:
    only = Score.from_notes([[(0, 16, 60, 100), (16, 16, 62, 50)]])
    none = Score.from_notes([[(4, 4, 60, 100), (8, 4, 62, 50)]], steps=32)
    assert by_piece(Excerpts.from_scores([only, none]))[:, 3].tolist() == [0.0, 0.0]
