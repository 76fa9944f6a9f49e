"""A user's own beginning for an agent to go on from: read from a file, put on the task's page, in a key that the agent knows."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from musicgym.corpus.own_files import Opened, misread, places, scores
from musicgym.files.notation import bar_numbers
from musicgym.score import REST, Score, bar_steps, key_name, parse_key
from musicgym.task import Task


class Beginning(NamedTuple):
    """What stands already when the agent begins."""

    prefix: Score  # on the task's page, in the key `learned`
    learned: str  # the agent's key
    key: str  # the file's key
    semitones: int  # from the file up to the agent's page
    lead: int  # steps of silence before a pickup, to be taken off again
    tempo: float  # the file's, in quarters a minute
    notes: tuple[str, ...]  # what was done to the material, in words


def nearest_shift(from_tonic: int, to_tonic: int) -> int:
    """Semitones from one tonic to another, -5..6.

    >>> nearest_shift(0, 9), nearest_shift(11, 0), nearest_shift(0, 6)
    (-3, 1, 6)
    """
    return (to_tonic - from_tonic + 5) % 12 - 5


def learned_key(keys: Sequence[str], wanted: str, who: str) -> str:
    """Of the keys that an agent was trained in the one nearest to the wanted key, of the same mode.

    Raises:
        ValueError: no key of that mode is among them; `who` begins the message, before the wanted key.
    """
    tonic, mode = parse_key(wanted)
    same = [key for key in keys if parse_key(key)[1] == mode]
    if not same:
        raise ValueError(
            f"{who} {wanted}: this agent was trained in {' and '.join(keys)}, and its music can be transposed to any tonic, not "
            f"to another mode; choose a key of its mode, or train an agent with --option key='{wanted}'"
        )
    return min(same, key=lambda key: abs(nearest_shift(tonic, parse_key(key)[0])))


def begin_with(word: str, task: Task, *, keep: int | None = None, key: str | None = None) -> Beginning:
    """The first bars of a file as the beginning of a task's pieces.

    The notes go to the task's grid and move, by as little as can be, to a key that the agent was trained in and into its
    range. Of several voices the highest notes are taken where the task has one. A pickup comes along: it fills a bar of the
    page from the end, behind silence.

    Args:
        word: a MIDI, MusicXML or ABC file, "book.abc#12" for one tune of a book.
        task: with an empty page.
        keep: whole bars; None for as many as there are and leave a bar for the agent.
        key: the file's key; None for what it says, or what its notes fit best.

    Raises:
        ValueError: a file that can't be read or has several tunes; another metre or mode than the task's; bars that aren't
            full; more bars than there are, or than leave one for the agent; notes that fit no octave of its range.
    """
    if task.source or task.given or task.begin == "filled":
        raise ValueError(
            f"{word!r} cannot stand at the beginning: this agent's pieces start from a corpus, not from an empty page"
        )
    found, notes = _read(word, task, key)
    score = found.score
    assert score is not None
    assert task.meter is not None
    bar = bar_steps(task.meter, task.score_grid)
    _check_metre(found.name, score.meter, task.meter)
    stop, taken = _kept(found.name, score, task, keep)
    lead = int(score.position[0])
    if score.title:
        notes.append(f"the beginning is from {score.title!r}")
    if stop < score.steps and ((score.pitch[:, stop] >= 0) & ~score.onset[:, stop]).any():
        notes.append(f"a note at the end of bar {taken} goes on past it in the file: it is cut there")
    prefix = score.excerpt(0, stop)
    if lead:
        notes.append("the file begins with a pickup, which fills up a bar of the agent's page")
    _check_bars(found.name, prefix, task, bar)
    if any(change.kind == "quantised" for change in score.changes):
        notes.append(f"notes were moved to the agent's grid of {task.score_grid} steps a quarter")
    notes += [f"not understood: {field}" for field in misread(score)]
    if lost := sum(change.notes for change in score.changes if change.step < stop and change.voice < task.voices):
        where = "in the beginning" if all(change.step >= 0 for change in score.changes if change.notes) else "in the file"
        notes.append(f"{lost} notes {where} were left out: the highest of a chord was kept, and no grace notes")
    file_key = key_name(int(score.tonic[0]), int(score.mode[0]))
    who = f"{found.name!r} names no key and sounds like" if found.key_from == "the notes" else f"{found.name!r} is in"
    learned = learned_key(task.keys, file_key, who)
    semitones = _shift(found.name, prefix, task, nearest_shift(parse_key(file_key)[0], parse_key(learned)[0]))
    if found.key_from == "the notes":
        notes.append(f"the file names no key: its notes fit {file_key} best (--given-key says better)")
    if semitones:
        notes.append(f"transposed by {semitones:+} semitones to {learned} for the agent, and back afterwards")
    page = _on_page(prefix, lead, file_key, task).transpose(semitones)
    return Beginning(page, learned, file_key, semitones, lead, score.tempo, tuple(notes))


def _read(word: str, task: Task, key: str | None) -> tuple[Opened, list[str]]:
    """The file's one piece with as many voices as the task has."""
    grid, found = task.score_grid, []
    for place in places([word]):
        found += list(scores(place, steps_per_quarter=grid, key=key))
    if len(found) != 1:
        named = f"such as {found[0].name!r}" if found else "a file"
        raise ValueError(f"{word!r} holds {len(found)} pieces: choose one, {named}")
    (piece,) = found
    if piece.score is None:
        raise ValueError(piece.reason if piece.name in piece.reason else f"{piece.name!r}: {piece.reason}")
    if piece.score.voices == task.voices:
        return piece, []
    if task.voices > 1:
        raise ValueError(f"{piece.name!r} has {piece.score.voices} voices: this agent composes {task.voices}")
    (skyline,) = scores(places([word])[0], steps_per_quarter=grid, voices="skyline", key=key)
    if skyline.score is not None and skyline.score.voices == 1:
        return skyline, [f"the highest notes of {piece.score.voices} voices were taken"]
    first = dataclasses.replace(  # ABC: its voices are written apart
        piece.score,
        **{name: getattr(piece.score, name)[:1] for name in ("pitch", "onset", "velocity", "programs", "names")},
        spelling=None,
    )
    return piece._replace(score=first), [f"the first of {piece.score.voices} voices was taken"]


def _kept(name: str, score: Score, task: Task, keep: int | None) -> tuple[int, int]:
    """The step at which the kept bars end, and how many they are."""
    assert task.length is not None
    assert task.meter is not None
    numbers = bar_numbers(score)
    bar = bar_steps(task.meter, task.score_grid)
    bars_of_page, last = task.length * task.spread // bar, int(numbers[-1])
    most = bars_of_page - 1 - int(score.position[0] > 0)
    if most < 1:
        begins = "a pickup, a bar" if bars_of_page > 1 else "a bar"
        raise ValueError(f"{name!r}: this agent's pieces have {bars_of_page} bars: too few for {begins} and something of its own")
    if keep is not None and not 1 <= keep <= last:
        raise ValueError(f"--keep {keep}: {name!r} has the bars 1 to {last}")
    if keep is not None and keep > most:
        raise ValueError(f"--keep {keep}: this agent's pieces have {bars_of_page} bars: at most {most} of {name!r} leave it one")
    taken = min(most, last) if keep is None else keep
    beyond = np.flatnonzero(numbers > taken)
    return (int(beyond[0]) if beyond.size else score.steps), taken


def _check_metre(name: str, meter: tuple[int, int], needed: tuple[int, int]) -> None:
    if meter != needed:
        has, needs = (f"{n}/{d}" for n, d in (meter, needed))
        raise ValueError(
            f"{name!r} is in {has}, but this agent composes in {needs} alone: give it music in {needs}, or train an agent with "
            f"--option meter={has.replace('/', ',')}"
        )


def _check_bars(name: str, prefix: Score, task: Task, bar: int) -> None:
    """Refuse a change of metre, and bars that aren't full: the page has nothing but full ones."""
    assert task.meter is not None
    for change in prefix.meters:
        _check_metre(f"{name}, bar {bar_numbers(prefix)[change.step]}", (change.numerator, change.denominator), task.meter)
    lead = int(prefix.position[0])
    odd = np.flatnonzero(prefix.position != (lead + np.arange(prefix.steps)) % bar)
    if odd.size:
        at = int(bar_numbers(prefix)[odd[0]])
        raise ValueError(f"{name!r}: bar {max(at - 1, 1)} is not a full one, and the agent's page has no other: keep fewer bars")


def _shift(name: str, prefix: Score, task: Task, semitones: int) -> int:
    """The transposition, with the octaves that bring every voice into the agent's range."""
    ranges = task.choice.voice_ranges(task.voices)
    sounding = [prefix.pitch[voice][prefix.pitch[voice] >= 0].astype(int) for voice in range(prefix.voices)]
    bounds = [
        (low - line.min(), high - line.max()) for line, (low, high) in zip(sounding, ranges.tolist(), strict=True) if line.size
    ]
    least, most = max((a for a, _ in bounds), default=0), min((b for _, b in bounds), default=0)
    fitting = [octave for octave in sorted(range(-120, 121, 12), key=abs) if least <= semitones + octave <= most]
    if bounds and not fitting:
        pitches = np.concatenate(sounding)
        raise ValueError(
            f"{name!r} has pitches from {pitches.min()} to {pitches.max()}: no octave of them, {semitones:+} semitones for the "
            f"key, lies in the agent's range, {ranges[:, 0].min()} to {ranges[:, 1].max()} (MIDI numbers)"
        )
    return semitones + (fitting[0] if fitting else 0)


def _on_page(prefix: Score, lead: int, key: str, task: Task) -> Score:
    """The notes at their place on the task's page."""
    assert task.meter is not None
    page = Score.blank(prefix.voices, lead + prefix.steps, steps_per_quarter=task.score_grid, meter=task.meter, key=key)
    before = ((0, 0), (lead, 0))
    pitch = np.pad(prefix.pitch, before, constant_values=REST)
    onset = np.pad(prefix.onset, before)
    onset[:, 0] = True
    return dataclasses.replace(page, pitch=pitch, onset=onset, velocity=np.pad(prefix.velocity, before))
