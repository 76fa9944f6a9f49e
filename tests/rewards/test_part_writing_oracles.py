"""Parallels, hidden perfects, overlaps and crossings of Bach's chorales stand where music21's VoiceLeadingQuartet finds them."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from music21.note import Note
from music21.pitch import Pitch
from music21.voiceLeading import VoiceLeadingQuartet

from musicgym import corpus
from musicgym.pieces import Excerpts
from musicgym.rewards import Rules
from musicgym.rewards.part_writing.motion import voice_crossing, voice_overlap
from musicgym.rewards.part_writing.parallels import antiparallels, direct_perfects, parallel_fifths, parallel_octaves

GRID = 8  # 32nds hold all 364 chorales
RULES = Rules.of(parallel_fifths, parallel_octaves, antiparallels, direct_perfects, voice_overlap, voice_crossing, name="lines")

Places = dict[tuple[int, int, int], float]  # piece, voice and step -> what a rule says there


@functools.cache
def chorales() -> Excerpts:
    return Excerpts.from_scores(list(corpus.load("bach", steps_per_quarter=GRID, exact=False)))


@functools.cache
def said() -> dict[str, Places]:
    _, marks = RULES.score(chorales(), marks=True)
    return {
        term: {tuple(at): float(marks[at[0], k, at[1], at[2]]) for at in np.argwhere(marks[:, k] != 0).tolist()}
        for k, term in enumerate(RULES.terms)
    }


@functools.cache
def note(midi: int) -> Note:
    return Note(Pitch(midi=midi))


@functools.cache
def quartet(a: int, b: int, c: int, d: int) -> VoiceLeadingQuartet:
    """The upper voice goes from a to b while the lower goes from c to d."""
    return VoiceLeadingQuartet(note(a), note(b), note(c), note(d))


@functools.cache
def moves(upper: int, lower: int) -> np.ndarray:
    """int64 (moves, 6): piece, step, and what two voices sing just before and at each step at which a note begins in either."""
    music = chorales()
    pitch = music.pitch[:, [upper, lower]].astype(np.int64)
    begins = (music.onset[:, upper] | music.onset[:, lower])[:, 1:]
    sounds = (pitch[:, :, 1:] >= 0).all(axis=1) & (pitch[:, :, :-1] >= 0).all(axis=1)
    piece, step = np.nonzero(begins & sounds)
    a, c = pitch[piece, :, step].T
    b, d = pitch[piece, :, step + 1].T
    return np.stack([piece, step + 1, a, b, c, d], axis=1)


def found(upper: int, lower: int, kept: np.ndarray, asked: str, similar: bool | None = None) -> list[tuple[int, int, int]]:
    """Where music21 says so: piece, lower voice, step."""
    places = []
    for piece, step, *pitches in moves(upper, lower)[kept].tolist():
        heard = quartet(*pitches)
        if getattr(heard, asked)() and similar in (None, heard.similarMotion()):
            places.append((piece, lower, step))
    return places


def counted(places: list[tuple[int, int, int]]) -> Places:
    made: Places = {}
    for place in places:
        made[place] = made.get(place, 0.0) - 1.0
    return made


PAIRS = [(upper, lower) for lower in range(4) for upper in range(lower)]


def perfects(size: int, asked: str, similar: bool) -> Places:
    """Of all pairs of voices, those moves that begin and end with this interval, or its twelfth and so on."""
    places = []
    for upper, lower in PAIRS:
        _, _, a, b, c, d = moves(upper, lower).T
        kept = (np.abs(a - c) % 12 == size) & (np.abs(b - d) % 12 == size)
        places += found(upper, lower, kept, asked, similar)
    return counted(places)


def test_the_45_parallel_fifths_of_the_364_chorales_are_those_of_music21():
    assert len(chorales().length) == 364
    expected = perfects(7, "parallelFifth", similar=True)
    assert said()["parallel_fifths"] == expected
    assert sum(expected.values()) == -45


def test_parallel_octaves_are_those_of_music21_and_with_contrary_motion_41():
    """music21 counts contrary motion as parallel: 20 of its 41; in the same direction there are 21."""
    expected = perfects(0, "parallelUnisonOrOctave", similar=True)
    assert said()["parallel_octaves"] == expected
    assert sum(expected.values()) == -21
    contrary = perfects(0, "parallelUnisonOrOctave", similar=False)
    assert sum(contrary.values()) == -20


def test_antiparallels_are_those_of_music21():
    places = [perfects(size, "antiParallelMotion", similar=False) for size in (0, 7)]
    expected: Places = {}
    for one in places:
        for place, value in one.items():
            expected[place] = expected.get(place, 0.0) + value
    assert said()["antiparallels"] == expected


def test_hidden_perfects_under_a_leaping_soprano_are_those_of_music21():
    _, _, a, b, _, d = moves(0, 3).T
    leaps = np.abs(b - a) > 2
    fifths = found(0, 3, leaps & ((b - d) % 12 == 7), "hiddenFifth")
    octaves = found(0, 3, leaps & ((b - d) % 12 == 0), "hiddenOctave")
    expected = counted(fifths + octaves)
    more = set(said()["direct_perfects"]) - set(expected)
    assert not set(expected) - set(said()["direct_perfects"])
    assert (
        len(more) == 2
    )  # spelled from MIDI numbers, B flat and F sharp are a kind of fifth to music21, G sharp and E flat a sixth


@pytest.mark.parametrize("voice", [1, 2, 3])
def test_overlaps_of_neighbours_are_those_of_music21_but_where_they_cross(voice):
    _, _, a, b, c, d = moves(voice - 1, voice).T
    expected = counted(found(voice - 1, voice, ((b < c) | (d > a)) & (b >= d), "voiceOverlap"))
    assert {place: value for place, value in said()["voice_overlap"].items() if place[1] == voice} == expected


@pytest.mark.parametrize("voice", [1, 2, 3])
def test_crossings_of_neighbours_are_those_of_music21(voice):
    """Its method also counts crossings that were there before: here only those at the note's own place are asked of it."""
    _, _, _, b, _, d = moves(voice - 1, voice).T
    expected = []
    for piece, step, _, upper, _, lower in moves(voice - 1, voice)[b < d].tolist():
        if quartet(upper, upper, lower, lower).voiceCrossing():
            expected.append((piece, voice, step))
    after_rests = {place for place in said()["voice_crossing"] if place[1] == voice} - set(expected)
    pitch = chorales().pitch
    assert not set(expected) - set(said()["voice_crossing"])
    assert all(step == 0 or (pitch[piece, v - 1 : v + 1, step - 1] < 0).any() for piece, v, step in after_rests)
