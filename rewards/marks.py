"""What a reward finds in one piece, note by note, in a composer's words: bar, beat, note, rule, value."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from musicgym.files.notation import bar_numbers, letter_alter_octave, spelled
from musicgym.pieces import beat_steps
from musicgym.score import BLANK

if TYPE_CHECKING:
    from musicgym.rewards.reward import Reward
    from musicgym.score import Score

MOST_SLOTS = 32_767  # voices * steps of a piece that is judged: steps are int16


class Mark(NamedTuple):
    """What one rule says of one site."""

    voice: int  # from 0
    step: int
    bar: int  # as a score on paper counts: a pickup is bar 0
    beat: float  # from 1.0, in beats of the metre in force (dotted ones in 6/8)
    note: str  # "F#4", "rest"; "F#4 held" where the note began earlier
    rule: str  # the reward's term
    value: float  # weighted, never 0


class Judgement(NamedTuple):
    """What a reward says of one piece."""

    totals: dict[str, float]  # by term, weighted
    marks: list[Mark]  # in order of step, voice and term

    @property
    def total(self) -> float:
        """Of all terms."""
        return sum(self.totals.values())


def judge(reward: Reward, score: Score, first: int = 0, stop: int | None = None) -> Judgement:
    """Judge a piece, or its steps from `first` up to `stop` as if they were all there is.

    Bars keep the numbers that they have in the whole piece. A rule about a note's length marks the site where the next event
    begins, or the last one.

    Raises:
        ValueError: more than 32,767 slots (voices times steps), with the number of bars that fit; a reward that doesn't suit
            the piece.

    Example:
        >>> from musicgym import Score
        >>> from musicgym.rewards import parse
        >>> score = Score.from_notes([[(0, 4, 62, 80), (4, 4, 61, 80)]], key="G major")
        >>> judge(parse("fixed_key"), score).marks
        [Mark(voice=0, step=4, bar=1, beat=2.0, note='C#4', rule='fixed_key', value=-1.0)]
    """
    stop = score.steps if stop is None else stop
    _check_length(score, first, stop)
    totals, sites = reward.score([score if stop - first == score.steps else score.excerpt(first, stop)], marks=True)
    numbers, beats = bar_numbers(score), _beats(score)
    rules = list(totals)
    marks = []
    for step, voice, term in np.argwhere(sites[0].transpose(2, 1, 0)).tolist():  # (steps, voices, terms)
        at = first + step
        marks.append(
            Mark(
                voice=voice,
                step=at,
                bar=int(numbers[at]),
                beat=float(beats[at]),
                note=note_name(score, voice, at),
                rule=rules[term],
                value=float(sites[0, term, voice, step]),
            )
        )
    return Judgement({rule: float(values[0]) for rule, values in totals.items()}, marks)


def note_name(score: Score, voice: int, step: int) -> str:
    """What stands at a slot, spelled as the file or the local key has it.

    >>> from musicgym import Score
    >>> [note_name(Score.from_notes([[(0, 2, 66, 80)]], steps=3, key=key), 0, at) for key, at in (("Db", 0), ("D", 1), ("D", 2))]
    ['Gb4', 'F#4 held', 'rest']
    """
    pitch = int(score.pitch[voice, step])
    if pitch < 0:
        return "blank" if pitch == BLANK else "rest"
    letter, alter, octave = letter_alter_octave(pitch, spelled(score, voice, step))
    sign = "#" * alter if alter > 0 else "b" * -alter
    return f"{letter}{sign}{octave}" + ("" if score.onset[voice, step] else " held")


def _beats(score: Score) -> np.ndarray:
    """Beat of each step, counted from 1; float64 (steps,)."""
    beat = np.ones(score.steps)
    for change in score.meters:
        beat[change.step :] = beat_steps((change.numerator, change.denominator), score.steps_per_quarter)
    return 1.0 + score.position / beat


def _check_length(score: Score, first: int, stop: int) -> None:
    if score.voices * (stop - first) <= MOST_SLOTS:
        return
    numbers = bar_numbers(score)
    last = int(numbers[first + MOST_SLOTS // score.voices])  # the first bar that doesn't fit whole
    voices = f" in {score.voices} voices" if score.voices > 1 else ""
    fit = last - int(numbers[first])
    raise ValueError(
        f"{int(numbers[stop - 1] - numbers[first]) + 1:,} bars, {stop - first:,} steps{voices}: at most {MOST_SLOTS:,} slots "
        f"(voices times steps) are judged at once, here {fit:,} bars; choose some, as in --bars {int(numbers[first])}:{last - 1}"
    )
