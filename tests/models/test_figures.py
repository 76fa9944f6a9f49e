"""Figures of held-out music: what a unit is, and that they add up to what models say of pieces."""

import math

import numpy as np
import pytest
import torch

from musicgym import Note, NoteChoice, Score, StepChoice, Task
from musicgym.models import LSTM
from musicgym.models.figures import Held, held, summary, tally
from musicgym.models.material import Music, Windows, as_written, fitting, moves
from musicgym.models.tokens import alphabet_of, encode
from musicgym.pieces import Excerpts
from musicgym.tasks.chorale import chorale

MELODY = Task(StepChoice(48, 83))
NOTES = Task(NoteChoice(), length=32)


def pieces(scores, task):
    music = Excerpts.from_scores(scores)
    return Held(encode(music, alphabet_of(task), task.voices), music.length.astype(np.int64), np.arange(len(scores)), 0)


def uniform(task):
    size = alphabet_of(task).size
    return lambda tokens, place: torch.zeros(*tokens.shape, size)


def knows(*wrong):
    """A predictor that is sure of every token, and of another one at these places."""

    def predict(tokens, place):
        sure = torch.nn.functional.one_hot(tokens, 64).float() * 50
        for row, at in wrong:
            sure[row, at] = torch.nn.functional.one_hot((tokens[row, at] + 1) % 64, 64).float() * 50
        return sure

    return predict


@pytest.fixture
def two():
    """Two bars of quarters with a rest, and one bar of eighths."""
    first = Score.from_notes([[Note(0, 4, 60, 80), Note(4, 4, 62, 80), Note(12, 8, 64, 80)]], steps=20)
    return [first, Score.from_notes([[Note(2 * i, 2, 60 + i, 80) for i in range(8)]])]


def test_of_a_uniform_model_a_slot_costs_the_logarithm_of_the_alphabet(two):
    found = tally(uniform(MELODY), pieces(two, MELODY), alphabet_of(MELODY), 1, 4)
    figures = summary(found)
    assert figures["slot"]["nats"] == pytest.approx(math.log(38))
    assert figures["onset"]["nats"] == pytest.approx(math.log(38))
    assert figures["quarter"]["nats"] == pytest.approx(4 * math.log(38))
    assert figures["slot"]["accuracy"] == pytest.approx(1 / 38)
    assert figures["quarter"]["accuracy"] == pytest.approx(38.0**-4)


def test_units_are_slots_note_onsets_and_quarters(two):
    found = tally(knows(), pieces(two, MELODY), alphabet_of(MELODY), 1, 4)
    assert found.units.tolist() == [[20, 3, 5], [16, 8, 4]]
    assert np.array_equal(found.right.round(6), found.units)
    assert found.nats == pytest.approx(0, abs=1e-9)


def test_a_wrong_note_is_a_wrong_slot_a_wrong_onset_and_a_wrong_quarter(two):
    found = tally(knows((0, 12), (1, 3)), pieces(two, MELODY), alphabet_of(MELODY), 1, 4)
    # Pieces are judged in order of length: row 0 of the batch is the shorter one, whose slot 12 is an onset and slot 3 a hold.
    assert sorted(found.right.round().tolist()) == sorted([[15.0, 7.0, 3.0], [19.0, 3.0, 4.0]])


def test_of_four_voices_all_of_a_quarter_must_be_right():
    task = chorale(given=(), meter=None)
    score = Score.from_notes([[Note(0, 4, pitch, 80), Note(4, 4, pitch + 2, 80)] for pitch in (72, 65, 60, 48)])
    found = tally(knows((0, 17)), pieces([score], task), alphabet_of(task), 4, 4)
    assert found.units.tolist() == [[32, 8, 2]]
    assert found.right.round().tolist() == [[31, 7, 1]]


def test_of_whole_notes_a_note_is_right_where_all_its_factors_are(two):
    alphabet = alphabet_of(NOTES)
    found = tally(uniform(NOTES), pieces(two, NOTES), alphabet, 1, 4)
    assert found.units.tolist() == [[20, 3, 5], [16, 8, 4]]
    assert found.nats[:, 0] == pytest.approx(np.array([8, 16]) * math.log(alphabet.size))  # 4 and 8 events of two tokens
    assert found.judged.tolist() == [[4, 3, 4], [8, 8, 4]]  # nothing is chosen in the last quarter of a half note
    assert found.right[:, 1] == pytest.approx(np.array([3, 8]) / alphabet.size**2)


@pytest.mark.parametrize("task", [MELODY, NOTES, Task(NoteChoice(velocities=(40, 80)), length=32)])
def test_the_nats_of_a_piece_are_what_the_model_says_of_it(two, task):
    torch.manual_seed(0)
    model = LSTM(task, units=12, embedding=6)
    found = tally(model.logits, pieces(two, task), model.alphabet, 1, 4)
    assert found.nats[:, 0] == pytest.approx(-model.log_prob(two), rel=1e-5)
    assert found.nats[:, 2] == pytest.approx(found.nats[:, 0])


def test_figures_do_not_hang_on_which_pieces_are_judged_together(little):
    music, windows = little[1]
    torch.manual_seed(0)
    model = LSTM(MELODY, units=12, embedding=6)
    together = tally(model.logits, held(music, windows, model.alphabet), model.alphabet, 1, 4)
    for row in (0, 5):
        alone = held(music, windows.take(np.array([row])), model.alphabet)
        for whole, one in zip(together, tally(model.logits, alone, model.alphabet, 1, 4)):
            assert one[0] == pytest.approx(whole[row], abs=1e-4)


def test_pieces_that_cannot_be_written_in_the_tokens_are_left_out_and_counted(two):
    music = Music(Excerpts.from_scores(two), np.arange(2, dtype=np.int32), np.zeros((2, 2), np.int64))
    task = Task(NoteChoice(durations=(2, 16)), length=32)
    ready = fitting(music, moves(music, task, "none"))
    assert held(ready[0], as_written(*ready), alphabet_of(task)).left_out == 1
    with pytest.raises(ValueError, match="none of the 1 held-out pieces can be written"):
        held(ready[0], Windows(*(np.array([n]) for n in (0, 0, 20, 0))), alphabet_of(task))
