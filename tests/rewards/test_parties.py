"""Of which voices a mark speaks, where a rule looks at several."""

from __future__ import annotations

import numpy as np
import pytest

from musicgym.rewards import rule
from musicgym.rewards.marks import concerns, judge
from musicgym.rewards.parties import parties
from musicgym.score import Score

UNISON = 60


@rule(sees="lower", at="note")
def parties_unison(piece, voice, step):
    """-1 for each lower-numbered voice that sounds the same pitch (of this test)."""
    found = 0.0
    for other in range(voice):
        if piece.pitch[other, step] == piece.pitch[voice, step]:
            found -= 1.0
    return found


@rule(sees="own", at="note")
def parties_high(piece, voice, step):
    """1 for a note above middle C (of this test)."""
    return 1.0 if piece.pitch[voice, step] > UNISON else 0.0


def three(*pitches: list[int]) -> Score:
    return Score.from_notes([[(4 * i, 4, pitch, 80) for i, pitch in enumerate(line)] for line in pitches])


def test_a_mark_names_the_voices_that_it_hangs_on() -> None:
    score = three([60, 62, 64], [60, 57, 64], [55, 62, 64])
    marks = judge(parties_unison(), score).marks
    assert [(mark.step, mark.voice, mark.others, mark.value) for mark in marks] == [
        (0, 1, (0,), -1.0),
        (4, 2, (0,), -1.0),
        (8, 1, (0,), -1.0),
        (8, 2, (0, 1), -2.0),
    ]


def test_rules_of_one_voice_have_no_parties() -> None:
    score = three([62, 62], [62, 62])
    marks = judge(parties_unison() + parties_high(), score).marks
    assert {(mark.rule, mark.others) for mark in marks} == {("parties_unison", (0,)), ("parties_high", ())}


def test_pieces_of_several_lengths_are_told_together() -> None:
    scores = [three([60, 62], [60, 62]), three([60, 62, 64], [50, 62, 64])]
    reward = parties_unison()
    _, sites = reward.score(scores, marks=True)
    hangs = parties(reward, scores, sites, [concern.others for concern in concerns(reward, scores[0])])
    assert [np.argwhere(own).tolist() for own in hangs] == [[[0, 1, 0, 0], [0, 1, 4, 0]], [[0, 1, 4, 0], [0, 1, 8, 0]]]


@pytest.mark.parametrize("asked", [True, False])
def test_a_single_voice_has_no_parties(asked: bool) -> None:
    score = three([60, 62])
    reward = parties_unison()
    assert not parties(reward, [score], reward.score([score], marks=True)[1], [asked])[0].any()
