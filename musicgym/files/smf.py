"""Standard MIDI Files as bytes: every event that a score can use, with exact ticks, and nothing dropped unsaid.

Our own reader rather than a library's, because none of those tried keeps what we must keep or report: symusic 0.6
silently loses a note that is struck again before its end and a note without end, wraps ticks at 2**31, and
forgets the end of the track, empty tracks and the title; mido is some ten times slower.
"""

from __future__ import annotations

import dataclasses
import functools
import struct
from collections import Counter, deque

MAX_BYTES = 8 << 20
MAX_NOTES = 500_000
DRUMS = 9  # General MIDI's channel 10, counted from 0
_LONGEST = (1 << 28) - 1  # the largest variable-length quantity

# Meta events
TEXT, NAME, END, TEMPO, METER, KEY = 0x01, 0x03, 0x2F, 0x51, 0x58, 0x59
OURS = b"musicgym "  # how the texts begin in which we keep what MIDI has no event for; others are passed over
_IGNORED = {0xA0: "aftertouch", 0xB0: "controller", 0xD0: "channel pressure", 0xE0: "pitch bend"}


@dataclasses.dataclass
class Part:
    """What one channel plays in one track."""

    track: int
    channel: int  # 0..15
    name: str
    notes: list[tuple[int, int, int, int]]  # onset in ticks, duration in ticks, pitch, velocity
    programs: list[tuple[int, int]]  # tick, program
    ignored: Counter[str]  # events that a score doesn't hold, by kind
    endless: list[tuple[int, int]]  # tick, pitch: notes whose end the file doesn't say


@dataclasses.dataclass
class Sequence:
    """A whole file."""

    ticks_per_quarter: int
    parts: list[Part]  # channels with notes or programs, by track, then channel
    metas: list[tuple[int, int, bytes]]  # tick, kind, content: our texts, tempos, metres and keys of all tracks, by tick
    title: str
    ends: list[int]  # tick at which each track ends


def parse(data: bytes) -> Sequence:
    """Read a Standard MIDI File of format 0 or 1 (a RIFF wrapper is taken off).

    Raises:
        ValueError: the bytes are no MIDI file, are cut off, corrupt or too large, use format 2 or SMPTE time.
    """
    if len(data) > MAX_BYTES:
        raise ValueError(f"a MIDI file of {len(data)} bytes: at most {MAX_BYTES} are read")
    if data[:4] == b"RIFF" and data[8:12] == b"RMID":
        data = data[20:]
    if data[:4] != b"MThd" or len(data) < 14:
        raise ValueError(f"not a MIDI file: {len(data)} bytes that begin with {data[:4]!r}; expected b'MThd' and at least 14")
    size, form, _, division = struct.unpack(">IHHH", data[4:14])
    if size < 6 or form > 1:
        raise ValueError(f"MIDI header of {size} bytes and format {form}: expected 6 bytes and format 0 or 1")
    if not 0 < division < 0x8000:
        raise ValueError(f"MIDI time division {division:#06x}: expected ticks a quarter (1..32767); SMPTE time knows no beats")
    parts: list[Part] = []
    metas: list[tuple[int, int, bytes]] = []
    ends: list[int] = []
    title, budget, at = "", MAX_NOTES, 8 + size
    while at + 8 <= len(data):
        kind, length = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8])
        at += 8
        if at + length > len(data):
            left = len(data) - at
            raise ValueError(f"MIDI chunk {kind!r} at byte {at - 8} says {length} bytes, but {left} are left: it is cut off")
        if kind == b"MTrk":
            found, events, end = _read_track(data[at : at + length], len(ends), budget)
            name = next((text(content) for _, what, content in events if what == NAME), "")
            played = sum(len(part.notes) for part in found)
            budget -= played
            for part in found:
                part.name = name if form else ""
            if not ends and (form == 0 or not played):
                title = name
            parts += found
            metas += (event for event in events if event[1] != NAME)
            ends.append(end)
        at += length
    if not ends:
        raise ValueError("a MIDI file without tracks: nothing to read")
    metas.sort(key=lambda event: event[0])  # stable: at one tick the later event wins
    return Sequence(division, parts, metas, title, ends)


def _read_track(track: bytes, index: int, budget: int) -> tuple[list[Part], list[tuple[int, int, bytes]], int]:
    """A track's parts, meta events and last tick."""
    parts: dict[int, Part] = {}
    metas: list[tuple[int, int, bytes]] = []
    sounding: dict[int, deque[tuple[int, int, int]]] = {}  # channel and pitch -> (place in notes, onset, velocity), oldest first
    released: dict[int, int] = {}  # the same -> tick of the last release
    at = now = running = 0
    try:
        while at < len(track):
            delta, at = _quantity(track, at)
            now += delta
            status = track[at]
            if status >= 0x80:
                at += 1
            else:
                status = running
            if status < 0x80:
                raise ValueError(f"MIDI track {index}, byte {at}: data {track[at]:#04x} where an event should begin")
            if status < 0xF0:
                running = status
                channel, kind = status & 15, status & 0xF0
                if (part := parts.get(channel)) is None:
                    part = parts[channel] = Part(index, channel, "", [], [], Counter(), [])
                first = track[at]
                second = 0
                at += 1
                if kind not in (0xC0, 0xD0):
                    second = track[at]
                    at += 1
                if first > 127 or second > 127:
                    raise ValueError(f"MIDI track {index}, byte {at}: {max(first, second):#04x}, expected a value of 0..127")
                if kind == 0x90 and second:
                    notes = part.notes
                    sounding.setdefault(channel << 7 | first, deque()).append((len(notes), now, second))
                    notes.append((now, 0, first, second))
                    budget -= 1
                    if budget < 0:
                        raise ValueError(f"a MIDI file of more than {MAX_NOTES} notes: too large to read")
                elif kind <= 0x90:
                    key = channel << 7 | first
                    released[key] = now
                    if waiting := sounding.get(key):
                        place, onset, velocity = waiting.popleft()
                        part.notes[place] = (onset, now - onset, first, velocity)
                elif kind == 0xC0:
                    part.programs.append((now, first))
                else:
                    part.ignored[_IGNORED[kind]] += 1
            elif status == 0xFF:
                kind = track[at]
                length, at = _quantity(track, at + 1)
                content = track[at : at + length]
                at += length
                if at > len(track):
                    raise IndexError
                if kind == END:
                    break
                if kind in (NAME, TEMPO, METER, KEY) or (kind == TEXT and content.startswith(OURS)):
                    metas.append((now, kind, content))
            elif status in (0xF0, 0xF7):
                length, at = _quantity(track, at)
                at += length
            else:
                raise ValueError(f"MIDI track {index}, byte {at}: {status:#04x} is no event of a file")
    except IndexError:
        raise ValueError(f"MIDI track {index} is cut off within an event, at byte {len(track)} of its {len(track)}") from None
    for key, waiting in sounding.items():
        part = parts[key >> 7]
        for place, onset, velocity in waiting:
            end = released.get(key, 0)
            part.notes[place] = (onset, (end if end > onset else now) - onset, key & 127, velocity)
            part.endless.append((onset, key & 127))
    return [parts[channel] for channel in sorted(parts)], metas, now


def _quantity(track: bytes, at: int) -> tuple[int, int]:
    """A variable-length quantity and the place after it."""
    byte = track[at]
    if byte < 0x80:
        return byte, at + 1
    value = byte & 0x7F
    for place in range(at + 1, at + 4):
        byte = track[place]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, place + 1
    raise ValueError(f"MIDI: the number at byte {at} of a track is longer than four bytes")


def text(content: bytes) -> str:
    """Text of a meta event: UTF-8 where it is valid, else Latin-1, which the standard means."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content.decode("latin-1")


@functools.lru_cache(maxsize=4096)
def quantity(value: int) -> bytes:
    """A variable-length quantity as bytes."""
    if not 0 <= value <= _LONGEST:
        raise ValueError(f"{value} ticks between two MIDI events: expected 0..{_LONGEST}")
    made = [value & 0x7F]
    while value := value >> 7:
        made.append(value & 0x7F | 0x80)
    return bytes(made[::-1])


def meta(kind: int, content: bytes) -> bytes:
    """A meta event without its time."""
    return bytes((0xFF, kind)) + quantity(len(content)) + content


def chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk of a file."""
    return kind + len(content).to_bytes(4) + content


def header(tracks: int, ticks_per_quarter: int) -> bytes:
    """The header of a file of format 1."""
    return chunk(b"MThd", struct.pack(">HHH", 1, tracks, ticks_per_quarter))
