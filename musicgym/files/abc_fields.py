"""The information fields of ABC: key, metre, unit length, tempo."""

from __future__ import annotations

import re
from typing import NamedTuple

from musicgym.files.exact import TICKS
from musicgym.score import MODES, key_of_sharps

_LETTERS = "FCGDAEB"
_KEY = re.compile(r"([A-Ga-g])([#b]?)\s*([A-Za-z]*)")
_ACCIDENTALS = re.compile(r"(?:\^\^|\^|__|_|=)[A-Ga-g]")
_EXPLICIT = re.compile(r"(?:(?:\^\^|\^|__|_|=)[A-Ga-g])+")
_METER = re.compile(r"(\d{1,3}(?:\s*\+\s*\d{1,3})*)\s*\)?\s*/\s*(\d{1,3})")
_FRACTION = re.compile(r"\s*(\d{1,4})\s*(?:/\s*(\d{1,4}))?\s*(?:%.*)?")
_BEAT = re.compile(r"(\d{1,3})/(\d{1,3})\s*=\s*(\d{1,4}(?:\.\d{1,4})?)")
_MODES = {"maj": 0, "ion": 0, "min": 1, "aeo": 1, "dor": 2, "phr": 3, "lyd": 4, "mix": 5, "loc": 6}
# Sharps of a mode's signature less those of the major mode on the same tonic, in MODES' order.
_SHARPS_FROM_MAJOR = (0, -3, -2, -4, 1, -1, -5)
ALTERATIONS = {"": 0, "=": 0, "^": 1, "^^": 2, "_": -1, "__": -2}


class Key(NamedTuple):
    """A `K:` field."""

    tonic: int
    mode: int
    signature: dict[str, int]  # letter A..G -> semitones up or down
    trouble: str  # what was not understood; empty where all was


def key(text: str) -> Key:
    """Read a `K:` field: tonic and mode, Highland pipes, `none`, accidentals of its own. Clefs are passed over.

    A mode that isn't known counts as major and is told in `trouble`. `K:HP` and `K:Hp` are read as A mixolydian:
    the pipes sound F and C sharp whether printed or not.

    >>> key("Edor")[:2], key("A Mixolydian")[:2], key("D =c").signature["C"], key("F#m").signature["F"]
    ((4, 2), (9, 5), 0, 1)
    """
    text = text.strip()
    if text[:2].lower() == "hp":
        return Key(9, MODES.index("mixolydian"), _signature(2), "")
    found = _KEY.match(text)
    if not found or text[:4].lower() == "none" or text[:4].lower() == "clef":
        known = not text or text[:4].lower() in ("none", "clef") or bool(_EXPLICIT.match(text))
        made = Key(0, 0, _signature(0), "" if known else f"K:{text[:40]} is no key: read as C major")
        rest = text
    else:
        letter, sign, word = found.groups()
        rest = text[found.end() :]
        if word.lower() in ("clef", "exp"):  # "K:D clef=bass", "K:D exp ^f"
            rest, word = word + rest, ""
        short = word.lower()[:3]
        mode = 1 if short == "m" else _MODES.get(short, 0)
        known = not word or short == "m" or short in _MODES
        trouble = "" if known else f"K:{text[:40]}: mode {word!r} is not known, read as major"
        sharps = _LETTERS.index(letter.upper()) - 1 + {"#": 7, "b": -7, "": 0}[sign]
        tonic, _ = key_of_sharps(sharps, 0)
        sharps += _SHARPS_FROM_MAJOR[mode]
        made = Key(tonic, mode, _signature(0 if rest.startswith("exp") else sharps), trouble)
    for token in rest.split():
        if _EXPLICIT.fullmatch(token):
            for accidental in _ACCIDENTALS.findall(token):
                made.signature[accidental[-1].upper()] = ALTERATIONS[accidental[:-1]]
    return made


def _signature(sharps: int) -> dict[str, int]:
    """Alterations of a signature; past seven sharps or flats letters get a second one."""
    return {letter: (sharps + 6 - index) // 7 for index, letter in enumerate(_LETTERS)}


def meter(text: str) -> tuple[int, int] | None:
    """Read an `M:` field: `C`, `C|`, fractions, sums such as `(2+3)/8`. None for free metre or what isn't understood.

    >>> meter("C|"), meter("(2+3)/8"), meter("9/8 % in three"), meter("none")
    ((2, 2), (5, 8), (9, 8), None)
    """
    text = text.strip()
    if text[:2] == "C|":
        return 2, 2
    if text[:1] in ("C", "c") and not text[1:2].isalpha():
        return 4, 4
    found = _METER.search(text)
    if not found:
        return None
    numerator, denominator = sum(int(n) for n in found[1].split("+")), int(found[2])
    if not 1 <= numerator <= 64 or denominator not in (1, 2, 4, 8, 16, 32, 64):
        return None
    return numerator, denominator


def unit_length(text: str) -> int | None:
    """Read an `L:` field: ticks of a note of length 1, None for what isn't a length."""
    found = _FRACTION.fullmatch(text)
    if not found:
        return None
    numerator, denominator = int(found[1]), int(found[2] or 1)
    if not 1 <= numerator <= 64 or not 1 <= denominator <= 512 or numerator * 4 * TICKS % denominator:
        return None
    return numerator * 4 * TICKS // denominator


def default_unit(meter: tuple[int, int] | None) -> int:
    """Ticks of a note of length 1 where no `L:` is given: a sixteenth below a metre of 3/4, else an eighth."""
    return TICKS // 4 if meter is not None and meter[0] / meter[1] < 0.75 else TICKS // 2


def tempo(text: str, unit: int) -> float | None:
    """Read a `Q:` field: quarters a minute. A bare number counts notes of length 1, as ABC 1 does.

    >>> tempo("3/8=120", 0), tempo('"Allegro" 1/4 = 90', 0), tempo("60", TICKS // 2), tempo("lively", 0)
    (180.0, 90.0, 30.0, None)
    """
    found = _BEAT.search(text.replace(" ", ""))
    if found:
        denominator = int(found[2])
        quarters = int(found[1]) * 4 * float(found[3]) / denominator if denominator else 0.0
    else:
        plain = re.fullmatch(r"\s*(?:C\d?\s*=\s*)?(\d{1,4})\s*", text)
        quarters = int(plain[1]) * unit / TICKS if plain else 0.0
    return quarters if 1.0 <= quarters <= 2000.0 else None
