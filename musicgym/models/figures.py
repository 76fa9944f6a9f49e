"""How well a model foresees music that it never saw: surprise and accuracy a slot, a note onset and a quarter note."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch

from musicgym.choice import FIRST_PITCH
from musicgym.models.material import Music, Windows, sequences_of
from musicgym.models.tokens import Alphabet, Sequences

CPU = torch.device("cpu")
UNITS = ("slot", "onset", "quarter")
_LOGITS_AT_ONCE = 1 << 20  # numbers: what layers make of as many tokens stays small

# Logits float32 (M, T, A) of tokens int64 (M, T), each given those before it, and places int64 (M, T).
Predictor = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


class Held(NamedTuple):
    """M pieces as a model reads them."""

    sequences: Sequences
    steps: np.ndarray  # int64 (M,)
    families: np.ndarray  # int32 (M,)
    left_out: int  # pieces that the alphabet doesn't hold: notes whole, of lengths that can't be chosen


class Tally(NamedTuple):
    """What each of M pieces adds to the figures, a column for each of `UNITS`."""

    nats: np.ndarray  # float64 (M, 3): surprise, -log p, of what makes up the units
    units: np.ndarray  # float64 (M, 3): how many units there are
    right: np.ndarray  # float64 (M, 3): units whose every token was the likeliest one
    judged: np.ndarray  # float64 (M, 3): units in which something is chosen; of steps all are


def held(music: Music, windows: Windows, alphabet: Alphabet) -> Held:
    """Pieces, or windows of them, as tokens.

    Raises:
        ValueError: the alphabet holds none of them.
    """
    sequences, fits = sequences_of(music, windows, alphabet)
    if not fits.any():
        raise ValueError(
            f"none of the {len(fits)} held-out pieces can be written in the model's tokens: choose another corpus or task"
        )
    kept = windows.take(fits)
    return Held(sequences, kept.stop - kept.start, music.families[kept.piece], int((~fits).sum()))


def tally(
    predict: Predictor, found: Held, alphabet: Alphabet, voices: int, steps_per_quarter: float, device: torch.device = CPU
) -> Tally:
    """Judge each piece.

    - slot: one step of one voice. Of whole notes nats are a slot too, and what is right or wrong is each note or rest.
    - onset: a note, at the place where it begins: the tokens that begin it.
    - quarter: all that is chosen in a quarter note, in all voices; counted from the piece's first step, the last may be shorter.

    A token is foreseen if it is the likeliest; of k that are equally likely each is worth 1/k.

    Args:
        predict: a model's `logits`.
        found: the pieces.
        alphabet: the model's.
        voices: of the pieces.
        steps_per_quarter: the grid.
        device: where `predict` takes its tensors.
    """
    lengths = found.sequences.length
    pieces = len(lengths)
    made = Tally(*(np.zeros((pieces, len(UNITS))) for _ in Tally._fields))
    order = np.argsort(lengths, kind="stable")
    at = 0
    while at < pieces:
        rows = order[at : at + 1]
        while (
            at + len(rows) < pieces and (len(rows) + 1) * int(lengths[order[at + len(rows)]]) * alphabet.size <= _LOGITS_AT_ONCE
        ):
            rows = order[at : at + len(rows) + 1]
        width = int(lengths[rows].max())
        tokens, place = (array[rows, :width].astype(np.int64) for array in found.sequences[:2])
        nats, right = _judged(predict, tokens, place, device)
        part = _units(tokens, place, lengths[rows], found.steps[rows], nats, right, alphabet, voices, steps_per_quarter)
        for whole, some in zip(made, part):
            whole[rows] = some
        at += len(rows)
    return made


def summary(found: Tally) -> dict[str, dict[str, float]]:
    """Mean nats and accuracy over all pieces, by unit."""
    nats, right = found.nats.sum(axis=0) / found.units.sum(axis=0), found.right.sum(axis=0) / found.judged.sum(axis=0)
    return {unit: {"nats": float(n), "accuracy": float(r)} for unit, n, r in zip(UNITS, nats, right)}


def _judged(predict: Predictor, tokens: np.ndarray, place: np.ndarray, device: torch.device) -> tuple[np.ndarray, np.ndarray]:
    """Surprise, and how far the token was foreseen, of each token: float64 (M, T) both."""
    with torch.no_grad():
        read = torch.as_tensor(tokens, device=device)
        logits = predict(read, torch.as_tensor(place, device=device)).double()
        chosen = logits.gather(2, read[..., None])[..., 0]
        nats = torch.logsumexp(logits, dim=2) - chosen
        likeliest = logits.amax(dim=2)
        ties = (logits == likeliest[..., None]).sum(dim=2)
        right = (chosen == likeliest).double() / ties
        return nats.cpu().numpy(), right.cpu().numpy()


def _units(
    tokens: np.ndarray,
    place: np.ndarray,
    length: np.ndarray,
    steps: np.ndarray,
    nats: np.ndarray,
    right: np.ndarray,
    alphabet: Alphabet,
    voices: int,
    steps_per_quarter: float,
) -> Tally:
    factors, rows = alphabet.factors, len(tokens)
    events = tokens.shape[1] // factors
    code = tokens.reshape(rows, events, factors)
    inside = np.arange(events) < (length // factors)[:, None]  # (M, events)
    surprise = np.where(inside, nats.reshape(rows, events, factors).sum(axis=2), 0)
    foreseen = np.where(inside, right.reshape(rows, events, factors).prod(axis=2), 0)
    if alphabet.kind == "step":
        notes = inside & (code[..., 0] >= FIRST_PITCH)
        step = np.broadcast_to(np.arange(events) // voices, inside.shape)
    else:
        notes = inside & (np.array([*alphabet.pitches])[np.minimum(code[..., 0], len(alphabet.pitches) - 1)] >= 0)
        step = _begins(code, place.reshape(rows, events, factors)[..., 0], inside, alphabet, voices)
    quarters = np.ceil(steps / steps_per_quarter)
    quarter = np.minimum(step // steps_per_quarter, quarters[:, None] - 1).astype(np.int64)
    flat = (np.arange(rows)[:, None] * int(quarters.max()) + quarter)[inside]
    size = rows * int(quarters.max())
    missed = 1 - foreseen[inside]
    chosen = np.bincount(flat, minlength=size).reshape(rows, -1)
    # The chance that all of a quarter is foreseen: a product, by logarithms where ties make shares of it.
    whole = np.bincount(flat, np.log(np.maximum(1 - missed, 1e-300)), minlength=size).reshape(rows, -1)
    total = surprise.sum(axis=1)
    return Tally(
        nats=np.stack([total, (surprise * notes).sum(axis=1), total], axis=1),
        units=np.stack([steps * voices, notes.sum(axis=1), quarters], axis=1).astype(np.float64),
        right=np.stack(
            [foreseen.sum(axis=1), (foreseen * notes).sum(axis=1), (np.exp(whole) * (chosen > 0)).sum(axis=1)], axis=1
        ),
        judged=np.stack([inside.sum(axis=1), notes.sum(axis=1), (chosen > 0).sum(axis=1)], axis=1).astype(np.float64),
    )


def _begins(code: np.ndarray, place: np.ndarray, inside: np.ndarray, alphabet: Alphabet, voices: int) -> np.ndarray:
    """The step at which each note or rest begins, int64 (M, events): after all others of its voice before it."""
    lasts = np.array(alphabet.durations)[np.clip(code[..., 1] - alphabet.offsets[1], 0, len(alphabet.durations) - 1)]
    voice = place % (voices * alphabet.factors) // alphabet.factors
    begins = np.zeros(inside.shape, np.int64)
    for one in range(voices):
        own = np.where(inside & (voice == one), lasts, 0)
        begins = np.where(voice == one, np.cumsum(own, axis=1) - own, begins)
    return begins
