"""Scores from MIDI files, by mido, and back, by symusic. `musicgym.files` says what the format holds.

Two conventions carry what MIDI has no event for: the first track of a file that `write` made bears the title and no
notes, and every other track is a voice, be it silent; markers that begin with "musicgym" say the rest
(`end`, `source`, and those of `musicgym.files.timeline`).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from symusic.core import NoteTick, ScoreTick, TrackTick

from musicgym.files import timeline
from musicgym.files.atomic import replace_file
from musicgym.files.grid import TimedNote, check_size, lay_out, pitch_name, quantise
from musicgym.files.midi_tracks import DRUMS, LONGEST, MAX_BYTES, Contents, Part, parse
from musicgym.files.voices import build
from musicgym.score import BLANK, Score

TICKS_PER_QUARTER = 480  # what files are written with where the grid divides it


def read(
    source: str | Path | bytes,
    *,
    voices: str = "tracks",
    steps_per_quarter: int = 4,
    strict: bool = False,
) -> Score:
    """A score from a MIDI file or its bytes.

    Pitch, duration, velocity, tempo, metre, key, program and names are read; the drum channel is left out.
    Everything that was moved, cut, dropped or passed over stands in the score's `changes`. A file that
    `write` made comes back as it was; of others, the piece ends with its last note, a short first bar is a
    pickup, and without signatures it is in 4/4 and C major.

    Args:
        source: a path, or a file's bytes.
        voices: "tracks" (a voice a track, of chords the highest note), "skyline" (one voice, the highest that
            sounds) or "split" (as many voices as hold every note); see `musicgym.files.voices.build`.
        steps_per_quarter: the grid, 4 for sixteenths, 12 where there are triplets.
        strict: refuse what the grid or, with "tracks", a voice cannot hold.

    Raises:
        ValueError: the file can't be read, is no MIDI file, is corrupt (a key signature of 99 sharps makes mido refuse
            a whole file), has no notes, or has more than 2 MiB or 200,000 notes; an unknown way to make voices; under
            `strict` the first note that would be moved, cut or dropped, or may lie in the wrong place.

    Example:
        >>> score = Score.from_notes([[(0, 4, 60, 80), (4, 4, 64, 80)]])
        >>> read(to_bytes(score)) == score
        True
    """
    contents = parse(*_bytes_of(source))
    marks = timeline.Reader(contents.metas, contents.ticks_per_quarter, steps_per_quarter, strict)
    parts = _voiced(contents, marks)
    if not parts:
        raise ValueError("a MIDI file without notes (the drum channel aside): there is no voice to make of it")
    timed = [[TimedNote(*note) for note in part.notes] for part in parts]
    on_grid = quantise(timed, ticks_per_quarter=marks.unit, steps_per_quarter=steps_per_quarter, strict=strict)
    made = build(on_grid, voices, strict=strict)
    ends = [note.start + note.duration for line in made.notes for note in line]
    steps = max([0, *ends, *(marks.step(tick) for tick, _ in marks.ours.get("end", ()))])
    check_size(len(made.notes), steps)
    along = marks.read(steps)
    played = [parts[max(part, 0)] for part in made.part]
    return Score(
        **lay_out(made.notes, steps),
        **along._asdict(),
        steps_per_quarter=steps_per_quarter,
        programs=tuple(part.program for part in played),
        names=tuple(part.name if origin >= 0 else "" for part, origin in zip(played, made.part, strict=True)),
        title=contents.title,
        source=next((rest for _, rest in marks.ours.get("source", ())), ""),
        changes=(*marks.changes, *made.changes),
    )


def write(score: Score, path: str | Path, *, blanks: str = "refuse") -> None:
    """Write a MIDI file of format 1, a track a voice after one for title, tempo, metre and key; whole or not at all.

    Args:
        score: what to write.
        path: where to.
        blanks: "refuse" a score with blank slots, or write a "rest" for each.

    Raises:
        ValueError: a score without voices or steps, with blanks, or with a length, tempo, metre or program that MIDI
            cannot hold; a folder that can't be written to.
    """
    content = to_bytes(score, blanks=blanks)
    with replace_file(path) as temporary:
        temporary.write_bytes(content)


def to_bytes(score: Score, *, blanks: str = "refuse") -> bytes:
    """The bytes of the MIDI file that `write` would write. Same arguments and errors."""
    if blanks not in ("refuse", "rest"):
        raise ValueError(f"blanks={blanks!r}: expected 'refuse' or 'rest'")
    if not score.voices or not score.steps:
        raise ValueError(f"a score of {score.voices} voices and {score.steps} steps: there is nothing to write")
    empty = np.count_nonzero(score.pitch == BLANK)
    if empty and blanks == "refuse":
        raise ValueError(f"the score has {empty} blank slots: fill them, or pass blanks='rest' to write silence for them")
    grid = score.steps_per_quarter
    ticks = -(-TICKS_PER_QUARTER // grid)  # in a step
    if ticks * grid > 0x7FFF:
        raise ValueError(f"steps_per_quarter={grid}: a MIDI file holds at most {0x7FFF} ticks a quarter")
    last = max(score.steps, *(changes[-1].step for changes in (score.meters, score.tempos, score.keys)))
    if last * ticks > LONGEST:
        raise ValueError(f"step {last} at {grid} a quarter: a MIDI file is written up to step {LONGEST // ticks}")
    made = ScoreTick(ticks * grid)
    made.tracks.append(TrackTick(_storable(score.title)))
    timeline.write(score, ticks, made)
    for voice, (name, program) in enumerate(zip(score.names, score.programs, strict=True)):
        if not 0 <= program <= 127:
            raise ValueError(f"Score.programs[{voice}] is {program}: expected a General MIDI program, 0..127")
        track = TrackTick(_storable(name), program)
        for start, duration, pitch, velocity in score.notes(voice):
            # A note on of velocity 0 would be a note off.
            track.notes.append(NoteTick(start * ticks, duration * ticks, pitch, velocity or 1))
        made.tracks.append(track)
    return made.dumps_midi()


def _bytes_of(source: str | Path | bytes) -> tuple[bytes, str]:
    """A file's bytes, one more than are read at most, and its name for messages."""
    if isinstance(source, bytes):
        return source, "MIDI bytes"
    try:
        with open(source, "rb") as file:
            return file.read(MAX_BYTES + 1), repr(str(source))
    except (OSError, ValueError, TypeError) as error:
        raise ValueError(f"cannot read {str(source)!r}: {error}; expected the path of a MIDI file, or its bytes") from error


def _voiced(contents: Contents, marks: timeline.Reader) -> list[Part]:
    """The parts that become voices; what they don't take from the file goes to the reader's report."""
    for fault in contents.faults:
        if marks.strict:
            raise ValueError(f"a MIDI file with {fault}")
        marks.report("ignored", -1, fault)
    kept = []
    for part in contents.parts:
        name = f"track {part.track}" + (f" ({part.name})" if part.name else "")
        if part.channel == DRUMS:
            if part.notes:
                marks.report("dropped", -1, f"{name}: {len(part.notes)} notes on the drum channel")
            continue
        if not part.notes and not (part.track and "end" in marks.ours):
            continue  # of our own files every track but the first is a voice, be it silent
        kept.append(part)
        for tick, pitch in part.endless:
            detail = f"{name}: {pitch_name(pitch)} at quarter {tick / marks.unit:g} has no end of its own in the file"
            if marks.strict:
                raise ValueError(detail)
            marks.report("cut", tick, f"{detail}; it ends with the last release of its key or with its track")
        begin, chosen = part.begin, part.program
        for tick, program in part.programs:
            if tick > begin and program != chosen:
                marks.report("ignored", tick, f"{name}: program {program} from here; a voice keeps the program it begins with")
        for kind, count in sorted(part.ignored.items()):
            marks.report("ignored", -1, f"{name}: {kind}, {count} events")
    return kept


def _storable(text: str) -> str:
    """What a file can hold of a text: not the halves of surrogate pairs that broken decoding leaves."""
    return text.encode("utf-8", "ignore").decode("utf-8")
