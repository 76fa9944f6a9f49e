"""`WindowReader`: a VAE that looks at every window of bars once all of it is written, however many rewards ask it."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from musicgym.choice import ANY_PITCH
from musicgym.pieces import Excerpts, Pieces
from musicgym.rewards.model_reader import check_fits
from musicgym.rewards.reward import BoundReward, State
from musicgym.score import BLANK
from musicgym.task import Task

if TYPE_CHECKING:
    from musicgym.models.latent_space import LatentSpace
    from musicgym.models.material import Windows


class Seen(NamedTuple):
    """C windows of pieces as they now stand."""

    row: np.ndarray  # int64 (C,): which piece
    window: np.ndarray  # int64 (C,): which of its windows, counted from 0
    of: np.ndarray  # int64 (C,): how many windows the piece has
    slots: np.ndarray  # int64 (C,): of the window, in all voices
    whole: np.ndarray  # bool (C,): all of it is written; else what follows is 0
    mean: np.ndarray  # float32 (C, latent): of the posterior
    bound: np.ndarray  # float64 (C,): on the log likelihood, in nats; 0 where no reward asks for it


class WindowReader(BoundReward):
    """A VAE at work in one environment. It pays nothing itself: rewards ask it what the last choices made of which windows.

    Args:
        model: what looks.
        task: of the environment.
        rows: N.

    Attributes:
        seen: the windows that the last choice, or the last beginning, changed.
        bounds: whether a reward asks for bounds.

    Raises:
        ValueError: the task's voices, grid or range are not the model's, or its pages have no window.
    """

    terms = ()
    arrays = ("pitch", "onset", "window")

    def __init__(self, model: LatentSpace, task: Task, rows: int) -> None:
        check_fits(model, task)
        _check_has_window(model, task)
        self.model = model
        self.key: Hashable = ("windows", model.fingerprint)
        self.bounds = False
        self.pitch = np.zeros((rows, 0, 0), np.int8)  # (N, voices, steps), as the rewards have seen it
        self.onset = np.zeros((rows, 0, 0), np.bool_)
        self.window = np.zeros((rows, 0), np.int32)  # (N, steps): which window a step is in, -1 for none
        self._pages: dict[tuple[bytes, bytes], np.ndarray] = {}
        self.seen = self._nothing()
        self._served: set[int] | None = None  # who has been told of the last choice; None: the next one who asks comes first

    def follow(self, pieces: Pieces, asks: object) -> None:
        """Look at what the last choice changed, unless another reward has had that done; `seen` then says what it was.

        Raises:
            ValueError: a pitch that the model doesn't know, or a model that says what is no number.
        """
        if self._served is None or id(asks) in self._served:
            self._served = set()
            self._look(pieces)
        self._served.add(id(asks))

    def __call__(self, pieces: Pieces) -> np.ndarray:
        self.follow(pieces, self)
        return np.empty((0, len(self.pitch)), np.float32)

    def reset(self, pieces: Pieces, mask: np.ndarray) -> None:
        grid = self.model.task.steps_per_quarter
        if (wrong := mask & (pieces.quarter != grid)).any():
            raise ValueError(
                f"model {self.model.name!r} reads {grid:g} steps a quarter, piece {int(wrong.argmax())} has "
                f"{pieces.quarter[wrong][0]:g}: expected music on the model's grid"
            )
        if self.pitch.shape != pieces.pitch.shape:
            self.pitch, self.onset = np.full_like(pieces.pitch, BLANK), np.zeros_like(pieces.onset)
            self.window = np.full_like(pieces.position, -1, np.int32)
        self.pitch[mask], self.onset[mask] = BLANK, False
        for row in np.flatnonzero(mask):
            self.window[row] = self._windows(pieces, int(row))
        self._look(pieces, mask)
        self._served = None

    def take(self, rows: np.ndarray) -> None:
        super().take(rows)
        self.seen, self._served = self._nothing(), None

    def load_state(self, state: State) -> None:
        super().load_state(state)
        self.seen, self._served = self._nothing(), None

    def _nothing(self) -> Seen:
        """No window."""
        none = np.zeros(0, np.int64)
        return Seen(none, none, none, none, np.zeros(0, np.bool_), np.zeros((0, self.model.latent), np.float32), np.zeros(0))

    def _windows(self, pieces: Pieces, row: int) -> np.ndarray:
        """The window of each step of a page, int32 (steps,)."""
        from musicgym.models.bars import apart, runs

        length = int(pieces.length[row])
        position, bar = pieces.position[row, :length], pieces.bar[row, :length]
        key = position.tobytes(), bar.tobytes()
        if key not in self._pages:
            found = np.full(pieces.position.shape[1], -1, np.int32)
            for number, (start, stop) in enumerate(apart(runs(position, bar, self.model.bars)).tolist()):
                found[start:stop] = number
            self._pages[key] = found
        return self._pages[key]

    def _look(self, pieces: Pieces, mask: np.ndarray | None = None) -> None:
        """Find the windows of all pieces, or of some, that don't stand as they did, and look at them."""
        from musicgym.models.material import Windows

        changed = ((pieces.pitch != self.pitch) | (pieces.onset != self.onset)).any(axis=1) & (self.window >= 0)
        if mask is not None:
            changed &= mask[:, None]
        np.copyto(self.pitch, pieces.pitch)
        np.copyto(self.onset, pieces.onset)
        row, step = np.nonzero(changed)
        if not len(row):
            self.seen = self._nothing()
            return
        row, window = np.unique(np.stack([row, self.window[row, step]]), axis=1).astype(np.int64)
        within = self.window[row] == window[:, None]  # (C, steps)
        start, steps = within.argmax(axis=1), within.sum(axis=1)
        where = Windows(row, start, start + steps, np.zeros_like(row))
        self.seen = look_at(self.model, Excerpts(*(getattr(pieces, name) for name in Excerpts._fields)), where, self.bounds)
        self.seen = self.seen._replace(window=window, of=self.window[row].max(axis=1).astype(np.int64) + 1)


def look_at(model: LatentSpace, pages: Excerpts, windows: Windows, bounds: bool) -> Seen:
    """What a VAE says of windows on pages, each in its own key; how many each piece has and which they are isn't said yet.

    Raises:
        ValueError: a pitch that the model doesn't know, or a model that says what is no number.
    """
    from musicgym.models.material import Music, music_of
    from musicgym.models.tokens import readable

    count = len(windows.piece)
    nothing = np.zeros(len(pages.length), np.int64)
    music = music_of(Music(pages, nothing, nothing), windows)
    inside = np.arange(music.pitch.shape[2]) < music.length[:, None]
    whole = ~((music.pitch == BLANK) & inside[:, None]).any(axis=(1, 2))
    found = music.take(whole)
    if not (fits := readable(found, model.alphabet)).all():
        row = int(np.flatnonzero(whole)[np.argmin(fits)])
        raise ValueError(
            f"model {model.name!r} knows the pitches {model.alphabet.low}..{model.alphabet.high}, and piece "
            f"{int(windows.piece[row])} has others within steps {int(windows.start[row])}..{int(windows.stop[row]) - 1}: leave "
            "the piece out, transpose it, or choose a model of a wider range"
        )
    mean, bound = np.zeros((count, model.latent), np.float32), np.zeros(count)
    if whole.any():
        mean[whole] = model.encode(found)
        if bounds:
            bound[whole] = model.bound(found).nats
    if not (np.isfinite(mean).all() and np.isfinite(bound).all()):
        raise ValueError(f"model {model.name!r} says what is no finite number: it was given broken weights; train it anew")
    none = np.zeros(count, np.int64)
    slots = (windows.stop - windows.start) * pages.pitch.shape[1]
    return Seen(windows.piece, none, none, slots, whole, mean, bound)


def _check_has_window(model: LatentSpace, task: Task) -> None:
    """Raises ValueError where empty pages have no window: nothing would ever be paid."""
    from musicgym.models.bars import windows_of

    if task.choice is ANY_PITCH or len(windows_of(task.material(), model.bars).piece):
        return
    raise ValueError(
        f"model {model.name!r} looks at windows of {model.bars} bars, the task's pages of {task.length} steps have none: "
        "expected longer pages, or a model of fewer bars"
    )
