"""What a discriminator is set against real music: pieces that a model makes up on the same pages, and real ones spoiled."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from musicgym.models.material import Moves, Music, Windows, drawn, music_of
from musicgym.models.sequence_model import SequenceModel
from musicgym.models.spoiling import spoiled
from musicgym.models.tokens import Alphabet, Sequences, encode, readable
from musicgym.pieces import Excerpts
from musicgym.score import BLANK

SAMPLES = 4096  # pieces of the model's that a discriminator learns from
HELD_OUT = 512  # real pieces, and as many of the model's, that it is looked at with
_DRAWN = 1 << 33  # beside the seed: what pages are drawn by
_SPOILED = 1 << 34  # and what is spoiled by
_MADE_UP = 1 << 38  # and what the model's pieces are drawn by
_LEARNED = 0  # beside that: of the pieces that are learned from; of held-out ones the number of the part, from 1 on


class Opposed(NamedTuple):
    """Real pieces and others on the same pages: row i of each."""

    real: Sequences  # (M, T)
    generated: Sequences  # (M, T): a model's
    spoiled: Sequences  # (M, T)
    spoilers: np.ndarray  # int64 (M,): index into `SPOILERS`
    piece: np.ndarray  # int64 (M,): that the real one is a window of
    families: np.ndarray  # int32 (M,): its melody family


def blanked(music: Excerpts, voices: tuple[int, ...] = ()) -> Excerpts:
    """The music's pages, blank but for these voices."""
    kept = np.isin(np.arange(music.pitch.shape[1]), voices)[:, None]
    return music._replace(
        pitch=np.where(kept, music.pitch, BLANK).astype(np.int8),
        onset=music.onset & kept,
        velocity=np.where(kept, music.velocity, 0).astype(np.uint8),
    )


def made_up(opponent: SequenceModel, music: Excerpts, seed: int) -> Excerpts:
    """A piece of the opponent's on the page of each piece: as long, with the same bars, keys and given voices."""
    order = np.argsort(music.length, kind="stable")  # those that are played together are of like lengths
    pages = blanked(music.take(order), opponent.task.given)
    made = opponent.sample_excerpts(len(order), pages=pages, seed=seed)
    back = np.empty_like(order)
    back[order] = np.arange(len(order))
    return made.take(back)


def opposed(opponent: SequenceModel, music: Music, windows: Windows, alphabet: Alphabet, seed: int, part: int = 1) -> Opposed:
    """Windows of real music, and what stands against them.

    Args:
        opponent: the model.
        music: the pieces.
        windows: of them.
        alphabet: of the tokens.
        seed: of all draws.
        part: of the split, from 1 on: the model's pieces for one part have nothing to do with those for another.

    Raises:
        ValueError: none of the windows can be written in the alphabet's tokens.
    """
    real = music_of(music, windows)
    voices = real.pitch.shape[1]
    fits = readable(real, alphabet)
    if not fits.any():
        raise ValueError(f"none of the {len(fits)} pieces can be written in the model's tokens: choose another corpus or task")
    real, piece = real.take(fits), windows.piece[fits]
    worse, spoilers = spoiled(real, np.random.default_rng([seed, _SPOILED, part]))
    # What spoiling has made unreadable, such as notes cut to lengths that there aren't, stays as the opponent made it.
    generated = made_up(opponent, real, _first(seed, part))
    fits = readable(worse, alphabet)
    for whole, instead in zip(worse, generated):
        whole[~fits] = instead[~fits]
    spoilers = np.where(fits, spoilers, -1)
    written = [encode(pieces, alphabet, voices) for pieces in (real, generated, worse)]
    return Opposed(written[0], written[1], written[2], spoilers, piece, music.families[piece])


def learned_from(
    opponent: SequenceModel, music: Music, moves: Moves, alphabet: Alphabet, steps: int, count: int, seed: int
) -> Sequences:
    """So many pieces of the opponent's on pages of windows that are drawn as a discriminator sees real music; by length."""
    rng = np.random.default_rng([seed, _DRAWN])
    parts: list[Windows] = []
    while sum(len(part.piece) for part in parts) < count:
        parts.append(drawn(music, moves, steps, rng))
    every = Windows(*(np.concatenate(arrays) for arrays in zip(*parts)))
    pages = music_of(music, every.take(np.sort(rng.permutation(len(every.piece))[:count])))
    made = encode(made_up(opponent, pages, _first(seed, _LEARNED)), alphabet, pages.pitch.shape[1])
    return by_length(made)


def _first(seed: int, part: int) -> int:
    """The seed of a part's first piece: those that follow lie far from any other part's."""
    return int(np.random.SeedSequence([seed, _MADE_UP, part]).generate_state(1, np.uint64)[0] >> np.uint64(3))


def spoiled_windows(music: Music, windows: Windows, alphabet: Alphabet, rng: np.random.Generator) -> Sequences:
    """The windows spoiled, each in one way; by length. Those that can't be written in the alphabet's tokens are left out."""
    worse, _ = spoiled(music_of(music, windows), rng)
    fits = readable(worse, alphabet)
    return by_length(encode(worse.take(fits), alphabet, worse.pitch.shape[1]))


def by_length(found: Sequences) -> Sequences:
    """The sequences, the shortest first."""
    order = np.argsort(found.length, kind="stable")
    return Sequences(*(array[order] for array in found))


def of_like_lengths(found: Sequences, lengths: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """For each length a row that is drawn of those about as long, int64; `found` is in order of length."""
    near = max(4, len(found.length) // 32)
    ranks = np.searchsorted(found.length, lengths) + rng.integers(-near, near + 1, len(lengths))
    return np.asarray(ranks.clip(0, len(found.length) - 1))


def side_by_side(*parts: Sequences) -> Sequences:
    """All sequences in one batch."""
    width = max(part.tokens.shape[1] for part in parts)
    tokens, place = (
        np.concatenate([np.pad(part[field], ((0, 0), (0, width - part[field].shape[1]))) for part in parts]) for field in (0, 1)
    )
    return Sequences(tokens, place, np.concatenate([part.length for part in parts]))
