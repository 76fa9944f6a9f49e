"""Scores as sound: a small additive synthesiser in NumPy, so that a piece can be heard with no other program.

Each note is a table of one period, read at the note's frequency, under an envelope: struck and plucked sounds die
away and lose their high partials first, blown and bowed ones last as long as they are held. Eight timbres stand for
the sixteen families of General MIDI.
"""

from __future__ import annotations

import functools
import wave
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from musicgym.files.atomic import replace_file
from musicgym.files.bars import spread
from musicgym.score import BLANK, Score

TAIL = 0.3  # seconds after the last step in which the last notes die away
_PEAK = 0.9  # of full scale
_TABLE_BITS = 13
_BLOCK = 1 << 18  # samples rendered at once: bounds the memory of long pieces
_KEPT = 1 << 24  # samples up to which a piece is kept while its peak is sought; longer ones are rendered twice
_RIFF_LIMIT = (1 << 32) - 64  # bytes that a WAV file can hold


class Timbre(NamedTuple):
    """How an instrument sounds."""

    partials: tuple[float, ...]  # amplitudes of the harmonics, from the first
    attack: float  # seconds until full loudness
    decay: float  # seconds in which middle C falls to 1/e; 0 for a sound that is held
    release: float  # seconds in which it ends after the note


def _falling(count: int, power: float) -> tuple[float, ...]:
    return tuple(1 / h**power for h in range(1, count + 1))


_PIANO = Timbre((1.0, 0.55, 0.4, 0.25, 0.2, 0.12, 0.06, 0.08, 0.05, 0.04), 0.004, 1.1, 0.12)
_MALLET = Timbre((1.0, 0.02, 0.05, 0.45, 0.02, 0.02, 0.02, 0.02, 0.1), 0.002, 0.5, 0.15)
_ORGAN = Timbre((1.0, 0.8, 0.45, 0.5, 0.0, 0.25, 0.0, 0.3), 0.015, 0.0, 0.06)
_PLUCKED = Timbre(_falling(12, 1.1), 0.002, 0.6, 0.08)
_BOWED = Timbre(_falling(12, 1.2), 0.06, 0.0, 0.12)
_BRASS = Timbre((0.8, 1.0, 0.9, 0.7, 0.5, 0.35, 0.22, 0.15, 0.1), 0.035, 0.0, 0.07)
_REED = Timbre((1.0, 0.1, 0.6, 0.1, 0.35, 0.08, 0.2, 0.05, 0.1), 0.025, 0.0, 0.07)
_FLUTE = Timbre((1.0, 0.25, 0.08, 0.03), 0.04, 0.0, 0.08)
# One for each eight programs: piano, chromatic percussion, organ, guitar, bass, strings, ensemble, brass, reed, pipe, lead,
# pad, effects, ethnic, percussive, sound effects.
TIMBRES = (
    *(_PIANO, _MALLET, _ORGAN, _PLUCKED, _PLUCKED, _BOWED, _BOWED, _BRASS),
    *(_REED, _FLUTE, _REED, _BOWED, _BOWED, _PLUCKED, _MALLET, _MALLET),
)


class Tone(NamedTuple):
    """A note to be heard."""

    start: int  # samples
    length: int  # samples until it is released
    pitch: int
    velocity: int
    voice: int


def write(score: Score, path: str | Path, *, sample_rate: int = 44_100, stereo: bool = True, blanks: str = "refuse") -> None:
    """Write a 16-bit WAV file, made as loud as it can be without clipping; whole or not at all.

    It lasts `score.seconds(score.steps)` and `TAIL` seconds more. In stereo the voices are spread from left to right.

    Args:
        score: what to play.
        path: where to.
        sample_rate: samples a second, 8,000..192,000.
        stereo: two channels, or one.
        blanks: "refuse" a score with blank slots, or play a "rest" for each.

    Raises:
        ValueError: blanks that are refused, a sample rate out of range, a tempo that is not above 0, a score that a WAV
            file cannot hold, or a folder that can't be written to.
    """
    check_rate(sample_rate)
    if blanks not in ("refuse", "rest"):
        raise ValueError(f"blanks={blanks!r}: expected 'refuse' or 'rest'")
    empty = np.count_nonzero(score.pitch == BLANK)
    if empty and blanks == "refuse":
        raise ValueError(f"the score has {empty} blank slots: fill them, or pass blanks='rest' to hear silence for them")
    times = step_times(score)
    at = np.rint(times * sample_rate).astype(np.int64).tolist()
    tones = [
        Tone(at[start], at[start + duration] - at[start], pitch, velocity, voice)
        for voice in range(score.voices)
        for start, duration, pitch, velocity in score.notes(voice)
    ]
    write_tones(tones, score.programs, float(times[-1]), path, sample_rate=sample_rate, stereo=stereo)


def check_rate(sample_rate: int) -> None:
    """Raises ValueError for a sample rate out of range."""
    if not 8_000 <= sample_rate <= 192_000:
        raise ValueError(f"sample_rate={sample_rate}: expected 8000..192000 samples a second")


def write_tones(
    tones: Sequence[Tone], programs: Sequence[int], seconds: float, path: str | Path, *, sample_rate: int, stereo: bool
) -> None:
    """As `write`, for tones at any sample.

    Args:
        tones: in any order.
        programs: General MIDI program of each voice.
        seconds: when the music ends; `TAIL` follows.
        path, sample_rate, stereo: as in `write`.
    """
    check_rate(sample_rate)
    channels = 2 if stereo else 1
    seconds += TAIL
    if not seconds * sample_rate * channels * 2 < _RIFF_LIMIT:
        raise ValueError(f"the score lasts {seconds:.0f} s: too long for a WAV file at {sample_rate} samples a second")
    frames = round(seconds * sample_rate)
    pans = _pans(len(programs), channels)
    timbres = [TIMBRES[program // 8 % 16] for program in programs]
    render = functools.partial(_blocks, sorted(tones), frames, timbres, pans, sample_rate)
    kept = list(render()) if frames <= _KEPT else None
    peak = max(float(np.abs(block).max()) for block in kept or render())
    scale = _PEAK * 32767 / peak if peak else 0.0
    with replace_file(path) as temporary, wave.open(str(temporary), "wb") as file:
        file.setparams((channels, 2, sample_rate, frames, "NONE", "not compressed"))
        for block in kept or render():
            file.writeframesraw((block * np.float32(scale)).astype("<i2").tobytes())


def step_times(score: Score) -> np.ndarray:
    """float64 (steps + 1,): seconds at which each step begins, and the end. Raises ValueError for a tempo that is not above 0."""
    for step, quarters in score.tempos:
        if not quarters > 0:
            raise ValueError(f"tempo {quarters} at step {step}: expected quarters a minute, more than 0")
    which = spread([(change.step, i) for i, change in enumerate(score.tempos)], score.steps)
    lengths = 60.0 / score.steps_per_quarter / np.array([change.quarters for change in score.tempos])  # of a step, in seconds
    return np.concatenate([[0.0], np.cumsum(lengths[which])])


def _pans(voices: int, channels: int) -> np.ndarray:
    """float32 (voices, channels): loudness of each voice in each channel; the sum of squares is 1."""
    if channels == 1:
        return np.ones((voices, 1), np.float32)
    angle = np.linspace(0.3, 0.7, voices) * np.pi / 2 if voices > 1 else np.full(voices, np.pi / 4)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)


def _blocks(notes: list[Tone], frames: int, timbres: list[Timbre], pans: np.ndarray, sample_rate: int) -> Iterator[np.ndarray]:
    """float32 (samples, channels): the piece, block by block, not yet scaled."""
    held: list[Tone] = []  # notes that reach into the next block
    coming = 0
    for begin in range(0, frames, _BLOCK):
        size = min(_BLOCK, frames - begin)
        while coming < len(notes) and notes[coming].start < begin + size:
            held.append(notes[coming])
            coming += 1
        mono = np.zeros((len(timbres), size), np.float32)
        for note in held:
            _add(mono[note.voice], note, begin, timbres[note.voice], sample_rate)
        yield mono.T @ pans
        held = [n for n in held if _last(n, timbres[n.voice], sample_rate) > begin + size]


def _last(note: Tone, timbre: Timbre, sample_rate: int) -> int:
    return note.start + note.length + round(timbre.release * sample_rate)


def _add(mono: np.ndarray, note: Tone, begin: int, timbre: Timbre, sample_rate: int) -> None:
    """Add the part of a note that falls into a block that begins at sample `begin`."""
    frequency = 440.0 * 2.0 ** ((note.pitch - 69) / 12)
    decay = timbre.decay * 2.0 ** ((60 - note.pitch) / 24) * sample_rate  # low strings sound longer
    a = max(begin - note.start, 0)  # samples since the note began
    b = min(begin + len(mono), _last(note, timbre, sample_rate)) - note.start
    if decay:
        b = min(b, round(9 * decay))  # 78 dB below its beginning
    if b <= a:
        return
    ringing, bright = _tables(timbre, min(int(0.45 * sample_rate / frequency), len(timbre.partials)), note.velocity // 8)
    # The phase is a 32-bit fraction of a period, which wraps by itself.
    step = np.uint32(round(frequency / sample_rate * 2**32) % 2**32)
    phase = (np.arange(a, b, dtype=np.uint32) * step) >> np.uint32(32 - _TABLE_BITS)
    sound = ringing.take(phase)
    if decay:
        time = np.arange(a, b, dtype=np.float32)
        sound += bright.take(phase) * np.exp(time * np.float32(-4 / decay))
        sound *= np.exp(time * np.float32(-1 / decay))
    else:
        sound += bright.take(phase)
    attack = round(timbre.attack * sample_rate)
    if a < attack:
        rise = np.arange(a, min(b, attack), dtype=np.float32) / np.float32(attack)
        sound[: len(rise)] *= rise
    release = _last(note, timbre, sample_rate) - note.start - note.length
    if b > note.length:
        fall = 1 - (np.arange(max(a, note.length), b, dtype=np.float32) - note.length) / np.float32(release)
        sound[len(sound) - len(fall) :] *= fall * fall
    sound *= np.float32((max(note.velocity, 1) / 127) ** 1.5)
    first = note.start + a - begin
    mono[first : first + len(sound)] += sound


@functools.lru_cache(maxsize=256)
def _tables(timbre: Timbre, partials: int, loudness: int) -> tuple[np.ndarray, np.ndarray]:
    """float32 (8192,) twice: one period of the sound that rings on, and of what it has more of while it is bright.

    Args:
        timbre: the instrument.
        partials: how many lie below half the sample rate.
        loudness: velocity // 8, 0..15; louder notes are brighter.
    """
    order = np.arange(partials)
    full = np.array(timbre.partials[:partials]) * np.exp(-0.03 * order * (15 - loudness))
    ringing = full * 0.55**order if timbre.decay else full
    period = np.arange(1 << _TABLE_BITS) * (2 * np.pi / (1 << _TABLE_BITS))
    waves = np.sin(np.outer(order + 1, period))  # (partials, 8192)
    power = np.sqrt(np.sum(full**2)) or 1.0  # every timbre is as loud as any other
    return (ringing @ waves / power).astype(np.float32), ((full - ringing) @ waves / power).astype(np.float32)
