"""What happens along a score beside its notes, as MIDI meta events and back: tempo, metre, position, key, phrase ends.

MIDI's own events come first, so that every program shows the right tempo, bars and signatures. Where they cannot say
what the score says (a bar that isn't as long as its metre, a Dorian key, a fermata), a text event that begins with
"musicgym" stands beside them; other programs pass over it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from musicgym.files import smf
from musicgym.files.bars import anchors, from_signatures, signature_of, signatures, spread
from musicgym.files.grid import fits, nearest_step
from musicgym.score import (
    Change,
    KeyChange,
    MeterChange,
    Score,
    TempoChange,
    bar_steps,
    key_name,
    key_of_sharps,
    key_sharps,
    parse_key,
)

Event = tuple[int, int, bytes]  # tick, kind, content
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


def events(score: Score, ticks: int) -> list[Event]:
    """Meta events, by tick, of a score whose step lasts `ticks`.

    Raises:
        ValueError: a tempo that MIDI cannot hold, or a metre that is no whole number of steps.
    """
    made: list[Event] = []
    made += _write_tempos(score, ticks)
    made += _write_bars(score, ticks)
    made += _write_keys(score, ticks)
    edges = np.flatnonzero(np.diff(score.phrase_end, prepend=False, append=False)).tolist()
    made += (_ours(a * ticks, "phrase_end", str((b - a) * ticks)) for a, b in zip(edges[::2], edges[1::2], strict=True))
    return sorted(made, key=lambda event: event[0])


def _ours(tick: int, *words: str) -> Event:
    return tick, smf.TEXT, smf.OURS + " ".join(words).encode()


def _write_tempos(score: Score, ticks: int) -> Iterator[Event]:
    for step, quarters in score.tempos:
        length = round(_MINUTE / quarters) if 3 < quarters <= _MINUTE else 0
        if not 0 < length < 1 << 24:
            raise ValueError(f"tempo {quarters} at step {step}: MIDI holds 3.6 to 60,000,000 quarters a minute")
        yield step * ticks, smf.TEMPO, length.to_bytes(3)
        if _quarters(length) != quarters:
            yield _ours(step * ticks, "tempo", repr(float(quarters)))


def _quarters(length: int) -> float:
    """Quarters a minute of a quarter in microseconds: the shortest decimal among those that MIDI cannot tell apart."""
    exact = _MINUTE / length
    for digits in range(12):
        quarters = round(exact, digits)
        if quarters and round(_MINUTE / quarters) == length:
            return quarters
    return exact


def _write_bars(score: Score, ticks: int) -> Iterator[Event]:
    """Time signatures: the metres, and the true length of bars that differ from theirs."""
    grid = score.steps_per_quarter
    places = anchors(score)
    regular = len(places) == 1 and places[0][2] == 0
    written = [(0, *score.meter)] if regular else signatures(score)
    shown = [(step, *_writable((n, d), grid)) for step, n, d in written]
    for step, numerator, denominator in shown:
        yield step * ticks, smf.METER, bytes((numerator, denominator.bit_length() - 1, 24, 8))
    if regular and shown == written:
        return
    meters, position, _ = from_signatures([(step * ticks, n, d) for step, n, d in shown], score.steps, ticks * grid, grid)
    if meters != score.meters or not np.array_equal(position, score.position):
        for step, meter, place in places:
            yield _ours(step * ticks, "bar", *(() if meter is None else (f"{meter[0]}/{meter[1]}",)), str(place * ticks))


def _writable(meter: tuple[int, int], grid: int) -> tuple[int, int]:
    """The metre if MIDI can write it, else one whose bar is as long, else 4/4."""
    if meter[0] <= 255 and meter[1] in (1, 2, 4, 8, 16, 32, 64, 128):
        return meter
    return signature_of(bar_steps(meter, grid), grid) or (4, 4)


def _write_keys(score: Score, ticks: int) -> Iterator[Event]:
    for step, tonic, mode in score.keys:
        yield step * ticks, smf.KEY, bytes((key_sharps(tonic, mode) & 0xFF, int(mode == 1)))
        if mode > 1:
            yield _ours(step * ticks, "key", key_name(tonic, mode))
    tonics, modes = (spread([(key[0], key[i]) for key in score.keys], score.steps) for i in (1, 2))
    if not (np.array_equal(tonics, score.tonic) and np.array_equal(modes, score.mode)):
        moves = (np.diff(score.tonic) != 0) | (np.diff(score.mode) != 0)
        for step in [0, *(np.flatnonzero(moves) + 1).tolist()]:
            yield _ours(step * ticks, "local", key_name(int(score.tonic[step]), int(score.mode[step])))


# Reading


class Reader:
    """Meta events of a file, turned into a `Timeline`."""

    def __init__(self, sequence: smf.Sequence, steps_per_quarter: int, strict: bool) -> None:
        self.unit = sequence.ticks_per_quarter
        self.grid = steps_per_quarter
        self.strict = strict
        self.changes: list[Change] = []
        self.of_kind: dict[int, list[tuple[int, bytes]]] = {smf.TEMPO: [], smf.METER: [], smf.KEY: []}
        self.ours: dict[str, list[tuple[int, str]]] = {}  # first word -> tick, the rest
        for tick, kind, content in sequence.metas:
            if kind == smf.TEXT:
                word, _, rest = smf.text(content[len(smf.OURS) :]).partition(" ")
                self.ours.setdefault(word, []).append((tick, rest))
            else:
                self.of_kind[kind].append((tick, content))

    def step(self, tick: int) -> int:
        """The step nearest to a tick."""
        return nearest_step(tick, self.unit, self.grid)

    def read(self, steps: int) -> Timeline:
        """The timeline of a piece of `steps` steps.

        Raises:
            ValueError: under `strict` an event that doesn't fall on a step; a broken "musicgym" text.
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
        for tick, content in self.of_kind[smf.TEMPO]:
            length = int.from_bytes(content)
            if len(content) != 3 or not length:
                self.report("ignored", tick, f"tempo event {content!r}: expected the microseconds of a quarter in three bytes")
                continue
            ours = exact.get(tick, 0.0)
            found.append((tick, ours if ours > 0 and round(_MINUTE / ours) == length else _quarters(length)))
        made = [TempoChange(step, quarters) for step, quarters in self._settle(found, steps, "tempo")]
        return tuple(made if made and made[0].step == 0 else [TempoChange(0, 120.0), *made])

    def _keys(self, steps: int) -> tuple[tuple[KeyChange, ...], np.ndarray, np.ndarray]:
        names = dict(self.ours.get("key", ()))
        found = []
        for tick, content in self.of_kind[smf.KEY]:
            sharps = (content[0] ^ 0x80) - 0x80 if len(content) == 2 else 99
            if abs(sharps) > 7 or content[1] > 1:
                self.report("ignored", tick, f"key signature {content!r}: expected -7..7 sharps and 0 for major or 1 for minor")
                continue
            found.append((tick, key_name(*key_of_sharps(sharps, content[1])) if tick not in names else names[tick]))
        made = [KeyChange(step, *parse_key(name)) for step, name in self._settle(found, steps, "key")]
        keys = tuple(made if made and made[0].step == 0 else [KeyChange(0, 0, 0), *made])
        local = [KeyChange(self.step(tick), *parse_key(name)) for tick, name in self.ours.get("local", ())]
        spans = keys if not local or local[0].step else tuple(local)
        return keys, spread([(k.step, k.tonic) for k in spans], steps), spread([(k.step, k.mode) for k in spans], steps)

    def _bars(self, steps: int) -> tuple[tuple[MeterChange, ...], np.ndarray]:
        if ours := self.ours.get("bar"):
            return self._bars_as_we_wrote_them(ours, steps)
        found = []
        for tick, content in self.of_kind[smf.METER]:
            if len(content) != 4 or not content[0] or content[1] > 7:
                expected = "expected a numerator of 1 or more and a power of two up to 7"
                self.report("ignored", tick, f"time signature {content!r}: {expected}")
                continue
            found.append((tick, (content[0], 1 << content[1])))
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
        raise ValueError(f"text 'musicgym ... {whole}' in a MIDI file: expected a whole number, not {word!r}")
    return int(word)


def _real(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        raise ValueError(f"text 'musicgym tempo {word}' in a MIDI file: expected a number") from None
