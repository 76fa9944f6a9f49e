"""What a VAE keeps of music that it never saw: bound, active units, and the notes that come back when windows are decoded."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from musicgym.models.figures import Held
from musicgym.models.latent_space import SAMPLES, LatentSpace
from musicgym.models.material import Music, Windows, music_of
from musicgym.models.notes import inside
from musicgym.models.tokens import Sequences, readable
from musicgym.pieces import Excerpts

ACTIVE = 0.01  # variance of a latent's posterior mean over the data above which it counts as active (Burda et al. 2016)
DECODED = 512  # windows that are decoded for a card, at even distances from all
ARMS = ("posterior_mean", "swapped", "zero", "chance")
_PARTNERS = 1 << 37  # what windows are swapped by


class Likely(NamedTuple):
    """What a VAE says of M windows."""

    surprise: np.ndarray  # float64 (M,): nats, -log p of the tokens given draws of the posterior
    kl: np.ndarray  # float64 (M,): nats
    right: np.ndarray  # float64 (M,): tokens that were the likeliest, given the ones before and the posterior's mean
    mean: np.ndarray  # float32 (M, latent)

    @property
    def active_units(self) -> int:
        """How many latents' posterior means vary over the windows by more than `ACTIVE`."""
        return int((self.mean.var(axis=0) > ACTIVE).sum()) if len(self.mean) else 0


class Returned(NamedTuple):
    """How many of the notes of M windows come back, pitch and place."""

    both: np.ndarray  # int64 (M,): notes of the window that are among the other's
    own: np.ndarray  # int64 (M,): notes of the window
    other: np.ndarray  # int64 (M,): notes of what is compared with it

    @property
    def f1(self) -> float:
        """2 TP / (2 TP + FP + FN) over all windows together; 0 where there is no note at all."""
        notes = int(self.own.sum() + self.other.sum())
        return 2 * int(self.both.sum()) / notes if notes else 0.0


def foreseen(model: LatentSpace, found: Sequences, samples: int = SAMPLES) -> Likely:
    """Judge windows; nothing is left to chance: see `LatentSpace.bound`."""
    parts: list[list[np.ndarray]] = [[], [], [], []]
    noise = model.noise(samples)
    for said, tokens, place in model.read(found):
        within = place >= 0
        place = place.clamp(min=0)
        logits = model.logits(tokens, place, said.mean)
        right = ((logits.argmax(dim=2) == tokens) & within).sum(dim=1)
        nats = model.surprise(said, tokens, place, within, noise)
        for part, value in zip(parts, (nats, said.kl.double().sum(dim=1), right.double(), said.mean)):
            part.append(value.cpu().numpy())
    return Likely(*(np.concatenate(part) for part in parts))


def figures_of(found: Likely, lengths: np.ndarray) -> dict[str, dict[str, float]]:
    """A slot's and a window's mean figures."""
    slots, windows = float(lengths.sum()), len(lengths)
    bound = found.surprise + found.kl
    return {
        "slot": {"nats": float(bound.sum() / slots), "accuracy": float(found.right.sum() / slots)},
        "window": {
            "nats": float(bound.sum() / windows),
            "reconstruction": float(found.surprise.sum() / windows),
            "kl": float(found.kl.sum() / windows),
            "active_units": float(found.active_units),
        },
    }


def returned(own: Excerpts, other: Excerpts) -> Returned:
    """Compare the notes of windows, two and two: those with the same voice, step and pitch."""
    steps = max(own.pitch.shape[2], other.pitch.shape[2])
    one, two = _begun(own, steps), _begun(other, steps)
    same = (one == two) & (one >= 0)
    return Returned(*(array.sum(axis=(1, 2)) for array in (same, one >= 0, two >= 0)))


def _begun(music: Excerpts, steps: int) -> np.ndarray:
    """The pitch of the note that begins at each slot, -1 where none does: int64 (M, voices, steps)."""
    begins = music.onset & inside(music)[:, None] & (music.pitch >= 0)
    made = np.where(begins, music.pitch, -1).astype(np.int64)
    return np.pad(made, ((0, 0), (0, 0), (0, steps - made.shape[2])), constant_values=-1)


def partners(music: Excerpts, families: np.ndarray) -> np.ndarray:
    """For each window another one of the same bars and metre and of another family, int64 (M,), drawn; -1 where there is none."""
    rng = np.random.default_rng(_PARTNERS)
    pages: dict[bytes, list[int]] = {}
    for row, length in enumerate(music.length.tolist()):
        key = b"".join(array[row, :length].tobytes() for array in (music.position, music.bar, music.beat))
        pages.setdefault(key, []).append(row)
    made = np.full(len(music.length), -1, np.int64)
    for rows in (np.array(alike) for alike in pages.values()):
        for row in rows:
            others = rows[families[rows] != families[row]]
            if len(others):
                made[row] = rng.choice(others)
    return made


def decoded(model: LatentSpace, music: Excerpts, families: np.ndarray) -> dict[str, Returned]:
    """What comes back of windows, for each of `ARMS`; of windows without a partner nothing is said, unless none has one: then
    only the arms that need none are there.

    - posterior_mean: decoded, the likeliest token each time, from the mean of their own posterior;
    - swapped: from that of another window of the same bars and metre and of another family, its partner;
    - zero: from the middle of the latent space;
    - chance: the partner's own notes.
    """
    partner = partners(music, families)
    own, other = music.take(partner >= 0), music.take(partner[partner >= 0])
    if alone := not len(own.length):
        own = music
    mean = model.encode(own)
    latents = {"posterior_mean": mean, "zero": np.zeros_like(mean)}
    if not alone:
        latents["swapped"] = model.encode(other)
    made = {arm: returned(own, model.decode_excerpts(points, pages=own)) for arm, points in latents.items()}
    if not alone:
        made["chance"] = returned(own, other)
    return {arm: made[arm] for arm in ARMS if arm in made}


def judged(model: LatentSpace, music: Music, windows: Windows, found: Held) -> dict[str, Any]:
    """What a card says of held-out windows.

    Args:
        model: a VAE.
        music, windows: where they lie.
        found: they as tokens.
    """
    some = windows.take(np.unique(np.linspace(0, len(windows.piece) - 1, DECODED).astype(np.int64)))
    pages = music_of(music, some)
    fits = readable(pages, model.alphabet)
    back = decoded(model, pages.take(fits), music.families[some.piece[fits]])
    figures: dict[str, Any] = figures_of(foreseen(model, found.sequences), found.sequences.length)
    return {
        **figures,
        "onset_f1": {arm: one.f1 for arm, one in back.items()},
        "windows": len(found.families),
        "decoded": len(back["zero"].own),
        "pieces": len(np.unique(windows.piece)),
        "families": len(np.unique(found.families)),
        "left_out": found.left_out,
    }
