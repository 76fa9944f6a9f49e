"""A user's own parts, such as a melody, for an agent that writes the other voices: read from a file, moved into range."""

from __future__ import annotations

import dataclasses

import numpy as np

from musicgym.agents.beginnings import Beginning, nearest_shift
from musicgym.choice import SymbolChoice
from musicgym.corpus.cantus_pages import heard_mode, is_cantus
from musicgym.corpus.own_files import Opened, in_key, misread, places, scores
from musicgym.given import on_pages
from musicgym.score import BLANK, NO_CHORD, Score, key_name, parse_key
from musicgym.task import Task


def parts_of(word: str, task: Task, *, key: str | None = None) -> Beginning:
    """A file's voices as the given ones of a task's pieces, from beginning to end.

    They move by as few semitones as bring them into their ranges, and the pieces move back afterwards. Where one voice is given
    and the file has several, its highest notes are taken. An agent that writes a melody over chord symbols takes those of a lead
    sheet (MusicXML) and leaves out its melody. One that writes the chords keeps those that a sheet has here and there; where it
    has one at every step they are chosen anew.

    Args:
        word: a MIDI, MusicXML or ABC file, "book.abc#12" for one tune of a book.
        task: with voices that are given.
        key: the file's key; None for what it says, or what its notes fit best.

    Raises:
        ValueError: a file that can't be read or has several tunes; other voices or another metre than the task's; a part wider
            than its range.
    """
    found, notes = _read(word, task, key)
    score = found.score
    assert score is not None
    if score.title:
        notes.append(f"the given part is from {score.title!r}")
    notes += [f"not understood: {field}" for field in misread(score)]
    if any(change.kind == "quantised" for change in score.changes):
        notes.append(f"notes were moved to the agent's grid of {task.score_grid} steps a quarter")
    if lost := sum(change.notes for change in score.changes):
        notes.append(f"{lost} notes were left out: the highest of a chord was kept, and no grace notes")
    sung = tuple(note.pitch for note in score.notes(0))
    if is_cantus(task.source) and sung and int(score.tonic[0]) != sung[-1] % 12:
        score = in_key(score, *parse_key(heard_mode(sung)))  # before it moves: of two modes the one of the white keys is heard
        notes.append(f"a cantus firmus is in the key of its last note: {heard_mode(sung)}")
    elif found.key_from == "the notes":
        file_key = key_name(int(score.tonic[0]), int(score.mode[0]))
        notes.append(f"the file names no key: its notes fit {file_key} best (--given-key says better)")
    file_key = key_name(int(score.tonic[0]), int(score.mode[0]))
    semitones, in_learned_key = _shift(found.name, score, task)
    if not in_learned_key:
        notes.append(f"the agent learned in {task.transpose_to}, but no octave of the given part lies in its range there")
    if semitones:
        where = (
            "the agent's range" if task.transpose_to is None or not in_learned_key else f"{task.transpose_to}, where it learned"
        )
        notes.append(f"transposed by {semitones:+} semitones into {where}, and back afterwards")
    ranges = task.choice.voice_ranges(task.voices) - semitones
    if ranges.min() < 0 or ranges.max() > 127:
        side = "below" if semitones > 0 else "above"
        raise ValueError(
            f"{found.name!r} lies {abs(semitones)} semitones {side} what the agent writes to, so that "
            "voices beside it would leave the MIDI range 0..127: transpose it by octaves"
        )
    moved = score.transpose(semitones)
    try:
        on_pages([moved], task)
    except ValueError as error:
        raise ValueError(f"{found.name!r}: {error}") from error
    learned = key_name(int(moved.tonic[0]), int(moved.mode[0]))
    return Beginning(moved, learned, file_key, semitones, 0, score.tempo, tuple(notes))


def _read(word: str, task: Task, key: str | None) -> tuple[Opened, list[str]]:
    """The file's one piece, with as many voices as are given."""
    place, wanted = places([word]), len(task.given)
    found = [piece for one in place for piece in scores(one, steps_per_quarter=task.score_grid, key=key)]
    if len(found) != 1:
        named = f"such as {found[0].name!r}" if found else "a file"
        raise ValueError(f"{word!r} holds {len(found)} pieces: choose one, {named}")
    (piece,) = found
    if piece.score is None:
        raise ValueError(piece.reason if piece.name in piece.reason else f"{piece.name!r}: {piece.reason}")
    if task.has_symbols and 0 not in task.given and piece.score.chord is not None:
        return _chords_alone(piece, piece.score)
    if piece.score.voices == wanted:
        anew = isinstance(task.choice, SymbolChoice) and piece.score.chord is not None and (piece.score.chord != NO_CHORD).all()
        return piece, ["it has a chord at every step: all are chosen anew"] if anew else []
    if wanted == 1:
        (skyline,) = scores(place[0], steps_per_quarter=task.score_grid, voices="skyline", key=key)
        if skyline.score is not None and skyline.score.voices == 1:
            return skyline, [f"the highest notes of {piece.score.voices} voices were taken"]
        first = {name: getattr(piece.score, name)[:1] for name in ("pitch", "onset", "velocity", "programs", "names")}
        one = dataclasses.replace(piece.score, **first, spelling=None)  # ABC: its voices are written apart
        return piece._replace(score=one), [f"the first of {piece.score.voices} voices was taken"]
    if task.has_symbols:
        raise ValueError(
            f"{piece.name!r} has no chord symbols: this agent writes a melody over some; expected a lead sheet in MusicXML"
        )
    raise ValueError(f"{piece.name!r} has {piece.score.voices} voices: this agent writes to {wanted} given ones")


def _chords_alone(piece: Opened, score: Score) -> tuple[Opened, list[str]]:
    """A lead sheet with its voice blank: where it has no chord the one before goes on, at its beginning the first."""
    assert score.chord is not None
    named = np.flatnonzero(score.chord != NO_CHORD)
    last = np.maximum(np.searchsorted(named, np.arange(score.steps), side="right") - 1, 0)
    one = (1, score.steps)
    blank = dataclasses.replace(
        score,
        pitch=np.full(one, BLANK),
        onset=np.zeros(one, bool),
        velocity=np.zeros(one),
        spelling=None,
        chord=score.chord[named[last]],
        programs=score.programs[:1],
        names=score.names[:1],
    )
    notes = ["its chord symbols were taken, its notes left out"]
    if len(named) < score.steps:
        notes.append(f"{score.steps - len(named)} steps without a chord have the one before, or the first")
    return piece._replace(score=blank), notes


def _shift(name: str, score: Score, task: Task) -> tuple[int, bool]:
    """The fewest semitones that bring every part into its range, and into the key that the agent learned in, where it did in one.

    With False where no octave of that key's lies in the ranges: then any key's.
    """
    learned = 0 if task.transpose_to is None else nearest_shift(int(score.tonic[0]), parse_key(task.transpose_to)[0])
    if not (score.pitch >= 0).any():
        return learned, True
    ranges = task.choice.voice_ranges(task.voices)[list(task.given)].tolist()
    lines = [score.pitch[voice][score.pitch[voice] >= 0].astype(int) for voice in range(score.voices)]
    bounds = [(low - line.min(), high - line.max()) for line, (low, high) in zip(lines, ranges, strict=True) if line.size]
    least, most = max(a for a, _ in bounds), min(b for _, b in bounds)
    if least > most:
        pitches = np.concatenate(lines)
        raise ValueError(
            f"{name!r} has pitches from {pitches.min()} to {pitches.max()}: wherever they are moved, they don't lie in "
            f"{' and '.join(f'{low}..{high}' for low, high in ranges)}, the range of the given part (MIDI numbers)"
        )
    fitting = sorted(range(least, most + 1), key=abs)
    if task.transpose_to is None:
        return int(fitting[0]), True
    of_key = [semitones for semitones in fitting if (semitones - learned) % 12 == 0]
    return int((of_key or fitting)[0]), bool(of_key)
