"""Spoiled chorales keep what they should of the page and of the voices, and change the rest."""

from __future__ import annotations

import numpy as np
import pytest

from musicgym.benchmarks.corruptions import in_scale_alternatives
from musicgym.benchmarks.events import events
from musicgym.benchmarks.spoiled_parts import (
    NON_MUSIC_IN_PARTS,
    SPOILED_PARTS,
    displaced_part,
    kinds_of_parts,
    part,
    shuffled_beats,
)
from musicgym.benchmarks.tunes import chorales
from musicgym.score import BLANK


@pytest.fixture(scope="module")
def real():
    return chorales("valid", limit=30)


def spoiled(real, name, seed=0):
    return kinds_of_parts(real.families)[name](real.excerpts, np.random.default_rng(seed))


@pytest.mark.parametrize("name", ["other parts", *SPOILED_PARTS, *NON_MUSIC_IN_PARTS])
def test_every_kind_fills_the_same_pages_and_begins_where_it_must(real, name):
    made = spoiled(real, name)
    inside = np.arange(made.pitch.shape[2]) < made.length[:, None]
    assert made.pitch.shape == real.excerpts.pitch.shape
    assert (made.pitch[inside[:, None] & np.ones_like(made.onset)] != BLANK).all()
    assert (made.pitch[~(inside[:, None] & np.ones_like(made.onset))] == BLANK).all()
    assert made.onset[:, :, 0].all()
    holds = ~made.onset[:, :, 1:] & inside[:, None, 1:]
    assert (made.pitch[:, :, 1:] == made.pitch[:, :, :-1])[holds].all()
    for field in ("position", "bar", "beat", "tonic", "mode", "phrase_end", "length"):
        np.testing.assert_array_equal(getattr(made, field), getattr(real.excerpts, field))


@pytest.mark.parametrize("name", ["other parts", *SPOILED_PARTS])
def test_spoiling_is_drawn_from_the_random_source_alone(real, name):
    np.testing.assert_array_equal(spoiled(real, name, 5).pitch, spoiled(real, name, 5).pitch)
    assert (spoiled(real, name).pitch != real.excerpts.pitch).any(axis=(1, 2)).mean() > 0.7


def test_other_parts_keep_the_soprano_and_come_from_another_family(real):
    made = spoiled(real, "other parts")
    np.testing.assert_array_equal(made.pitch[:, 0], real.excerpts.pitch[:, 0])
    differs = (made.pitch[:, 1:] != real.excerpts.pitch[:, 1:]).any(axis=(1, 2))
    assert differs.mean() > 0.9


def test_one_part_is_displaced_by_a_beat_and_the_others_stay(real):
    made = displaced_part(real.excerpts, np.random.default_rng(1))
    for row in range(len(made.length)):
        length, beat = int(made.length[row]), int(made.beat[row, 0])
        changed = [v for v in range(4) if (made.pitch[row, v] != real.excerpts.pitch[row, v]).any()]
        assert len(changed) <= 1
        for voice in changed:
            np.testing.assert_array_equal(
                made.pitch[row, voice, :length], np.roll(real.excerpts.pitch[row, voice, :length], beat)
            )


def test_one_note_a_bar_is_wrong_and_in_its_key_and_range(real):
    made = spoiled(real, "wrong notes")
    for row in range(len(made.length)):
        length, bar = int(made.length[row]), int(made.bar[row, 0])
        wrong = (made.pitch[row] != real.excerpts.pitch[row]) & real.excerpts.onset[row]
        assert wrong[:, :length].reshape(4, -1, bar).any(axis=2).sum(axis=0).max() <= 1
        for voice, step in np.argwhere(wrong):
            line = events(part(real.excerpts.take(np.array([row])), int(voice)))
            lowest, highest = line.pitch[line.pitch >= 0].min(keepdims=True), line.pitch.max(keepdims=True)
            allowed = in_scale_alternatives(real.excerpts.take(np.array([row])), line, lowest, highest)
            assert allowed[line.start == step][0, made.pitch[row, voice, step]]


def test_shuffled_beats_keep_every_chord(real):
    made = shuffled_beats(real.excerpts, np.random.default_rng(0))
    for row in range(5):
        length, beat = int(made.length[row]), int(made.beat[row, 0])
        before, after = (m.pitch[row, :, :length].reshape(4, -1, beat).swapaxes(0, 1) for m in (real.excerpts, made))
        assert sorted(map(bytes, before)) == sorted(map(bytes, after))
