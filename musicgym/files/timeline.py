"""What happens along a score beside its notes, as MIDI meta events and back: tempo, metre, position, key, phrase ends.

MIDI's own events come first, so that every program shows the right tempo, bars and signatures. Where they cannot say
what the score says (a bar that isn't as long as its metre, a Dorian key, a fermata), a marker that begins with
"musicgym" stands beside them; to other programs it is a label on the time line.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import mido
import numpy as np
from symusic.core import KeySignatureTick, ScoreTick, TempoTick, TextMetaTick, TimeSignatureTick

from musicgym.files.bars import anchors, from_signatures, signature_of, signatures, spread
from musicgym.files.grid import fits, nearest_step
from musicgym.files.midi_tracks import decoded
from musicgym.score import (
    Change,
    KeyChange,
    MeterChange,
    Score,
    TempoChange,
    bar_steps,
    key_name,
    key_sharps,
    parse_key,
)

OURS = "musicgym "  # how the markers begin in which we keep what MIDI has no event for; others are passed over
_MINUTE = 60_000_000  # microseconds


class Timeline(NamedTuple):
    """Everything of a `Score` that belongs to steps or to the whole, not to voices."""

    position: np.ndarray  # int16 (steps,)
    tonic: np.ndarray  # int8 (steps,)
    mode: np.ndarray  # int8 (steps,)
    phrase_end: np.ndarray  # bool (steps,)
    meters: tuple[MeterChange, ...]
    tempos: tuple[TempoChange, ...]
    keys: tuple[KeyChange, ...]


# Writing


def write(score: Score, ticks: int, made: ScoreTick) -> None:
    """Add the timeline of a score whose step lasts `ticks`, and the piece's end and source, to `made`.

    Raises:
        ValueError: a tempo that MIDI cannot hold, or a metre that is no whole number of steps.
    """
    _write_tempos(score, ticks, made)
    _write_bars(score, ticks, made)
    _write_keys(score, ticks, made)
    edges = np.flatnonzero(np.diff(score.phrase_end, prepend=False, append=False)).tolist()
    for begin, end in zip(edges[::2], edges[1::2], strict=True):
        _mark(made, begin * ticks, "phrase_end", str((end - begin) * ticks))
    if score.source:
        _mark(made, 0, "source", score.source)
    _mark(made, score.steps * ticks, "end")


def _mark(made: ScoreTick, tick: int, *words: str) -> None:
    made.markers.append(TextMetaTick(tick, OURS + " ".join(words)))


def _write_tempos(score: Score, ticks: int, made: ScoreTick) -> None:
    for step, quarters in score.tempos:
        length = round(_MINUTE / quarters) if 3 < quarters <= _MINUTE else 0
        if not 0 < length < 1 << 24:
            raise ValueError(f"tempo {quarters} at step {step}: MIDI holds 3.6 to 60,000,000 quarters a minute")
        made.tempos.append(TempoTick(step * ticks, mspq=length))
        if _quarters(length) != quarters:
            _mark(made, step * ticks, "tempo", repr(float(quarters)))


def _quarters(length: int) -> float:
    """Quarters a minute of a quarter in microseconds: the shortest decimal among those that MIDI cannot tell apart."""
    exact = _MINUTE / length
    for digits in range(12):
        quarters = round(exact, digits)
        if quarters and round(_MINUTE / quarters) == length:
            return quarters
    return exact


def _write_bars(score: Score, ticks: int, made: ScoreTick) -> None:
    """Time signatures: the metres, and the true length of bars that differ from theirs."""
    grid = score.steps_per_quarter
    places = anchors(score)
    regular = len(places) == 1 and places[0][2] == 0
    written = [(0, *score.meter)] if regular else signatures(score)
    shown = [(step, *_writable((n, d), grid)) for step, n, d in written]
    for step, numerator, denominator in shown:
        made.time_signatures.append(TimeSignatureTick(step * ticks, numerator, denominator))
    if regular and shown == written:
        return
    meters, position, _ = from_signatures([(step * ticks, n, d) for step, n, d in shown], score.steps, ticks * grid, grid)
    if meters != score.meters or not np.array_equal(position, score.position):
        for step, meter, place in places:
            _mark(made, step * ticks, "bar", *(() if meter is None else (f"{meter[0]}/{meter[1]}",)), str(place * ticks))


def _writable(meter: tuple[int, int], grid: int) -> tuple[int, int]:
    """The metre if MIDI can write it, else one whose bar is as long, else 4/4."""
    if meter[0] <= 255 and meter[1] in (1, 2, 4, 8, 16, 32, 64, 128):
        return meter
    return signature_of(bar_steps(meter, grid), grid) or (4, 4)


def _write_keys(score: Score, ticks: int, made: ScoreTick) -> None:
    for step, tonic, mode in score.keys:
        made.key_signatures.append(KeySignatureTick(step * ticks, key_sharps(tonic, mode), int(mode == 1)))
        if mode > 1:
            _mark(made, step * ticks, "key", key_name(tonic, mode))
    tonics, modes = (spread([(key[0], key[i]) for key in score.keys], score.steps) for i in (1, 2))
    if not (np.array_equal(tonics, score.tonic) and np.array_equal(modes, score.mode)):
        moves = (np.diff(score.tonic) != 0) | (np.diff(score.mode) != 0)
        for step in [0, *(np.flatnonzero(moves) + 1).tolist()]:
            _mark(made, step * ticks, "local", key_name(int(score.tonic[step]), int(score.mode[step])))


# Reading


class Reader:
    """Meta events of a file, turned into a `Timeline`."""

    def __init__(
        self, metas: Sequence[tuple[int, mido.MetaMessage]], ticks_per_quarter: int, steps_per_quarter: int, strict: bool
    ) -> None:
        self.unit = ticks_per_quarter
        self.grid = steps_per_quarter
        self.strict = strict
        self.changes: list[Change] = []
        self.metas = metas
        self.ours: dict[str, list[tuple[int, str]]] = {}  # first word -> tick, the rest
        for tick, marker in self._of_kind("marker"):
            text = decoded(marker.text)
            if text.startswith(OURS):
                word, _, rest = text[len(OURS) :].partition(" ")
                self.ours.setdefault(word, []).append((tick, rest))

    def _of_kind(self, kind: str) -> Iterator[tuple[int, Any]]:
        return ((tick, meta) for tick, meta in self.metas if meta.type == kind)

    def step(self, tick: int) -> int:
        """The step nearest to a tick."""
        return nearest_step(tick, self.unit, self.grid)

    def read(self, steps: int) -> Timeline:
        """The timeline of a piece of `steps` steps.

        Raises:
            ValueError: under `strict` an event that doesn't fall on a step; a broken "musicgym" marker.
        """
        keys, tonic, mode = self._keys(steps)
        meters, position = self._bars(steps)
        depth = np.zeros(steps + 1, np.int64)
        for tick, rest in self.ours.get("phrase_end", ()):
            depth[min(self.step(tick), steps)] += 1
            depth[min(max(self.step(tick + _number(rest, rest)), self.step(tick) + 1), steps)] -= 1
        phrase_end = np.cumsum(depth)[:-1] > 0
        return Timeline(position, tonic, mode, phrase_end, meters, self._tempos(steps), keys)

    def _settle(self, found: Sequence[tuple[int, Any]], steps: int, what: str) -> list[tuple[int, Any]]:
        """Values by step from values by tick: those on one step merged, those past the end left out, each reported."""
        made: dict[int, Any] = {}
        ticks: dict[int, int] = {}
        for tick, value in found:
            step = self.step(tick)
            if step >= max(steps, 1):
                self.changes.append(Change("ignored", -1, -1, f"{what} {value} at quarter {tick / self.unit:g}, after the end"))
                continue
            if not fits(tick, self.unit, self.grid):
                detail = f"{what} {value} at quarter {tick / self.unit:g}"
                if self.strict:
                    raise ValueError(f"{detail} does not fall on a step of a grid of {self.grid} a quarter")
                self.changes.append(Change("quantised", -1, step, f"{detail}, now at step {step}"))
            if step in made and made[step] != value:
                detail = f"{what} {made[step]} at quarter {ticks[step] / self.unit:g} gives way to {value}"
                self.changes.append(Change("merged", -1, step, detail))
            made[step], ticks[step] = value, tick
        return sorted(made.items())

    def report(self, kind: str, tick: int, detail: str) -> None:
        """Note a change that concerns no single voice; a tick of -1 for one that concerns no single step."""
        self.changes.append(Change(kind, -1, -1 if tick < 0 else self.step(tick), detail))

    def _tempos(self, steps: int) -> tuple[TempoChange, ...]:
        exact = {tick: _real(rest) for tick, rest in self.ours.get("tempo", ())}
        found = []
        for tick, meta in self._of_kind("set_tempo"):
            if not meta.tempo:
                self.report("ignored", tick, "a tempo of 0 microseconds a quarter")
                continue
            ours = exact.get(tick, 0.0)
            found.append((tick, ours if ours > 0 and round(_MINUTE / ours) == meta.tempo else _quarters(meta.tempo)))
        made = [TempoChange(step, quarters) for step, quarters in self._settle(found, steps, "tempo")]
        return tuple(made if made and made[0].step == 0 else [TempoChange(0, 120.0), *made])

    def _keys(self, steps: int) -> tuple[tuple[KeyChange, ...], np.ndarray, np.ndarray]:
        names = dict(self.ours.get("key", ()))
        found = []
        for tick, meta in self._of_kind("key_signature"):
            tonic = meta.key.removesuffix("m")
            signed = parse_key(f"{tonic} {'major' if tonic == meta.key else 'minor'}")
            found.append((tick, names.get(tick, key_name(*signed))))
        made = [KeyChange(step, *parse_key(name)) for step, name in self._settle(found, steps, "key")]
        keys = tuple(made if made and made[0].step == 0 else [KeyChange(0, 0, 0), *made])
        local = [KeyChange(self.step(tick), *parse_key(name)) for tick, name in self.ours.get("local", ())]
        spans = keys if not local or local[0].step else tuple(local)
        return keys, spread([(k.step, k.tonic) for k in spans], steps), spread([(k.step, k.mode) for k in spans], steps)

    def _bars(self, steps: int) -> tuple[tuple[MeterChange, ...], np.ndarray]:
        if ours := self.ours.get("bar"):
            return self._bars_as_we_wrote_them(ours, steps)
        found = []
        for tick, meta in self._of_kind("time_signature"):
            meter = meta.numerator, meta.denominator
            if not meter[0] or meter[1] > 128:
                self.report("ignored", tick, f"time signature {meter[0]}/{meter[1]}: expected 1/1 to 255/128")
                continue
            found.append((tick, meter))
        self._settle([(tick, f"{n}/{d}") for tick, (n, d) in found], steps, "time signature")  # for its report
        meters, position, odd = from_signatures([(tick, *meter) for tick, meter in found], steps, self.unit, self.grid)
        for step, detail in odd:
            if self.strict:
                raise ValueError(f"step {step}: {detail}; a finer grid may hold it")
            self.changes.append(Change("quantised", -1, step, detail))
        return meters, position

    def _bars_as_we_wrote_them(self, ours: list[tuple[int, str]], steps: int) -> tuple[tuple[MeterChange, ...], np.ndarray]:
        meters = {0: (4, 4)}
        places = {0: 0}  # step -> position
        for tick, rest in ours:
            if (step := self.step(tick)) < steps:
                meter, _, place = rest.rpartition(" ")
                if meter:
                    numerator, _, denominator = meter.partition("/")
                    meters[step] = _number(numerator, rest), _number(denominator, rest)
                places[step] = self.step(_number(place, rest))
        position = np.zeros(steps, np.int64)
        bars = spread([(step, bar_steps(meter, self.grid)) for step, meter in meters.items()], steps)
        for start, stop in itertools.pairwise([*places, steps]):
            counted = places[start] + np.arange(stop - start)
            position[start:stop] = counted % bars[start] if places[start] < bars[start] else counted
        return tuple(MeterChange(step, *meter) for step, meter in meters.items()), position


def _number(word: str, whole: str) -> int:
    if not word.isascii() or not word.isdigit() or len(word) > 9:
        raise ValueError(f"marker 'musicgym ... {whole}' in a MIDI file: expected a whole number, not {word!r}")
    return int(word)


def _real(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        raise ValueError(f"marker 'musicgym tempo {word}' in a MIDI file: expected a number") from None
