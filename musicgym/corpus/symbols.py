"""Melodies over chord symbols: labelled chorales with their four voices taken for a soprano and its chords written out."""

from __future__ import annotations

import numpy as np

from musicgym.chords import VOICES, VOICINGS
from musicgym.pieces import Excerpts
from musicgym.score import BLANK, DEFAULT_VELOCITY, NO_CHORD


def all_labelled(found: Excerpts) -> np.ndarray:
    """bool (M,): every step of the piece has a chord."""
    inside = np.arange(found.pitch.shape[2]) < found.length[:, None]  # (M, steps)
    return np.asarray(((found.chord != NO_CHORD) | ~inside).all(axis=1))


def as_symbols(found: Excerpts) -> Excerpts:
    """Each piece's highest voice, and below it the chord of each beat in four voices, as `VOICINGS` write it out.

    A beat's chord is the label at its first step; every beat begins its chord anew. `chord` itself is empty then: what the four
    voices hold are the chords.

    Args:
        found: M pieces of any number of voices, `all_labelled`.

    Returns:
        Excerpts of five voices.
    """
    steps = np.arange(found.pitch.shape[2])
    inside = steps < found.length[:, None]
    begins = (found.position % np.maximum(found.beat, 1) == 0) & inside
    begins[:, 0] = True
    first = np.maximum.accumulate(np.where(begins, steps, 0), axis=1)
    codes = np.take_along_axis(found.chord, first, axis=1)
    pieces, _, longest = found.pitch.shape
    made = Excerpts.blank(pieces, 1 + VOICES, longest)
    voiced = np.moveaxis(VOICINGS[np.maximum(codes, 0)], 2, 1)  # (M, 4, steps)
    made.pitch[:, 0], made.onset[:, 0], made.velocity[:, 0] = found.pitch[:, 0], found.onset[:, 0], found.velocity[:, 0]
    made.pitch[:, 1:] = np.where(inside[:, None], voiced, BLANK)
    made.onset[:, 1:] = begins[:, None]
    made.velocity[:, 1:] = np.where(inside, DEFAULT_VELOCITY, 0)[:, None]
    kept = {name: getattr(found, name) for name in Excerpts._fields if name not in ("pitch", "onset", "velocity", "chord")}
    return made._replace(**kept)
