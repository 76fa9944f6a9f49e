"""Pieces in exact time, before they are put on a grid: what the readers of ABC and of corpora make.

`Exact` is one piece as lists; `Store` is many as flat arrays with offsets, the form in which corpora are
cached. `musicgym.files.steps` puts a `Store` on a grid.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from musicgym.files.grid import MAX_STEPS
from musicgym.score import DEFAULT_VELOCITY, NO_CHORD, REST, Change

TICKS = 10080  # in a quarter note: holds 128ths, and tuplets of 3, 5, 6, 7 and 9
MAX_TICKS = MAX_STEPS // 12 * TICKS  # longest piece: what a grid of twelve steps a quarter can hold


class Line(NamedTuple):
    """One voice: events that follow one another without gaps."""

    duration: list[int]  # ticks, 1 or more
    pitch: list[int]  # MIDI number or REST
    spelling: list[int]  # place on the line of fifths, 0 for rests
    name: str = ""
    velocity: list[int] | None = None  # 1..127, the default where None; any number for rests
    program: int = 0  # General MIDI


@dataclasses.dataclass
class Exact:
    """One piece in exact time; all times in ticks, `TICKS` to a quarter note. Lists of changes rise and begin at 0."""

    lines: list[Line]
    bar_lines: list[int]  # ticks at which bars begin, rising
    meters: list[tuple[int, int, int]]  # (tick, numerator, denominator)
    keys: list[tuple[int, int, int]]  # (tick, tonic, mode): as written
    local_keys: list[tuple[int, int, int]] = dataclasses.field(default_factory=list)  # as heard; `keys` where empty
    tempos: list[tuple[int, float]] = dataclasses.field(default_factory=lambda: [(0, 120.0)])  # (tick, quarters a minute)
    phrase_ends: list[tuple[int, int]] = dataclasses.field(default_factory=list)  # (first tick, tick after the last)
    chords: list[tuple[int, int]] = dataclasses.field(default_factory=lambda: [(0, NO_CHORD)])  # (tick, code)
    title: str = ""
    source: str = ""
    changes: list[Change] = dataclasses.field(default_factory=list)
    bars: list[tuple[int, int]] | None = None  # (tick, ticks since the bar line there); worked out of `bar_lines` where None

    @property
    def ticks(self) -> int:
        """Length of the longest voice."""
        return max((sum(line.duration) for line in self.lines), default=0)


def bar_positions(bar_lines: Iterable[int], meters: Sequence[tuple[int, int, int]], ticks: int) -> list[tuple[int, int]]:
    """Where bars begin, as (tick, ticks since the bar line there), from the bar lines that a piece has.

    A pickup ends where a full bar would end: a short bar that begins the piece, or follows a bar that itself
    ended short (the halves of a bar split by a repeat sign). Any other short bar begins where a full bar would.

    >>> quarter = TICKS  # a pickup, a full bar, a bar split in 3 + 1 quarters
    >>> lines = [0, quarter, 5 * quarter, 8 * quarter]
    >>> [(t // quarter, p // quarter) for t, p in bar_positions(lines, [(0, 4, 4)], 9 * quarter)]
    [(0, 3), (1, 0), (5, 0), (8, 3)]
    """
    begins = sorted({0, *(t for t in bar_lines if 0 < t < ticks)})
    made = []
    ended_short = len(begins) > 1
    meter = 0
    for begin, end in zip(begins, [*begins[1:], ticks]):
        while meter + 1 < len(meters) and meters[meter + 1][0] <= begin:
            meter += 1
        full = meters[meter][1] * 4 * TICKS // meters[meter][2]
        length = end - begin
        position = full - length if ended_short and length < full else 0
        ended_short = full > 0 and (position + length) % full != 0
        made.append((begin, position))
    return made


class Store(NamedTuple):
    """M pieces in exact time as flat arrays; `*_at` are offsets, so that piece i's rows are `at[i]:at[i + 1]`.

    Times are ticks from the piece's beginning. All voices of a piece last equally long.
    """

    line_at: np.ndarray  # int32 (M + 1,): into the lines (voices)
    event_at: np.ndarray  # int32 (lines + 1,): into the events
    duration: np.ndarray  # int32 (events,): ticks
    pitch: np.ndarray  # int8 (events,): MIDI number or REST
    spelling: np.ndarray  # int8 (events,): line of fifths, 0 for rests
    velocity: np.ndarray  # uint8 (events,)
    bar_at: np.ndarray  # int32 (M + 1,)
    bars: np.ndarray  # int32 (bars, 2): tick, ticks since the bar line there
    meter_at: np.ndarray  # int32 (M + 1,)
    meters: np.ndarray  # int32 (meters, 3): tick, numerator, denominator
    key_at: np.ndarray  # int32 (M + 1,)
    keys: np.ndarray  # int32 (keys, 3): tick, tonic, mode, as written
    local_at: np.ndarray  # int32 (M + 1,)
    local_keys: np.ndarray  # int32 (local keys, 3): tick, tonic, mode, as heard
    tempo_at: np.ndarray  # int32 (M + 1,)
    tempos: np.ndarray  # float64 (tempos, 2): tick, quarters a minute
    phrase_at: np.ndarray  # int32 (M + 1,)
    phrase_ends: np.ndarray  # int32 (phrase ends, 2): first tick, tick after the last
    chord_at: np.ndarray  # int32 (M + 1,)
    chords: np.ndarray  # int32 (chords, 2): tick, code of musicgym.chords or NO_CHORD
    programs: np.ndarray  # int8 (lines,)
    names: np.ndarray  # str (lines,)
    titles: np.ndarray  # str (M,)
    sources: np.ndarray  # str (M,)

    @property
    def pieces(self) -> int:
        """Number of pieces."""
        return len(self.line_at) - 1

    def save(self, file: str | Path | IO[bytes], **more: np.ndarray) -> None:
        """Write the arrays, and `more` beside them, as .npz; text as UTF-8, which takes a quarter of NumPy's own."""
        arrays = self._asdict() | more
        encoded: dict[str, Any] = {name: _encoded(array) for name, array in arrays.items()}
        np.savez_compressed(file, **encoded)


def read_arrays(path: str | Path) -> dict[str, np.ndarray]:
    """The arrays of a file that `Store.save` wrote.

    Raises:
        Exception: of nearly any class (BadZipFile, zlib.error, ValueError, RuntimeError ...), where the file is damaged.
    """
    with Path(path).open("rb") as opened, np.load(opened, allow_pickle=False) as file:
        return {name: _decoded(file[name]) for name in file.files}


def _encoded(array: np.ndarray) -> np.ndarray:
    return np.char.encode(array, "utf-8") if array.dtype.kind == "U" else array


def _decoded(array: np.ndarray) -> np.ndarray:
    return np.char.decode(array, "utf-8") if array.dtype.kind == "S" else array


def pack(pieces: Sequence[Exact]) -> Store:
    """Pieces side by side. Voices that end early get a rest up to the piece's end.

    Raises:
        ValueError: a piece without voices or notes, or longer than `MAX_TICKS`.
    """
    durations: list[int] = []
    pitches: list[int] = []
    spellings: list[int] = []
    velocities: list[int] = []
    line_at, event_at, names, programs = [0], [0], [], []
    tables: dict[str, list[tuple[float, ...]]] = {
        n: [] for n in ("bars", "meters", "keys", "local_keys", "tempos", "phrase_ends", "chords")
    }
    offsets: dict[str, list[int]] = {n: [0] for n in tables}
    for piece in pieces:
        ticks = piece.ticks
        if not any(pitch >= 0 for line in piece.lines for pitch in line.pitch):
            raise ValueError(f"{piece.title or 'the piece'!r} has no notes")
        if ticks > MAX_TICKS:
            raise ValueError(
                f"{piece.title or 'the piece'!r} lasts {ticks // TICKS} quarters: at most {MAX_TICKS // TICKS} are read"
            )
        for line in piece.lines:
            durations += line.duration
            pitches += line.pitch
            spellings += line.spelling
            velocities += line.velocity if line.velocity is not None else [DEFAULT_VELOCITY] * len(line.pitch)
            missing = ticks - sum(line.duration)
            if missing:
                durations.append(missing)
                pitches.append(REST)
                spellings.append(0)
                velocities.append(DEFAULT_VELOCITY)
            event_at.append(len(durations))
            names.append(line.name)
            programs.append(line.program)
        line_at.append(len(event_at) - 1)
        tables["bars"] += piece.bars if piece.bars is not None else bar_positions(piece.bar_lines, piece.meters, ticks)
        tables["meters"] += _within(piece.meters, ticks)
        tables["keys"] += _within(piece.keys, ticks)
        tables["local_keys"] += _within(piece.local_keys or piece.keys, ticks)
        tables["tempos"] += _within(piece.tempos, ticks)
        tables["phrase_ends"] += piece.phrase_ends
        tables["chords"] += _within(piece.chords, ticks)
        for name, rows in offsets.items():
            rows.append(len(tables[name]))

    def at(name: str) -> np.ndarray:
        return np.array(offsets[name], np.int32)

    def table(name: str, columns: int) -> np.ndarray:
        return np.array(tables[name], np.float64 if name == "tempos" else np.int32).reshape(-1, columns)

    return Store(
        line_at=np.array(line_at, np.int32),
        event_at=np.array(event_at, np.int32),
        duration=np.array(durations, np.int32),
        pitch=np.array(pitches, np.int8),
        spelling=np.array(spellings, np.int8),
        velocity=np.array(velocities, np.uint8),
        bar_at=at("bars"),
        bars=table("bars", 2),
        meter_at=at("meters"),
        meters=table("meters", 3),
        key_at=at("keys"),
        keys=table("keys", 3),
        local_at=at("local_keys"),
        local_keys=table("local_keys", 3),
        tempo_at=at("tempos"),
        tempos=table("tempos", 2),
        phrase_at=at("phrase_ends"),
        phrase_ends=table("phrase_ends", 2),
        chord_at=at("chords"),
        chords=table("chords", 2),
        programs=np.array(programs, np.int8),
        names=np.array(names, np.str_),
        titles=np.array([piece.title for piece in pieces], np.str_),
        sources=np.array([piece.source for piece in pieces], np.str_),
    )


def _within(changes: Sequence[tuple[float, ...]], ticks: int) -> list[tuple[float, ...]]:
    """The changes before the piece's end, the last of each tick."""
    return [c for c, following in zip(changes, [*changes[1:], (ticks,)]) if c[0] < min(ticks, following[0])]


def concatenate(stores: Sequence[Store]) -> Store:
    """Stores one after another."""
    joined = {}
    for name in Store._fields:
        arrays = [getattr(store, name) for store in stores]
        if name.endswith("_at"):
            ends = np.cumsum([0, *(int(array[-1]) for array in arrays)])
            joined[name] = np.concatenate([[0], *(array[1:] + end for array, end in zip(arrays, ends))]).astype(np.int32)
        else:
            joined[name] = np.concatenate(arrays)
    return Store(**joined)


def take(store: Store, pieces: np.ndarray, voice: int | None = None) -> Store:
    """The pieces at these indices (int (n,)), in this order; only one of their voices where `voice` is given."""

    def rows(offsets: np.ndarray, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        sizes = np.diff(offsets)[chosen]
        at = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
        return at, np.arange(at[-1]) + np.repeat(offsets[:-1][chosen] - at[:-1], sizes)

    made: dict[str, np.ndarray] = {}
    if voice is None:
        made["line_at"], lines = rows(store.line_at, pieces)
    else:
        made["line_at"], lines = np.arange(len(pieces) + 1, dtype=np.int32), store.line_at[:-1][pieces] + voice
    made["event_at"], events = rows(store.event_at, lines)
    for name in ("duration", "pitch", "spelling", "velocity"):
        made[name] = getattr(store, name)[events]
    tables = {"bar": "bars", "meter": "meters", "key": "keys", "local": "local_keys", "tempo": "tempos"}
    tables |= {"phrase": "phrase_ends", "chord": "chords"}
    for at_name, name in tables.items():
        made[f"{at_name}_at"], chosen = rows(getattr(store, f"{at_name}_at"), pieces)
        made[name] = getattr(store, name)[chosen]
    made |= {"programs": store.programs[lines], "names": store.names[lines]}
    return Store(titles=store.titles[pieces], sources=store.sources[pieces], **made)
