"""Fux's own solutions of exercises in two voices, from Gradus ad Parnassum (1725): 26, in the five species.

The files were encoded by Mark Gotham (github.com/MarkGotham/species); they and their rendered scores are released into the
public domain (CC0 1.0), and come with this package.
"""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import NamedTuple

from musicgym.files.exact import Exact
from musicgym.files.steps import from_score
from musicgym.score import MODES, Score, parse_key

MODE_OF_FINAL = {"d": "dorian", "e": "phrygian", "f": "lydian", "g": "mixolydian", "a": "minor", "c": "major"}
_FIGURE = re.compile(
    r"Fig\. (?P<figure>\w+)[^;]*; Species&colon; (?P<species>[1-5]); Modal final&colon; (?P<final>[a-g]); "
    r"Cantus firmus&colon; (?P<place>Lower|Upper)"
)


class Exercise(NamedTuple):
    """One exercise with Fux's solution."""

    figure: str  # as in the editions: "5", "84a"
    species: int  # 1..5
    cantus_voice: int  # 0 above, 1 below
    mode: str  # "D dorian": key of the score
    score: Score  # two voices, four steps a quarter

    @property
    def cantus(self) -> Score:
        """The cantus firmus alone."""
        voice = slice(self.cantus_voice, self.cantus_voice + 1)
        lines = {name: getattr(self.score, name)[voice] for name in ("pitch", "onset", "velocity", "programs", "names")}
        spelling = None if self.score.spelling is None else self.score.spelling[voice]
        return dataclasses.replace(self.score, **lines, spelling=spelling, title=f"Cantus firmus of figure {self.figure}")


def exercises(species: int | None = None) -> list[Exercise]:
    """All exercises in the order of their figures, or those of one species.

    Raises:
        ValueError: a species that is none of 1 to 5.

    Example:
        >>> first = exercises(1)
        >>> len(first), first[0].figure, first[0].mode, first[0].cantus_voice
        (10, '5', 'D dorian', 1)
    """
    from musicgym.corpus.bundled import load

    if species is not None and species not in range(1, 6):
        raise ValueError(f"species={species!r}: expected 1, 2, 3, 4 or 5")
    found = []
    for path, score in zip(files(), load("fux"), strict=True):
        about = _about(path)
        if species is None or int(about["species"]) == species:
            voice = int(about["place"] == "Lower")
            found.append(Exercise(about["figure"], int(about["species"]), voice, _mode(about), score))
    return found


def files() -> list[Path]:
    """The **kern files in the order of their figures."""
    return sorted(Path(__file__).parent.glob("*.krn"))


def read(path: Path) -> Exact:
    """One exercise in exact time, its mode as the encoder states the final. Needs music21, which knows **kern."""
    from music21 import converter

    about = _about(path)
    score = Score.from_music21(converter.parse(path, format="humdrum"))
    piece = from_score(score)
    tonic, mode = parse_key(_mode(about))
    piece.keys = piece.local_keys = [(0, tonic, mode)]
    piece.changes = []  # of the reading nothing but that the signature names no mode
    place = "below" if about["place"] == "Lower" else "above"
    piece.title = f"Fux, figure {about['figure']}: species {about['species']}, {_mode(about)}, cantus firmus {place}"
    piece.source = f"fux/{path.name}"
    return piece


def _about(path: Path) -> dict[str, str]:
    found = _FIGURE.search(path.read_text(encoding="utf-8"))
    if found is None:
        raise ValueError(f"{path}: expected a line such as 'Fig. 5; Species: 1; Modal final: d; Cantus firmus: Lower'")
    return found.groupdict()


def _mode(about: dict[str, str]) -> str:
    name = f"{about['final'].upper()} {MODE_OF_FINAL[about['final']]}"
    assert name.split()[1] in MODES
    return name
