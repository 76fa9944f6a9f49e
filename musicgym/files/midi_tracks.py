"""What a MIDI file holds, as mido reads it: notes by track and channel, and the meta events that concern them all."""

from __future__ import annotations

import dataclasses
import io
import re
from collections import Counter, deque
from typing import NamedTuple

import mido

MAX_BYTES = 2 << 20  # mido takes up to 3 s and 300 MB for so much
MAX_NOTES = 200_000
DRUMS = 9  # General MIDI's channel 10, counted from 0
LONGEST = (1 << 28) - 1  # the largest time between two events that a file can hold
_IGNORED = {
    "polytouch": "aftertouch", "control_change": "controller", "aftertouch": "channel pressure", "pitchwheel": "pitch bend",
}  # fmt: skip
_METAS = ("set_tempo", "time_signature", "key_signature", "marker")


@dataclasses.dataclass
class Part:
    """What one channel plays in one track."""

    track: int
    channel: int  # 0..15
    name: str
    notes: list[tuple[int, int, int, int]] = dataclasses.field(default_factory=list)  # onset, duration (ticks), pitch, velocity
    programs: list[tuple[int, int]] = dataclasses.field(default_factory=list)  # tick, program
    ignored: Counter[str] = dataclasses.field(default_factory=Counter)  # events that a score doesn't hold, by kind
    endless: list[tuple[int, int]] = dataclasses.field(default_factory=list)  # tick, pitch: notes whose end the file doesn't say

    @property
    def begin(self) -> int:
        """Tick of the first note."""
        return min((note[0] for note in self.notes), default=0)

    @property
    def program(self) -> int:
        """The program in force when the first note begins, or the first that is set later."""
        before = [program for tick, program in self.programs if tick <= self.begin]
        return before[-1] if before else self.programs[0][1] if self.programs else 0


class Contents(NamedTuple):
    """A whole file."""

    ticks_per_quarter: int
    parts: list[Part]  # by track, then channel
    metas: list[tuple[int, mido.MetaMessage]]  # tick and event: tempos, metres, keys and markers of all tracks, by tick
    title: str
    faults: list[str]  # what the file holds and mido can't read


def parse(data: bytes, name: str) -> Contents:
    """Read a Standard MIDI File of format 0 or 1 (a RIFF wrapper is taken off); `name` is for messages.

    Raises:
        ValueError: the bytes are no MIDI file, are cut off, corrupt or too large, use format 2 or SMPTE time.
    """
    if len(data) > MAX_BYTES:
        raise ValueError(f"{name}: more than {MAX_BYTES} bytes, the most that is read of a MIDI file")
    if data[:4] == b"RIFF" and data[8:12] == b"RMID":
        data = data[20:]
    # mido would take minutes for a "number" of a million bytes.
    if any(len(run) > 4096 for run in re.findall(rb"[\x80-\xff]+", data)):
        raise ValueError(f"{name}: no MIDI file, more than 4096 bytes in a row are above 0x7f")
    stream = io.BytesIO(data)
    try:
        file = mido.MidiFile(file=stream)
    except Exception as error:  # of many kinds: OSError, EOFError, IndexError, KeyError, ValueError, mido's own
        reason = "it is cut off" if isinstance(error, EOFError) else f"{type(error).__name__}: {error}"
        raise ValueError(f"{name}: no MIDI file, or a broken one ({len(data)} bytes); mido says: {reason}") from error
    if file.type not in (0, 1):
        raise ValueError(f"{name}: a MIDI file of format {file.type}: expected 0 or 1")
    if file.ticks_per_beat < 1:
        raise ValueError(f"{name}: MIDI time division {file.ticks_per_beat}: expected ticks a quarter; SMPTE time knows no beats")
    if not file.tracks:
        raise ValueError(f"{name}: a MIDI file without tracks: nothing to read")
    made, notes = Contents(file.ticks_per_beat, [], [], "", []), 0
    for index, track in enumerate(file.tracks):
        called = decoded(track.name)
        parts = _read_track(track, index, "" if file.type == 0 else called, made)
        if index == 0 and (file.type == 0 or not any(part.notes for part in parts)):
            made = made._replace(title=called)
        made.parts.extend(parts)
        notes += sum(len(part.notes) for part in parts)
        if notes > MAX_NOTES:
            raise ValueError(f"{name}: more than {MAX_NOTES} notes, the most that are read")
    if left := len(data) - stream.tell():
        made.faults.append(f"{left} bytes after the {len(file.tracks)} tracks that the header promises")
    made.metas.sort(key=lambda event: event[0])  # stable: at one tick the later event wins
    return made


def _read_track(track: mido.MidiTrack, index: int, name: str, contents: Contents) -> list[Part]:
    """A track's parts; its meta events go to `contents`."""
    parts: dict[int, Part] = {}
    sounding: dict[tuple[int, int], deque[tuple[int, int, int]]] = {}  # channel and pitch -> (place in notes, onset, velocity)
    released: dict[tuple[int, int], int] = {}  # the same -> tick of the last release
    now = unknown = 0
    for message in track:
        now += message.time
        kind = message.type
        if message.time > LONGEST:
            raise ValueError(f"MIDI track {index}: more than {LONGEST} ticks between two events, the most that MIDI can say")
        if message.is_meta:
            if kind in _METAS:
                contents.metas.append((now, message))
            unknown += kind == "unknown_meta"
            continue
        if not hasattr(message, "channel"):
            continue  # system messages
        channel = message.channel
        if (part := parts.get(channel)) is None:
            part = parts[channel] = Part(index, channel, name)
        if kind == "note_on" and message.velocity:
            sounding.setdefault((channel, message.note), deque()).append((len(part.notes), now, message.velocity))
            part.notes.append((now, 0, message.note, message.velocity))
        elif kind in ("note_on", "note_off"):
            key = channel, message.note
            released[key] = now
            if waiting := sounding.get(key):  # the oldest note ends first
                place, onset, velocity = waiting.popleft()
                part.notes[place] = onset, now - onset, message.note, velocity
        elif kind == "program_change":
            part.programs.append((now, message.program))
        else:
            part.ignored[_IGNORED[kind]] += 1
    for (channel, pitch), waiting in sounding.items():
        for place, onset, velocity in waiting:
            end = released.get((channel, pitch), 0)
            parts[channel].notes[place] = onset, (end if end > onset else now) - onset, pitch, velocity
            parts[channel].endless.append((onset, pitch))
    if unknown:
        # https://github.com/mido/mido: build_meta_message() of 1.3.3 makes UnknownMetaMessage without its time.
        where = f"track {index}: {unknown} meta events of unknown kind"
        contents.faults.append(f"{where}, whose time mido doesn't tell: what follows them may lie too early")
    return [parts[channel] for channel in sorted(parts)]


def decoded(read: str) -> str:
    """Text of a meta event: UTF-8 where it is valid, else Latin-1, which the standard means and mido reads."""
    try:
        return read.encode("latin-1").decode()
    except UnicodeDecodeError:
        return read
