"""Pieces in exact time put on a grid of steps, all of them at once; and their scores."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from musicgym.files.exact import TICKS, Exact, Line, Store, pack
from musicgym.files.grid import MAX_SLOTS, TimedNote, check_size, pitch_name, quantise
from musicgym.score import MODES, NO_CHORD, Change, KeyChange, MeterChange, Score, TempoChange, spell


class Steps(NamedTuple):
    """M pieces on a grid as flat arrays.

    Piece i's steps are `step_at[i]:step_at[i + 1]`; its slots begin at `slot_at[i]`, a voice after another.
    """

    steps_per_quarter: int
    step_at: np.ndarray  # int64 (M + 1,)
    slot_at: np.ndarray  # int64 (M + 1,)
    exact: np.ndarray  # bool (M,): every event and every bar fits the grid
    pitch: np.ndarray  # int8 (slots,)
    onset: np.ndarray  # bool (slots,)
    spelling: np.ndarray  # int8 (slots,)
    velocity: np.ndarray  # uint8 (slots,): 0 where no note sounds
    position: np.ndarray  # int16 (steps,): steps since the bar line, below `bar`
    bar: np.ndarray  # int16 (steps,): steps in a full bar of the metre in force
    beat: np.ndarray  # int16 (steps,): steps in one beat of the metre in force
    tonic: np.ndarray  # int8 (steps,)
    mode: np.ndarray  # int8 (steps,)
    phrase_end: np.ndarray  # bool (steps,)
    chord: np.ndarray  # int16 (steps,)


def nearest_steps(ticks: np.ndarray, steps_per_quarter: int) -> np.ndarray:
    """`musicgym.files.grid.nearest_step` for arrays of ticks; int64."""
    steps = ticks.astype(np.int64)
    steps *= 2 * steps_per_quarter
    steps += TICKS
    steps //= 2 * TICKS
    return steps


def event_starts(store: Store) -> np.ndarray:
    """Ticks at which events begin, from their piece's beginning; int64 (events,)."""
    ends = np.cumsum(store.duration, dtype=np.int64)
    before = np.concatenate([[0], ends])[store.event_at[:-1]]  # (lines,)
    starts = ends.copy()
    starts -= store.duration
    starts -= np.repeat(before, np.diff(store.event_at))
    return starts


def on_grid(store: Store, steps_per_quarter: int) -> Steps:
    """All pieces on a grid. Times go to the nearest step, halves to the later; an event of no length vanishes.

    A bar longer than its metre says is counted as if bar lines stood after every full bar, so that
    `position` is always below `bar`.

    Raises:
        ValueError: `steps_per_quarter` below 1, or more than the grid's limits (see `musicgym.files.grid`).
    """
    if steps_per_quarter < 1:
        raise ValueError(f"steps_per_quarter={steps_per_quarter}: expected 1 or more, usually 4, or 12 for triplets")
    starts = event_starts(store)
    stops = starts + store.duration
    first, last = nearest_steps(starts, steps_per_quarter), nearest_steps(stops, steps_per_quarter)
    voices = np.diff(store.line_at)  # (M,)
    line_steps = last[store.event_at[1:] - 1]  # (lines,)
    steps = line_steps[store.line_at[:-1]]  # (M,)
    step_at = np.concatenate([[0], np.cumsum(steps)])
    slot_at = np.concatenate([[0], np.cumsum(steps * voices)])
    if len(steps) and int((steps * voices).max()) > MAX_SLOTS:
        worst = int((steps * voices).argmax())
        check_size(int(voices[worst]), int(steps[worst]))

    lengths = last - first
    line_slot = np.concatenate([[0], np.cumsum(line_steps)])  # (lines + 1,)
    onset = np.zeros(line_slot[-1], np.bool_)
    begins = np.repeat(line_slot[:-1], np.diff(store.event_at)) + first
    onset[begins[lengths > 0]] = True

    meters = _Spans(store.meter_at, store.meters[:, 0], step_at, steps_per_quarter)
    quarters = store.meters[:, 1].astype(np.int64) * 4 * steps_per_quarter  # steps in a bar, times the denominator
    bar = np.maximum(1, (2 * quarters + store.meters[:, 2]) // (2 * store.meters[:, 2]))
    bar_of_step = meters.spread(np.minimum(bar, np.iinfo(np.int16).max).astype(np.int16))
    units = np.where((store.meters[:, 2] >= 8) & (store.meters[:, 1] > 3) & (store.meters[:, 1] % 3 == 0), 3, 1)
    beat = np.clip(units * 4 * steps_per_quarter // store.meters[:, 2], 1, np.iinfo(np.int16).max)

    bars = _Spans(store.bar_at, store.bars[:, 0], step_at, steps_per_quarter)
    since = np.arange(step_at[-1]) - bars.spread(bars.begin)
    position = (since + bars.spread(nearest_steps(store.bars[:, 1], steps_per_quarter))) % bar_of_step

    keys = _Spans(store.local_at, store.local_keys[:, 0], step_at, steps_per_quarter)
    chords = _Spans(store.chord_at, store.chords[:, 0], step_at, steps_per_quarter)

    ends = np.zeros(step_at[-1] + 1, np.int32)
    of_phrase = np.repeat(step_at[:-1], np.diff(store.phrase_at))
    limit = np.repeat(step_at[1:], np.diff(store.phrase_at))
    np.add.at(ends, np.minimum(of_phrase + nearest_steps(store.phrase_ends[:, 0], steps_per_quarter), limit), 1)
    np.add.at(ends, np.minimum(of_phrase + nearest_steps(store.phrase_ends[:, 1], steps_per_quarter), limit), -1)

    unfit = np.zeros(len(steps), np.bool_)
    piece_of_line = np.repeat(np.arange(len(steps)), voices)
    misfit = (starts * steps_per_quarter % TICKS != 0) | (stops * steps_per_quarter % TICKS != 0)
    unfit[np.repeat(piece_of_line, np.diff(store.event_at))[misfit]] = True
    unfit[np.repeat(np.arange(len(steps)), np.diff(store.meter_at))[quarters % store.meters[:, 2] != 0]] = True
    return Steps(
        steps_per_quarter=steps_per_quarter,
        step_at=step_at,
        slot_at=slot_at,
        exact=~unfit,
        pitch=np.repeat(store.pitch, lengths),
        onset=onset,
        spelling=np.repeat(store.spelling, lengths),
        velocity=np.repeat(np.where(store.pitch >= 0, store.velocity, 0).astype(np.uint8), lengths),
        position=position.astype(np.int16),
        bar=bar_of_step,
        beat=meters.spread(beat.astype(np.int16)),
        tonic=keys.spread(store.local_keys[:, 1].astype(np.int8)),
        mode=keys.spread(store.local_keys[:, 2].astype(np.int8)),
        phrase_end=np.cumsum(ends[:-1]) > 0,
        chord=chords.spread(store.chords[:, 1].astype(np.int16)),
    )


class _Spans:
    """Stretches of steps between one change and the next, over all pieces."""

    def __init__(self, offsets: np.ndarray, ticks: np.ndarray, step_at: np.ndarray, steps_per_quarter: int) -> None:
        piece = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
        self.begin = step_at[piece] + np.minimum(nearest_steps(ticks, steps_per_quarter), np.diff(step_at)[piece])
        self.length = np.diff(np.append(self.begin, step_at[-1]))

    def spread(self, values: np.ndarray) -> np.ndarray:
        """A value a change -> a value a step."""
        return np.repeat(values, self.length)


def score_of(store: Store, steps: Steps, piece: int, *, changes: tuple[Change, ...] = ()) -> Score:
    """One piece as a `Score`.

    Raises:
        ValueError: a piece so short that it has no step on this grid.
    """
    begin, end = int(steps.step_at[piece]), int(steps.step_at[piece + 1])
    first, stop = int(store.line_at[piece]), int(store.line_at[piece + 1])
    shape = stop - first, end - begin
    if end == begin:
        raise ValueError(f"{str(store.titles[piece])!r} is shorter than one step: use a finer grid")
    slots = slice(int(steps.slot_at[piece]), int(steps.slot_at[piece + 1]))

    def changed(offsets: np.ndarray, table: np.ndarray) -> list[list[Any]]:
        rows: dict[int, list[Any]] = {}
        for tick, *values in table[offsets[piece] : offsets[piece + 1]].tolist():
            step = int(nearest_steps(np.array(tick, np.int64), steps.steps_per_quarter))
            if step < end - begin:
                rows[step] = values
        return [[step, *values] for step, values in rows.items()]

    chord = steps.chord[begin:end]
    return Score(
        pitch=steps.pitch[slots].reshape(shape),
        onset=steps.onset[slots].reshape(shape),
        velocity=steps.velocity[slots].reshape(shape),
        position=steps.position[begin:end],
        tonic=steps.tonic[begin:end],
        mode=steps.mode[begin:end],
        phrase_end=steps.phrase_end[begin:end],
        spelling=steps.spelling[slots].reshape(shape),
        chord=chord if (chord != NO_CHORD).any() else None,
        steps_per_quarter=steps.steps_per_quarter,
        meters=tuple(MeterChange(*row) for row in changed(store.meter_at, store.meters)),
        tempos=tuple(TempoChange(*row) for row in changed(store.tempo_at, store.tempos)),
        keys=tuple(KeyChange(*row) for row in changed(store.key_at, store.keys)),
        programs=tuple(store.programs[first:stop].tolist()),
        names=tuple(str(name) for name in store.names[first:stop]),
        title=str(store.titles[piece]),
        source=str(store.sources[piece]),
        changes=changes,
    )


def from_score(score: Score) -> Exact:
    """A score in exact time.

    Raises:
        ValueError: a score with blanks, or on a grid finer than a tick.
    """
    unit, rest = divmod(TICKS, score.steps_per_quarter)
    if rest:
        raise ValueError(f"a grid of {score.steps_per_quarter} steps a quarter: expected a divisor of {TICKS}")
    if not score.finished:
        raise ValueError(f"{score.title or 'the score'!r} has blanks: a corpus holds finished pieces only")
    lines = []
    for voice in range(score.voices):
        events = score.events(voice)
        at = [e.start for e in events]
        if score.spelling is not None:
            spelled = score.spelling[voice, at].tolist()
        else:
            in_key = zip(events, score.tonic[at].tolist(), score.mode[at].tolist())
            spelled = [spell(e.pitch, tonic, mode) if e.pitch >= 0 else 0 for e, tonic, mode in in_key]
        lines.append(
            Line(
                [e.duration * unit for e in events],
                [e.pitch for e in events],
                spelled,
                score.names[voice],
                [e.velocity for e in events],
                score.programs[voice],
            )
        )
    position = score.position.astype(int)
    turns = np.flatnonzero(np.append(True, position[1:] != position[:-1] + 1)).tolist()
    key = score.tonic.astype(int) * len(MODES) + score.mode
    changed = np.flatnonzero(np.append(True, key[1:] != key[:-1])).tolist()
    chord = np.full(score.steps, NO_CHORD) if score.chord is None else score.chord.astype(int)
    named = np.flatnonzero(np.append(True, chord[1:] != chord[:-1])).tolist()
    edges = np.flatnonzero(np.diff(np.concatenate([[0], score.phrase_end, [0]]))).tolist()
    return Exact(
        lines=lines,
        bar_lines=[],
        bars=[(step * unit, int(position[step]) * unit) for step in turns],
        meters=[(m.step * unit, m.numerator, m.denominator) for m in score.meters],
        keys=[(k.step * unit, k.tonic, k.mode) for k in score.keys],
        local_keys=[(step * unit, int(score.tonic[step]), int(score.mode[step])) for step in changed],
        tempos=[(t.step * unit, t.quarters) for t in score.tempos],
        phrase_ends=[(a * unit, b * unit) for a, b in zip(edges[::2], edges[1::2])],
        chords=[(step * unit, int(chord[step])) for step in named],
        title=score.title,
        source=score.source,
        changes=list(score.changes),
    )


def to_score(piece: Exact, steps_per_quarter: int, *, strict: bool = False) -> Score:
    """One piece on a grid, with a report of what moved or vanished in `Score.changes`.

    Raises:
        ValueError: nothing in the piece, more than the grid's limits, or under `strict` the first note that doesn't fit.
    """
    store = pack([piece])
    steps = on_grid(store, steps_per_quarter)
    starts = event_starts(store)
    stops = starts + store.duration
    misfit = (starts * steps_per_quarter % TICKS != 0) | (stops * steps_per_quarter % TICKS != 0)
    misfit &= store.pitch >= 0
    if strict and misfit.any():
        line_of_event = np.repeat(np.arange(len(piece.lines)), np.diff(store.event_at))
        notes: list[list[TimedNote]] = [[] for _ in piece.lines]
        for event in np.flatnonzero(store.pitch >= 0):
            notes[line_of_event[event]].append(TimedNote(int(starts[event]), int(store.duration[event]), int(store.pitch[event])))
        quantise(notes, ticks_per_quarter=TICKS, steps_per_quarter=steps_per_quarter, strict=True)
    changes = list(piece.changes)
    for event in np.flatnonzero(misfit):
        voice = int(np.searchsorted(store.event_at, event, side="right")) - 1
        first, stop = (int(nearest_steps(t, steps_per_quarter)) for t in (starts[event], stops[event]))
        lay = "step {:.4g} to {:.4g}".format(*(float(t) * steps_per_quarter / TICKS for t in (starts[event], stops[event])))
        name = pitch_name(int(store.pitch[event]))
        if stop > first:
            changes.append(Change("quantised", voice, first, f"{name} lay from {lay}, now from {first} to {stop}"))
        else:
            changes.append(Change("dropped", voice, first, f"{name} lay from {lay}: too short for the grid", 1))
    return score_of(store, steps, 0, changes=tuple(changes))
