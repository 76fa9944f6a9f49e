"""Chorales spoiled on purpose, and scripted non-music in four parts: what `part_writing` must tell from Bach.

Every function takes finished music of several voices and a random source and hands back as many pieces on the same pages; the
first voice is the soprano. Keys and fermatas stay those of the page.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from musicgym.benchmarks.corruptions import Corruption, displaced, in_scale_alternatives
from musicgym.benchmarks.events import events, laid, pitch_range, within
from musicgym.pieces import Excerpts
from musicgym.score import DEFAULT_VELOCITY, REST, SCALES

_SCALES = np.array(SCALES)
_MIDDLE = (69, 64, 58, 50)  # about where soprano, alto, tenor and bass lie


def other_parts(music: Excerpts, rng: np.random.Generator, *, families: np.ndarray) -> Excerpts:
    """Each soprano over the lower parts of a piece of another family in the same metre and mode, moved to the soprano's key.

    Args:
        music: M pieces.
        rng: draws the other piece, of all that fit; where none does the piece's own parts stay.
        families: int (M,): melody families.
    """
    made = Excerpts(*(array.copy() for array in music))
    for i in range(len(music.length)):
        fits = (music.length == music.length[i]) & (music.bar[:, 0] == music.bar[i, 0]) & (music.beat[:, 0] == music.beat[i, 0])
        fits &= (families != families[i]) & (music.mode[:, 0] == music.mode[i, 0])
        if fits.any():
            other = rng.choice(np.flatnonzero(fits))
            shift = (int(music.tonic[i, 0]) - int(music.tonic[other, 0]) + 5) % 12 - 5
            lower = music.pitch[other, 1:]
            made.pitch[i, 1:] = np.where(lower >= 0, lower + shift, lower)
            made.onset[i, 1:], made.velocity[i, 1:] = music.onset[other, 1:], music.velocity[other, 1:]
    return made


def displaced_part(music: Excerpts, rng: np.random.Generator, *, beats: float = 1) -> Excerpts:
    """One voice of each piece begins so many beats later; what runs over the end comes first."""
    chosen = rng.integers(music.pitch.shape[1], size=len(music.length))
    parts = [displaced(part(music, voice), rng, beats=beats) for voice in range(music.pitch.shape[1])]
    return with_voices(music, parts, chosen[None] == np.arange(len(parts))[:, None])


def wrong_notes_by_bar(music: Excerpts, rng: np.random.Generator) -> Excerpts:
    """In every bar one note, of any voice, gets another pitch of the local scale within its voice's range in the piece."""
    voices = music.pitch.shape[1]
    lines = [events(part(music, voice)) for voice in range(voices)]
    owner = np.concatenate([np.full(len(line.piece), voice) for voice, line in enumerate(lines)])
    choices = np.concatenate(
        [in_scale_alternatives(music, line, *pitch_range(line, len(music.length))) & (line.pitch >= 0)[:, None] for line in lines]
    )  # (E, 128)
    piece, start, pitch = (np.concatenate([line[field] for line in lines]) for field in (0, 1, 3))
    bar = np.cumsum(music.position == 0, axis=1)[piece, start]
    order = np.lexsort((rng.random(len(piece)), ~choices.any(axis=1), bar, piece))
    first = np.append(True, (piece[order][1:] != piece[order][:-1]) | (bar[order][1:] != bar[order][:-1]))
    chosen = order[first]
    chosen = chosen[choices[chosen].any(axis=1)]
    pitch[chosen] = np.where(choices[chosen], rng.random((len(chosen), 128)), -1.0).argmax(axis=1)
    parts = [laid(part(music, voice), line._replace(pitch=pitch[owner == voice])) for voice, line in enumerate(lines)]
    return with_voices(music, parts, np.ones((voices, len(music.length)), np.bool_))


def shuffled_beats(music: Excerpts, rng: np.random.Generator) -> Excerpts:
    """The beats, each with all its voices, in random order: every chord as it was, none where it was. Notes are cut at beats."""
    beat = np.cumsum(music.position % music.beat == 0, axis=1)  # (M, steps)
    lots = rng.random((len(music.length), music.position.shape[1] + 1))
    lot = np.where(within(music), np.take_along_axis(lots, beat, axis=1), np.inf)
    source = np.argsort(lot, axis=1, kind="stable")[:, None]  # (M, 1, steps)
    made = Excerpts(*(array.copy() for array in music))
    for name in ("pitch", "velocity", "onset"):
        getattr(made, name)[:] = np.take_along_axis(getattr(music, name), source, axis=2)
    made.onset[:] |= (np.take_along_axis(music.position % music.beat, source[:, 0], axis=1) == 0)[:, None]
    made.onset[:] &= within(music)[:, None]
    return made


def revoiced(music: Excerpts, rng: np.random.Generator) -> Excerpts:
    """On every beat the lower voices but the bass sing what they sang there in random octaves and order: chords without lines."""
    begins, shape = _beats(music), music.pitch.shape
    first = np.maximum(np.arange(shape[2]) - music.position % music.beat, 0)  # (M, steps)
    on_beat = np.take_along_axis(music.pitch, np.broadcast_to(first[:, None], shape), axis=2).astype(np.int64)
    inner = np.arange(1, shape[1] - 1)
    lots = np.take_along_axis(
        rng.random((shape[0], len(inner), shape[2])), np.broadcast_to(first[:, None], (shape[0], len(inner), shape[2])), axis=2
    )
    drawn = np.take_along_axis(on_beat[:, inner], np.argsort(lots, axis=1), axis=1)
    octave = np.take_along_axis(rng.integers(-1, 2, lots.shape), np.broadcast_to(first[:, None], lots.shape), axis=2)
    middle = _middle(music)[None, inner, None]
    pitch, onset = music.pitch.astype(np.int64), music.onset.copy()
    moved = middle - 6 + (drawn - middle + 6) % 12 + 12 * octave * (lots > 0.7)
    pitch[:, inner] = np.where(drawn >= 0, moved, drawn)
    onset[:, inner] = begins
    return _written(music, pitch, onset)


def octave_astray(music: Excerpts, rng: np.random.Generator) -> Excerpts:
    """One of the lower voices lies an octave higher or lower throughout."""
    pitch = music.pitch.astype(np.int64)
    pieces = np.arange(len(pitch))
    voice = rng.integers(1, pitch.shape[1], len(pitch))
    moved = pitch[pieces, voice] + rng.choice([-12, 12], len(pitch))[:, None]
    pitch[pieces, voice] = np.where(pitch[pieces, voice] >= 0, moved, pitch[pieces, voice])
    return _written(music, pitch, music.onset)


def rests_astray(music: Excerpts, rng: np.random.Generator, *, share: float = 0.1) -> Excerpts:
    """A share of the lower voices' notes become rests."""
    parts = []
    for voice in range(music.pitch.shape[1]):
        line = events(part(music, voice))
        silent = (rng.random(len(line.piece)) < share) & (voice > 0)
        parts.append(laid(part(music, voice), line._replace(pitch=np.where(silent, REST, line.pitch))))
    return with_voices(music, parts, np.ones((len(parts), len(music.length)), np.bool_))


def one_chord_a_bar(music: Excerpts, rng: np.random.Generator) -> Excerpts:
    """The lower voices hold what they sing on the first beat to the end of the bar."""
    first = np.maximum(np.arange(music.position.shape[1]) - music.position, 0)[:, None]
    pitch, onset = music.pitch.copy(), music.onset.copy()
    pitch[:, 1:] = np.take_along_axis(music.pitch, np.broadcast_to(first, music.pitch.shape), axis=2)[:, 1:]
    onset[:, 1:] = (music.position == 0)[:, None]
    onset[:, :, 0] = True
    return _written(music, pitch, onset)


def busy_parts(music: Excerpts, rng: np.random.Generator) -> Excerpts:
    """In every lower voice the second half of every beat is the next note of the scale, above or below."""
    tonic, mode = music.tonic[:, None].astype(np.int64), music.mode[:, None]
    lower = music.pitch[:, 1:].astype(np.int64)
    above = (lower - tonic) % 12
    place = (above[..., None] >= _SCALES[np.broadcast_to(mode, above.shape)]).sum(axis=-1) - 1
    up = rng.choice([-1, 1], lower.shape[:2])[..., None]
    neighbour = lower - above + _SCALES[mode, (place + up) % 7] + 12 * ((place + up) // 7)
    late = (2 * (music.position % music.beat) >= music.beat)[:, None] & (lower >= 0)
    pitch, onset = music.pitch.astype(np.int64), music.onset.copy()
    pitch[:, 1:] = np.where(late, neighbour, lower)
    halves = (2 * (music.position % music.beat) % music.beat == 0)[:, None]
    onset[:, 1:] = halves
    onset[:, :, 0] = True
    return _written(music, pitch, onset)


def held_chord(music: Excerpts, rng: np.random.Generator) -> Excerpts:
    """The piece's first chord, held to the end."""
    pitch = np.broadcast_to(music.pitch[:, :, :1], music.pitch.shape)
    return _written(music, pitch, np.arange(pitch.shape[2]) == 0)


def repeated_chord(music: Excerpts, rng: np.random.Generator) -> Excerpts:
    """The piece's first chord on every beat."""
    return _written(music, np.broadcast_to(music.pitch[:, :, :1], music.pitch.shape), _beats(music))


def two_chords(music: Excerpts, rng: np.random.Generator) -> Excerpts:
    """Tonic and dominant triads in turn, a beat each."""
    return _degrees(music, 4 * (np.cumsum(_beats(music), axis=1) % 2 == 0))


def random_triads(music: Excerpts, rng: np.random.Generator) -> Excerpts:
    """A triad of the key on every beat, in root position and close together: chords, but neither harmony nor voice-leading."""
    drawn = rng.integers(7, size=music.position.shape)
    first = np.arange(music.position.shape[1]) - music.position % music.beat
    return _degrees(music, np.take_along_axis(drawn, np.maximum(first, 0), axis=1))


def random_in_key(music: Excerpts, rng: np.random.Generator) -> Excerpts:
    """In every voice, on every beat, a random note of the scale within an octave around the middle of its range."""
    shape = music.pitch.shape
    degree = rng.integers(7, size=shape)
    first = np.maximum(np.arange(shape[2]) - music.position % music.beat, 0)[:, None]
    return _written(music, _near(music, np.take_along_axis(degree, np.broadcast_to(first, shape), axis=2)), _beats(music))


def random_steps(music: Excerpts, rng: np.random.Generator) -> Excerpts:
    """In every voice, at every step, a hold, a rest or any pitch of its range, all alike."""
    shape = music.pitch.shape
    codes = rng.integers(-2, 21, shape)  # -2 hold, -1 rest, 0.. pitches
    codes[:, :, 0] = rng.integers(-1, 21, shape[:2])
    begins = codes > -2
    last = np.maximum.accumulate(np.where(begins, np.arange(shape[2]), 0), axis=2)
    sounding = np.take_along_axis(codes, last, axis=2)
    return _written(music, np.where(sounding < 0, REST, sounding + _middle(music)[None, :, None] - 10), begins)


def in_octaves(music: Excerpts, rng: np.random.Generator) -> Excerpts:
    """All voices sing the soprano's melody, an octave or two lower where they must."""
    down = 12 * np.round((_middle(music)[0] - _middle(music)) / 12).astype(np.int64)
    pitch = np.where(music.pitch[:, :1] >= 0, music.pitch[:, :1] - down[:, None], music.pitch[:, :1])
    return _written(music, pitch, np.broadcast_to(music.onset[:, :1], music.pitch.shape))


def planed(music: Excerpts, rng: np.random.Generator) -> Excerpts:
    """The soprano in its own rhythm over parallel triads of the scale, of which it is the root; the bass doubles it."""
    soprano = music.pitch[:, :1].astype(np.int64)
    tonic, mode = music.tonic[:, None].astype(np.int64), music.mode[:, None]
    above = (soprano - tonic) % 12
    degree = (above[..., None] >= _SCALES[mode]).sum(axis=-1) - 1
    root = soprano - above
    parts = [soprano]
    for voice in range(1, music.pitch.shape[1] - 1):
        lower = degree - (3 if voice == 1 else 5)  # fifth and third of the triad, below its root
        parts.append(root + _SCALES[mode, lower % 7] + 12 * (lower // 7))
    parts.append(soprano - 24 + 12 * (soprano < 64))
    pitch = np.where(music.pitch[:, :1] >= 0, np.concatenate(parts, axis=1), music.pitch[:, :1])
    return _written(music, pitch, np.broadcast_to(music.onset[:, :1], music.pitch.shape))


def silence_in_parts(music: Excerpts, rng: np.random.Generator) -> Excerpts:
    """One rest in every voice from beginning to end."""
    return _written(music, np.full(music.pitch.shape, REST), np.arange(music.pitch.shape[2]) == 0)


def lower_parts_silent(music: Excerpts, rng: np.random.Generator) -> Excerpts:
    """The soprano alone: the other voices rest."""
    pitch, onset = music.pitch.copy(), music.onset.copy()
    pitch[:, 1:], onset[:, 1:] = REST, np.arange(pitch.shape[2]) == 0
    return _written(music, pitch, onset)


def lower_parts_held(music: Excerpts, rng: np.random.Generator) -> Excerpts:
    """The soprano over the other voices' first notes, held to the end."""
    pitch, onset = music.pitch.copy(), music.onset.copy()
    pitch[:, 1:], onset[:, 1:] = pitch[:, 1:, :1], np.arange(pitch.shape[2]) == 0
    return _written(music, pitch, onset)


SPOILED_PARTS: dict[str, Corruption] = {
    "displaced part": displaced_part,
    "wrong notes": wrong_notes_by_bar,
    "shuffled beats": shuffled_beats,
    "late part": partial(displaced_part, beats=0.5),
    "revoiced chords": revoiced,
    "octave astray": octave_astray,
    "rests astray": rests_astray,
    "one chord a bar": one_chord_a_bar,
    "busy parts": busy_parts,
}
NON_MUSIC_IN_PARTS: dict[str, Corruption] = {
    "held chord": held_chord,
    "repeated chord": repeated_chord,
    "two chords": two_chords,
    "random triads": random_triads,
    "random in key": random_in_key,
    "random steps": random_steps,
    "in octaves": in_octaves,
    "planed triads": planed,
    "silence": silence_in_parts,
    "soprano alone": lower_parts_silent,
    "soprano over a held chord": lower_parts_held,
}


def kinds_of_parts(families: np.ndarray) -> dict[str, Corruption]:
    """All of them by name, for pieces of these families, int (M,): "other parts" must know whose parts are another's."""
    return {"other parts": partial(other_parts, families=families), **SPOILED_PARTS, **NON_MUSIC_IN_PARTS}


def part(music: Excerpts, voice: int) -> Excerpts:
    """One voice of each piece."""
    chosen = {name: getattr(music, name)[:, voice : voice + 1] for name in ("pitch", "onset", "velocity")}
    return music._replace(**chosen)


def with_voices(music: Excerpts, parts: list[Excerpts], changed: np.ndarray) -> Excerpts:
    """The pieces with new voices, pieces of one voice each, where `changed`, bool (voices, M), says so."""
    made = Excerpts(*(array.copy() for array in music))
    for voice, one in enumerate(parts):
        for name in ("pitch", "onset", "velocity"):
            getattr(made, name)[changed[voice], voice] = getattr(one, name)[changed[voice], 0]
    return made


def _beats(music: Excerpts) -> np.ndarray:
    """bool (M, 1, steps): where beats begin, the first step too."""
    begins = music.position % music.beat == 0
    begins[:, 0] = True
    return np.asarray(begins[:, None])


def _middle(music: Excerpts) -> np.ndarray:
    """int64 (voices,): about where each voice lies; of fewer than four voices the upper ones and the bass."""
    voices = music.pitch.shape[1]
    return np.array([*_MIDDLE[: voices - 1], _MIDDLE[3]] if voices <= 4 else np.linspace(69, 50, voices).astype(np.int64))


def _degrees(music: Excerpts, root: np.ndarray) -> Excerpts:
    """Triads on these degrees, int (M, steps) or (M, 1, steps), on every beat: root, third, fifth and root."""
    root = root.reshape(len(music.length), 1, -1) if root.ndim == 3 else root[:, None]
    above = np.array([0, 2, 4, 0][-music.pitch.shape[1] :])[None, :, None]
    return _written(music, _near(music, (root + above) % 7), _beats(music))


def _near(music: Excerpts, degree: np.ndarray) -> np.ndarray:
    """int64 (M, voices, steps): the pitches of these degrees of the local scale that lie nearest to the middle of each voice."""
    tonic, mode = music.tonic[:, None].astype(np.int64), music.mode[:, None]
    middle = _middle(music)[None, :, None]
    return np.asarray(middle - 6 + (tonic + _SCALES[mode, degree] - middle + 6) % 12)


def _written(music: Excerpts, pitch: np.ndarray, begins: np.ndarray) -> Excerpts:
    """The pages with these pitches, int (M, voices, steps), which begin where `begins` says, bool that fits them, or change."""
    inside = within(music)[:, None]
    begins = np.array(np.broadcast_to(begins, pitch.shape))
    begins[:, :, 1:] |= pitch[:, :, 1:] != pitch[:, :, :-1]  # where the key changes a pattern may go on with another pitch
    made = Excerpts.blank_like(music)
    np.copyto(made.pitch, pitch.astype(np.int8), where=inside)
    np.copyto(made.onset, begins, where=inside)
    made.velocity[:] = np.where(inside & (pitch >= 0), DEFAULT_VELOCITY, 0)
    return made
