"""`Task`: what is blank, in which order it is filled, and what one choice writes. A task is data."""

from __future__ import annotations

import dataclasses
import difflib
import json
from numbers import Real
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from musicgym.choice import Choice, ChordChoice, NoteChoice, StepChoice, SymbolChoice, choice_from_json, choice_to_json
from musicgym.chords import VOICES
from musicgym.grids import COARSE, taken_in
from musicgym.pieces import Excerpts
from musicgym.rhythm import patterns, tupled
from musicgym.score import Score, bar_steps, parse_key

if TYPE_CHECKING:
    from musicgym.corpus.material import Drawn

SYMBOLS = ":symbols"  # after a corpus's name in a source: its highest voice over its chord symbols, written out
Order = Literal["time", "voice", "random"]
TIME_FIRST, VOICE_FIRST, RANDOM = 0, 1, 2  # orders of filling, as the kernels know them
SLOT, BAR, VOICE = 0, 1, 2  # what is blank or given as one
_HOLES = {"slot": SLOT, "bar": BAR, "voice": VOICE}
_ORDERS = {"time": TIME_FIRST, "voice": VOICE_FIRST, "random": RANDOM}


@dataclasses.dataclass(frozen=True)
class Task:
    """One composing task: a page with blanks, an order of filling them, and a kind of choice.

    With no `source` the page is empty: `voices` voices on `length` steps in `meter` and `key`. With a `source` each
    piece starts from one drawn from that corpus, whose voices named in `given` stand there already; of the
    other voices the share `blank` of their slots, bars or voices is blank (always at least one), and what is
    not blank is given too. A source piece that has `BLANK` slots of its own keeps just those blanks.

    Args:
        choice: what one action writes.
        voices: number of voices.
        length: steps of a piece, or of an excerpt of the source; None for the source's whole pieces.
        steps_per_quarter: the grid; also 0.5, 0.25 or 0.125: steps of half, whole and double whole notes.
        meter: of an empty page; of a source, only pieces in this metre are drawn (None: any).
        key: of an empty page; several keys in a tuple are drawn from, uniformly. A source keeps its own keys.
        tempo: quarter notes a minute.
        source: names of corpora as `musicgym.corpus.load` takes them, comma-separated, and after a slash the
            split ("bach/train"); "" for an empty page. "bach:symbols/train" is each piece's highest voice over the chord symbols
            of its labels, one a beat, written out in four more voices (see `musicgym.corpus.symbols`). Cantus firmi for the one
            given voice are "cantus/train", "cantus" (all), "fux_cantus", "cantus 62 65 64 62" (`musicgym.corpus.cantus_pages`).
        quantise: of the source; False leaves out pieces with notes between the steps, True takes what sounds at each step.
        transpose_to: of the source; a tonic such as "C" that every piece's home tonic becomes, by up to half an octave; what then
            lies outside the choice's pitches is left out. None for the pieces' own keys.
        given: voices of the source that stand there already.
        blank: share of the other voices that is blank, in (0, 1].
        holes: what is blank or given as one: a "slot", a "bar" of a voice, or a whole "voice".
        order: "time" (all voices of a step, then the next step), "voice" (a whole voice, then the next), "random".
        begin: "blank", or "filled": the source's notes stand in the blanks at first, and choices edit them.
        sweeps: how often the order is gone through; later sweeps edit what earlier ones wrote.
        sees: "all" or "past": what of the given parts the composer may observe: everything, or what has sounded up to the step
            that is chosen, that step included. "past" goes with choices made once and in order of time.
        lookahead: steps beyond that one at which a composer who hears the past sees the given parts already.
        rhythm: what may begin on each step of a bar, by letters, the steps separated by spaces: n a note, h a hold, r a rest;
            a pattern each for the first bar, the bars between and the last: ("nr n", "n n", "n h"). Masks show it; given slots
            and bars of another length than `meter`'s are not concerned. Several voices may differ: a triple, or () for a
            free voice, for each of them. () for no rhythm.
        forbid: names of rules that no choice may break (`StepChoice` only); masks show what is left, and bind no one who leaves
            them aside: a choice that is struck is written if it is made. See `musicgym.rewards.forbid.Forbid`.
        velocity: of the notes written where the choice has no velocity, 1..127.
        programs: General MIDI program per voice.

    Raises:
        ValueError: naming the field and what it expects.

    Example:
        >>> Task.from_json(Task(voices=2, length=16).to_json()) == Task(voices=2, length=16)
        True
    """

    choice: Choice = dataclasses.field(default_factory=StepChoice)
    voices: int = 1
    length: int | None = 32
    steps_per_quarter: int | float = 4
    meter: tuple[int, int] | None = (4, 4)
    key: str | tuple[str, ...] = "C major"
    tempo: float = 120.0
    source: str = ""
    quantise: bool = False
    transpose_to: str | None = None
    given: tuple[int, ...] = ()
    blank: float = 1.0
    holes: Literal["slot", "bar", "voice"] = "slot"
    order: Order = "time"
    begin: Literal["blank", "filled"] = "blank"
    sweeps: int = 1
    sees: Literal["all", "past"] = "all"
    lookahead: int = 0
    rhythm: tuple[Any, ...] = ()
    forbid: tuple[str, ...] = ()
    velocity: int = 80
    programs: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for name in ("meter", "given", "forbid", "programs"):
            if isinstance(getattr(self, name), (list, np.ndarray)):
                object.__setattr__(self, name, tuple(getattr(self, name)))
            if not isinstance(getattr(self, name), tuple) and not (name == "meter" and self.meter is None):
                raise ValueError(f"Task({name}={getattr(self, name)!r}): expected a tuple")
        if not isinstance(self.source, str):
            raise ValueError(f"Task(source={self.source!r}): expected names of corpora as text, or ''")
        object.__setattr__(self, "rhythm", tupled(self.rhythm))
        if isinstance(self.key, (list, tuple)):
            object.__setattr__(self, "key", tuple(self.key))
        elif not isinstance(self.key, str):
            raise ValueError(f"Task(key={self.key!r}): expected a key's name, or several in a tuple")
        if isinstance(self.steps_per_quarter, (float, np.floating)):
            grid = float(self.steps_per_quarter)
            object.__setattr__(self, "steps_per_quarter", int(grid) if grid.is_integer() else grid)
        for name in ("voices", "length", "steps_per_quarter", "sweeps", "lookahead", "velocity"):
            if name == "steps_per_quarter" and self.steps_per_quarter in COARSE:
                continue
            value = getattr(self, name)
            if isinstance(value, np.integer):
                object.__setattr__(self, name, int(value))
            elif value.__class__ is not int and not (name == "length" and value is None):
                also = ", or 0.5, 0.25, 0.125" if name == "steps_per_quarter" else ""
                raise ValueError(f"Task({name}={value!r}): expected a whole number{also}")
        for ok, name, expected in self._expectations():
            if not ok:
                raise ValueError(f"Task({name}={getattr(self, name)!r}): expected {expected}")
        for key in (*self.keys, *(() if self.transpose_to is None else (self.transpose_to,))):
            parse_key(key)
        if self.meter is not None and bar_steps(self.meter, self.steps_per_quarter) > 32767:
            raise ValueError(f"Task(meter={self.meter!r}): expected a bar of at most 32,767 steps")
        self.choice.voice_ranges(self.voices)
        if (self.sweeps > 1 or self.begin == "filled") and isinstance(self.choice, NoteChoice):
            raise ValueError("Task(choice=NoteChoice(...)): edits (sweeps > 1, begin='filled') need StepChoice or ChordChoice")
        self._check_rhythm()
        self._check_symbols()
        if self.forbid and not isinstance(self.choice, StepChoice):
            raise ValueError(f"Task(forbid={self.forbid!r}): hard rules need a Discrete choice, StepChoice")

    def _check_rhythm(self) -> None:
        """Raises ValueError for a rhythm that is none, or that goes with no bar or no choice by steps."""
        if not isinstance(self.rhythm, tuple):
            raise ValueError(f"Task(rhythm={self.rhythm!r}): expected a tuple")
        if not self.rhythm:
            return
        if self.meter is None or not isinstance(self.choice, (StepChoice, ChordChoice)):
            lacks = "a meter" if self.meter is None else "StepChoice or ChordChoice"
            raise ValueError(f"Task(rhythm={self.rhythm!r}): expected {lacks}, as rhythm is masked step by step of a bar")
        self.rhythm_bits()

    def _check_symbols(self) -> None:
        """Raises ValueError for chord symbols with voices beside them that nobody writes."""
        if isinstance(self.choice, SymbolChoice):
            beside = tuple(range(self.voices - VOICES))
            if tuple(sorted(set(self.given))) != beside:
                raise ValueError(
                    f"Task(given={self.given!r}): expected {beside}: a SymbolChoice writes the last {VOICES} voices and no others"
                )

    @property
    def has_symbols(self) -> bool:
        """Whether the last four voices are chord symbols written out: a `SymbolChoice` writes them or the source has them."""
        return isinstance(self.choice, SymbolChoice) or SYMBOLS in self.source

    def rhythm_bits(self) -> np.ndarray:
        """What may stand on each step, uint8 (voices, 3, steps of a bar): see `musicgym.rhythm`; no steps where all may."""
        steps = 0 if self.meter is None else bar_steps(self.meter, self.steps_per_quarter)
        return patterns(self.rhythm, self.voices, steps)

    def _expectations(self) -> list[tuple[bool, str, str]]:
        drawn, online = bool(self.source), self.sees == "past"
        return [
            (self.voices >= 1, "voices", "1 or more"),
            (self.length is None or self.length >= 1, "length", "1 step or more"),
            (self.voices * (self.length or 1) < 32768, "length", "voices * length below 32768"),
            (self.length is not None or drawn, "length", "a number of steps, as there is no source"),
            (self.meter is not None or drawn, "meter", "(beats, unit), as there is no source"),
            (self.meter is None or (len(self.meter) == 2 and all(type(n) is int for n in self.meter)), "meter", "(beats, unit)"),
            (
                self.steps_per_quarter in COARSE or 1 <= self.steps_per_quarter <= 960,
                "steps_per_quarter",
                "1..960, or 0.5, 0.25, 0.125",
            ),
            (isinstance(self.choice, Choice), "choice", "a StepChoice, NoteChoice, ChordChoice or SymbolChoice"),
            (type(self.quantise) is bool, "quantise", "True or False"),
            (self.transpose_to is None or drawn, "transpose_to", "None, as there is no source to be moved"),
            (all(type(v) is int for v in self.given), "given", "voices as whole numbers"),
            (all(type(p) is int and 0 <= p <= 127 for p in self.programs), "programs", "General MIDI programs, 0..127"),
            (all(isinstance(name, str) for name in self.forbid), "forbid", "names of rules or sets of rules as text"),
            (len(self.keys) > 0, "key", "a key's name, or several"),
            (all(0 <= v < self.voices for v in self.given), "given", f"voices within 0..{self.voices - 1}"),
            (len(set(self.given)) < self.voices, "given", "at least one voice left to compose"),
            (
                _is_number(self.blank) and 0 < self.blank <= 1,
                "blank",
                "a share within (0, 1]",
            ),
            (self.holes in _HOLES, "holes", "'slot', 'bar' or 'voice'"),
            (self.order in _ORDERS, "order", "'time', 'voice' or 'random'"),
            (self.begin in ("blank", "filled"), "begin", "'blank' or 'filled'"),
            (self.sweeps >= 1, "sweeps", "1 or more"),
            (self.sees in ("all", "past"), "sees", "'all' or 'past'"),
            (self.lookahead == 0 or self.sees == "past", "lookahead", "0, as all is seen; it goes with sees='past'"),
            (0 <= self.lookahead <= 1024, "lookahead", "0..1024 steps"),
            (not online or self.order == "time", "order", "'time', as sees='past': who goes back has heard the rest"),
            (not online or self.begin == "blank", "begin", "'blank', as sees='past'"),
            (not online or self.sweeps == 1, "sweeps", "1, as sees='past': who goes back has heard the rest"),
            (1 <= self.velocity <= 127, "velocity", "1..127"),
            (isinstance(self.tempo, (int, float)) and 1 <= self.tempo <= 10_000, "tempo", "quarter notes a minute, 1..10,000"),
            (len(self.programs) in (0, self.voices), "programs", "one General MIDI program for each voice"),
        ]

    def changed(self, **fields: Any) -> Task:
        """The task with other values for some fields. Raises TypeError, with the nearest names, for one that it doesn't have."""
        names = [field.name for field in dataclasses.fields(self)]
        for name in fields:
            if name not in names:
                near = difflib.get_close_matches(name, names, n=2, cutoff=0.5)
                hint = f"did you mean {' or '.join(near)}?" if near else f"its fields are {', '.join(names)}"
                raise TypeError(
                    f"a task got an unexpected keyword argument {name!r}: {hint}"
                )  # Python's own words: torchrl looks for them
        return dataclasses.replace(self, **fields)

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that an empty page may be in."""
        return (self.key,) if isinstance(self.key, str) else self.key

    @property
    def order_kind(self) -> int:
        """The order of filling, as the kernels know it."""
        return _ORDERS[self.order]

    @property
    def score_grid(self) -> int:
        """Steps a quarter of the task's pieces as scores: the task's own, or 1 where its steps are longer than a quarter."""
        return max(1, int(self.steps_per_quarter))

    @property
    def spread(self) -> int:
        """Steps of such a score in one of the task's: 1, or 2, 4 or 8 where these are longer than a quarter."""
        return max(1, int(1 / self.steps_per_quarter))

    @property
    def holes_kind(self) -> int:
        """What is blank or given as one, as the kernels know it."""
        return _HOLES[self.holes]

    def material(self) -> Excerpts:
        """What pieces start from: the source's excerpts, or one empty page for each key.

        Raises:
            ValueError: the source has no piece that fits.
        """
        if not self.source:
            assert self.length is not None
            assert self.meter is not None
            spq, steps = self.score_grid, self.length * self.spread
            pages = [Score.blank(self.voices, steps, steps_per_quarter=spq, meter=self.meter, key=key) for key in self.keys]
            return taken_in(pages, self.steps_per_quarter, "page")
        return self.drawn().excerpts

    def drawn(self, *, apart: bool = False) -> Drawn:
        """The source's excerpts that fit the task, with their melody families.

        Args:
            apart: excerpts of one piece don't overlap; else they begin at every bar line.

        Raises:
            ValueError: the task has no source, or that has no piece that fits.
        """
        from musicgym.corpus.cantus_pages import is_cantus, pages
        from musicgym.corpus.material import Drawn, drawn

        ranges, meter = self.choice.voice_ranges(self.voices), self.meter or (4, 4)
        if is_cantus(self.source):
            if self.transpose_to is not None:
                raise ValueError(f"transpose_to={self.transpose_to!r}: cantus firmi stay in the keys of their finals")
            found = pages(self.source, self.voices, self.given, self.length, self.steps_per_quarter, meter, ranges)
            return Drawn(found, np.arange(len(found.length), dtype=np.int32))
        return drawn(
            self.source,
            voices=self.voices,
            steps=self.length,
            steps_per_quarter=self.steps_per_quarter,
            meter=self.meter,
            ranges=ranges,
            quantise=self.quantise,
            transpose_to=self.transpose_to,
            apart=apart,
        )

    def to_json(self) -> str:
        """The task as JSON text; `Task.from_json` reads it back."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return json.dumps({**fields, "choice": choice_to_json(self.choice)})

    @classmethod
    def from_json(cls, text: str) -> Task:
        """The task that `to_json` described. Raises ValueError for fields that a task doesn't have."""
        fields = json.loads(text)
        if not isinstance(fields, dict):
            raise ValueError(f"Task JSON is {text[:40]!r}: expected an object")
        names = {field.name for field in dataclasses.fields(cls)}
        if unknown := set(fields) - names:
            raise ValueError(f"Task JSON has the fields {sorted(unknown)}: expected only {sorted(names)}")
        if "choice" in fields:
            fields["choice"] = choice_from_json(fields["choice"])
        made: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}
        return cls(**made)


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def pitch_bounds(task: Task, material: Excerpts) -> tuple[int, int]:
    """Lowest and highest pitch that can occur in the task: the choice's and the given parts'."""
    ranges = task.choice.voice_ranges(task.voices)
    sounding = material.pitch[material.pitch >= 0]
    low = min(int(ranges[:, 0].min()), int(sounding.min(initial=127)))
    return low, max(int(ranges[:, 1].max()), int(np.max(sounding, initial=0)))
