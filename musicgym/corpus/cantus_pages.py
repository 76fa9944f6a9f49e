"""Cantus firmi as pages: one voice given, a whole note a bar, the others blank."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from musicgym.corpus.cantus_firmi import FUX, LONGEST, Cantus, generated
from musicgym.corpus.families import SPLITS
from musicgym.pieces import Excerpts, beat_steps
from musicgym.score import DEFAULT_VELOCITY, MODES, SCALES, bar_steps, key_name, parse_key

SOURCES = ("cantus", "fux_cantus")
_WHITE_KEYS = ("C major", "D dorian", "E phrygian", "F lydian", "G mixolydian", "A minor")


def is_cantus(source: str) -> bool:
    """Whether a task's source names cantus firmi: "cantus", "cantus/train", "fux_cantus" or "cantus 62 65 64 62"."""
    return source.partition("/")[0].partition(" ")[0].strip() in SOURCES


def cantus_source(pitches: tuple[int, ...]) -> str:
    """One cantus firmus of the user's own as a source: MIDI numbers, a note a bar, the last one the final."""
    return "cantus " + " ".join(map(str, pitches))


def pages(
    source: str,
    voices: int,
    given: tuple[int, ...],
    steps: int | None,
    steps_per_quarter: float,
    meter: tuple[int, int],
    ranges: np.ndarray,
) -> Excerpts:
    """The pages of a source of cantus firmi, each in its key and as long as it is.

    Args:
        source: see `is_cantus`.
        voices: of the task.
        given: the one voice that has the cantus firmus.
        steps: that pages have room for: longer cantus firmi are left out; None for 16 bars, or as many as the longest has.
        steps_per_quarter: the grid.
        meter: the bars.
        ranges: int (voices, 2): lowest and highest pitch of each voice; cantus firmi outside are left out, and those that leave
            another voice no room (`no_room`).

    Raises:
        ValueError: an unknown split, pitches that are none, not one voice given, or no cantus firmus within its range and of
            so few steps.
    """
    if len(given) != 1:
        raise ValueError(f"source {source!r} with given={given}: expected one voice for the cantus firmus, such as given=(0,)")
    low, high = (int(end) for end in ranges[given[0]])
    known = cantus_firmi(source)
    found = [cantus for cantus in known if low <= min(cantus.pitches) and max(cantus.pitches) <= high]
    if not found:
        sounding = [pitch for cantus in known for pitch in cantus.pitches]
        raise ValueError(
            f"source {source!r}: the cantus firmus goes from {min(sounding)} to {max(sounding)}, its voice's range is "
            f"{low}..{high} (MIDI numbers): transpose it or give the voice another range"
        )
    faults = [no_room(cantus.pitches, given[0], ranges) for cantus in found]
    if all(faults):
        raise ValueError(f"source {source!r}: {faults[0]}")
    found = [cantus for cantus, fault in zip(found, faults, strict=True) if not fault]
    bar = bar_steps(meter, steps_per_quarter)
    longest = max(len(cantus.pitches) for cantus in found) * bar
    room = max(LONGEST * bar, longest) if steps is None else steps
    found = [cantus for cantus in found if len(cantus.pitches) * bar <= room]
    if not found:
        raise ValueError(f"source {source!r}: no cantus firmus has {steps} steps or fewer, {bar} a bar: give more")
    made = Excerpts.blank(len(found), voices, room)
    for row, cantus in enumerate(found):
        end = len(cantus.pitches) * bar
        made.pitch[row, given[0], :end] = np.repeat(cantus.pitches, bar)
        made.onset[row, given[0], :end:bar] = True
        made.velocity[row, given[0], :end] = DEFAULT_VELOCITY
        made.position[row, :end] = np.arange(end) % bar
        made.bar[row, :end], made.beat[row, :end] = bar, beat_steps(meter, steps_per_quarter)
        made.tonic[row, :end], made.mode[row, :end] = parse_key(cantus.key)
        made.length[row] = end
    made.quarter[:] = steps_per_quarter
    return made


def cantus_firmi(source: str) -> tuple[Cantus, ...]:
    """The cantus firmi that a source names. Raises ValueError as `pages` does."""
    name, slash, split = source.partition("/")
    name, _, pitches = name.strip().partition(" ")
    if name == "fux_cantus":
        if slash or pitches:
            raise ValueError(f"source {source!r}: expected 'fux_cantus' alone: these have no split, they are for testing")
        return FUX
    if slash and split not in SPLITS:
        raise ValueError(f"source {source!r}: expected a split of {', '.join(SPLITS)} after the slash")
    if not pitches:
        return generated(split)
    try:
        numbers = tuple(int(pitch) for pitch in pitches.split())
    except ValueError:
        numbers = ()
    if slash or len(numbers) < 2 or not all(0 <= pitch <= 127 for pitch in numbers):
        raise ValueError(f"source {source!r}: expected 'cantus' and two or more MIDI numbers, such as 'cantus 62 65 64 62'")
    return (Cantus(heard_mode(numbers), numbers),)


def no_room(pitches: Sequence[int], place: int, ranges: Any) -> str:
    """What is wrong where a voice that is to lie above or below the cantus firmus has no room there; "" where all have.

    Args:
        pitches: of the cantus firmus.
        place: its voice, 0 the highest.
        ranges: lowest and highest pitch of every voice.
    """
    for voice, (low, high) in enumerate(ranges):
        above = voice < place
        if (above and max(pitches) > high) or (voice > place and min(pitches) < low):
            where = "above" if above else "below"
            return (
                f"the cantus firmus goes from {min(pitches)} to {max(pitches)}, and the voice {where} it has the range "
                f"{low}..{high} (MIDI numbers): transpose it, or give range="
            )
    return ""


def heard_mode(pitches: tuple[int, ...]) -> str:
    """The key of a cantus firmus on its last note: the mode that holds most of its notes, at best the one of that white key.

    >>> heard_mode((62, 65, 64, 62)), heard_mode((67, 70, 69, 67)), heard_mode((66, 69, 68, 66))
    ('D dorian', 'G dorian', 'F# dorian')
    """
    tonic = pitches[-1] % 12
    of_white_keys = [parse_key(name)[1] for name in _WHITE_KEYS if parse_key(name)[0] == tonic]
    modes = of_white_keys + [MODES.index(name) for name in ("dorian", "major", "minor", "mixolydian", "phrygian", "lydian")]
    return key_name(tonic, max(modes, key=lambda mode: sum((pitch - tonic) % 12 in SCALES[mode] for pitch in pitches)))
