"""Rewards of a VAE: how likely windows of bars are, and how near they are in its latent space to what one points at: `vae`.

A piece's windows are stretches of as many whole bars as the model reads, one after the other from the first bar line; a pickup
and bars that are left over at the end are in none (see `musicgym.models.bars.windows_of`). A window is worth something once all
its slots are written, in all voices, and until then nothing. So:

- In order of time the choice that fills a window's last slot pays for the whole window: a page of as many bars as the model reads
  is paid with its last choice, a longer one at the end of each window.
- In other orders it is the choice that fills the last slot to be filled. An edit, or a choice that changes how long a note of the
  window before sounds on, pays the difference that it makes to every window it changes.
- What the page begins with pays nothing. A note that sounds on from before a window counts as beginning with it.
"""

from __future__ import annotations

import abc
import hashlib
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from musicgym.grids import taken_in
from musicgym.pieces import Excerpts, Pieces
from musicgym.rewards.by_model import card_surprise, check_surprise
from musicgym.rewards.reward import BoundReward, Reward
from musicgym.rewards.window_reader import Seen, WindowReader, look_at
from musicgym.task import Task

if TYPE_CHECKING:
    from musicgym.models.latent_space import LatentSpace
    from musicgym.score import Score

_LEAST = 1e-6  # length of a latent vector below which it has no direction


class ByWindows(Reward):
    """What rewards of a VAE have in common.

    Args:
        model: what looks. The same one in several rewards of an environment looks once for all.

    Raises:
        TypeError: no VAE.
    """

    term: str
    bounds = False  # whether it asks for bounds

    def __init__(self, model: LatentSpace) -> None:
        from musicgym.models.latent_space import LatentSpace

        if not isinstance(model, LatentSpace):
            raise TypeError(f"{type(self).__name__}({model!r}): expected a musicgym.models.VAE; musicgym.models.load finds one")
        self.model = model

    @abc.abstractmethod
    def worth(self, seen: Seen) -> np.ndarray:
        """What windows are worth that are whole, float64 (C,)."""

    def worth_of(self, seen: Seen) -> np.ndarray:
        """What windows are worth, float64 (C,): 0 as long as they aren't whole."""
        return np.where(seen.whole, self.worth(seen), 0.0)

    def bind(self, task: Task, num_envs: int, seed: int = 0) -> BoundReward:
        return _BoundByWindows(self, WindowReader(self.model, task, num_envs), num_envs)

    def score(self, scores: Sequence[Score] | Excerpts, *, marks: bool = False) -> Any:
        """As `Reward.score`; a window's value stands at its last slot. Pieces without a window are worth 0.

        Raises:
            ValueError: other voices, another grid, or a pitch that the model doesn't know, naming it.
        """
        from musicgym.models.bars import windows_of

        grid, model = self.model.task.steps_per_quarter, self.model
        material = scores if isinstance(scores, Excerpts) else taken_in(list(scores), grid, "score")
        if (other := material.quarter != grid).any():
            raise ValueError(
                f"model {model.name!r} reads {grid:g} steps a quarter, piece {int(other.argmax())} has "
                f"{material.quarter[other][0]:g}: expected music on the model's grid"
            )
        if material.pitch.shape[1] != model.task.voices:
            raise ValueError(
                f"model {model.name!r} reads {model.task.voices} voices, the music has {material.pitch.shape[1]}: choose a model "
                "or music of as many"
            )
        windows = windows_of(material, model.bars)
        counts = np.bincount(windows.piece, minlength=len(material.length))
        seen = look_at(model, material, windows, self.bounds)._replace(of=counts[windows.piece])
        sites = np.zeros(material.pitch.shape)
        sites[windows.piece, -1, windows.stop - 1] = self.worth_of(seen)
        totals = {self.term: sites.sum(axis=(1, 2))}
        return (totals, sites[:, None].astype(np.float32)) if marks else totals


class _BoundByWindows(BoundReward):
    arrays = ("value",)

    def __init__(self, reward: ByWindows, reader: WindowReader, rows: int) -> None:
        self.reward = reward
        self.terms = (reward.term,)
        self.reader = reader
        self.parts = (reader,)
        self.value = np.zeros((rows, 0))  # float64 (N, windows): what each window is worth as it stands
        self.share({})

    def share(self, known: dict[Hashable, BoundReward]) -> None:
        found = known.setdefault(self.reader.key, self.reader)
        assert isinstance(found, WindowReader)
        self.parts = self.parts if found in self.parts else ()
        self.reader = found
        found.bounds = found.bounds or self.reward.bounds

    def reset(self, pieces: Pieces, mask: np.ndarray) -> None:
        super().reset(pieces, mask)
        self.value[mask] = 0.0
        self._changes()

    def __call__(self, pieces: Pieces) -> np.ndarray:
        self.reader.follow(pieces, self)
        return self._changes()[None].astype(np.float32)

    def _changes(self) -> np.ndarray:
        """What the windows that were seen are worth more than before, by piece: float64 (N,)."""
        seen, rows = self.reader.seen, len(self.value)
        if not len(seen.row):
            return np.zeros(rows)
        if (more := int(seen.window.max()) + 1 - self.value.shape[1]) > 0:
            self.value = np.pad(self.value, ((0, 0), (0, more)))
        now = self.reward.worth_of(seen)
        change = np.bincount(seen.row, now - self.value[seen.row, seen.window], minlength=rows)
        self.value[seen.row, seen.window] = now
        return np.asarray(change)


class WindowBound(ByWindows):
    """The lower bound on the log likelihood of each window under a VAE, in nats: `LatentSpace.bound`, of all voices.

    Args:
        model: what judges.
        centred: less what the bound of a slot of held-out music is in the mean for every slot: 0 a window is then how real music
            fares.
        surprise: for `centred`: minus that mean, in nats a slot; None: what the model's card says of the validation split.

    Raises:
        TypeError: no VAE.
        ValueError: `centred` with a model whose card doesn't say the mean; `surprise` without it; on binding,
            a task that the model can't read.

    Example:
        >>> from musicgym import Score
        >>> from musicgym.models import VAE
        >>> model = VAE(Task(), units=6, embedding=4, latent=3, plan=2)
        >>> tune = Score.from_notes([[(0, 16, 60, 80), (16, 16, 64, 80)]])
        >>> totals = WindowBound(model).score([tune])
        >>> bool(abs(totals["vae"] - model.bound([tune]).nats)[0] < 1e-3)
        True
    """

    term = "vae"
    bounds = True

    def __init__(self, model: LatentSpace, *, centred: bool = False, surprise: float | None = None) -> None:
        super().__init__(model)
        if surprise is not None:
            if not centred:
                raise ValueError(f"surprise={surprise!r}: it is what centred=True takes as the mean; give both or neither")
            check_surprise(surprise)
        self.surprise = 0.0 if not centred else card_surprise(model) if surprise is None else float(surprise)
        self.name = f"vae({model.name})"

    @property
    def description(self) -> str:
        return f"vae bound {self.model.fingerprint} surprise {self.surprise!r}"

    def worth(self, seen: Seen) -> np.ndarray:
        return seen.bound + self.surprise * seen.slots


class Nearness(ByWindows):
    """How near each window lies in a VAE's latent space to some music, or to a direction: a cosine, over the piece's windows.

    A window is worth the cosine of its posterior's mean and the nearest of the points, within -1..1, over the number of windows
    on its page. So a finished piece is worth the mean of its windows: 1 for a window of the music itself, about 0 for music
    that has nothing to do with it.

    Args:
        model: what looks.
        like: pieces, whose windows are the points: one piece, or a set of which any may be approached; or latents, float
            (points, latent), or one point, (latent,), such as `model.direction` makes.
        unlike: pieces too: the only point is then the direction from the mean of their windows to that of the windows of `like`.

    Raises:
        TypeError: no VAE.
        ValueError: music without a window, of other voices or another grid, or that the model doesn't know; points that are no
            finite numbers or that have no direction.
    """

    term = "nearness"

    def __init__(
        self,
        model: LatentSpace,
        like: Sequence[Score] | Excerpts | np.ndarray,
        unlike: Sequence[Score] | Excerpts | None = None,
        *,
        name: str = "",
    ) -> None:
        super().__init__(model)
        if isinstance(like, np.ndarray):
            if unlike is not None:
                raise ValueError("unlike= goes with like= as music: give the direction itself instead")
            points = np.atleast_2d(np.asarray(like, np.float64))
        elif unlike is not None:
            points = model.direction(model.windows(like), model.windows(unlike))[None].astype(np.float64)
        else:
            points = model.encode(model.windows(like)).astype(np.float64)
        if points.ndim != 2 or points.shape[1] != model.latent or not len(points):
            raise ValueError(f"points of shape {points.shape}: expected (points, {model.latent}), one or more")
        lengths = np.linalg.norm(points, axis=1, keepdims=True)
        if not np.isfinite(points).all() or (lengths < _LEAST).any():
            raise ValueError("points without a direction: expected finite latents that are not 0; the music may be alike")
        self.points = points / lengths  # float64 (points, latent)
        self.name = f"nearness({model.name}{', ' if name else ''}{name})"

    @property
    def description(self) -> str:
        return f"vae nearness {self.model.fingerprint} {hashlib.sha256(self.points.tobytes()).hexdigest()}"

    def worth(self, seen: Seen) -> np.ndarray:
        mean = seen.mean.astype(np.float64)
        nearest = (mean @ self.points.T).max(axis=1, initial=-np.inf)
        return np.asarray(nearest / np.maximum(np.linalg.norm(mean, axis=1), _LEAST) / np.maximum(seen.of, 1))


def vae(model: str | LatentSpace, like: str = "", unlike: str = "", centred: bool = False, surprise: float = 0) -> ByWindows:
    """How likely windows of bars are to a VAE, or how near they are to some music: `vae(model="melody-vae", like="tunes")`.

    Args:
        model: a shipped model's name or the path of one, as `musicgym.models.load` takes them; or a `VAE`.
        like: files or folders of music, comma-separated: nearness to it (`Nearness`) is paid, not the bound (`WindowBound`).
        unlike: others: nearness to the direction from this music to that.
        centred: of the bound: less the mean of held-out music.
        surprise: with `centred`: minus that mean, in nats a slot; 0: what the card says.

    Raises:
        ValueError: no such model or file, a model of another kind, or parameters that don't go together; see both classes.
    """
    if not isinstance(centred, bool):
        raise ValueError(f"vae(centred={centred!r}): expected True or False")
    if not (isinstance(like, str) and isinstance(unlike, str)):
        raise ValueError("vae(like=...): expected names of files or folders, comma-separated; Nearness takes scores")
    found = _named(model)
    if not like:
        if unlike:
            raise ValueError(f"vae(unlike={unlike!r}): expected like= too, where the direction leads")
        return WindowBound(found, centred=centred, surprise=None if surprise == 0 else surprise)
    if centred:
        raise ValueError("vae(centred=True): it goes with the bound; nearness is centred already: leave out one of them")
    near, far = _music(like, found), _music(unlike, found) if unlike else None
    return Nearness(found, near, far, name=f"{like}{' - ' if unlike else ''}{unlike}")


def _named(model: str | LatentSpace) -> LatentSpace:
    """The model of a name or path, or the one that is handed in. Raises ValueError for another kind."""
    from musicgym.models.latent_space import LatentSpace

    if not isinstance(model, str):
        return model
    from musicgym.models import load

    found = load(model)
    if not isinstance(found, LatentSpace):
        raise ValueError(f"vae(model={model!r}): that is a model of kind {found.kind!r}; expected a vae")
    return found


def _music(names: str, model: LatentSpace) -> list[Score]:
    """The pieces of files and folders. Raises ValueError for one that isn't there or holds no music."""
    from musicgym.given import as_scores

    paths = [Path(name.strip()) for name in names.split(",") if name.strip()]
    if missing := [path for path in paths if not path.exists() and "#" not in path.name]:
        raise ValueError(f"vae(like={names!r}): there is no file or folder {str(missing[0])!r}; expected MIDI, MusicXML or ABC")
    found = as_scores(paths, model.task)
    if not found:
        raise ValueError(f"vae(like={names!r}): no music in it: expected names of files or folders, comma-separated")
    return found
