"""Measures that no rule of ours uses: how near pieces of one voice stand to real music.

Distances are Jensen-Shannon distances (its square is the divergence, base 2; Lin 1991, Endres & Schindelin 2003) between
distributions over all notes of a set, as in Yang and Lerch 2018 ("On the evaluation of generative models in music") but between
whole sets; the likelihood is that of an n-gram model. What is measured is in `MEASURES`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy.spatial.distance import jensenshannon

from musicgym.agents.comparison import BOOTSTRAP_SEED, Figure, bootstrap
from musicgym.benchmarks.events import Events, events
from musicgym.benchmarks.tunes import Tunes
from musicgym.engine import as_material
from musicgym.models.witten_bell import NGram
from musicgym.pieces import Excerpts
from musicgym.score import Score

Music = Sequence[Score] | Excerpts

DISTANCES = ("pitch_class", "interval", "duration", "inter_onset")
MEASURES = {
    "pitch_class": "distance of notes by pitch class above the local tonic (12 classes); 0 is alike, 1 nothing in common",
    "interval": "distance of steps from note to note, in semitones up or down, all beyond an octave together",
    "duration": "distance of note lengths, in beats (a dotted quarter in 6/8), all of four beats or more together",
    "inter_onset": "distance of times from one note's beginning to the next one's, in beats, counted alike",
    "log_likelihood": "nats a note or rest under an n-gram model of training tunes; as real tunes have it is good, above is dull",
    "distinct": "share of pieces that are no copy of a piece before them",
    "repetition": "share of pieces in which a pattern of four notes (their intervals and rhythm) comes back at once or later",
}
ORDER = 5  # of the n-gram model
_BEAT = 24  # parts of a beat by which durations are told apart: sixteenths and triplets of all metres
_LONGEST = 4 * _BEAT
_OCTAVE = 12
_BEYOND = _OCTAVE + 1  # any interval wider than an octave
_FIRST = 2 * _BEYOND + 1  # instead of an interval: the first note of a piece
_BINS = {"pitch_class": 12, "interval": 2 * _BEYOND + 1, "duration": _LONGEST + 1, "inter_onset": _LONGEST + 1}
_PATTERN = 4  # notes


class Panel:
    """The measures, ready to be taken: distributions of real music to compare with, and a fitted n-gram model.

    Args:
        reference: real music that was not trained on.
        ngram: a model of `tokens`.
        durations: int64 (D,): the lengths, in parts of a beat, that the model tells apart.

    `Panel.fit` makes one from tunes.

    Example:
        >>> from musicgym.benchmarks.tunes import tunes
        >>> panel = Panel.fit(tunes("train", limit=200), tunes("valid", limit=100))
        >>> found = panel.measure(tunes("test", limit=50).excerpts)
        >>> list(found) == list(MEASURES), found["pitch_class"] < 0.2, found["distinct"]
        (True, True, 1.0)
    """

    def __init__(self, reference: Music, ngram: NGram, durations: np.ndarray) -> None:
        self.ngram = ngram
        self.durations = durations
        notes = _Notes.of(as_material(reference))
        self._reference = {name: _histograms(notes, name).sum(axis=0) for name in DISTANCES}
        if not self._reference["interval"].any():
            raise ValueError("panel: the reference has no two notes in a row: expected real music to compare with")

    @classmethod
    def fit(cls, train: Tunes | Music, reference: Tunes | Music) -> Panel:
        """A panel.

        Args:
            train: tunes for the n-gram model.
            reference: tunes of other families, for the distributions. What differs between metres differs between sets of them:
                take the metres of the pieces that will be measured.

        Raises:
            ValueError: music of more than one voice, unfinished, or without notes.
        """
        notes = _Notes.of(_music(train))
        durations = np.unique(notes.duration)
        found = _tokens(notes, durations)
        ngram = NGram(_vocabulary(durations), ORDER).fit(found)
        return cls(_music(reference), ngram, durations)

    def measure(self, pieces: Tunes | Music) -> dict[str, float]:
        """All `MEASURES` of a set of finished one-voice pieces.

        The distance of a small set is larger than that of a large one of the same kind: compare sets of like size. Where there is
        nothing to count (no note, no two notes in a piece) the distance is 1.

        Raises:
            ValueError: no pieces, more than one voice, or blanks.
        """
        columns = self._columns(_music(pieces))
        return {name: float(values[0]) for name, values in self._measures(columns.mean(axis=0, keepdims=True)).items()}

    def compare(
        self, samples: Mapping[str, Tunes | Music], groups: Mapping[str, np.ndarray] | None = None
    ) -> dict[str, dict[str, Figure]]:
        """All measures of several sets with 95 % intervals: percentile bootstrap that draws whole groups.

        Distances of resamples lie a little above those of the sets themselves, since a resample holds fewer different pieces.

        Args:
            samples: name -> pieces.
            groups: name -> int (pieces,): pieces of one group hang together (melody families, seeds). Where a name is missing,
                tunes go by family and other pieces each for themselves.

        Returns:
            Name -> measure -> figure with interval.

        Raises:
            ValueError: as `measure`, or groups that don't fit the pieces.
        """
        found = {}
        for name, pieces in samples.items():
            columns = self._columns(_music(pieces))
            group = (groups or {}).get(name)
            if group is None:
                group = pieces.families if isinstance(pieces, Tunes) else np.arange(len(columns))
            if group.shape != (len(columns),):
                raise ValueError(f"groups of {name!r} have shape {group.shape}: expected ({len(columns)},), one for each piece")
            means = self._measures(columns.mean(axis=0, keepdims=True))
            resampled = self._measures(bootstrap(columns, group, np.random.default_rng(BOOTSTRAP_SEED)))
            ranges = {measure: np.percentile(values, [2.5, 97.5]) for measure, values in resampled.items()}
            found[name] = {m: Figure(float(means[m][0]), float(ranges[m][0]), float(ranges[m][1])) for m in MEASURES}
        return found

    def log_likelihoods(self, pieces: Tunes | Music) -> list[np.ndarray]:
        """For each piece the log-probability of each of its notes and rests, in nats."""
        return self.ngram.log_prob(_tokens(_Notes.of(_music(pieces)), self.durations))

    def _columns(self, music: Excerpts) -> np.ndarray:
        """What is counted in each piece, float64 (M, columns): histograms, then log-probability, events, first copy, pattern."""
        if not len(music.length):
            raise ValueError("panel: expected at least one piece, got none")
        notes = _Notes.of(music)
        likelihoods = self.ngram.log_prob(_tokens(notes, self.durations))
        last = [
            [values.sum() for values in likelihoods],
            [len(values) for values in likelihoods],
            _first_copies(music),
            _repeats(notes),
        ]
        return np.concatenate([*(_histograms(notes, name) for name in DISTANCES), np.array(last, float).T], axis=1)

    def _measures(self, columns: np.ndarray) -> dict[str, np.ndarray]:
        """Measures from means of columns, (R, columns) -> (R,) each."""
        found: dict[str, np.ndarray] = {}
        at = 0
        for name in DISTANCES:
            found[name] = _distance(columns[:, at : at + _BINS[name]], self._reference[name])
            at += _BINS[name]
        found["log_likelihood"] = columns[:, at] / columns[:, at + 1]
        found["distinct"], found["repetition"] = columns[:, at + 2], columns[:, at + 3]
        return found


class _Notes(NamedTuple):
    """The events of M pieces and what is counted of them."""

    pieces: int
    line: Events
    sounds: np.ndarray  # bool (E,): a note, no rest
    degree: np.ndarray  # int64 (E,): semitones above the local tonic, 0..11; of a rest it means nothing
    duration: np.ndarray  # int64 (E,): parts of a beat, `_LONGEST` at the most
    before: np.ndarray  # int64 (E,): index of the note before in the same piece; -1 for none
    interval: np.ndarray  # int64 (E,): semitones from the note before, counted from 0, or `_FIRST`
    inter_onset: np.ndarray  # int64 (E,): parts of a beat since the note before, `_LONGEST` at the most; -1 for none

    @classmethod
    def of(cls, music: Excerpts) -> _Notes:
        """Read finished pieces of one voice."""
        line = events(music)
        sounds = line.pitch >= 0
        beat = music.beat[line.piece, line.start].astype(np.int64)
        index = np.where(sounds, np.arange(len(sounds)), -1)
        before = np.append(-1, np.maximum.accumulate(index)[:-1]) if len(index) else index
        before = np.where((before >= 0) & (line.piece[before] == line.piece), before, -1)
        follows = sounds & (before >= 0)
        step = np.clip(line.pitch - line.pitch[before], -_BEYOND, _BEYOND) + _BEYOND
        apart = _parts(line.start - line.start[before], beat[before])
        return cls(
            pieces=len(music.length),
            line=line,
            sounds=sounds,
            degree=(line.pitch - music.tonic[line.piece, line.start]) % 12,
            duration=_parts(line.duration, beat),
            before=before,
            interval=np.where(follows, step, _FIRST),
            inter_onset=np.where(follows, apart, -1),
        )


def _music(pieces: Tunes | Music) -> Excerpts:
    return as_material(pieces.excerpts if isinstance(pieces, Tunes) else pieces)


def _parts(steps: np.ndarray, beat: np.ndarray) -> np.ndarray:
    return np.asarray(np.minimum(np.round(steps * _BEAT / beat), _LONGEST).astype(np.int64))


def _histograms(notes: _Notes, name: str) -> np.ndarray:
    """How often each piece has each value, float64 (M, bins)."""
    values, counted = {
        "pitch_class": (notes.degree, notes.sounds),
        "interval": (notes.interval, notes.interval != _FIRST),
        "duration": (notes.duration, notes.sounds),
        "inter_onset": (notes.inter_onset, notes.inter_onset >= 0),
    }[name]
    bins = _BINS[name]
    cells = np.bincount(notes.line.piece[counted] * bins + values[counted], minlength=notes.pieces * bins)
    return cells.reshape(notes.pieces, bins).astype(float)


def _distance(counts: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Jensen-Shannon distance of each row from the reference, float64 (R,); 1 for a row without counts."""
    with np.errstate(invalid="ignore"):
        found = jensenshannon(counts, np.broadcast_to(reference, counts.shape), base=2, axis=1)
    return np.where(counts.sum(axis=1) > 0, found, 1.0)


def _vocabulary(durations: np.ndarray) -> int:
    return (12 * (_FIRST + 1) + 1) * (len(durations) + 1)


def _tokens(notes: _Notes, durations: np.ndarray) -> list[np.ndarray]:
    """A token for each note or rest of each piece: degree and interval (or a rest) with length (or an unknown one).

    Octaves and keys make no difference, the metre only by its beat.
    """
    lengths = np.searchsorted(durations, notes.duration)
    known = durations[np.minimum(lengths, len(durations) - 1)] == notes.duration
    lengths = np.where(known, lengths, len(durations))
    pitch = np.where(notes.sounds, 1 + notes.degree * (_FIRST + 1) + notes.interval, 0)
    counts = np.bincount(notes.line.piece, minlength=notes.pieces)
    return np.split(pitch * (len(durations) + 1) + lengths, np.cumsum(counts)[:-1])


def _first_copies(music: Excerpts) -> np.ndarray:
    """bool (M,): no piece before it has the same notes and rests."""
    rows = np.concatenate([music.pitch[:, 0].astype(np.int16), music.onset[:, 0].astype(np.int16)], axis=1)
    _, first = np.unique(rows, axis=0, return_index=True)
    found = np.zeros(len(rows), np.bool_)
    found[first] = True
    return found


def _repeats(notes: _Notes) -> np.ndarray:
    """bool (M,): pieces in which three intervals in a row and the times between their notes come again, on four other notes."""
    at = np.flatnonzero(notes.sounds)
    piece = notes.line.piece[at]
    if len(at) < 2 * _PATTERN:
        return np.zeros(notes.pieces, np.bool_)
    width = notes.line.pitch[at] - notes.line.pitch[notes.before[at]]
    moves = np.stack([width, notes.inter_onset[at]], axis=1)  # what leads to each note; nothing that counts to a piece's first
    windows = np.lib.stride_tricks.sliding_window_view(moves, _PATTERN - 1, axis=0)[1:]  # (windows, 2, 3)
    owner = piece[: len(windows)]
    whole = owner == piece[_PATTERN - 1 :]
    rows = np.concatenate([owner[:, None], windows.reshape(len(windows), -1)], axis=1)[whole]
    _, pattern = np.unique(rows, axis=0, return_inverse=True)
    pattern = pattern.reshape(-1)
    where = np.flatnonzero(whole)  # number of the pattern's first note
    earliest, latest = np.full(len(rows), len(at)), np.full(len(rows), -1)
    np.minimum.at(earliest, pattern, where)
    np.maximum.at(latest, pattern, where)
    again = latest[pattern] - earliest[pattern] >= _PATTERN
    found = np.zeros(notes.pieces, np.bool_)
    found[rows[again, 0]] = True
    return found
