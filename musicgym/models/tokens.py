"""What sequence models read: pieces as rows of tokens, and what is known of each place before its token is chosen.

The order is that of time: all voices of a step, 0 first, then the next step. Given voices are read in their place like any other.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Literal, NamedTuple

import numpy as np

from musicgym.choice import FIRST_PITCH, HOLD, REST_BEGINS, ChordChoice, NoteChoice, StepChoice
from musicgym.models.notes import Notes, counted, inside
from musicgym.models.tables import tables
from musicgym.pieces import Excerpts
from musicgym.score import BLANK, DEFAULT_VELOCITY, REST
from musicgym.task import Task

POSITIONS = 64  # positions in a bar that places tell apart; those beyond count as the last
_MOST_PLACES = 32767  # arrays name them by int16


@dataclasses.dataclass(frozen=True)
class Alphabet:
    """The tokens of a kind of choice: 0..size - 1, and `start`, which is size, for the beginning of a piece.

    "step": a token a slot, coded as in `StepChoice(low, high)`: 0 a rest begins, 1 hold, 2.. the pitches; `ChordChoice` is read
    like this too, voice by voice. "note": two or three tokens a note or rest, its pitch, its duration and, where there are
    velocities to choose from, its velocity, each factor with codes of its own in one alphabet; a rest has the first velocity.

    Made by `alphabet_of`. Alphabets are equal where their tokens mean the same.

    Example:
        >>> melody = alphabet_of(Task())
        >>> melody.size, melody.start, melody.factors, melody.places(voices=1)
        (38, 38, 1, 64)
        >>> Alphabet.from_json(melody.to_json()) == melody
        True
    """

    kind: Literal["step", "note"]
    low: int = 0
    high: int = 0
    pitches: tuple[int, ...] = ()
    durations: tuple[int, ...] = ()
    velocities: tuple[int, ...] = ()  # none where there is nothing to choose

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of tokens of each factor."""
        if self.kind == "step":
            return (self.high - self.low + 1 + FIRST_PITCH,)
        sizes = (len(self.pitches), len(self.durations), len(self.velocities))
        return sizes if self.velocities else sizes[:2]

    @property
    def offsets(self) -> tuple[int, ...]:
        """First token of each factor."""
        return tuple(int(offset) for offset in np.cumsum((0, *self.sizes[:-1])))

    @property
    def factors(self) -> int:
        """Tokens of one event: 1, or 2 or 3 where whole notes are chosen."""
        return len(self.sizes)

    @property
    def size(self) -> int:
        """A: how many tokens there are, `start` not among them."""
        return sum(self.sizes)

    @property
    def start(self) -> int:
        """The token that begins a piece; it is read and never chosen."""
        return self.size

    def places(self, voices: int) -> int:
        """How many places there are: see `Sequences`. Raises ValueError for more voices than places can tell apart."""
        places = POSITIONS * voices * self.factors
        if voices < 1 or places > _MOST_PLACES:
            raise ValueError(
                f"{voices} voices: expected 1..{_MOST_PLACES // POSITIONS // self.factors}, so that places fit int16"
            )
        return places

    def place(self, position: Any, voice: Any = 0, factor: Any = 0, voices: int = 1) -> Any:
        """What is known of a token before it is chosen: see `Sequences`. Takes numbers or arrays.

        Args:
            position: step in the bar, from 0.
            voice: of `voices`, from 0, the highest.
            factor: of the event's tokens, from 0.
            voices: of the task.
        """
        return np.minimum(position, POSITIONS - 1) * (voices * self.factors) + voice * self.factors + factor

    def without_velocities(self) -> Alphabet:
        """The alphabet of notes whose velocity is nothing to choose, such as those of a corpus that has none."""
        return dataclasses.replace(self, velocities=())

    def to_json(self) -> dict[str, Any]:
        """The alphabet as JSON types."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Alphabet:
        """The alphabet that `to_json` described. Raises ValueError for other fields."""
        names = {field.name for field in dataclasses.fields(cls)}
        if not isinstance(fields, dict) or set(fields) != names or fields["kind"] not in ("step", "note"):
            raise ValueError(f"alphabet {str(fields)[:80]}: expected an object with {', '.join(sorted(names))}")
        made: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}
        return cls(**made)


class Sequences(NamedTuple):
    """M pieces as tokens, padded with zeros to one length T.

    The place of a token says what is known before it is chosen:
    min(position in the bar, 63) * (voices * factors) + voice * factors + factor.
    """

    tokens: np.ndarray  # int16 (M, T)
    place: np.ndarray  # int16 (M, T)
    length: np.ndarray  # int32 (M,): tokens of each piece


def alphabet_of(task: Task) -> Alphabet:
    """The alphabet of a task's choices.

    Raises:
        ValueError: choices that are no tokens in order of time: chord symbols, another order, edits.
    """
    choice = task.choice
    in_time = task.order == "time" or (task.order == "voice" and task.voices == 1)
    if not in_time or task.sweeps > 1 or task.begin == "filled":
        says = f"order={task.order!r}, sweeps={task.sweeps}, begin={task.begin!r}"
        raise ValueError(
            f"Task({says}): a sequence model reads pieces once, in order of time: expected order='time', sweeps=1, begin='blank'"
        )
    if isinstance(choice, StepChoice):
        return Alphabet("step", low=choice.low, high=choice.high)
    if isinstance(choice, ChordChoice):
        ends = choice.voice_ranges(task.voices)
        return Alphabet("step", low=int(ends[:, 0].min()), high=int(ends[:, 1].max()))
    if isinstance(choice, NoteChoice):
        velocities = choice.velocities if len(choice.velocities) > 1 else ()
        return Alphabet("note", pitches=choice.pitches, durations=choice.durations, velocities=velocities)
    raise ValueError(
        f"Task(choice={type(choice).__name__}): sequence models read notes: expected StepChoice, ChordChoice or NoteChoice"
    )


def readable(excerpts: Excerpts, alphabet: Alphabet) -> np.ndarray:
    """bool (M,): pieces that `encode` takes."""
    return np.asarray(~np.any(list(_faults(excerpts, alphabet).values()), axis=0))


def encode(excerpts: Excerpts, alphabet: Alphabet, voices: int) -> Sequences:
    """Finished pieces as tokens.

    Velocities become the nearest there are. A note that the piece's end cuts may be of any length up to the longest duration;
    its token is the shortest that covers it. What the notes of steps lose is their velocity; nothing else is lost.

    Raises:
        ValueError: other voices, blanks, a pitch or a duration that the alphabet doesn't have.

    Example:
        >>> from musicgym import Score
        >>> piece = Excerpts.from_scores([Score.from_notes([[(0, 2, 60, 80)]], steps=3)])
        >>> encode(piece, alphabet_of(Task(length=3)), voices=1).tokens.tolist()
        [[14, 1, 0]]
    """
    if excerpts.pitch.shape[1] != voices:
        raise ValueError(f"the music has {excerpts.pitch.shape[1]} voices: expected {voices}, those of the model's task")
    for fault, found in _faults(excerpts, alphabet).items():
        if found.any():
            raise ValueError(f"piece {int(found.argmax())} {fault}: leave it out, or choose a task and a model that hold it")
    alphabet.places(voices)
    return _encode_steps(excerpts, alphabet) if alphabet.kind == "step" else _encode_notes(excerpts, alphabet)


def decode(sequences: Sequences, alphabet: Alphabet, voices: int, pages: Excerpts, velocity: int = DEFAULT_VELOCITY) -> Excerpts:
    """The pages with the notes of these tokens on them: what `encode` was given, but for velocities that it couldn't keep.

    Args:
        sequences: M pieces.
        alphabet: whose tokens they are.
        voices: of the pieces.
        pages: M pieces; their notes are replaced. A last note is cut at the end.
        velocity: of notes whose tokens have none.

    Raises:
        ValueError: tokens that are none, of other factors than their places say, or that don't fill the pages.
    """
    if pages.pitch.shape[:2] != (len(sequences.length), voices):
        raise ValueError(f"pages {pages.pitch.shape}: expected {len(sequences.length)} of {voices} voices")
    if sequences.tokens.size and not 0 <= sequences.tokens.min() <= sequences.tokens.max() < alphabet.size:
        low, high = sequences.tokens.min(), sequences.tokens.max()
        raise ValueError(f"tokens {low}..{high}: expected 0..{alphabet.size - 1}, the alphabet's")
    if alphabet.kind == "step":
        return _decode_steps(sequences, alphabet, voices, pages, velocity)
    return _decode_notes(sequences, alphabet, voices, pages, velocity)


def _faults(excerpts: Excerpts, alphabet: Alphabet) -> dict[str, np.ndarray]:
    """What keeps pieces from being read: bool (M,) by fault."""
    within = inside(excerpts)[:, None]
    pitch = excerpts.pitch.astype(np.int64)
    if alphabet.kind == "step":
        known: np.ndarray = (pitch < 0) | ((pitch >= alphabet.low) & (pitch <= alphabet.high))
        pitches = f"MIDI numbers {alphabet.low}..{alphabet.high}"
        odd = np.zeros(len(pitch), np.bool_)
    else:
        known = np.isin(pitch, alphabet.pitches)
        pitches = "pitches and rests of the choice"
        notes = Notes.of(excerpts)
        exact = np.isin(notes.duration, alphabet.durations)
        cut = (notes.start + notes.duration == excerpts.length[notes.piece]) & (notes.duration < alphabet.durations[-1])
        odd = np.bincount(notes.piece[~exact & ~cut], minlength=len(pitch)) > 0
    blank = (within & (pitch == BLANK)).any(axis=(1, 2))
    return {
        "has blanks": blank,
        f"has a pitch that is none of the alphabet's ({pitches})": (within & ~known).any(axis=(1, 2)) & ~blank,
        f"has a note or rest whose length is none of the durations {alphabet.durations} (steps)": odd,
    }


def _encode_steps(music: Excerpts, alphabet: Alphabet) -> Sequences:
    pieces, voices, steps = music.pitch.shape
    codes = np.where(music.onset, tables(alphabet).pitch[np.maximum(music.pitch, REST).astype(np.int64) + 1], HOLD)  # (M, V, S)
    place = alphabet.place(music.position.astype(np.int64)[:, :, None], np.arange(voices), 0, voices)  # (M, S, V)
    within = np.repeat(inside(music), voices, axis=1)
    tokens = codes.transpose(0, 2, 1).reshape(pieces, steps * voices)
    return Sequences(
        np.where(within, tokens, 0).astype(np.int16),
        np.where(within, place.reshape(pieces, steps * voices), 0).astype(np.int16),
        (music.length * voices).astype(np.int32),
    )


def _decode_steps(sequences: Sequences, alphabet: Alphabet, voices: int, pages: Excerpts, velocity: int) -> Excerpts:
    pieces, _, steps = pages.pitch.shape
    if sequences.tokens.shape[1] < steps * voices or not np.array_equal(sequences.length, pages.length * voices):
        raise ValueError(f"sequences of {sequences.length.tolist()[:3]} tokens: expected a token for each slot of the pages")
    codes = sequences.tokens[:, : steps * voices].reshape(pieces, steps, voices).transpose(0, 2, 1).astype(np.int64)
    begins = (codes != HOLD) & inside(pages)[:, None]
    last = np.maximum.accumulate(np.where(begins, np.arange(steps), -1), axis=2)  # (M, V, S): where the event began
    heard = np.take_along_axis(codes, np.maximum(last, 0), axis=2)
    pitch = np.where((last < 0) | (heard == REST_BEGINS), REST, heard - FIRST_PITCH + alphabet.low)
    return _laid(pages, pitch, begins, np.where(pitch >= 0, velocity, 0))


def _laid(pages: Excerpts, pitch: np.ndarray, onset: np.ndarray, velocity: np.ndarray) -> Excerpts:
    within = inside(pages)[:, None]
    return pages._replace(
        pitch=np.where(within, pitch, BLANK).astype(np.int8),
        onset=onset & within,
        velocity=np.where(within, velocity, 0).astype(np.uint8),
    )


def _encode_notes(music: Excerpts, alphabet: Alphabet) -> Sequences:
    pieces, voices, _ = music.pitch.shape
    notes, table, factors = Notes.of(music), tables(alphabet), alphabet.factors
    pitch = music.pitch[notes.piece, notes.voice, notes.start].astype(np.int64)
    duration = table.duration[np.minimum(notes.duration, len(table.duration) - 1)]
    velocity = table.velocity[np.where(pitch >= 0, music.velocity[notes.piece, notes.voice, notes.start], 0)]
    codes = np.stack([table.pitch[pitch + 1], duration, velocity][:factors], axis=1)  # (E, factors)
    position = music.position[notes.piece, notes.start][:, None]
    place = alphabet.place(position.astype(np.int64), notes.voice[:, None], np.arange(factors), voices)
    counts = np.bincount(notes.piece, minlength=pieces)
    made = Sequences(
        np.zeros((pieces, factors * int(counts.max(initial=0))), np.int16),
        np.zeros((pieces, factors * int(counts.max(initial=0))), np.int16),
        (counts * factors).astype(np.int32),
    )
    column = np.arange(len(notes.piece)) - np.repeat(np.cumsum(counts) - counts, counts)
    at = notes.piece[:, None], column[:, None] * factors + np.arange(factors)
    made.tokens[at], made.place[at] = codes, place
    return made


def _decode_notes(sequences: Sequences, alphabet: Alphabet, voices: int, pages: Excerpts, velocity: int) -> Excerpts:
    pieces, _, steps = pages.pitch.shape
    factors, offsets = alphabet.factors, alphabet.offsets
    width = sequences.tokens.shape[1] // factors
    tokens = sequences.tokens[:, : width * factors].reshape(pieces, width, factors).astype(np.int64)
    there = np.arange(width) < sequences.length[:, None] // factors
    piece, column = np.nonzero(there)
    codes = tokens[piece, column] - np.array(offsets)  # (E, factors)
    if ((codes < 0) | (codes >= np.array(alphabet.sizes))).any() or (sequences.length % factors).any():
        raise ValueError(f"the tokens are not {factors} factors of each note in turn: expected pitch, duration, velocity")
    voice = sequences.place[piece, column * factors].astype(np.int64) % (voices * factors) // factors
    order = np.lexsort((column, voice, piece))  # line by line: a voice's events follow one another without gaps
    piece, voice, codes = piece[order], voice[order], codes[order]
    lasts = np.array(alphabet.durations)[codes[:, 1]]
    line = piece * voices + voice
    ends = np.cumsum(lasts)
    before = np.bincount(line, lasts, minlength=pieces * voices).cumsum().astype(np.int64)
    start = ends - lasts - np.append(0, before[:-1])[line]
    end = np.minimum(start + lasts, pages.length[piece])
    filled = np.bincount(line, end - start, minlength=pieces * voices).reshape(pieces, voices)
    if (start >= pages.length[piece]).any() or (filled != pages.length[:, None]).any():
        raise ValueError("the notes don't fill the pages: expected durations that reach the end of each voice and not beyond it")
    pitch = np.array(alphabet.pitches)[codes[:, 0]]
    loud = np.array(alphabet.velocities)[codes[:, 2]] if alphabet.velocities else np.full(len(pitch), velocity)
    made = np.zeros((3, pieces, voices, steps), np.int64)  # pitch, onset, velocity
    slots = np.repeat(line * steps + start, end - start) + counted(end - start)
    flat = made.reshape(3, -1)
    flat[0, slots] = np.repeat(pitch, end - start)
    flat[2, slots] = np.repeat(np.where(pitch >= 0, loud, 0), end - start)
    flat[1, line * steps + start] = 1
    return _laid(pages, made[0], made[1].astype(np.bool_), made[2])
