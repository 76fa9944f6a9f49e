"""What a printed score cannot say, kept beside the notes in one line of JSON.

Notation has no sign for a second rest that begins inside a silence, for slots that are still blank, for an
analyst's local key, for bars counted from elsewhere than their bar line. `collect` gathers what a reader would
not find in the notes, `restore` puts it back where the notes still are what they were: edits win over this line.
"""

from __future__ import annotations

import dataclasses
import json
import zlib
from typing import Any

import numpy as np

from musicgym.score import BLANK, REST, MeterChange, Score, TempoChange

TEMPO_DECIMALS = 2  # of the tempos that are printed
_SOUNDS, _REST_GOES_ON, _REST_BEGINS, _BLANK = range(4)


def collect(score: Score, printed: Score) -> str:
    """What `score` holds and `printed`, as a reader would take it from the notes alone, doesn't; empty if nothing.

    Beside each thing stands a check sum of what is printed in its place: once that is edited, the edit holds.
    """
    kept: dict[str, Any] = {}
    # Positions count up: their distance from the step's own number is constant within a bar.
    if not np.array_equal(score.position, printed.position):
        kept["position"] = _runs(score.position - np.arange(score.steps))
    for name in ("tonic", "mode", "phrase_end"):
        if not np.array_equal(getattr(score, name), getattr(printed, name)):
            kept[name] = _runs(getattr(score, name))
    for name in ("meters", "tempos"):
        if getattr(score, name) != getattr(printed, name):
            kept[name] = [list(change) for change in getattr(score, name)]
    if not (np.array_equal(score.pitch, printed.pitch) and np.array_equal(score.onset, printed.onset)):
        kept["silence"] = [_runs(line) for line in _silence(score)]
    made: dict[str, Any] = {name: [_check_sum(printed, name), value] for name, value in kept.items()}
    if score.source:
        made["source"] = score.source
    return json.dumps(made, separators=(",", ":"), sort_keys=True) if made else ""


def restore(score: Score, text: str) -> tuple[Score, list[str]]:
    """`score`, read from the notes, with what `collect` kept; and the names of what no longer fits.

    Raises:
        ValueError: the text isn't what `collect` writes.
    """
    try:
        kept = json.loads(text)
        changed: dict[str, Any] = {"source": str(kept.pop("source"))} if "source" in kept else {}
        fits = {name: value for name, (check, value) in kept.items() if check == _check_sum(score, name)}
        if "position" in fits:
            changed["position"] = _unroll(fits["position"], score.steps) + np.arange(score.steps)
        for name in ("tonic", "mode"):
            if name in fits:
                changed[name] = _unroll(fits[name], score.steps)
        if "phrase_end" in fits:
            changed["phrase_end"] = _unroll(fits["phrase_end"], score.steps) != 0
        if "meters" in fits:
            changed["meters"] = tuple(MeterChange(*(int(n) for n in change)) for change in fits["meters"])
        if "tempos" in fits:
            changed["tempos"] = tuple(TempoChange(int(step), float(quarters)) for step, quarters in fits["tempos"])
        if "silence" in fits:
            changed |= _with_silence(score, fits["silence"])
        return dataclasses.replace(score, **changed), sorted(set(kept) - set(fits))
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        raise ValueError(f"the line that musicgym keeps beside the notes is broken and was not used: {error}") from error


def _check_sum(score: Score, name: str) -> int:
    """A number that changes with what is printed in place of `name`, and with the length and the grid."""
    if name == "meters":
        printed: Any = score.meters
    elif name == "tempos":
        printed = [(change.step, round(change.quarters, TEMPO_DECIMALS)) for change in score.tempos]
    else:
        printed = getattr(score, "pitch" if name == "silence" else name).tolist()
    return zlib.crc32(f"{score.steps_per_quarter} {score.steps} {printed}".encode())


def as_printed(score: Score, position: np.ndarray, phrase_end: np.ndarray, meters: tuple[MeterChange, ...]) -> Score:
    """`score` as its notes alone tell it: keys by their signatures, a rest where nothing sounds.

    `position`, `phrase_end` and `meters` are what the writer could print.
    """
    sounds = score.pitch >= 0
    onset = score.onset & sounds
    onset[:, :1] |= ~sounds[:, :1]
    onset[:, 1:] |= ~sounds[:, 1:] & sounds[:, :-1]
    tonic, mode = score.tonic.copy(), score.mode.copy()
    for change in score.keys:
        tonic[change.step :], mode[change.step :] = change.tonic, change.mode
    return dataclasses.replace(
        score,
        pitch=np.where(sounds, score.pitch, REST),
        onset=onset,
        position=position,
        tonic=tonic,
        mode=mode,
        phrase_end=phrase_end,
        meters=meters,
        tempos=tuple(TempoChange(change.step, round(change.quarters, TEMPO_DECIMALS)) for change in score.tempos),
        source="",
    )


def _silence(score: Score) -> np.ndarray:
    """int8 (voices, steps): what stands where nothing sounds."""
    rest = np.where(score.onset, _REST_BEGINS, _REST_GOES_ON)
    return np.select([score.pitch >= 0, score.pitch == BLANK], [_SOUNDS, _BLANK], rest).astype(np.int8)


def _with_silence(score: Score, kept: list[Any]) -> dict[str, np.ndarray]:
    if len(kept) != score.voices:
        raise ValueError(f"silence of {len(kept)} voices for {score.voices}")
    silence = np.array([_unroll(line, score.steps) for line in kept]).reshape(score.pitch.shape)
    if not np.array_equal(silence == _SOUNDS, score.pitch >= 0):
        raise ValueError("notes stand where there was silence")
    pitch = np.where(silence == _BLANK, BLANK, score.pitch)
    return {"pitch": pitch, "onset": np.where(silence == _SOUNDS, score.onset, silence == _REST_BEGINS)}


def _runs(line: np.ndarray) -> list[list[int]]:
    """A line of integers as pairs of a value and how often it stands in a row."""
    edges = np.flatnonzero(np.diff(line.astype(int))) + 1
    starts = np.concatenate(([0], edges)) if line.size else edges
    return [[int(line[a]), int(b - a)] for a, b in zip(starts, np.append(edges, line.size))]


def _unroll(runs: list[Any], steps: int) -> np.ndarray:
    """int64 (steps,)"""
    numbers = np.array(runs, np.int64).reshape(-1, 2)
    if (numbers[:, 1] < 1).any() or len(numbers) > steps or numbers[:, 1].astype(object).sum() != steps:
        raise ValueError(f"its runs do not add up to {steps} steps")
    return np.repeat(numbers[:, 0], numbers[:, 1])
