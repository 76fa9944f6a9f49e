"""What models learn from and are judged on: whole pieces of corpora by split, moved to other keys, cut into long windows."""

from __future__ import annotations

import hashlib
import itertools
import math
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from musicgym.corpus import SPLITS, Corpus, load
from musicgym.corpus.bundled import ALIASES
from musicgym.corpus.readers import COLLECTIONS
from musicgym.corpus.sampled import sampled
from musicgym.grids import misfits, thinned
from musicgym.models.tokens import Alphabet, Sequences, encode, readable
from musicgym.pieces import Excerpts
from musicgym.score import BLANK, key_sharps

if TYPE_CHECKING:
    from musicgym.task import Task

TRANSPOSE = ("all", "C", "none")  # all twelve keys; the keys without sharps and flats; the pieces' own keys
_FINE = 12  # steps a quarter from which a task that quantises takes what sounds at its steps
_AT_ONCE = 256  # windows that are cut and moved side by side, so that memory stays small
_ELSEWHERE = 0.5  # share of the times at which a piece is read from another bar line than its first


class Music(NamedTuple):
    """M whole pieces."""

    excerpts: Excerpts  # (M, voices, steps)
    families: np.ndarray  # int32 (M,): melody family
    keys: np.ndarray  # int64 (M, 2): home key's tonic and mode


class Moves(NamedTuple):
    """How far each of M pieces may be moved, in semitones."""

    shift: np.ndarray  # int64 (M, 12), or (M, 1) where there is one key only
    fits: np.ndarray  # bool, the same shape: moved so far the piece lies within the task's ranges


class Windows(NamedTuple):
    """W stretches of pieces, each moved to some key."""

    piece: np.ndarray  # int64 (W,): row of `Music`
    start: np.ndarray  # int64 (W,): first step
    stop: np.ndarray  # int64 (W,): step after the last
    shift: np.ndarray  # int64 (W,): semitones

    def take(self, rows: np.ndarray) -> Windows:
        """The windows at `rows` (indices or a bool mask)."""
        return Windows(*(array[rows] for array in self))


def open_corpus(source: str, task: Task) -> Corpus:
    """The corpora, or the folder, that a model of a task learns from, all splits together, on the task's grid.

    Of a task of one voice every piece gives its highest, a chorale its soprano; else pieces with as many voices as the task has.
    Pieces that don't fit the grid are left out, unless the task quantises. A folder so small that a part of its split is empty is
    divided anew (`Corpus.divided`).

    Args:
        source: names as `musicgym.corpus.load` takes them, comma-separated, or the path of a folder of MIDI, MusicXML and ABC
            files. A name goes before a folder of that name; "./bach" is the folder.
        task: what the model is to write.

    Raises:
        ValueError: an unknown name, a folder without music or with fewer than three melodies, or no piece with so many voices.
    """
    grid = max(1, int(task.steps_per_quarter))
    grid = math.lcm(_FINE, grid) if task.quantise else grid
    names = [name.strip() for name in source.split(",") if name.strip()]
    known = {*COLLECTIONS, *ALIASES}
    is_folder = not known & set(names) and bool(source.strip()) and Path(source).is_dir()
    if is_folder:
        found = Corpus.from_folder(source, steps_per_quarter=grid, exact=not task.quantise)
    else:
        found = load(*names, steps_per_quarter=grid, exact=not task.quantise)
    pieces = len(found)
    if task.voices == 1 and pieces:
        found = found.voice(0)
    found = found.filter(voices=task.voices)
    if len(found) and is_folder and {*found.splits.tolist()} != {*range(len(SPLITS))}:
        found = found.divided()
    if not len(found):
        raise ValueError(
            f"corpus {source!r} is empty: none of its {pieces} pieces on the task's grid of {task.steps_per_quarter:g} steps "
            f"a quarter has {task.voices} voices; name another corpus or folder, or another task"
        )
    return found


def part_of(corpus: Corpus, split: str) -> Corpus:
    """One part of the split. Raises ValueError, which names the corpus, where it is empty."""
    part = corpus.split(split)
    if not len(part):
        raise ValueError(
            f"corpus {corpus.name.removesuffix('[0]')!r} is empty: it has {len(corpus)} pieces and none of them in the split "
            f"{split!r}; name a larger corpus (the split is by melody family, 8, 1 and 1 in ten)"
        )
    return part


def whole_pieces(corpus: Corpus, task: Task, keep: np.ndarray | None = None) -> Music:
    """All pieces of what `open_corpus` found, or of a part of it, as the task's grid has them.

    Args:
        corpus: the pieces.
        task: whose grid it is.
        keep: bool (pieces,), those that are wanted; None for all.

    Raises:
        ValueError: there is none, or none that fits.
    """
    excerpts = Excerpts.from_scores(list(corpus))
    families, keys = corpus.families, corpus.home_keys.astype(np.int64)
    factor = int(corpus.steps_per_quarter / task.steps_per_quarter)
    fits = np.ones(len(families), np.bool_) if keep is None else keep.copy()
    if task.quantise:
        excerpts = sampled(excerpts, factor)
    elif factor > 1:
        fits &= ~np.any(list(misfits(excerpts, factor).values()), axis=0)
    fits &= (excerpts.pitch >= 0).any(axis=(1, 2))
    if not fits.any():
        raise ValueError(f"corpus {corpus.name!r}: none of its {len(corpus)} pieces fits the task's grid; name another corpus")
    excerpts = excerpts.take(fits)
    return Music(excerpts if task.quantise else thinned(excerpts, factor), families[fits], keys[fits])


def moves(music: Music, task: Task, transpose: str) -> Moves:
    """How far each piece may be moved so that all its voices lie within the task's ranges.

    Args:
        music: the pieces.
        task: its choice says what each voice's range is.
        transpose: "all": twelve keys, -6..5 semitones away; "C": to the key of its mode that has no sharps and flats, by -5..6 (C
            major, A minor, D dorian); "none": the piece's own key. By octaves more where only that brings it into the ranges.

    Raises:
        ValueError: another word.
    """
    if transpose not in TRANSPOSE:
        raise ValueError(f"transpose={transpose!r}: expected one of {', '.join(map(repr, TRANSPOSE))}")
    pitch, pieces = music.excerpts.pitch, len(music.families)
    lowest = np.where(pitch >= 0, pitch, 127).min(axis=2).astype(np.int64)  # (M, voices)
    highest = np.where(pitch >= 0, pitch, -1).max(axis=2).astype(np.int64)
    silent = highest < 0
    low, high = task.choice.voice_ranges(task.voices).T  # (voices,)
    wanted = {
        "all": np.tile(np.arange(-6, 6), (pieces, 1)),
        "C": np.array([[(-7 * key_sharps(tonic, mode) + 5) % 12 - 5] for tonic, mode in music.keys.tolist()], np.int64).reshape(
            -1, 1
        ),
        "none": np.zeros((pieces, 1), np.int64),
    }[transpose]
    octaves = 12 * np.array([0, -1, 1, -2, 2, -3, 3])  # the nearest first
    tried = wanted[:, :, None] + octaves  # (M, keys, 7)
    moved = tried[..., None]  # against each voice
    inside = (lowest[:, None, None] + moved >= low) & (highest[:, None, None] + moved <= high) | silent[:, None, None]
    fits = inside.all(axis=3)  # (M, keys, 7)
    best = fits.argmax(axis=2)[..., None]
    return Moves(np.take_along_axis(tried, best, axis=2)[..., 0], np.take_along_axis(fits, best, axis=2)[..., 0])


def fitting(music: Music, found: Moves) -> tuple[Music, Moves]:
    """The pieces that fit in some key, and their moves.

    Raises:
        ValueError: none does.
    """
    some = np.asarray(found.fits.any(axis=1))
    if not some.any():
        raise ValueError(f"none of the {len(some)} pieces lies within the task's ranges in any key: give the task wider ones")
    return Music(music.excerpts.take(some), music.families[some], music.keys[some]), Moves(found.shift[some], found.fits[some])


def as_written(music: Music, found: Moves) -> Windows:
    """Every piece whole and once, moved as little as the keys that are asked for and the task's ranges allow."""
    distance = np.where(found.fits, np.abs(found.shift), 1000)
    nearest = distance.argmin(axis=1)[:, None]
    shift = np.take_along_axis(found.shift, nearest, axis=1)[:, 0]
    pieces = np.arange(len(shift))
    return Windows(pieces, np.zeros_like(pieces), music.excerpts.length.astype(np.int64), shift)


def in_all_keys(music: Music, found: Moves) -> Windows:
    """Every piece whole, once in each key that it fits in."""
    piece, column = np.nonzero(found.fits)
    return Windows(piece, np.zeros_like(piece), music.excerpts.length[piece].astype(np.int64), found.shift[piece, column])


def drawn(music: Music, found: Moves, steps: int, rng: np.random.Generator) -> Windows:
    """Every step of every piece once, in windows of at most `steps` steps, each piece in a key that is drawn.

    Windows begin where the piece does or at a bar line; half of the pieces are divided at a bar line that is drawn, so that a
    model takes either for a beginning.

    Args:
        music: the pieces, each of which fits somewhere.
        found: their moves.
        steps: of a window, at most.
        rng: the random source.
    """
    if steps < 1:
        raise ValueError(f"window={steps}: expected 1 step or more")
    order = np.where(found.fits, rng.random(found.fits.shape), 2.0)
    shift = np.take_along_axis(found.shift, order.argmin(axis=1)[:, None], axis=1)[:, 0]
    elsewhere, where = rng.random(len(shift)) < _ELSEWHERE, rng.random(len(shift))
    rows: list[tuple[int, int, int]] = []
    for piece, length in enumerate(music.excerpts.length.tolist()):
        lines = np.flatnonzero(music.excerpts.position[piece, :length] == 0)
        inner = lines[lines > 0]
        cuts = [0, int(inner[int(where[piece] * len(inner))]), length] if elsewhere[piece] and len(inner) else [0, length]
        for begin, end in itertools.pairwise(cuts):
            rows += [(piece, a, b) for a, b in _cut_at_bar_lines(begin, end, lines, steps)]
    piece_of, start, stop = np.array(rows, np.int64).reshape(-1, 3).T
    return Windows(piece_of, start, stop, shift[piece_of])


def _cut_at_bar_lines(begin: int, end: int, lines: np.ndarray, steps: int) -> list[tuple[int, int]]:
    """Stretches of at most `steps` steps, as long as bar lines allow."""
    made = []
    while end - begin > steps:
        within = lines[(lines > begin) & (lines <= begin + steps)]
        cut = int(within[-1]) if len(within) else begin + steps  # a bar longer than a window
        made.append((begin, cut))
        begin = cut
    return [*made, (begin, end)]


def batches(windows: Windows, size: int, rng: np.random.Generator) -> list[Windows]:
    """The windows, `size` at a time, those of like lengths together, in an order that is drawn."""
    length = windows.stop - windows.start
    order = np.lexsort((rng.random(len(length)), length))
    parts = [order[begin : begin + size] for begin in range(0, len(order), size)]
    return [windows.take(parts[index]) for index in rng.permutation(len(parts))]


def music_of(music: Music, windows: Windows) -> Excerpts:
    """The music of windows, moved to their keys; a note that a window's beginning cuts begins there."""
    pages = music.excerpts
    length = windows.stop - windows.start
    at = windows.start[:, None] + np.arange(int(length.max(initial=1)))  # (W, steps)
    outside = at >= windows.stop[:, None]
    at = np.minimum(at, pages.pitch.shape[2] - 1)
    row, voice = windows.piece[:, None], np.arange(pages.pitch.shape[1])[:, None]
    slots = windows.piece[:, None, None], voice, at[:, None]  # (W, voices, steps)
    made = Excerpts.blank(len(length), pages.pitch.shape[1], at.shape[1])
    pitch = pages.pitch[slots].astype(np.int64)
    pitch = np.where(pitch >= 0, pitch + windows.shift[:, None, None], pitch)
    onset = pages.onset[slots]
    onset[:, :, 0] |= (windows.start > 0)[:, None]
    made.pitch[:] = np.where(outside[:, None], BLANK, pitch)
    made.onset[:] = onset & ~outside[:, None]
    made.velocity[:] = np.where(outside[:, None], 0, pages.velocity[slots])
    for name in ("position", "bar", "beat", "mode", "phrase_end"):
        getattr(made, name)[:] = np.where(outside, getattr(made, name), getattr(pages, name)[row, at])
    made.tonic[:] = np.where(outside, 0, (pages.tonic[row, at] + windows.shift[:, None]) % 12)
    return made._replace(length=length.astype(np.int32), quarter=pages.quarter[windows.piece])


def sequences_of(music: Music, windows: Windows, alphabet: Alphabet) -> tuple[Sequences, np.ndarray]:
    """The windows that an alphabet holds as tokens, and which these are, bool (W,); the longest ones decide the width."""
    parts, fits = [], np.zeros(len(windows.piece), np.bool_)
    for begin in range(0, len(fits), _AT_ONCE):
        rows = np.arange(begin, min(begin + _AT_ONCE, len(fits)))
        excerpts = music_of(music, windows.take(rows))
        fits[rows] = readable(excerpts, alphabet)
        parts.append(encode(excerpts.take(fits[rows]), alphabet, excerpts.pitch.shape[1]))
    width = max((part.tokens.shape[1] for part in parts), default=0)
    tokens, place = (
        np.concatenate([np.pad(part[field], ((0, 0), (0, width - part[field].shape[1]))) for part in parts]) for field in (0, 1)
    )
    return Sequences(tokens, place, np.concatenate([part.length for part in parts])), fits


def fingerprint(corpus: Corpus) -> str:
    """A hash of which pieces there are and in which part of the split each is: the same data, split alike, has the same."""
    lines = sorted(
        f"{source}\t{SPLITS[part] if part >= 0 else ''}" for source, part in zip(corpus.sources, corpus.splits.tolist())
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
