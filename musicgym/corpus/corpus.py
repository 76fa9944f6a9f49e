"""`Corpus`: finished pieces to learn from, to test on and to start from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from musicgym.corpus import built, families, folder, windows
from musicgym.corpus.built import Built
from musicgym.corpus.families import SPLITS
from musicgym.corpus.folder import Failure
from musicgym.corpus.windows import Windows, Wish
from musicgym.files.steps import from_score, on_grid, score_of
from musicgym.pieces import Excerpts
from musicgym.score import MODES, Score


class Corpus:
    """Pieces on one grid, each with its melody family and its place in the split.

    Made by `musicgym.corpus.load`, `Corpus.from_folder` or `Corpus.from_scores`; never changed afterwards.

    Attributes:
        name: of the collections, e.g. "ryan+oneill".
        rights: what the sources say about their use.
        failures: files that could not be read (`from_folder`).
        left_out: how many pieces were left out because they don't fit the grid.

    Example:
        >>> from musicgym import corpus
        >>> tunes = corpus.load("aird").split("train").filter(meter=(6, 8), mode="major")
        >>> excerpts = tunes.excerpts(32, transpose_to="C", low=48, high=83)
        >>> excerpts.pitch.shape[1:], bool((excerpts.position[:, 0] == 0).all())
        ((1, 32), True)
    """

    def __init__(
        self,
        data: Built,
        *,
        name: str,
        steps_per_quarter: int = 4,
        rights: str = "",
        failures: Iterable[Failure] = (),
        exact: bool = False,
        moved: np.ndarray | None = None,
    ) -> None:
        """`moved`: bool (M,), pieces in which reading a file already moved notes. Use `load` or the `from_` methods instead."""
        steps = on_grid(data.store, steps_per_quarter)
        fits = steps.exact if moved is None else steps.exact & ~moved
        self.left_out = 0
        if exact and not fits.all():
            self.left_out = int((~fits).sum())
            data = built.chosen(data, np.flatnonzero(fits))
            steps = on_grid(data.store, steps_per_quarter)
            fits = fits[fits]
        self.name = name
        self.rights = rights
        self.failures = tuple(failures)
        self._data = data
        self._steps = steps
        self._fits = fits

    @classmethod
    def from_scores(cls, scores: Iterable[Score], *, name: str = "scores", rights: str = "") -> Corpus:
        """Scores of one's own, all on one grid; families and split as in `from_folder`.

        Raises:
            ValueError: no scores, different grids, blanks in a score.
        """
        scores = list(scores)
        grids = sorted({score.steps_per_quarter for score in scores})
        if len(grids) != 1:
            raise ValueError(f"Corpus.from_scores: {len(scores)} scores on grids {grids}: expected one or more, all on one grid")
        pieces = [from_score(score) for score in scores]
        moved = np.array([any(c.kind == "quantised" for c in score.changes) for score in scores], np.bool_)
        return cls(folder.with_families(pieces), name=name, steps_per_quarter=grids[0], rights=rights, moved=moved)

    @classmethod
    def from_folder(
        cls,
        path: str | Path,
        *,
        steps_per_quarter: int = 4,
        voices: str = "tracks",
        strict: bool = False,
        exact: bool = False,
        name: str = "",
        rights: str = "",
    ) -> Corpus:
        """Read all MIDI, MusicXML and ABC files of a folder and its subfolders.

        Families and the split are worked out as for the built-in collections, among the folder's own pieces. The
        split of a family hangs on a hash of its music: files that are added later change it only for their own families.

        Args:
            path: the folder.
            steps_per_quarter: the grid.
            voices: how MIDI and MusicXML parts become voices, see `musicgym.files.midi.read`.
            strict: count a MIDI or MusicXML file that doesn't fit the grid among the failures.
            exact: leave out the pieces in which a note had to be moved (`left_out` counts them).
            name, rights: for the user's own records; the folder's name by default.

        Raises:
            ValueError: no such folder, no music in it, or none that can be read. Single files that can't
                be read are listed in `failures` instead.
        """
        path = Path(path)
        pieces, failures = folder.read(path, steps_per_quarter, voices, strict)
        if not pieces:
            raise ValueError(f"none of the {len(failures)} files in {str(path)!r} can be read; the first: {failures[0].reason}")
        moved = np.array([any(c.kind == "quantised" for c in piece.changes) for piece in pieces], np.bool_)
        return cls(
            folder.with_families(pieces),
            name=name or path.name,
            steps_per_quarter=steps_per_quarter,
            rights=rights or "as the user's files have them",
            failures=failures,
            exact=exact,
            moved=moved,
        )

    # Looking

    def __len__(self) -> int:
        return self._data.store.pieces

    def __getitem__(self, index: int) -> Score:
        """One piece as a score. Raises IndexError past the end."""
        if not -len(self) <= index < len(self):
            raise IndexError(f"corpus {self.name!r} has {len(self)} pieces, asked for number {index}")
        return score_of(self._data.store, self._steps, int(index) % len(self))

    def __iter__(self) -> Iterator[Score]:
        return (self[index] for index in range(len(self)))

    def __repr__(self) -> str:
        families = len(np.unique(self.families))
        return f"Corpus({self.name!r}, pieces={len(self)}, families={families}, grid={self.steps_per_quarter})"

    @property
    def steps_per_quarter(self) -> int:
        """The grid."""
        return self._steps.steps_per_quarter

    @property
    def titles(self) -> list[str]:
        """Title of each piece."""
        return [str(title) for title in self._data.store.titles]

    @property
    def sources(self) -> list[str]:
        """File and number that each piece comes from."""
        return [str(source) for source in self._data.store.sources]

    @property
    def families(self) -> np.ndarray:
        """int32 (M,): melody family of each piece; built-in collections share one numbering."""
        return self._data.family

    @property
    def splits(self) -> np.ndarray:
        """int8 (M,): index into `musicgym.corpus.SPLITS`; -1 for the few Essen songs that are in none."""
        return self._data.split

    @property
    def home_keys(self) -> np.ndarray:
        """int8 (M, 2): tonic and mode (index into `MODES`) of each piece's home key."""
        return np.stack([self._data.tonic, self._data.mode], axis=1)

    @property
    def voices(self) -> np.ndarray:
        """int32 (M,): voices of each piece."""
        return np.diff(self._data.store.line_at)

    @property
    def steps(self) -> np.ndarray:
        """int64 (M,): length of each piece in steps."""
        return np.diff(self._steps.step_at)

    @property
    def exact(self) -> np.ndarray:
        """bool (M,): no note had to be moved to fit the grid."""
        return self._fits

    def interval_windows(self) -> tuple[np.ndarray, np.ndarray]:
        """Every window of 17 notes of every voice, as intervals, int8 (W, 16), and its piece, int64 (W,): the same in all keys.

        By such windows pieces are known for variants of each other; no two parts of the split share one.
        """
        return families.windows_of(self._data.store)

    def summary(self) -> dict[str, Any]:
        """Counts, for people and reports."""
        counts = {name: int((self.splits == index).sum()) for index, name in enumerate(SPLITS)}
        return {
            "name": self.name,
            "rights": self.rights,
            "pieces": len(self),
            "notes": int((self._data.store.pitch >= 0).sum()),
            "steps": int(self.steps.sum()),
            "families": len(np.unique(self.families)),
            "steps_per_quarter": self.steps_per_quarter,
            "exact": int(self.exact.sum()),
            "left_out": self.left_out,
            "failures": len(self.failures),
            "split": counts,
        }

    # Choosing

    def split(self, name: str) -> Corpus:
        """The pieces of one part of the split: "train", "valid" or "test". Families are never divided.

        Raises:
            ValueError: another name.
        """
        if name not in SPLITS:
            raise ValueError(f"split({name!r}): expected one of {', '.join(map(repr, SPLITS))}")
        return self._take(self.splits == SPLITS.index(name))

    def divided(self, seed: int = 0) -> Corpus:
        """The same pieces in a split of their own, in which no part is empty: for folders that are too small for the usual one.

        A tenth of the melody families, at least one, are drawn for "valid" and as many for "test".

        Raises:
            ValueError: fewer than three families.
        """
        names, family = np.unique(self.families, return_inverse=True)
        if len(names) < len(SPLITS):
            raise ValueError(
                f"corpus {self.name!r} has {len(self)} pieces of {len(names)} melody families: expected {len(SPLITS)} or more, "
                "so that something is left to be judged on"
            )
        share = max(1, len(names) // 10)
        part = np.zeros(len(names), np.int8)
        order = np.random.default_rng(seed).permutation(len(names))
        part[order[:share]], part[order[share : 2 * share]] = SPLITS.index("valid"), SPLITS.index("test")
        return self._like(self._data._replace(split=part[family]), self.name, self._fits)

    def filter(
        self,
        predicate: Callable[[Score], bool] | None = None,
        *,
        meter: tuple[int, int] | None = None,
        mode: str | None = None,
        voices: int | None = None,
        min_steps: int = 0,
        max_steps: int | None = None,
        exact: bool | None = None,
    ) -> Corpus:
        """The pieces that meet every condition given.

        Args:
            predicate: called with each score that met the others.
            meter: the piece's only metre, e.g. (6, 8).
            mode: the home key's mode, one of `musicgym.score.MODES`.
            voices: number of voices.
            min_steps, max_steps: length in steps.
            exact: whether every note fits the grid.

        Raises:
            ValueError: an unknown mode.
        """
        store = self._data.store
        keep = self.steps >= min_steps
        if max_steps is not None:
            keep &= self.steps <= max_steps
        if meter is not None:
            wrong = (store.meters[:, 1] != meter[0]) | (store.meters[:, 2] != meter[1])
            keep[np.repeat(np.arange(len(self)), np.diff(store.meter_at))[wrong]] = False
        if mode is not None:
            if mode not in MODES:
                raise ValueError(f"filter(mode={mode!r}): expected one of {', '.join(MODES)}")
            keep &= self._data.mode == MODES.index(mode)
        if voices is not None:
            keep &= self.voices == voices
        if exact is not None:
            keep &= self.exact == exact
        if predicate is not None:
            for index in np.flatnonzero(keep):
                keep[index] = bool(predicate(self[int(index)]))
        return self._take(keep)

    def voice(self, index: int) -> Corpus:
        """One voice of every piece as a corpus of one-voice pieces; `voice(0)` of the chorales are their sopranos.

        Raises:
            ValueError: a piece without that voice.
        """
        fewest = int(self.voices.min(initial=127))
        if not 0 <= index < fewest:
            raise ValueError(f"voice({index}): a piece has {fewest} voices: expected one within 0..{fewest - 1}")
        data = built.chosen(self._data, np.arange(len(self)), index)
        return self._like(data, f"{self.name}[{index}]", self._fits)

    def _take(self, keep: np.ndarray) -> Corpus:
        pieces = np.flatnonzero(keep)
        return self._like(built.chosen(self._data, pieces), self.name, self._fits[pieces])

    def _like(self, data: Built, name: str, fits: np.ndarray) -> Corpus:
        return Corpus(
            data, name=name, steps_per_quarter=self.steps_per_quarter, rights=self.rights, failures=self.failures, moved=~fits
        )

    # Cutting

    def excerpts(
        self,
        steps: int,
        *,
        stride: int = 1,
        voices: int | None = None,
        transpose_to: str | None = None,
        meter: tuple[int, int] | None = None,
        low: int = 0,
        high: int = 127,
    ) -> Excerpts:
        """Windows of `steps` steps that begin at bar lines, as a batch. `windows` tells where they come from.

        A note that a window's beginning cuts gets an onset there. Windows without notes are dropped.

        Args:
            steps: length of a window.
            stride: bars from one window to the next of the same piece.
            voices: only pieces with so many voices; may be left out where all have the same.
            transpose_to: a tonic such as "C": each window is moved so that its piece's home tonic becomes this one, the mode
                stays (filter by mode first for C major alone), by up to half an octave, or by octaves more where only
                that brings it into the range.
            meter: only windows wholly in this metre.
            low, high: MIDI numbers; windows that don't fit are dropped.

        Returns:
            `Excerpts` of W windows, in order of piece and start; W may be 0.

        Raises:
            ValueError: pieces with different numbers of voices and none chosen; arguments out of range.
        """
        return self._cut(Wish(steps, stride, voices, transpose_to, meter, low, high))[1]

    def windows(
        self,
        steps: int,
        *,
        stride: int = 1,
        voices: int | None = None,
        transpose_to: str | None = None,
        meter: tuple[int, int] | None = None,
        low: int = 0,
        high: int = 127,
    ) -> Windows:
        """For each row of `excerpts` with the same arguments: its piece, first step and transposition."""
        return self._cut(Wish(steps, stride, voices, transpose_to, meter, low, high))[0]

    def _cut(self, wish: Wish) -> tuple[Windows, Excerpts]:
        return windows.find(self._steps, self.voices, self._data.tonic, wish)
