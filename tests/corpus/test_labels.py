"""Chord labels of the chorales."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from musicgym import corpus
from musicgym.chords import CHORD_SETS, chord_name, transpose_chords
from musicgym.corpus import Corpus, labels
from musicgym.files.exact import pack
from musicgym.files.steps import from_score, on_grid, score_of, to_score
from musicgym.score import NO_CHORD, Note, Score


@pytest.fixture(scope="module")
def chorales() -> Corpus:
    return corpus.load("bach")


def named(score: Score) -> list[str]:
    """The chords of a score in order."""
    found = labels.with_chords(pack([from_score(score)]))
    chord = score_of(found, on_grid(found, 4), 0).chord
    assert chord is not None
    return [chord_name(int(code)) for code in chord[np.append(True, chord[1:] != chord[:-1])]]


def test_plain_chords_get_their_names() -> None:
    soprano, alto, tenor, bass = [64, 65, 67, 67], [60, 60, 62, 64], [55, 57, 59, 60], [48, 53, 43, 48]
    notes = [[Note(4 * i, 4, p, 80) for i, p in enumerate(line)] for line in (soprano, alto, tenor, bass)]
    assert named(Score.from_notes(notes, meter=(4, 4), key="C major")) == ["C", "F", "G", "C"]


def test_a_passing_note_is_no_chord_of_its_own_and_an_inversion_is_told() -> None:
    soprano = [Note(0, 4, 72, 80), Note(4, 2, 71, 80), Note(6, 2, 69, 80), Note(8, 8, 67, 80)]
    lower = [
        [Note(0, 4, 67, 80), Note(4, 4, 62, 80), Note(8, 8, 64, 80)],
        [Note(0, 4, 52, 80), Note(4, 4, 55, 80), Note(8, 8, 48, 80)],
    ]
    lower.append([Note(0, 4, 48, 80), Note(4, 4, 47, 80), Note(8, 8, 48, 80)])
    assert named(Score.from_notes([soprano, *lower], meter=(4, 4), key="C major")) == ["C", "G/B", "C"]


def test_labels_move_with_the_music(chorales: Corpus) -> None:
    score = chorales[0]
    moved = score.transpose(3)
    once, again = (labels.with_chords(pack([from_score(one)])) for one in (score, moved))
    assert np.array_equal(transpose_chords(once.chords[:, 1], 3), again.chords[:, 1])
    assert np.array_equal(once.chords[:, 0], again.chords[:, 0])


def test_a_piece_is_labelled_alike_alone_and_among_others(chorales: Corpus) -> None:
    for index in (0, 100, 335):
        alone = labels.with_chords(pack([from_score(chorales[index])]))
        stored = chorales[index].chord
        assert stored is not None
        assert np.array_equal(score_of(alone, on_grid(alone, 4), 0).chord, stored)


def test_every_step_of_a_chorale_has_a_chord_and_most_notes_belong_to_it(chorales: Corpus) -> None:
    inside = total = 0
    for score in chorales:
        assert score.chord is not None
        assert (score.chord != NO_CHORD).all()
        sounding = score.pitch >= 0
        inside += int((CHORD_SETS[score.chord // 4] >> (score.pitch % 12) & 1)[sounding].sum())
        total += int(sounding.sum())
    assert 0.9 < inside / total < 0.97  # passing notes and suspensions are the rest


def test_tunes_have_no_chords() -> None:
    assert corpus.load("aird")[0].chord is None


def test_excerpts_carry_chords_and_move_them(chorales: Corpus) -> None:
    plain = chorales.excerpts(64)
    moved = chorales.excerpts(64, transpose_to="C")
    shift = chorales.windows(64, transpose_to="C").shift
    assert (plain.chord != NO_CHORD).all()
    assert np.array_equal(moved.chord, transpose_chords(plain.chord, shift[:, None]))


def test_chords_survive_exact_time(chorales: Corpus) -> None:
    assert to_score(from_score(chorales[7]), 4) == chorales[7]


@pytest.mark.slow  # trains sixteen times
def test_labels_are_right_on_chorales_they_were_not_trained_on() -> None:
    pytest.importorskip("music21")
    from musicgym.benchmarks.chord_labels import leave_one_out, read_truth

    truth = read_truth()
    rows = leave_one_out(truth)
    total = np.sum(list(rows.values()), axis=0)
    assert len(rows) == 16
    assert len(truth.left_out) == 4
    assert total[1] / total[0] >= 0.91  # root
    assert total[2] / total[0] >= 0.85  # root and quality
    assert total[4] / total[0] >= 0.80  # local key
    assert total[2] > total[6]  # the plain template


@pytest.mark.slow  # trains on all analyses
def test_the_shipped_weights_are_those_that_the_script_writes(tmp_path: Path) -> None:
    pytest.importorskip("music21")
    from musicgym.benchmarks.chord_labels import read_truth, write_weights

    path = tmp_path / "labels.json"
    write_weights(read_truth(), path)
    assert path.read_text(encoding="utf-8") == Path(labels.__file__).with_name("labels.json").read_text(encoding="utf-8")
