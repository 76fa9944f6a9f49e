"""`perform`: a score as a musician might play it, with rubato, articulation and dynamics, for export.

Rules and figures of the KTH rule system (Friberg, Bresin and Sundberg, "Overview of the KTH rule system for musical performance",
Advances in Cognitive Psychology 2, 2006), as its program Director Musices has them; what is ours says so.
"""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path
from typing import Any

import numpy as np

from musicgym.files.atomic import replace_file
from musicgym.pieces import Excerpts
from musicgym.score import BLANK, Note, Score

_TICKS_PER_QUARTER = 1000  # of MIDI files
PHRASE_BARS = 4  # where no phrase ends are marked
_TURN = 0.3  # share of a phrase after which its arch turns
_SLOW_START, _SLOW_END = 0.1, 0.2  # by how much a phrase's first and last steps are longer
_SOFT_START, _SOFT_END = 1.0, 2.0  # decibels below the turn
_OCTAVE = 3.0  # decibels that a note an octave higher is louder
_ACCENT = 1.5  # decibels between a bar line and a step of metrical weight 0 (our own)
_LEAD, _INNER = 1.0, -1.0  # decibels that the highest of several voices is louder, and those below but the lowest (our own)
_LOUDER = 4.0  # velocities in a decibel (our own)
_RITARD_SECONDS, _RITARD_STRENGTH = 1.3, 0.5  # the final ritard's length, and how much of its rule is applied (our own)
_LAST_LONGER = 0.25  # by how much the last note is longer
_REPEATED, _PHRASE = 0.035, 0.08  # seconds of silence before the same pitch again, and between phrases
_SHORTEST = 0.02  # seconds that are left of a note
_JITTER, _VELOCITY_JITTER = 0.005, 1.5  # standard deviations, seconds and velocities, of what is left to chance (our own)
_MOST_JITTER = 0.25  # of the time to the note before and after: a fast run stays in order (our own)


@dataclasses.dataclass(frozen=True, eq=False)
class Performance:
    """Notes as they are played, in order of their beginning.

    Attributes:
        onset, duration: float64 (notes,); seconds.
        pitch, velocity: int64 (notes,); MIDI numbers, and 1..127.
        voice: int64 (notes,).
        program: int64 (notes,); General MIDI program of the note's voice.
        programs, names: of each voice.
        seconds: when the piece ends.
        title: free text.
    """

    onset: np.ndarray
    duration: np.ndarray
    pitch: np.ndarray
    velocity: np.ndarray
    voice: np.ndarray
    program: np.ndarray
    programs: tuple[int, ...]
    names: tuple[str, ...]
    seconds: float
    title: str = ""

    def to_midi(self, path: str | Path) -> None:
        """Write a MIDI file, a track a voice, in half milliseconds at a constant tempo; whole or not at all.

        Raises:
            ValueError: a folder that can't be written to.
        """
        from symusic.core import NoteTick, ScoreTick, TempoTick, TrackTick

        second = 2 * _TICKS_PER_QUARTER  # at 120 quarters a minute
        made = ScoreTick(_TICKS_PER_QUARTER)
        made.tempos.append(TempoTick(0, mspq=500_000))
        made.tracks.append(TrackTick(self.title))
        for voice, (name, program) in enumerate(zip(self.names, self.programs, strict=True)):
            track = TrackTick(name, program)
            for note in np.flatnonzero(self.voice == voice):
                start, end = round(self.onset[note] * second), round((self.onset[note] + self.duration[note]) * second)
                track.notes.append(NoteTick(start, max(end - start, 1), int(self.pitch[note]), int(self.velocity[note])))
            made.tracks.append(track)
        with replace_file(path) as temporary:
            temporary.write_bytes(made.dumps_midi())

    def to_wav(self, path: str | Path, *, sample_rate: int = 44_100, stereo: bool = True) -> None:
        """Write a WAV file; see `musicgym.files.audio.write`."""
        from musicgym.files.audio import Tone, write_tones

        first = np.rint(self.onset * sample_rate).astype(int)
        last = np.rint((self.onset + self.duration) * sample_rate).astype(int)
        columns = (first, last - first, self.pitch, self.velocity, self.voice)
        tones = [Tone(*note) for note in zip(*(column.tolist() for column in columns), strict=True)]
        write_tones(tones, self.programs, self.seconds, path, sample_rate=sample_rate, stereo=stereo)


def perform(score: Score, *, amount: float = 1.0, dynamics: bool | None = None, seed: int | None = None) -> Performance:
    """Play a score.

    Phrases begin and end slower than they go on, and the piece ends with a ritard; repeated notes, leaps and phrases are set
    apart by short silences. A voice with one velocity only gets dynamics: softer towards the ends of phrases, louder on strong
    beats and on high notes; of several voices the highest is a little louder and the inner ones are softer. One with several
    velocities keeps its own.

    Args:
        score: finished.
        amount: how much of all this, 0..3; 0 plays what is written, 1 is the strength that the rules are made for.
        dynamics: True adds dynamics to what every voice has, False to none; None to the voices with one velocity only.
        seed: for small deviations by chance in time and loudness; None for none.

    Raises:
        ValueError: blank slots, an amount out of range, or a seed that is no whole number from 0 on.

    Example:
        >>> played = perform(Score.from_notes([[(0, 4, 60, 80), (4, 4, 60, 80), (8, 8, 67, 80)]]))
        >>> silence = played.onset[1] - played.onset[0] - played.duration[0]  # before the same pitch again
        >>> round(float(silence), 4)
        0.035
    """
    if isinstance(amount, bool) or not isinstance(amount, (int, float, np.integer, np.floating)) or not 0 <= amount <= 3:
        raise ValueError(f"perform(amount={amount!r}): expected a number within 0..3")
    if seed is not None and (isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0):
        raise ValueError(f"perform(seed={seed!r}): expected a whole number, 0 or more, or None")
    empty = np.count_nonzero(score.pitch == BLANK)
    if empty:
        raise ValueError(f"the score has {empty} blank slots: fill them before it is performed")
    phrases = _phrases(score)  # int64 (steps, 2)
    times = _times(score, phrases, amount)
    voices = [score.notes(voice) for voice in range(score.voices)]
    chance = None if seed is None else np.random.default_rng(seed)
    rows = []
    for voice, notes in enumerate(voices):
        starts, ends = _played(notes, times, phrases, amount)
        velocities = np.array([note.velocity for note in notes], float)
        shaped = len(set(velocities.tolist())) == 1 if dynamics is None else dynamics
        if shaped and notes:
            velocities += amount * _LOUDER * (_decibels(score, notes, phrases) + _balance(voice, score.voices))
        if chance is not None:
            starts = _jittered(starts, amount * _JITTER * np.clip(chance.standard_normal(len(notes)), -2, 2), times[-1])
            velocities += amount * _VELOCITY_JITTER * chance.standard_normal(len(notes))
        # Even the shortest note sounds, but none into the next one or past the end.
        ends = np.minimum(np.maximum(ends, starts + _SHORTEST / 2), np.append(starts[1:], times[-1])[: len(notes)])
        loud = np.clip(np.rint(velocities), 1, 127)
        rows += [
            (start, voice, end, note.pitch, velocity)
            for note, start, end, velocity in zip(notes, starts.tolist(), ends.tolist(), loud.tolist(), strict=True)
        ]
    table = np.array(sorted(rows)).reshape(-1, 5)
    played_by = table[:, 1].astype(int)
    return Performance(
        onset=table[:, 0],
        duration=table[:, 2] - table[:, 0],
        pitch=table[:, 3].astype(int),
        velocity=table[:, 4].astype(int),
        voice=played_by,
        program=np.array(score.programs, int)[played_by],
        programs=score.programs,
        names=score.names,
        seconds=float(times[-1]),
        title=score.title,
    )


def _balance(voice: int, voices: int) -> float:
    """Decibels by which one of several voices is louder than written, at amount 1."""
    if voice == 0:
        return _LEAD if voices > 1 else 0.0
    return _INNER if voice < voices - 1 else 0.0


def _phrases(score: Score) -> np.ndarray:
    """int64 (steps, 2): first step of the phrase that each step is in, and the step after its last."""
    from musicgym.metre import counted_phrase, marked_phrase

    page, length = Excerpts.from_scores([score]), score.steps
    counted: Any = getattr(counted_phrase, "py_func")  # noqa: B009  # of a compiled function, which mypy takes for a plain one
    marked: Any = getattr(marked_phrase, "py_func")  # noqa: B009  # as above
    if score.phrase_end.any():
        return np.array([marked(score.phrase_end, length, step) for step in range(length)])
    position, bar = page.position[0].astype(int), page.bar[0].astype(int)
    return np.array([counted(position, bar, length, step, PHRASE_BARS) for step in range(length)])


def _towards_ends(place: np.ndarray, start: float, end: float) -> np.ndarray:
    """A parabola over the places in a phrase, 0..1: `start` at its beginning, 0 at the turn, `end` at its end."""
    return np.where(place < _TURN, start * ((_TURN - place) / _TURN) ** 2, end * ((place - _TURN) / (1 - _TURN)) ** 2)


def _times(score: Score, phrases: np.ndarray, amount: float) -> np.ndarray:
    """float64 (steps + 1,): seconds at which each step is played, and the end."""
    from musicgym.files.audio import step_times

    times = step_times(score)
    first, end = phrases[:, 0], phrases[:, 1]
    lengths = np.diff(times)
    middle = np.minimum((np.arange(score.steps) + 0.5 - first) / (end - first), 1.0)
    longer = 1 + amount * _towards_ends(middle, _SLOW_START, _SLOW_END)
    last = max((notes[-1].start for voice in range(score.voices) if (notes := score.notes(voice))), default=0)
    if last and amount:
        # Friberg and Sundberg's ritard (1999): the speed is a cube root of what is left of the way, from 1 to `slowest`.
        slowest = 1 / (1 + 3 * amount * _RITARD_STRENGTH)
        begin = max(times[last] - _RITARD_SECONDS * amount, 0.0)
        way = np.clip((times[:last] + lengths[:last] / 2 - begin) / (times[last] - begin), 0, 1)
        longer[:last] /= np.cbrt(1 + (slowest**3 - 1) * way)
        longer[last:] = np.maximum(longer[last:], 1 + amount * _LAST_LONGER)
    return np.concatenate([[0.0], np.cumsum(lengths * longer)])


def _played(notes: list[Note], times: np.ndarray, phrases: np.ndarray, amount: float) -> tuple[np.ndarray, np.ndarray]:
    """Seconds at which a voice's notes begin and end, float64 (notes,) each."""
    starts = np.array([times[note.start] for note in notes])
    ends = np.array([times[note.start + note.duration] for note in notes])
    for i, (note, after) in enumerate(itertools.pairwise(notes)):
        if after.start > note.start + note.duration:
            continue  # a rest sets them apart
        seconds, interval = ends[i] - starts[i], abs(after.pitch - note.pitch)
        silence = 0.0
        if phrases[after.start, 0] == after.start:
            silence = _PHRASE
        elif interval == 0:
            silence = _REPEATED
        elif interval > 2 and seconds > 0.1:
            silence = 0.008 * min(interval, 9) * (0.3 + 0.5 * (seconds - 0.1))
        ends[i] -= min(amount * silence, max(seconds - _SHORTEST, 0.0), seconds / 2)
    return starts, ends


def _jittered(starts: np.ndarray, by: np.ndarray, end: float) -> np.ndarray:
    """Times moved by so many seconds, float64 (notes,) each, but less where others are near: they keep their order and begin
    within 0..`end`."""
    if not starts.size:
        return starts
    after = np.diff(starts, append=end)
    before = np.concatenate([[starts[0]], after[:-1]])
    most = _MOST_JITTER * np.minimum(before, after)
    moved: np.ndarray = starts + np.clip(by, -most, most)
    return moved


def _decibels(score: Score, notes: list[Note], phrases: np.ndarray) -> np.ndarray:
    """float64 (notes,): how much louder than written each note of a voice is played, at amount 1."""
    from musicgym.metre import metrical_weight

    weight: Any = getattr(metrical_weight, "py_func")  # noqa: B009  # as in _phrases
    page = Excerpts.from_scores([score])
    starts = np.array([note.start for note in notes])
    pitches = np.array([note.pitch for note in notes], float)
    first, end = phrases[starts, 0], phrases[starts, 1]
    strong = [weight(int(page.position[0, at]), int(page.bar[0, at]), int(page.beat[0, at])) for at in starts]
    arch = -_towards_ends(np.minimum((starts - first) / (end - first), 1.0), _SOFT_START, _SOFT_END)
    louder: np.ndarray = arch + _ACCENT * np.array(strong) + _OCTAVE * (pitches - pitches.mean()) / 12
    return louder
