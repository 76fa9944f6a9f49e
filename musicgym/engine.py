"""`Engine`: N pieces of a task, written choice by choice in compiled kernels. Environments, planners and rewards stand on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from musicgym.choice import ANY_PITCH, ChordChoice, NoteChoice, StepChoice, SymbolChoice
from musicgym.chords import VOICES, chords_of
from musicgym.compiled import Entry, inlined, kernel, small_kernel
from musicgym.handle import Handle, handle
from musicgym.masks import mask_row
from musicgym.pieces import Excerpts, Pieces, beat_steps
from musicgym.restarting import begin, index_events
from musicgym.score import BLANK, NO_CHORD, KeyChange, MeterChange, Score, TempoChange, bar_steps
from musicgym.task import Task
from musicgym.threads import over_rows
from musicgym.writing import Desk, Plan, write, write_chord, write_note, write_step, write_symbol

_REFUSED = -(1 << 40)  # more than there can be pieces in all threads' shares
MOST_SLOTS = 32767  # of one piece: arrays name them by int16
ALL_ROWS = np.empty(0, np.int64)  # for kernels: all pieces, not a list of rows


class Engine:
    """N pieces of one task.

    Args:
        task: what is composed.
        num_pieces: N.
        material: what pieces start from; None for the task's own.

    Raises:
        ValueError: no pieces, or material whose voices are not the task's.
    """

    def __init__(self, task: Task, num_pieces: int, material: Excerpts | None = None) -> None:
        if not isinstance(num_pieces, (int, np.integer)) or isinstance(num_pieces, bool) or num_pieces < 1:
            raise ValueError(f"{num_pieces!r} pieces: expected a whole number, 1 or more")
        self.task = task
        self.num_pieces = num_pieces
        self.material = task.material() if material is None else material
        if self.material.pitch.shape[1] != task.voices:
            raise ValueError(f"material has {self.material.pitch.shape[1]} voices, the task has {task.voices}: they must agree")
        if self.material.length.shape[0] == 0 or int(self.material.length.min()) < 1:
            raise ValueError("material: expected at least one piece, each of one step or more")
        self.plan = plan_of(task)
        self.pieces = empty_pieces(num_pieces, task, self.plan, self.material.pitch.shape[2])
        self.mask_size = int(self.plan.sizes.sum())
        self._take_hold()

    def _take_hold(self) -> None:
        """Make what compiled code holds the arrays by; copies and other processes do so anew."""
        self.handle = handle(self.pieces)
        self.desk = handle(Desk(self.pieces, self.plan))
        self._source = handle(self.material)
        self._choose = _CHOOSE[type(self.task.choice)].compiled

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k not in ("handle", "desk", "_source", "_choose")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._take_hold()

    def reset(self, rows: np.ndarray, seeds: np.ndarray | None = None, material: Excerpts | None = None) -> None:
        """Begin pieces anew, with new seeds or else with the next episode of the seeds they have.

        Args:
            rows: int64 (R,).
            seeds: uint64 (R,) or None.
            material: what these pieces start from this once; excerpts may not be longer than the engine's.
        """
        source = self._source
        if material is not None:
            self._check_fits(material)
            source = handle(material)
        if seeds is None:
            self.pieces.episode[rows] += 1
        else:
            self.pieces.seed[rows] = seeds
            self.pieces.episode[rows] = 0
        _begin_rows(self.desk, source, rows)

    def reset_in_turn(self) -> None:
        """Begin piece i with excerpt i of the material, which must have as many: how music is read rather than composed."""
        for n in range(self.num_pieces):
            self.reset(np.array([n]), np.zeros(1, np.uint64), self.material.take(np.array([n])))

    def _check_fits(self, material: Excerpts) -> None:
        voices, steps = self.pieces.pitch.shape[1:]
        if material.pitch.shape[1] != voices or material.pitch.shape[2] > steps or int(material.length.min()) < 1:
            _, has, longest = material.pitch.shape
            raise ValueError(
                f"given score has {has} voices and {longest} steps: expected {voices} voices and 1..{steps} steps; "
                "longer scores go into given= where the environment is made"
            )

    def check(self, actions: Any) -> np.ndarray:
        """Actions as int64 (N, factors), C-contiguous; `write` checks their range.

        Raises:
            TypeError: not integers.
            ValueError: wrong shape.
        """
        array = np.asarray(actions)
        if array.dtype.kind not in "iu":
            raise TypeError(f"actions have dtype {array.dtype}: expected integers")
        factors = self.plan.sizes.shape[0]
        shape = (self.num_pieces, factors)
        if array.shape != shape and not (factors == 1 and array.shape == (self.num_pieces,)):
            expected = f"({self.num_pieces},)" if factors == 1 else str(shape)
            raise ValueError(f"actions have shape {array.shape}: expected {expected}")
        return np.ascontiguousarray(array.reshape(shape), np.int64)

    def write(self, actions: np.ndarray) -> int:
        """Write one choice, int64 (N, factors), into every piece that isn't done; returns how many pieces it finished.

        Raises:
            ValueError: a code outside its factor, naming both; nothing is written then.
        """
        finished = int(over_rows(self._choose, self.num_pieces, self.desk, actions))
        if finished < 0:
            row, factor = np.argwhere(((actions < 0) | (actions >= self.plan.sizes)) & ~self.pieces.done[:, None])[0]
            raise ValueError(
                f"action {actions[row, factor]} of piece {row} (factor {factor}): expected 0..{self.plan.sizes[factor] - 1}"
            )
        return finished

    def masks(self, out: np.ndarray) -> None:
        """Write the masks of all pieces into `out`, int8 (N, sum of sizes)."""
        over_rows(_mask_rows, self.num_pieces, self.desk, out)

    def take(self, rows: np.ndarray) -> Engine:
        """A new engine whose pieces are copies of these rows (indices, which may repeat): what planners branch on."""
        made = Engine(self.task, len(rows), self.material)
        made.load_state(self.state(rows))
        return made

    def state(self, rows: np.ndarray | None = None) -> Pieces:
        """A copy of all rows, or of some."""
        return Pieces(*(array.copy() if rows is None else array[rows] for array in self.pieces))

    def load_state(self, state: Pieces, rows: np.ndarray | None = None) -> None:
        """Put saved rows back, in all places or at `rows`. Raises ValueError for a state of other rows or another task."""
        where = slice(None) if rows is None else rows
        for name, array, saved in zip(Pieces._fields, self.pieces, state, strict=True):
            expected = array[where].shape
            if saved.shape != expected:
                raise ValueError(f"state's {name} has shape {saved.shape}: expected {expected}, these rows of this task")
        for array, saved in zip(self.pieces, state, strict=True):
            array[where] = saved

    def copy_rows(self, source: np.ndarray, target: np.ndarray) -> None:
        """Copy pieces over others of the same engine; `source` may repeat rows."""
        for array in self.pieces:
            array[target] = array[source]

    def score(self, row: int) -> Score:
        """Piece `row` as it stands."""
        return score_of(self.pieces, row, self.task)


def plan_of(task: Task) -> Plan:
    """The task as the kernels see it."""
    choice = task.choice
    notes = choice if isinstance(choice, NoteChoice) else NoteChoice()
    given = np.zeros(task.voices, np.bool_)
    given[list(task.given)] = True
    one_line = task.voices == 1 or isinstance(choice, ChordChoice) or (isinstance(choice, StepChoice) and task.order == "time")
    in_order = task.order == "time" or (task.voices == 1 and task.order == "voice")
    return Plan(
        kind=choice.kind,
        in_line=one_line and in_order and task.begin == "blank" and task.sweeps == 1,
        sizes=np.array(choice.sizes, np.int64),
        low=choice.low if isinstance(choice, StepChoice) else 0,
        ranges=choice.voice_ranges(task.voices),
        pitches=np.array(notes.pitches, np.int64),
        durations=np.array(notes.durations, np.int64),
        velocities=np.array(notes.velocities, np.int64),
        cell=choice.duration if isinstance(choice, SymbolChoice) else 1,
        velocity=task.velocity,
        given=given,
        blank=float(task.blank),
        holes=task.holes_kind,
        filled=task.begin == "filled",
        past=task.sees == "past",
        lookahead=task.lookahead,
        order=task.order_kind,
        sweeps=task.sweeps,
        rhythm=task.rhythm_bits(),
    )


def empty_pieces(n: int, task: Task, plan: Plan, steps: int) -> Pieces:
    """Arrays for N pieces, not begun."""
    if task.voices * steps > MOST_SLOTS:
        raise ValueError(f"a page of {task.voices} voices and {steps:,} steps: expected at most {MOST_SLOTS:,} slots; cut it up")
    page = Excerpts.blank(n, task.voices, steps)
    slots = page.pitch.shape
    longest = min(int(plan.durations.max()), steps)
    cells = VOICES * min(plan.cell, steps)
    most_writes = {StepChoice: 1, NoteChoice: longest, ChordChoice: task.voices, SymbolChoice: cells}[type(task.choice)]
    counts = {name: np.zeros(n, np.int32) for name in ("visits", "cursor", "illegal", "dead_ends", "log_count")}
    return Pieces(
        **page._asdict(),
        **counts,
        given=np.zeros(slots, np.bool_),
        start=np.zeros(slots, np.int16),
        previous=np.full(slots, -1, np.int16),
        order=np.zeros((n, task.voices * steps * task.sweeps, 2), np.int16),
        append=np.zeros(n, np.bool_),
        forward=np.zeros(n, np.bool_),
        done=np.ones(n, np.bool_),
        written=np.zeros(n, np.bool_),
        seed=np.zeros(n, np.uint64),
        episode=np.zeros(n, np.int64),
        log_slot=np.zeros((n, most_writes, 2), np.int16),
        log_pitch=np.zeros((n, most_writes), np.int8),
        log_onset=np.zeros((n, most_writes), np.bool_),
        log_velocity=np.zeros((n, most_writes), np.uint8),
    )


def finished_pieces(material: Excerpts) -> Pieces:
    """Excerpts as pieces with nothing left to choose: what rewards judge whole music on."""
    n, voices, steps = material.pitch.shape
    task = Task(ANY_PITCH, voices=voices, length=steps)
    pieces = empty_pieces(n, task, plan_of(task), steps)
    for name, array in material._asdict().items():
        getattr(pieces, name)[:] = array
    _index_all(handle(pieces))
    return pieces


def score_of(pieces: Pieces | Excerpts, row: int, task: Task) -> Score:
    """Piece `row` as a `Score`, in the task's tempo and programs."""
    end = int(pieces.length[row])
    names = ("pitch", "onset", "velocity", "position", "tonic", "mode", "phrase_end")
    arrays = {name: getattr(pieces, name)[row, ..., :end] for name in names}
    chord = chords_of(arrays["pitch"][-VOICES:]) if task.has_symbols else pieces.chord[row, :end]
    tonic, mode = arrays["tonic"], arrays["mode"]
    meters = _meters(pieces.bar[row, :end], pieces.beat[row, :end], task)
    if (times := task.spread) > 1:  # a score's steps are never longer than a quarter
        arrays = {name: np.repeat(array, times, axis=-1) for name, array in arrays.items()}
        within = np.arange(end * times) % times
        arrays["onset"] &= within == 0
        arrays["position"] = arrays["position"] * times + within
        chord = np.repeat(chord, times)
    return Score(
        **arrays,
        chord=chord if (chord != NO_CHORD).any() else None,
        steps_per_quarter=task.score_grid,
        meters=meters,
        tempos=(TempoChange(0, float(task.tempo)),),
        keys=(KeyChange(0, int(tonic[0]), int(mode[0])),),
        programs=task.programs or (0,) * task.voices,
    )


def _meters(bar: np.ndarray, beat: np.ndarray, task: Task) -> tuple[MeterChange, ...]:
    """The metres by steps of a bar and of a beat: the task's own wherever it could be."""
    grid = task.steps_per_quarter
    own = None if task.meter is None else (bar_steps(task.meter, grid), beat_steps(task.meter, grid))
    changed = np.flatnonzero((np.diff(bar, prepend=-1) != 0) | (np.diff(beat, prepend=-1) != 0))
    changes = []
    for step in changed:
        unit, steps = int(beat[step]), int(bar[step])
        if task.meter is not None and own == (steps, unit):
            numerator, denominator = task.meter
        elif grid < 1:  # where a step is longer than a beat, beats can't be told from bars
            numerator, denominator = steps * task.spread, 4
        else:
            simple = 4 * grid % unit == 0 and 4 * grid // unit in (1, 2, 4, 8, 16, 32)
            denominator = int((4 if simple else 12) * grid // unit)
            numerator = int(steps * denominator // (4 * grid))
        changes.append(MeterChange(int(step) * task.spread, numerator, denominator))
    return tuple(changes)


def as_material(given: Sequence[Any] | Excerpts) -> Excerpts:
    """Scores or excerpts as excerpts. Raises TypeError for anything else."""
    if not isinstance(given, Excerpts) and not (isinstance(given, Sequence) and all(isinstance(s, Score) for s in given)):
        raise TypeError(f"given is a {type(given).__name__} of other things: expected a list of musicgym.Score, or excerpts")
    scores: Any = given
    return given if isinstance(given, Excerpts) else Excerpts.from_scores(list(scores))


@Entry
def lay_slots(pieces_handle: Handle, material_handle: Handle, voice: int, step: int) -> None:
    """Write slot (voice, step) of excerpt i into piece i, as a choice would; its last written slot finishes it."""
    _lay(pieces_handle.value, material_handle.value, voice, step)


@kernel
def _lay(pieces: Pieces, material: Excerpts, voice: int, step: int) -> None:
    for n in range(pieces.length.shape[0]):
        pieces.log_count[n] = 0
        pieces.written[n] = step < pieces.length[n] and material.pitch[n, voice, step] != BLANK
        if pieces.written[n]:
            pitch, onset = material.pitch[n, voice, step], material.onset[n, voice, step]
            write(pieces, n, voice, step, pitch, onset, material.velocity[n, voice, step])
        pieces.done[n] = not _stands_after(material, n, voice, step)


@inlined
def _stands_after(material: Excerpts, n: int, voice: int, step: int) -> bool:
    """Whether anything is written in excerpt n after this slot, in the order of time."""
    for t in range(step, material.length[n]):
        for v in range(voice + 1 if t == step else 0, material.pitch.shape[1]):
            if material.pitch[n, v, t] != BLANK:
                return True
    return False


@Entry
def _begin_rows(desk_handle: Handle, material_handle: Handle, rows: np.ndarray) -> None:
    desk = desk_handle.value
    _begin(desk.pieces, material_handle.value, desk.plan, rows)


@kernel
def _begin(pieces: Pieces, material: Excerpts, plan: Plan, rows: np.ndarray) -> None:
    for n in rows:
        begin(pieces, n, material, plan)


# The kinds of choice are compiled apart, each when it is first used: the three together take three times as long.


@Entry
def _choose_steps(desk_handle: Handle, actions: np.ndarray, lo: int, hi: int) -> int:
    desk = desk_handle.value
    return _write_steps(desk.pieces, desk.plan, actions, lo, hi)


@Entry
def _choose_notes(desk_handle: Handle, actions: np.ndarray, lo: int, hi: int) -> int:
    desk = desk_handle.value
    return _write_notes(desk.pieces, desk.plan, actions, lo, hi)


@Entry
def _choose_chords(desk_handle: Handle, actions: np.ndarray, lo: int, hi: int) -> int:
    desk = desk_handle.value
    return _write_chords(desk.pieces, desk.plan, actions, lo, hi)


@Entry
def _choose_symbols(desk_handle: Handle, actions: np.ndarray, lo: int, hi: int) -> int:
    desk = desk_handle.value
    return _write_symbols(desk.pieces, desk.plan, actions, lo, hi)


_CHOOSE = {StepChoice: _choose_steps, NoteChoice: _choose_notes, ChordChoice: _choose_chords, SymbolChoice: _choose_symbols}


@kernel
def _write_steps(pieces: Pieces, plan: Plan, actions: np.ndarray, lo: int, hi: int) -> int:
    """Write a choice into each piece that isn't done and move its cursor on; returns how many that finished.

    If any action, also of other rows, is outside its factor nothing is written, and the result is a large negative number.
    """
    if _any_outside(pieces.done, actions, plan.sizes):
        return _REFUSED
    finished = 0
    for n in range(max(lo, 0), hi):
        if _opens(pieces, n):
            voice, step = pieces.order[n, pieces.cursor[n], 0], pieces.order[n, pieces.cursor[n], 1]
            if voice >= 0 and step >= 0:  # they are; knowing it spares the compiler the care for indices from the end
                pieces.illegal[n] += not write_step(pieces, n, voice, step, actions[n], plan)
            finished += _closes(pieces, n, pieces.cursor[n] + 1)
    return finished


@kernel
def _write_notes(pieces: Pieces, plan: Plan, actions: np.ndarray, lo: int, hi: int) -> int:
    """As `_write_steps`; the cursor goes on past the slots that the note has covered."""
    if _any_outside(pieces.done, actions, plan.sizes):
        return _REFUSED
    finished = 0
    for n in range(lo, hi):
        if _opens(pieces, n):
            voice, step = pieces.order[n, pieces.cursor[n], 0], pieces.order[n, pieces.cursor[n], 1]
            pieces.illegal[n] += not write_note(pieces, n, voice, step, actions[n], plan)
            cursor = pieces.cursor[n] + 1
            while cursor < pieces.visits[n] and _is_written(pieces, n, cursor):
                cursor += 1
            finished += _closes(pieces, n, cursor)
    return finished


@kernel
def _write_chords(pieces: Pieces, plan: Plan, actions: np.ndarray, lo: int, hi: int) -> int:
    """As `_write_steps`."""
    if _any_outside(pieces.done, actions, plan.sizes):
        return _REFUSED
    finished = 0
    for n in range(lo, hi):
        if _opens(pieces, n):
            voice, step = pieces.order[n, pieces.cursor[n], 0], pieces.order[n, pieces.cursor[n], 1]
            pieces.illegal[n] += not write_chord(pieces, n, voice, step, actions[n], plan)
            finished += _closes(pieces, n, pieces.cursor[n] + 1)
    return finished


@kernel
def _write_symbols(pieces: Pieces, plan: Plan, actions: np.ndarray, lo: int, hi: int) -> int:
    """As `_write_steps`."""
    if _any_outside(pieces.done, actions, plan.sizes):
        return _REFUSED
    finished = 0
    for n in range(lo, hi):
        if _opens(pieces, n):
            write_symbol(pieces, n, pieces.order[n, pieces.cursor[n], 1], actions[n], plan)
            finished += _closes(pieces, n, pieces.cursor[n] + 1)
    return finished


@small_kernel
def _any_outside(done: np.ndarray, actions: np.ndarray, sizes: np.ndarray) -> bool:
    for n in range(actions.shape[0]):
        for k in range(actions.shape[1]):
            if (actions[n, k] < 0 or actions[n, k] >= sizes[k]) and not done[n]:
                return True
    return False


@inlined
def _opens(pieces: Pieces, n: int) -> bool:
    """Begin a choice of piece n; False if it is done and has none."""
    pieces.written[n] = not pieces.done[n]
    pieces.log_count[n] = 0
    return not pieces.done[n]


@inlined
def _closes(pieces: Pieces, n: int, cursor: int) -> bool:
    """End a choice of piece n; True if it was the last."""
    pieces.cursor[n] = cursor
    pieces.done[n] = cursor >= pieces.visits[n]
    return pieces.done[n]


@inlined
def _is_written(pieces: Pieces, n: int, cursor: int) -> bool:
    return pieces.pitch[n, pieces.order[n, cursor, 0], pieces.order[n, cursor, 1]] != BLANK


@Entry
def _mask_rows(desk_handle: Handle, out: np.ndarray, lo: int, hi: int) -> None:
    desk = desk_handle.value
    _mask(desk.pieces, desk.plan, out, lo, hi)


@kernel
def _mask(pieces: Pieces, plan: Plan, out: np.ndarray, lo: int, hi: int) -> None:
    for n in range(lo, hi):
        mask_row(pieces, n, plan, out[n])


@Entry
def _index_all(pieces_handle: Handle) -> None:
    _index(pieces_handle.value)


@kernel
def _index(pieces: Pieces) -> None:
    for n in range(pieces.length.shape[0]):
        index_events(pieces, n)
