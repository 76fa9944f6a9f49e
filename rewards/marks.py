"""What a reward finds in one piece, note by note, in a composer's words: bar, beat, note, rule, value.

Rules pay where they are judged, which is often after what they are about: a note's length is known when the next one begins, a
leap's answer is the note after it, a bar is over with its last step. A mark stands on what the rule is about (`Rule.about`), and
`subjects` alone knows where that is: for `musicgym reward` as for reports.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from musicgym.files.notation import bar_numbers, letter_alter_octave, spelled
from musicgym.pieces import beat_steps
from musicgym.rewards.paid import AtEnd, Scheduled
from musicgym.rewards.parties import parties
from musicgym.rewards.reward import Rules, Sum
from musicgym.rewards.rules import OWN
from musicgym.score import BLANK

if TYPE_CHECKING:
    from musicgym.rewards.reward import Reward
    from musicgym.rewards.rules import About
    from musicgym.score import Score

MOST_SLOTS = 32_767  # voices * steps of a piece that is judged: steps are int16
Scope = Literal["note", "bar", "piece"]


class Concern(NamedTuple):
    """What a term's values are about."""

    about: About
    bars: int = 1  # where it is about bars: how many, the last of which is the one in which it pays
    others: bool = False  # whether it looks at other voices too


class Subject(NamedTuple):
    """What one value is about: a place in one voice."""

    scope: Scope
    start: int  # the first step; of a note or rest the one at which it begins, or at which it is judged while it sounds
    stop: int  # the step after the last


class Mark(NamedTuple):
    """What one rule says of one note or rest, of whole bars, or of the whole piece."""

    voice: int  # from 0
    step: int  # where that begins which the mark is about
    bar: int  # as a score on paper counts: a pickup is bar 0
    beat: float  # from 1.0, in beats of the metre in force (dotted ones in 6/8)
    note: str  # "F#4", "rest"; "F#4 held" where the note began earlier; "whole bar", "whole piece"
    rule: str  # the reward's term
    value: float  # weighted, never 0
    scope: Scope
    last_bar: int  # `bar`, but for several whole bars and the whole piece
    paid_at: int  # the step at which a reward pays the value
    others: tuple[int, ...] = ()  # of a note or rest: the other voices that the value hangs on


class Judgement(NamedTuple):
    """What a reward says of one piece."""

    totals: dict[str, float]  # by term, weighted
    marks: list[Mark]  # in order of what they are about; whole bars after their notes, the whole piece last

    @property
    def total(self) -> float:
        """Of all terms."""
        return sum(self.totals.values())


def judge(reward: Reward, score: Score, first: int = 0, stop: int | None = None) -> Judgement:
    """Judge a piece, or its steps from `first` up to `stop` as if they were all there is.

    Bars keep the numbers that they have in the whole piece.

    Raises:
        ValueError: more than 32,767 slots (voices times steps), with the number of bars that fit; a reward that doesn't suit
            the piece.

    Example:
        >>> from musicgym import Score
        >>> from musicgym.rewards import parse
        >>> score = Score.from_notes([[(0, 4, 62, 80), (4, 4, 61, 80)]], key="G major")
        >>> [(mark.bar, mark.beat, mark.note, mark.value) for mark in judge(parse("fixed_key"), score).marks]
        [(1, 2.0, 'C#4', -1.0)]
    """
    stop = score.steps if stop is None else stop
    _check_length(score, first, stop)
    part = score if stop - first == score.steps else score.excerpt(first, stop)
    totals, sites = reward.score([part], marks=True)
    numbers, beats, rules = bar_numbers(score), _beats(score), list(totals)
    found, about = [], concerns(reward, part)
    hangs = parties(reward, [part], list(sites), [concern.others for concern in about])[0]
    for term, voice, paid_at, value, subject in subjects(sites[0], about, part):
        step = first + subject.start
        bar, last_bar = int(numbers[step]), int(numbers[first + subject.stop - 1])
        if subject.scope == "note":
            note, last_bar = note_name(score, voice, step), bar
        else:
            note = "whole piece" if subject.scope == "piece" else "whole bar" if bar == last_bar else "whole bars"
        place = voice, step, bar, float(beats[step]), note
        others = tuple(np.flatnonzero(hangs[term, voice, paid_at]).tolist()) if subject.scope == "note" else ()
        mark = Mark(*place, rules[term], value, subject.scope, last_bar, first + paid_at, others)
        found.append((_in_order(subject), voice, term, paid_at, mark))
    return Judgement({rule: float(values[0]) for rule, values in totals.items()}, [row[-1] for row in sorted(found)])


def concerns(reward: Reward, sample: Score) -> list[Concern]:
    """What each term of a reward is about, in the order of `reward.score`.

    A set of rules says so itself; `at_end` is about the whole piece, other rewards about what stands where they pay.

    Args:
        reward: any.
        sample: a piece that the reward can judge: it tells how many terms a reward of other kinds has.

    >>> from musicgym import Score
    >>> from musicgym.rewards import parse
    >>> concerns(parse("fixed_key + at_end(fixed_key)"), Score.from_notes([[(0, 4, 60, 80)]]))
    [Concern(about='here', bars=1, others=False), Concern(about='piece', bars=1, others=False)]
    """
    if isinstance(reward, Rules):
        return [
            Concern(rule.about, max(int(dict(zip(rule.parameters, values, strict=True)).get("bars", 1)), 1), rule.sees != OWN)
            for _, rule, values, _ in reward.entries
        ]
    if isinstance(reward, Sum):
        return [concern for part, _ in reward.parts for concern in concerns(part, sample)]
    if isinstance(reward, Scheduled):
        return concerns(reward.inner, sample)
    if isinstance(reward, AtEnd):
        return [Concern("piece")]
    return [Concern("here")] * len(reward.score([sample]))


def subjects(sites: np.ndarray, about: Sequence[Concern], score: Score) -> Iterator[tuple[int, int, int, float, Subject]]:
    """Every value that isn't 0, as (term, voice, step where it is paid, value, what it is about).

    At the piece's last step a rule about what has ended may speak of two: of the event that is over where the last one begins,
    and of that one itself. Then the last one has only one step, of which such rules have nothing to say, so the value
    goes to the event before it.

    Args:
        sites: float32 (terms, voices, steps), what a reward pays at each site of one piece.
        about: of each term.
        score: the piece; steps beyond its end are not looked at.
    """
    where = [_finder(score, voice) for voice in range(score.voices)]
    for term, voice, step in np.argwhere(sites[..., : score.steps]).tolist():
        yield term, voice, step, float(sites[term, voice, step]), where[voice](about[term], step)


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


def _finder(score: Score, voice: int) -> Callable[[Concern, int], Subject]:
    """What a value of this voice is about, from its term's concern and the step where it is paid."""
    steps = np.arange(score.steps)
    pitch, onset, numbers = score.pitch[voice], score.onset[voice], bar_numbers(score)
    event = np.maximum.accumulate(np.where(onset, steps, 0))  # int64 (steps,): where the event at each step began
    notes = np.flatnonzero(onset & (pitch >= 0))

    def subject(concern: Concern, step: int) -> Subject:
        if concern.about == "piece":
            return Subject("piece", 0, score.steps)
        if concern.about == "bar":
            last = int(numbers[step])
            start, stop = np.searchsorted(numbers, (last - concern.bars + 1, last + 1)).tolist()
            return Subject("bar", start, stop)
        if concern.about == "ended":
            if step > 0 and onset[step] and pitch[step - 1] != BLANK:
                return Subject("note", int(event[step - 1]), step)
            return Subject("note", int(event[step]), step + 1)
        if concern.about == "before" and (earlier := notes[notes < step]).size:
            return Subject("note", int(earlier[-1]), step)
        return Subject("note", step, step + 1)

    return subject


def _in_order(subject: Subject) -> tuple[int, int]:
    """Notes in order, whole bars after the notes of their last bar, the whole piece at the end."""
    return (subject.start, 0) if subject.scope == "note" else (subject.stop - 1, 1 if subject.scope == "bar" else 2)


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
