"""Monophonic voices from parts in which anything may sound together."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

from musicgym.files.grid import MAX_VOICES, GridNote, pitch_name
from musicgym.score import REST, Change

WAYS = ("tracks", "skyline", "split")


class Voices(NamedTuple):
    """What `build` returns."""

    notes: list[list[GridNote]]  # a list a voice; notes in a voice don't overlap
    part: list[int]  # the part that each voice comes from; -1 for a skyline over several parts
    changes: list[Change]


def build(parts: Sequence[Sequence[GridNote]], how: str = "tracks", *, strict: bool = False) -> Voices:
    """Monophonic voices from quantised parts, and a report of every note moved, cut or dropped.

    Args:
        parts: notes on the grid, a list a part, as `quantise` returns them.
        how: "tracks": a voice a part; of a chord the highest note stays, a note is cut where the next begins.
            "skyline": one voice, the highest note that sounds in any part. A note that a higher one interrupts
            ends there; a note that begins under a higher one comes out late if at least half of it is left.
            "split": as many voices a part as sound together in it, ordered from high to low, no note lost; each
            note goes to the free voice that keeps leaps small and voices uncrossed.
        strict: refuse what "tracks" would cut or drop.

    Raises:
        ValueError: an unknown way, more than `MAX_VOICES` voices, or under `strict` the first note cut or dropped.
    """
    if how not in WAYS:
        raise ValueError(f"voices={how!r}: expected one of {', '.join(map(repr, WAYS))}")
    changes: list[Change] = []
    if how == "tracks":
        notes = [_one_at_a_time(part, voice, changes) for voice, part in enumerate(parts)]
        origin = list(range(len(parts)))
        if strict and changes:
            first = changes[0]
            raise ValueError(
                f"part {first.voice}, step {first.step}: {first.detail} ({first.kind}), because a voice holds one note at a "
                "time: voices='split' keeps every note"
            )
    elif how == "skyline":
        sounding = sorted((n for part in parts for n in part if n.pitch != REST), key=_order)
        notes = [_skyline(sounding, changes)]
        origin = [0 if len(parts) == 1 else -1]
    else:
        notes, origin = [], []
        for index, part in enumerate(parts):
            split = _split([n for n in part if n.pitch != REST], index)
            notes += split
            origin += [index] * len(split)
    if len(notes) > MAX_VOICES:
        raise ValueError(f"{len(notes)} voices: at most {MAX_VOICES} are read; voices='skyline' makes one of them")
    for voice, line in enumerate(notes):
        changes += [Change("quantised", voice, n.start, n.moved) for n in line if n.moved and n.pitch != REST]
    return Voices(notes, origin, sorted(changes, key=lambda c: (c.voice, c.step)))


def _order(note: GridNote) -> tuple[int, int, int]:
    return note.start, -note.pitch, -note.duration


def _without_grace_notes(group: list[GridNote], voice: int, changes: list[Change]) -> list[GridNote]:
    """The notes of one step without those shorter than the grid, if a full note begins there too."""
    full = [n for n in group if not n.brief]
    if not full or len(full) == len(group):
        return group
    for note in group:
        if note.brief:
            detail = f"is too short for the grid (a grace note?) and gives way to {pitch_name(full[0].pitch)}"
            changes.append(Change("dropped", voice, note.start, f"{pitch_name(note.pitch)} {detail}", 1))
    return full


def _one_at_a_time(part: Sequence[GridNote], voice: int, changes: list[Change]) -> list[GridNote]:
    line: list[GridNote] = []
    for start, together in groupby((n for n in part if n.pitch != REST), key=lambda n: n.start):
        group = _without_grace_notes(list(together), voice, changes)
        top = group[0]
        for note in group[1:]:
            detail = f"{pitch_name(note.pitch)} sounds below {pitch_name(top.pitch)} in a chord"
            changes.append(Change("dropped", voice, start, detail, 1))
        if line and line[-1].start + line[-1].duration > start:
            before = line[-1]
            detail = f"lasted until step {before.start + before.duration} and ends where {pitch_name(top.pitch)} begins"
            changes.append(Change("cut", voice, start, f"{pitch_name(before.pitch)} {detail}"))
            line[-1] = before._replace(duration=start - before.start)
        line.append(top)
    return line + [n for n in part if n.pitch == REST]


def _skyline(notes: list[GridNote], changes: list[Change]) -> list[GridNote]:
    line: list[GridNote] = []
    covered: list[tuple[int, int, GridNote]] = []  # heap: highest pitch first

    def end() -> int:
        return line[-1].start + line[-1].duration if line else 0

    def uncover(until: int) -> None:
        """Let the highest covered notes come out where nothing sounds, before the step `until`."""
        while covered and end() < until:
            _, _, note = heapq.heappop(covered)
            late = max(end() - note.start, 0)
            if 2 * late <= note.duration:
                if late:
                    detail = f"{pitch_name(note.pitch)} comes out {late} steps late from under a higher note"
                    changes.append(Change("cut", 0, note.start + late, detail))
                line.append(note._replace(start=note.start + late, duration=note.duration - late))
            else:
                detail = f"{pitch_name(note.pitch)} sounds below {pitch_name(line[-1].pitch)}"
                changes.append(Change("dropped", 0, note.start, detail, 1))

    serial = 0
    for start, together in groupby(notes, key=lambda n: n.start):
        uncover(start)
        group = _without_grace_notes(list(together), 0, changes)
        if end() > start and group[0].pitch > line[-1].pitch:
            detail = f"{pitch_name(line[-1].pitch)} ends where the higher {pitch_name(group[0].pitch)} begins"
            changes.append(Change("cut", 0, start, detail))
            line[-1] = line[-1]._replace(duration=start - line[-1].start)
        for note in group:
            serial += 1
            heapq.heappush(covered, (-note.pitch, serial, note))
        uncover(start + 1)
    uncover(notes[-1].start + max(n.duration for n in notes) + 1 if notes else 0)
    return line


def _split(notes: list[GridNote], part: int) -> list[list[GridNote]]:
    """As few voices as hold every note of a part. Cost grows with notes times voices."""
    if not notes:
        return [[]]
    notes = sorted(notes, key=_order)
    count, reference = _fullest_chord(notes)  # the pitch that each voice is followed from, high to low
    if count > MAX_VOICES:
        raise ValueError(f"part {part}: {count} notes sound together; at most {MAX_VOICES} voices are read: use voices='skyline'")
    lines: list[list[GridNote]] = [[] for _ in range(count)]
    ends = [0] * count
    for start, together in groupby(notes, key=lambda n: n.start):
        group = list(together)
        free = [v for v in range(count) if ends[v] <= start]
        chosen = _follow([n.pitch for n in group], free, reference, [e > start for e in ends])
        for note, voice in zip(group, chosen, strict=True):
            lines[voice].append(note)
            ends[voice] = start + note.duration
            reference[voice] = note.pitch
    return sorted(lines, key=lambda line: -sum(n.pitch * n.duration for n in line) / sum(n.duration for n in line))


def _fullest_chord(notes: list[GridNote]) -> tuple[int, list[int]]:
    """How many notes sound where most do, and their pitches at the first such moment, high to low (`MAX_VOICES` at most)."""
    most, best = 0, [0]
    sounding: list[tuple[int, int]] = []  # heap of (end, pitch)
    for start, together in groupby(notes, key=lambda n: n.start):
        while sounding and sounding[0][0] <= start:
            heapq.heappop(sounding)
        for note in together:
            heapq.heappush(sounding, (start + note.duration, note.pitch))
        if len(sounding) > most:
            most = len(sounding)
            if most <= MAX_VOICES:
                best = [pitch for _, pitch in sounding]
    return most, sorted(best, reverse=True)


def _follow(pitches: list[int], free: list[int], reference: list[int], busy: list[bool]) -> list[int]:
    """A free voice for each pitch (high to low), order kept, with the least sum of leaps and crossings."""
    if len(pitches) == len(free):
        return free
    ceiling, floor = _bounds(reference, busy)
    rows, columns = len(pitches), len(free)
    # best[j]: the least cost of placing the pitches so far in the first j free voices
    best = [0] * (columns + 1)
    taken = []
    for i in range(rows):
        row, choice = [_NEVER] * (columns + 1), [False] * (columns + 1)
        for j in range(i + 1, columns - (rows - 1 - i) + 1):
            voice, pitch = free[j - 1], pitches[i]
            crossing = _CROSSING * ((pitch > ceiling[voice]) + (pitch < floor[voice]))
            cost = best[j - 1] + abs(pitch - reference[voice]) + crossing
            choice[j] = cost < row[j - 1]
            row[j] = min(cost, row[j - 1])
        best = row
        taken.append(choice)
    voices: list[int] = []
    j = columns
    for i in range(rows - 1, -1, -1):
        while not taken[i][j]:
            j -= 1
        voices.append(free[j - 1])
        j -= 1
    return voices[::-1]


_NEVER = 1 << 40
_CROSSING = 12  # semitones of leap that a crossing is worth


def _bounds(reference: list[int], busy: list[bool]) -> tuple[list[int], list[int]]:
    """The lowest pitch that sounds above each voice and the highest that sounds below it."""
    count = len(reference)
    ceiling, floor = [128] * count, [-1] * count
    for v in range(1, count):
        ceiling[v] = min(ceiling[v - 1], reference[v - 1] if busy[v - 1] else 128)
    for v in range(count - 2, -1, -1):
        floor[v] = max(floor[v + 1], reference[v + 1] if busy[v + 1] else -1)
    return ceiling, floor
