"""RL Tuner's evaluation counters (Jaques et al. 2016), and the table that its paper makes of them.

The counters are read off the marks of the reward's own rules: what trains an agent is what measures it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from musicgym.choice import StepChoice
from musicgym.engine import Engine, as_material
from musicgym.pieces import Excerpts
from musicgym.rewards.reward import Rules
from musicgym.rewards.rl_tuner import TERMS, rl_tuner
from musicgym.rewards.rl_tuner_faithful import INTERVALS, code, number
from musicgym.rewards.rules import Rule
from musicgym.score import BLANK, REST, Score
from musicgym.task import Task

# Intervals as (degree that is left, width in semitones), by what the reward pays for them.
_HOME, _ELSEWHERE = 0, 2
_INTERVALS = {
    "num_octave_jumps": (_ELSEWHERE, 13),
    "num_fifths": (_ELSEWHERE, 7),
    "num_thirds": (_ELSEWHERE, 4),
    "num_sixths": (_ELSEWHERE, 9),
    "num_seconds": (_ELSEWHERE, 2),
    "num_fourths": (_ELSEWHERE, 5),
    "num_sevenths": (_ELSEWHERE, 11),
    "num_in_key_preferred_intervals": (_HOME, 7),  # the original means thirds too, but its test lets only fifths pass
}
_RESTS = {"num_rest_intervals": 0.25, "num_special_rest_intervals": 0.75}
_AT_ONCE = 8192  # pieces whose marks are held in memory


def _unnamed(function: Callable[..., float]) -> Rule:
    return Rule(function, 0, "own")  # a rule, but none that an expression should offer as a reward


@_unnamed
def action_code(piece, voice, step):  # type: ignore[no-untyped-def]  # as all rules
    """The original's number for what was written: 0 rest, 1 hold, 2.. pitch."""
    return number(code(piece, voice, step))


def counters(music: Sequence[Score] | Excerpts | np.ndarray) -> dict[str, np.ndarray]:
    """What RL Tuner's evaluation counts, piece by piece.

    Every step counts as a "note", holds and rests too, as in the original.

    Args:
        music: N finished pieces of one voice, or action codes, int (N, steps): 0 a rest, 1 hold, 2..37 the pitches 48..83 in C.

    Returns:
        Counter name -> (N,), int64, the three autocorrelations float64 (NaN where all codes of a piece are alike).

    Raises:
        ValueError: more than one voice, or blanks.

    Example:
        >>> found = counters(np.array([[14, 14, 14, 14, 14, 14, 21, 1]]))
        >>> int(found["num_repeated_notes"][0]), int(found["num_in_key_preferred_intervals"][0])
        (1, 1)
    """
    material = _played(music) if isinstance(music, np.ndarray) else as_material(music)
    pieces, voices, _ = material.pitch.shape
    if voices != 1:
        raise ValueError(f"music has {voices} voices: RL Tuner's counters need one")
    if blank := int((_inside(material) & (material.pitch[:, 0] == BLANK)).sum()):
        raise ValueError(f"music has {blank} blank steps: counters need finished pieces")
    parts = [_counted(material.take(np.arange(at, min(at + _AT_ONCE, pieces)))) for at in range(0, pieces, _AT_ONCE)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _counted(material: Excerpts) -> dict[str, np.ndarray]:
    _, found = rl_tuner().score(material, marks=True)
    marks = dict(zip(TERMS, found[:, :, 0].swapaxes(0, 1), strict=True))  # float32 (N, steps) each
    _, found = Rules.of(action_code).score(material, marks=True)
    codes = found[:, 0, 0].astype(np.int64)  # (N, steps)
    inside = _inside(material)
    begins = material.onset[:, 0] & inside
    notes, rests = begins & (material.pitch[:, 0] >= 0), begins & (material.pitch[:, 0] == REST)
    made = {f"autocorrelation{lag}": _autocorrelation(codes, material.length, lag) for lag in (1, 2, 3)}
    made["notes_not_in_key"] = _count(marks["key"] < 0)
    made["notes_in_motif"] = _count(marks["motif"] > 0)
    made["notes_in_repeated_motif"] = _count(marks["rep_motif"] > 0)
    made["num_starting_tonic"] = _count(marks["tonic"][:, :1] > 0)
    made["num_repeated_notes"] = _count(marks["repeat"] < 0)
    for name, (left, width) in _INTERVALS.items():
        made[name] = _count(notes & np.isclose(marks["interval"], INTERVALS[left, width]))
    for name, value in _RESTS.items():
        made[name] = _count(rests & np.isclose(marks["interval"], value))
    made["num_resolved_leaps"] = _count(marks["leap"] > 0)
    made["num_leap_twice"] = _count(marks["leap"] < 0)
    highest = np.where(inside, codes, np.iinfo(np.int64).min)
    lowest = np.where(notes, codes, np.iinfo(np.int64).max)
    made["num_high_unique"] = _count(inside & (codes == highest.max(axis=1, keepdims=True))) == 1
    made["num_low_unique"] = _count(notes & (codes == lowest.min(axis=1, keepdims=True))) == 1
    return {name: array.astype(np.int64) if array.dtype == np.bool_ else array for name, array in made.items()}


def table(found: dict[str, np.ndarray], steps: int | np.ndarray = 32) -> dict[str, float]:
    """The rows of Table 1 of RL Tuner's paper: percentages, and autocorrelations as they are.

    Args:
        found: what `counters` returned.
        steps: of each piece, int or (N,).

    Returns:
        Row name -> figure; NaN where nothing was counted (no leap that was answered either way, nothing but constant pieces).
    """
    pieces = len(found["num_starting_tonic"])
    written = float(np.broadcast_to(steps, pieces).sum())
    resolved, doubled = float(found["num_resolved_leaps"].sum()), float(found["num_leap_twice"].sum())
    rows = {
        "Notes excessively repeated": 100 * _share(found["num_repeated_notes"].sum(), written),
        "Mean autocorrelation - lag 1": _mean(found["autocorrelation1"]),
        "Mean autocorrelation - lag 2": _mean(found["autocorrelation2"]),
        "Mean autocorrelation - lag 3": _mean(found["autocorrelation3"]),
        "Notes not in key": 100 * _share(found["notes_not_in_key"].sum(), written),
        "Compositions starting with tonic": 100 * _share(found["num_starting_tonic"].sum(), pieces),
        "Leaps resolved": 100 * _share(resolved, resolved + doubled),
        "Compositions with unique max note": 100 * _share(found["num_high_unique"].sum(), pieces),
        "Compositions with unique min note": 100 * _share(found["num_low_unique"].sum(), pieces),
        "Notes in motif": 100 * _share(found["notes_in_motif"].sum(), written),
        "Notes in repeated motif": 100 * _share(found["notes_in_repeated_motif"].sum(), written),
    }
    return {name: float(value) for name, value in rows.items()}


def _played(actions: np.ndarray) -> Excerpts:
    """Action codes, int (N, steps), as the pieces that they write in C major."""
    if actions.ndim != 2 or 0 in actions.shape:
        raise ValueError(f"actions have shape {actions.shape}: expected (pieces, steps), one of each at least")
    count, steps = actions.shape
    engine = Engine(Task(StepChoice(), length=steps), count)
    engine.reset(np.arange(count), np.zeros(count, np.uint64))
    for step in range(steps):
        engine.write(engine.check(actions[:, step]))
    return Excerpts(**{name: getattr(engine.pieces, name) for name in Excerpts._fields})


def _inside(material: Excerpts) -> np.ndarray:
    """bool (N, steps): steps before each piece's end."""
    inside: np.ndarray = np.arange(material.pitch.shape[2]) < material.length[:, None]
    return inside


def _count(sites: np.ndarray) -> np.ndarray:
    """int64 (N,): true sites of each piece."""
    counted: np.ndarray = sites.sum(axis=1, dtype=np.int64)
    return counted


def _autocorrelation(codes: np.ndarray, length: np.ndarray, lag: int) -> np.ndarray:
    """float64 (N,): sample autocorrelation of each piece's codes, int64 (N, steps), at a lag; NaN where they are all alike."""
    inside = np.arange(codes.shape[1]) < length[:, None]
    mean = (codes * inside).sum(axis=1, keepdims=True) / length[:, None]
    apart = np.where(inside, codes - mean, 0.0)
    shared = (apart[:, lag:] * apart[:, : max(codes.shape[1] - lag, 0)]).sum(axis=1)
    alike = ((codes == codes[:, :1]) | ~inside).all(axis=1)
    spread = (apart * apart).sum(axis=1)
    found: np.ndarray = np.divide(shared, spread, out=np.full(len(codes), np.nan), where=~alike)
    return found


def _share(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")
