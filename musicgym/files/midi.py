"""Scores from MIDI files and back. `musicgym.files` says what the format holds."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from musicgym.files import smf, timeline
from musicgym.files.atomic import replace_file
from musicgym.files.grid import TimedNote, check_size, lay_out, pitch_name, quantise
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
        ValueError: the file can't be read, is no MIDI file, is corrupt, has no notes or is too large; an unknown
            way to make voices; under `strict` the first note that would be moved, cut or dropped.

    Example:
        >>> score = Score.from_notes([[(0, 4, 60, 80), (4, 4, 64, 80)]])
        >>> read(to_bytes(score)) == score
        True
    """
    sequence = smf.parse(_bytes_of(source))
    marks = timeline.Reader(sequence, steps_per_quarter, strict)
    parts = _parts(sequence, marks)
    if not parts:
        raise ValueError("a MIDI file without notes (the drum channel aside): there is no voice to make of it")
    timed = [[TimedNote(*note) for note in part.notes] for part in parts]
    on_grid = quantise(timed, ticks_per_quarter=marks.unit, steps_per_quarter=steps_per_quarter, strict=strict)
    made = build(on_grid, voices, strict=strict)
    steps = max((note.start + note.duration for line in made.notes for note in line), default=0)
    if "score" in marks.ours:
        steps = max(steps, marks.step(sequence.ends[0]))
    check_size(len(made.notes), steps)
    along = marks.read(steps)
    played = [parts[max(part, 0)] for part in made.part]
    return Score(
        **lay_out(made.notes, steps),
        **along._asdict(),
        steps_per_quarter=steps_per_quarter,
        programs=tuple(_program(part) for part in played),
        names=tuple(part.name if origin >= 0 else "" for part, origin in zip(played, made.part, strict=True)),
        title=sequence.title,
        source=next((rest for _, rest in marks.ours.get("source", ())), ""),
        changes=(*marks.changes, *made.changes),
    )


def write(score: Score, path: str | Path, *, blanks: str = "refuse") -> None:
    """Write a MIDI file of format 1, a track a voice after one for tempo, metre and key; whole or not at all.

    Args:
        score: what to write.
        path: where to.
        blanks: "refuse" a score with blank slots, or write a "rest" for each.

    Raises:
        ValueError: a score without voices or steps, with blanks, or with a tempo, metre or program that MIDI cannot
            hold; a folder that can't be written to.
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
    tracks, silent = [], []
    for voice in range(score.voices):
        content, notes = _track(score, voice, ticks)
        tracks.append(smf.chunk(b"MTrk", content))
        if not notes:
            silent.append(voice + 1)
    first = _conductor(score, ticks, silent)
    return b"".join([smf.header(len(tracks) + 1, ticks * grid), smf.chunk(b"MTrk", first), *tracks])


def _conductor(score: Score, ticks: int, silent: list[int]) -> bytes:
    """The first track: title, tempo, metre, key, and the length of the piece as its end."""
    made = []
    if score.title:
        made.append(b"\0" + smf.meta(smf.NAME, score.title.encode()))
    ours = ["score", *(["source " + score.source] if score.source else []), *(f"silent {track}" for track in silent)]
    made += (b"\0" + smf.meta(smf.TEXT, smf.OURS + text.encode()) for text in ours)
    now = 0
    for tick, kind, content in timeline.events(score, ticks):
        made.append(smf.quantity(tick - now) + smf.meta(kind, content))
        now = tick
    made.append(smf.quantity(max(score.steps * ticks - now, 0)) + smf.meta(smf.END, b""))
    return b"".join(made)


def _track(score: Score, voice: int, ticks: int) -> tuple[bytes, int]:
    """A voice's track and its number of notes."""
    program = score.programs[voice]
    if not 0 <= program <= 127:
        raise ValueError(f"Score.programs[{voice}] is {program}: expected a General MIDI program, 0..127")
    channel = voice % 15
    channel += channel >= smf.DRUMS
    made = []
    if score.names[voice]:
        made.append(b"\0" + smf.meta(smf.NAME, score.names[voice].encode()))
    made.append(bytes((0, 0xC0 | channel, program)))
    on, off, now, notes = 0x90 | channel, 0x80 | channel, 0, 0
    for start, duration, pitch, velocity in score.events(voice):
        if pitch >= 0:
            # A note on of velocity 0 would be a note off.
            made += (
                smf.quantity((start - now) * ticks),
                bytes((on, pitch, velocity or 1)),
                smf.quantity(duration * ticks),
                bytes((off, pitch, 64)),
            )
            now = start + duration
            notes += 1
    made.append(smf.quantity((score.steps - now) * ticks) + smf.meta(smf.END, b""))
    return b"".join(made), notes


def _bytes_of(source: str | Path | bytes) -> bytes:
    if isinstance(source, bytes):
        return source
    try:
        with open(source, "rb") as file:
            return file.read(smf.MAX_BYTES + 1)
    except (OSError, ValueError, TypeError) as error:
        raise ValueError(f"cannot read {str(source)!r}: {error}; expected the path of a MIDI file, or its bytes") from error


def _parts(sequence: smf.Sequence, marks: timeline.Reader) -> list[smf.Part]:
    """The parts that become voices; what they don't take from the file goes to the reader's report."""
    silent = {rest for _, rest in marks.ours.get("silent", ())}
    kept = []
    for part in sequence.parts:
        name = f"track {part.track}" + (f" ({part.name})" if part.name else "")
        if part.channel == smf.DRUMS:
            if part.notes:
                marks.report("dropped", -1, f"{name}: {len(part.notes)} notes on the drum channel")
            continue
        if not part.notes and str(part.track) not in silent:
            continue
        kept.append(part)
        for tick, pitch in part.endless:
            detail = f"{name}: {pitch_name(pitch)} at quarter {tick / marks.unit:g} has no end of its own in the file"
            if marks.strict:
                raise ValueError(detail)
            marks.report("cut", tick, f"{detail}; it ends with the last release of its key or with its track")
        begin = min((note[0] for note in part.notes), default=0)
        chosen = _program(part)
        for tick, program in part.programs:
            if tick > begin and program != chosen:
                marks.report("ignored", tick, f"{name}: program {program} from here; a voice keeps the program it begins with")
        for kind, count in sorted(part.ignored.items()):
            marks.report("ignored", -1, f"{name}: {kind}, {count} events")
    return kept


def _program(part: smf.Part) -> int:
    """The program in force when a part's first note begins, or the first that is set later."""
    begin = min((note[0] for note in part.notes), default=0)
    before = [program for tick, program in part.programs if tick <= begin]
    return before[-1] if before else part.programs[0][1] if part.programs else 0
