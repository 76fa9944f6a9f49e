"""The law of the sum: an episode's terms sum to the finished piece's worth less what was given, whatever the order."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from musicgym import BLANK, Score, StepChoice, Task
from musicgym.compiled import kernel
from musicgym.engine import Engine
from musicgym.pieces import Excerpts
from musicgym.rewards import AtEnd, Rules, parse, rule
from musicgym.testing.episodes import play_alone
from musicgym.testing.music import random_score
from musicgym.testing.rule_checks import check_rules


@kernel
def sounds(piece, voice, step):
    return piece.pitch[voice, step] >= 0


@rule(span=0, sees="lower")
def consonant(piece, voice, step):
    """+1 for each lower-numbered voice at a third, fifth, sixth or octave, -2 for others."""
    total = 0.0
    for other in range(voice):
        if sounds(piece, voice, step) and sounds(piece, other, step):
            width = abs(piece.pitch[voice, step] - piece.pitch[other, step]) % 12
            total += 1.0 if width in (0, 3, 4, 7, 8, 9) else -2.0
    return total


@rule(span=1, sees="lower")
def parallels(piece, voice, step):
    """-1 where two voices move by the same interval."""
    faults = 0.0
    for other in range(voice):
        if step > 0 and sounds(piece, voice, step) and sounds(piece, voice, step - 1):
            moved = piece.pitch[voice, step] - piece.pitch[voice, step - 1]
            also = piece.pitch[other, step] - piece.pitch[other, step - 1]
            faults -= moved == also and moved != 0 and sounds(piece, other, step) and sounds(piece, other, step - 1)
    return faults


@rule
def last_of_any_voice(piece, voice, step, *, weight=0.25):
    """The distance to the note that began last before this step in the voice above (cyclically)."""
    other = (voice + 1) % piece.pitch.shape[0]
    before = piece.previous[other, step]
    if before < 0 or not piece.onset[voice, step] or not sounds(piece, voice, step):
        return 0.0
    return weight * abs(piece.pitch[voice, step] - piece.pitch[other, before])


@rule(sees="own")
def heard_before(piece, voice, step):
    """+1 for each earlier note of this pitch, however far back."""
    count = 0.0
    before = piece.previous[voice, step] if piece.onset[voice, step] and sounds(piece, voice, step) else -1
    while before >= 0:
        count += piece.pitch[voice, before] == piece.pitch[voice, step]
        before = piece.previous[voice, before]
    return count


@rule(sees="own")
def length_of_notes(piece, voice, step):
    """A note's length squared, judged where the next event begins or at the piece's last step."""
    total = 0.0
    if step > 0 and piece.onset[voice, step] and sounds(piece, voice, step - 1):
        total += (step - piece.start[voice, step - 1]) ** 2
    if step == piece.length - 1 and sounds(piece, voice, step):
        total += (step + 1 - piece.start[voice, step]) ** 2
    return total


@rule(span=2, sees="all")
def crowd_two_ago(piece, voice, step):
    """Voices that sounded two steps ago, at every site, holds too."""
    count = 0.0
    for other in range(piece.pitch.shape[0]):
        count += step >= 2 and sounds(piece, other, step - 2)
    return count


@rule(sees="own")
def in_key_late_in_the_bar(piece, voice, step, *, base=2.0):
    """A logarithm of the distance from the tonic, by the place in the bar and the length of the beat."""
    if not sounds(piece, voice, step) or not piece.onset[voice, step]:
        return 0.0
    above = (piece.pitch[voice, step] - piece.tonic[step]) % 12
    return math.log(base + above) * (piece.position[step] + 1) / piece.beat[step]


@rule(sees="own")
def notes_counted(piece, voice, step, *, weight=1):
    """The number of notes so far, at every note."""
    count = 0
    for t in range(step + 1):
        count += piece.onset[voice, t] and piece.pitch[voice, t] >= 0
    return weight * count if piece.onset[voice, step] and sounds(piece, voice, step) else 0.0


@notes_counted.carried(1)
def _notes_counted_carried(piece, voice, step, carry, *, weight=1):
    begins = piece.onset[voice, step] and sounds(piece, voice, step)
    carry[0] += begins
    return weight * carry[0] if begins else 0.0


LAW = Rules.of(
    consonant,
    parallels,
    last_of_any_voice,
    heard_before,
    length_of_notes,
    crowd_two_ago,
    in_key_late_in_the_bar,
    notes_counted,
    name="law",
).weighted(parallels=-3, crowd_two_ago=0.1)
REWARDS = {
    "rules": LAW,
    "at the end": AtEnd(LAW) - 0.5 * LAW,
    "rl_tuner, fixed": parse("rl_tuner(form='fixed')"),
    "rl_tuner, faithful": parse("rl_tuner"),
}


@pytest.mark.parametrize("name", REWARDS)
@given(data=st.data())
def test_an_episodes_terms_sum_to_the_finished_pieces_worth_less_the_starts(settings, name, data):
    setting, reward = data.draw(settings()), REWARDS[name]
    episode = play_alone(reward, setting.task, setting.material, setting.seed % 2**32)
    totals, marks = reward.score([episode.finish, episode.start], marks=True)
    for k, (term, (finish, start)) in enumerate(totals.items()):
        paid = episode.terms[:, k].sum(dtype=np.float64)
        size = max(1.0, np.abs(episode.terms[:, k]).sum(), abs(start), abs(finish))
        assert abs(paid - (finish - start)) <= 1e-5 * size, term
        assert np.allclose(marks[:, k].sum(axis=(1, 2)), [finish, start], rtol=1e-5, atol=1e-5), term
        if episode.append and name != "at the end":
            for (voice, step), value in zip(episode.slots, episode.terms[:, k]):
                assert voice < 0 or abs(value - marks[0, k, voice, step]) <= 1e-5 * max(1.0, abs(value)), (term, voice, step)


@given(data=st.data())
def test_the_order_of_filling_makes_no_difference_to_what_a_score_has_earned(settings, data):
    """The same finished score, reached in time order and slot by slot in a drawn order, is paid the same in all."""
    score = random_score(np.random.default_rng(data.draw(st.integers(0, 2**16))), data.draw(st.integers(1, 3)), 5)
    slots = [(v, s) for v in range(score.voices) for s in range(score.steps)]
    earned = np.zeros(len(LAW.terms))
    pitch, onset = np.full(score.pitch.shape, BLANK), np.zeros(score.onset.shape, bool)
    before = np.zeros(len(LAW.terms))
    for v, s in data.draw(st.permutations(slots)):
        # A held slot can only be written once it has something to hold: till then it stands there as an event of its own.
        pitch[v, s] = score.pitch[v, s]
        onset[v, s] = score.onset[v, s] or (s > 0 and pitch[v, s - 1] == BLANK)
        if s + 1 < score.steps and pitch[v, s + 1] != BLANK:
            onset[v, s + 1] = score.onset[v, s + 1]
        after = np.array([value[0] for value in LAW.score([half_finished(score, pitch, onset)]).values()])
        earned += after - before
        before = after
    assert np.allclose(earned, [value[0] for value in LAW.score([score]).values()])


def half_finished(score, pitch, onset):
    return dataclasses.replace(score, pitch=pitch, onset=onset, velocity=np.where(pitch >= 0, 80, 0))


@pytest.mark.parametrize(
    "reward", [LAW, REWARDS["rl_tuner, fixed"], REWARDS["rl_tuner, faithful"]], ids=["law", "fixed", "faithful"]
)
@limits(max_examples=8)
@given(seed=st.integers(0, 2**32), voices=st.integers(2, 4))
def test_compiled_rules_equal_uncompiled_ones_and_keep_to_their_declared_reach(reward, seed, voices):
    check_rules(reward, voices, np.random.default_rng(seed))


def test_rules_that_are_true_by_hand():
    """Two voices of four steps, worked out on paper."""
    score = Score.from_notes([[(0, 2, 60, 80), (2, 2, 62, 80)], [(0, 1, 57, 80), (1, 1, 60, 80), (2, 2, 62, 80)]], steps=4)
    totals = {name: values[0] for name, values in LAW.score([score]).items()}
    assert totals["consonant"] == 1 + 1 + 1 + 1  # a third, then unisons
    assert totals["parallels"] == -3 * -1  # both up two semitones into step 2, weighted -3
    assert totals["heard_before"] == 0
    assert totals["length_of_notes"] == (4 + 4) + (1 + 1 + 4)
    assert totals["crowd_two_ago"] == pytest.approx(0.1 * 2 * 2 * 2)
    assert totals["notes_counted"] == (1 + 2) + (1 + 2 + 3)


def test_carries_of_pieces_in_the_middle_survive_another_piece_that_is_not_written_forward():
    """A row with notes ahead puts the batch on the slow path; when it is gone the fast one must know what was written since."""
    task = Task(StepChoice(52, 67), length=6)
    engine = Engine(task, 2)
    bound = LAW.bind(task, 2)
    engine.reset(np.arange(2), np.zeros(2, np.uint64))
    bound.reset(engine.pieces, np.ones(2, bool))
    second = np.array([False, True])
    ahead = Score.from_notes([[(4, 2, 60, 80)]], steps=6)
    pitch = np.where(np.arange(6) < 4, BLANK, ahead.pitch)
    holed = dataclasses.replace(ahead, pitch=pitch, onset=ahead.onset & (pitch != BLANK), velocity=np.where(pitch >= 0, 80, 0))
    paid = np.zeros((len(LAW.terms), 2))
    for turn in range(6):
        if turn in (2, 4):
            engine.reset(np.array([1]), None, Excerpts.from_scores([holed]) if turn == 2 else None)
            bound.reset(engine.pieces, second)
            assert engine.pieces.append.tolist() == [True, turn == 4]
        engine.write(np.full((2, 1), 4 + turn))
        paid += bound(engine.pieces)
    expected = LAW.score([engine.score(0)])
    assert np.allclose(paid[:, 0], [expected[name][0] for name in bound.terms], rtol=1e-5)
