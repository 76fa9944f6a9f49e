"""Pieces that a sequence model makes up, played through the engine of its task."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch

from musicgym.choice import FIRST_PITCH, HOLD, ChordChoice, NoteChoice
from musicgym.compiled import Entry, kernel
from musicgym.engine import Engine, as_material
from musicgym.given import begun_by, on_pages
from musicgym.grids import side_by_side
from musicgym.models.tables import tables
from musicgym.models.tokens import Alphabet
from musicgym.pieces import Excerpts, Pieces
from musicgym.restarting import draw
from musicgym.score import BLANK, Score
from musicgym.task import Task

# Pieces are always played in so many rows, also where fewer are asked for: a matrix product of another height may differ in its
# last bits, and a piece may not depend on how many others there are.
ROWS = 64
_FIRST_DRAW = 1 << 30  # number of a piece's first draw of a token: the engine's own draws come before


class Player(Protocol):
    """What is asked of a model that pieces are played by: what a `SequenceModel` is."""

    @property
    def task(self) -> Task: ...
    @property
    def alphabet(self) -> Alphabet: ...
    @property
    def device(self) -> torch.device: ...
    def judging(self) -> contextlib.AbstractContextManager[None]: ...
    def start(self, n: int) -> Any: ...
    def step(
        self, tokens: torch.Tensor, state: Any, place: torch.Tensor, active: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, Any]: ...


def played(
    model: Player,
    n: int,
    temperature: float,
    top_p: float,
    prefix: Score | None,
    pages: Excerpts | Sequence[Score] | None,
    seed: int,
) -> Excerpts:
    """N pieces; see `SequenceModel.sample`."""
    _check(n, temperature, top_p, seed)
    task = model.task
    if pages is not None and not isinstance(pages, Excerpts):
        as_material(pages)  # raises TypeError for other things than scores
        pages = on_pages(pages, task, any_metre=True)
    elif pages is not None and (other := pages.quarter[pages.quarter != task.steps_per_quarter]).size:
        raise ValueError(
            f"pages have {other[0]:g} steps a quarter: expected {task.steps_per_quarter:g}, those of the model's task"
        )
    material = task.material() if pages is None else pages
    if prefix is not None:
        material = begun_by(prefix, material, task)
    _check_known(material, model.alphabet)
    engine = Engine(task, ROWS, material)
    made = []
    for first in range(0, n, ROWS):
        seeds = (np.arange(first, first + ROWS) + seed).astype(np.uint64)
        if pages is None:
            engine.reset(np.arange(ROWS), seeds)
        else:
            for row in range(ROWS):  # a page for each
                page = np.array([(first + row) % len(material.length)])
                engine.reset(np.array([row]), seeds[row : row + 1], material.take(page))
        with model.judging():
            _Play(model, engine).finish(temperature, top_p)
        rows = min(ROWS, n - first)
        made.append(Excerpts(*(getattr(engine.pieces, name)[:rows].copy() for name in Excerpts._fields)))
    return side_by_side(made)


def _check_known(material: Excerpts, alphabet: Alphabet) -> None:
    """Raises ValueError where a note stands on the pages that the model has no token for."""
    known = range(alphabet.low, alphabet.high + 1) if alphabet.kind == "step" else alphabet.pitches
    odd = (material.pitch >= 0) & ~np.isin(material.pitch, known)
    if odd.any():
        page, voice, step = (int(where[0]) for where in np.nonzero(odd))
        raise ValueError(
            f"pitch {material.pitch[page, voice, step]} stands on page {page} (voice {voice}, step {step}): expected "
            f"{min(pitch for pitch in known if pitch >= 0)}..{max(known)}, what the model knows; transpose it"
        )


def _check(n: int, temperature: float, top_p: float, seed: int) -> None:
    if n.__class__ is not int or n < 1:
        raise ValueError(f"sample({n!r}): expected a whole number of pieces, 1 or more")
    if not (math.isfinite(temperature) and temperature >= 0):
        raise ValueError(f"temperature={temperature!r}: expected 0 or more")
    if not 0 < top_p <= 1:
        raise ValueError(f"top_p={top_p!r}: expected a share of the probability within (0, 1]")
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 1 << 62:
        raise ValueError(f"seed={seed!r}: expected a whole number, 0 or more")


class _Choices(NamedTuple):
    """What tokens are to the engine, by (voice, factor of the alphabet) K = voices * factors."""

    column: np.ndarray  # int64 (K, A): column of the engine's mask, -1 where the token is none of this factor's
    code: np.ndarray  # int64 (K, A): code of the action's factor
    factor: np.ndarray  # int64 (K,): of the action

    @classmethod
    def of(cls, task: Task, alphabet: Alphabet) -> _Choices:
        """Work them out."""
        size, choice = alphabet.size, task.choice
        tokens = np.arange(size)
        if not isinstance(choice, (ChordChoice, NoteChoice)):
            column = np.tile(tokens, (task.voices, 1))
            return cls(column, column, np.zeros(task.voices, np.int64))
        sizes = np.array(choice.sizes)
        begins = np.cumsum(sizes) - sizes
        if isinstance(choice, ChordChoice):
            above = np.array([low for low, _ in choice.ranges])[:, None] - alphabet.low
            code = np.where(tokens < FIRST_PITCH, tokens, tokens - above)
            inside = (tokens < FIRST_PITCH) | ((code >= FIRST_PITCH) & (code < sizes[:, None]))
            return cls(np.where(inside, code + begins[:, None], -1), code, np.arange(task.voices))
        code = tokens - np.array(alphabet.offsets)[:, None]
        inside = (code >= 0) & (code < np.array(alphabet.sizes)[:, None])
        factors = np.arange(alphabet.factors)
        column = np.where(inside, code + begins[factors][:, None], -1)
        return cls(np.tile(column, (task.voices, 1)), np.tile(code, (task.voices, 1)), np.tile(factors, task.voices))


class _Play:
    """A batch of pieces that is played to its end.

    Each piece has its own place in the order of time. Where something stands there it is read; where a choice is due it waits
    until all others are due to choose, and the engine writes all choices together.
    """

    def __init__(self, model: Player, engine: Engine) -> None:
        self.model, self.engine = model, engine
        self.alphabet, self.voices = model.alphabet, model.task.voices
        self.choices = _Choices.of(model.task, model.alphabet)
        self.by_chord = isinstance(model.task.choice, ChordChoice)
        rows = engine.num_pieces
        self.rows = np.arange(rows)
        self.slot = np.full(rows, -1)  # int64 (N,): step * voices + voice of the event that is read or chosen
        self.factor = np.full(rows, self.alphabet.factors - 1)  # int64 (N,): of that event
        self.given = _given_tokens(engine.pieces, self.alphabet)  # int64 (N, voices, steps, factors)
        voices = np.arange(self.voices)[:, None]
        self.last_open = np.where(engine.pieces.given, -1, voices).max(axis=1)  # int64 (N, steps): of chords
        self.masks = np.zeros((rows, engine.mask_size + 1), np.int8)  # its last column stays 0
        self.drawn = np.full(rows, _FIRST_DRAW)
        self._mask()

    def finish(self, temperature: float, top_p: float) -> None:
        """Play on until all pieces are done."""
        pieces, alphabet = self.engine.pieces, self.alphabet
        token = np.full(len(self.rows), alphabet.start)
        unread = np.ones(len(self.rows), np.bool_)  # the token is chosen or given, and not yet read
        due = np.zeros(len(self.rows), np.bool_)  # the choice is made, and not yet written
        actions = np.zeros((len(self.rows), self.engine.plan.sizes.shape[0]), np.int64)
        logits = np.zeros((len(self.rows), alphabet.size))
        state = self.model.start(len(self.rows))
        while not pieces.done.all():
            active = unread & ~due & ~pieces.done
            if active.any():
                self._move_on(active)
                said, state = self.model.step(
                    self._tensor(token), state, self._tensor(self._place()), None if active.all() else self._tensor(active)
                )
                logits[active] = said.cpu().numpy()[active]
                unread[active] = False
            voice, step = self.slot % self.voices, self.slot // self.voices
            waits = ~pieces.done & ~due
            reads = waits & (pieces.pitch[self.rows, voice, step] != BLANK)
            if reads.any():
                token[reads] = self.given[self.rows, voice, step, self.factor][reads]
                unread |= reads
                continue
            at = np.flatnonzero(waits)
            kind = voice[at] * alphabet.factors + self.factor[at]
            token[at] = self._choose(logits[at], at, kind, temperature, top_p)
            if isinstance(self.model.task.choice, NoteChoice):  # a rest's velocity is nothing to choose
                silent = np.array(self.model.task.choice.pitches)[actions[at, 0]] < 0
                token[at[silent & (self.choices.factor[kind] == 2)]] = alphabet.offsets[-1]
            actions[at, self.choices.factor[kind]] = self.choices.code[kind, token[at]]
            unread |= waits
            whole = voice == self.last_open[self.rows, step] if self.by_chord else self.factor == alphabet.factors - 1
            due |= waits & whole
            if due[~pieces.done].all():
                self.engine.write(actions)
                due[:] = False
                self._mask()

    def _mask(self) -> None:
        masks = np.empty((len(self.rows), self.engine.mask_size), np.int8)
        self.engine.masks(masks)
        self.masks[:, :-1] = masks

    def _choose(self, logits: np.ndarray, rows: np.ndarray, kind: np.ndarray, temperature: float, top_p: float) -> np.ndarray:
        """A token for each of R rows, int64 (R,)."""
        allowed = self.masks[rows[:, None], self.choices.column[kind]] > 0
        uniform = np.empty(len(rows))
        _uniforms(self.engine.pieces.seed[rows], self.drawn[rows], uniform)
        self.drawn[rows] += 1
        return drawn_tokens(logits, allowed, uniform, temperature, top_p)

    def _move_on(self, active: np.ndarray) -> None:
        """Go to the next factor, or else to the next slot where an event begins or may begin."""
        pieces, alphabet = self.engine.pieces, self.alphabet
        self.factor[active] += 1
        ended = active & (self.factor == alphabet.factors)
        self.factor[ended] = 0
        self.slot[ended] += 1
        while alphabet.kind == "note" and ended.any():  # steps that a note covers have no token
            voice, step = self.slot % self.voices, self.slot // self.voices
            covered = (pieces.pitch[self.rows, voice, step] != BLANK) & ~pieces.onset[self.rows, voice, step] & (step > 0)
            ended &= covered
            self.slot[ended] += 1

    def _place(self) -> np.ndarray:
        voice, step = self.slot % self.voices, self.slot // self.voices
        position = self.engine.pieces.position[self.rows, step].astype(np.int64)
        return np.asarray(self.alphabet.place(position, voice, self.factor, self.voices))

    def _tensor(self, array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(array.copy()).to(self.model.device)


def _given_tokens(pieces: Pieces, alphabet: Alphabet) -> np.ndarray:
    """The tokens of what stands on the pages, int64 (N, voices, steps, factors); those of blank slots mean nothing."""
    table = tables(alphabet)
    sounds = np.maximum(pieces.pitch, -1).astype(np.int64)
    if alphabet.kind == "step":
        return np.where(pieces.onset, table.pitch[sounds + 1], HOLD)[..., None].astype(np.int64)
    steps = np.arange(pieces.pitch.shape[2])
    inside = steps < pieces.length[:, None, None]
    ends = np.where(pieces.onset | (pieces.pitch == BLANK) | ~inside, steps, len(steps))
    after = np.minimum.accumulate(ends[..., ::-1], axis=2)[..., ::-1]  # first step from here on at which something ends
    after = np.concatenate([after[..., 1:], np.full((*after.shape[:2], 1), len(steps))], axis=2)
    duration = np.minimum(np.minimum(after, pieces.length[:, None, None]) - steps, len(table.duration) - 1)
    velocity = np.where(sounds >= 0, pieces.velocity, 0)
    codes = [table.pitch[sounds + 1], table.duration[np.maximum(duration, 0)], table.velocity[velocity]]
    return np.stack(codes[: alphabet.factors], axis=-1).astype(np.int64)


def drawn_tokens(
    logits: np.ndarray, allowed: np.ndarray, uniform: np.ndarray, temperature: float = 1.0, top_p: float = 1.0
) -> np.ndarray:
    """A token a row, int64 (R,), by inverting the distribution function.

    Args:
        logits: (R, A).
        allowed: bool (R, A), at least one a row.
        uniform: float64 (R,), within [0, 1).
        temperature: 0 for the likeliest.
        top_p: see `SequenceModel.sample`.

    Raises:
        ValueError: logits that are no numbers.
    """
    if not np.isfinite(logits).all():
        raise ValueError("the model's logits are not finite: it has diverged, or was given broken weights; train it anew")
    masked = np.where(allowed, logits.astype(np.float64), -np.inf)
    if temperature == 0:
        return np.asarray(masked.argmax(axis=1))
    masked -= masked.max(axis=1, keepdims=True)
    with np.errstate(over="ignore"):  # -inf is what so low a temperature means
        share = np.exp(masked / temperature)
    share /= share.sum(axis=1, keepdims=True)
    if top_p < 1:
        order = np.argsort(-share, axis=1, kind="stable")
        ranked = np.take_along_axis(share, order, axis=1)
        kept = np.where(ranked.cumsum(axis=1) - ranked < top_p, ranked, 0.0)
        np.put_along_axis(share, order, kept, axis=1)
    reached = share.cumsum(axis=1)
    return np.asarray((reached > uniform[:, None] * reached[:, -1:]).argmax(axis=1))


@Entry
def _uniforms(seeds: np.ndarray, counts: np.ndarray, out: np.ndarray) -> None:
    _draw_uniforms(seeds, counts, out)


@kernel
def _draw_uniforms(seeds: np.ndarray, counts: np.ndarray, out: np.ndarray) -> None:
    for i in range(out.shape[0]):
        out[i] = draw(seeds[i], 0, counts[i], 1 << 32) / (1 << 32)
