"""What the rules of counterpoint say of Fux's own solutions: rates per opportunity, exercises admitted, each rejection explained.

python -m musicgym.benchmarks.fux_rates   # the tables of docs/counterpoint.md
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from musicgym import Score
from musicgym.corpus.fux import Exercise, exercises
from musicgym.rewards import Rules
from musicgym.rewards.counterpoint import SHARED, counterpoint_rules, hard_rules

SPECIES = (1, 2, 3, 4, 5)
# Why Fux's line is refused, by figure: our own reading of the encoding.
EXPLANATIONS = {
    "22": "bars 6 to 10 of the added voice stand an octave too low in the encoding: read an octave higher, all is obeyed",
}


class Breach(NamedTuple):
    """A place where a rule punishes."""

    figure: str
    bar: int
    rule: str


def plain() -> Rules:
    """All rules of counterpoint, each with weight 1."""
    return Rules("plain", [(name, rule, rule.values(SHARED.get(rule, {})), 1.0) for name, rule in counterpoint_rules().items()])


def opportunities(score: Score) -> dict[str, int]:
    """How often something could be punished: "sonority" (a step at which any note begins), "bar line", "note" and "piece"."""
    begins = score.onset & (score.pitch >= 0)  # bool (voices, steps)
    return {
        "sonority": int(begins.any(axis=0).sum()),
        "bar line": int((score.position == 0).sum()),
        "note": int(begins.sum()),
        "piece": 1,
    }


UNITS = {  # what a rule could punish; notes where it isn't here
    "piece": ("perfect_beginning", "perfect_close", "clausula_vera", "raised_leading_tone", "climax"),
    "bar line": (
        "unison_inside", "perfects_in_a_row", "worn_interval", "suspension_prepared", "suspension_resolved", "weak_suspension",
        "fake_suspension", "held_over_two_lines", "perfects_on_bar_lines", "battuta", "broken_line",
    ),
    "sonority": (
        "dissonant_attack", "wide_apart", "similar_to_perfect", "parallel_fifths", "parallel_octaves", "antiparallels",
        "similar_motion", "leaps_together", "unison_left_together", "voice_crossing", "voice_overlap",
    ),
}  # fmt: skip


def unit(rule: str) -> str:
    """What this rule could punish."""
    return next((name for name, rules in UNITS.items() if rule in rules), "note")


def breaches(found: list[Exercise]) -> list[Breach]:
    """Every place where a rule punishes."""
    rules, places = plain(), []
    for exercise in found:
        figure, score = exercise.figure, exercise.score
        _, marks = rules.score([score], marks=True)  # float32 (1, rules, voices, steps)
        bars = np.cumsum(score.position == 0)
        for rule, step in zip(*np.nonzero((marks[0] < 0).any(axis=1)), strict=True):
            places.append(Breach(figure, int(bars[step]), rules.terms[rule]))
    return places


def admitted(found: list[Exercise], places: list[Breach]) -> dict[int, tuple[int, int]]:
    """Species -> how many of its exercises break no hard rule, and how many there are."""
    refused = {place.figure for place in places if place.rule in hard_rules()}
    return {
        species: (
            sum(exercise.species == species and exercise.figure not in refused for exercise in found),
            sum(exercise.species == species for exercise in found),
        )
        for species in SPECIES
    }


def octave_higher(score: Score, first: int, last: int) -> Score:
    """The upper voice an octave higher in bars first..last: how figure 22 reads as it was meant."""
    bars = np.cumsum(score.position == 0)
    pitch = score.pitch.copy()
    pitch[0, (bars >= first) & (bars <= last)] += 12
    return dataclasses.replace(score, pitch=pitch)


def tables() -> str:
    """Rates by rule and species, exercises admitted and rejections, as Markdown."""
    found = exercises()
    places = breaches(found)
    species_of = {exercise.figure: exercise.species for exercise in found}
    chances = [(exercise.species, opportunities(exercise.score)) for exercise in found]
    lines = [
        "| rule | | could occur at | " + " | ".join(f"species {s}" for s in SPECIES) + " |",
        "| --- | --- | --- |" + " ---: |" * 5,
    ]
    for rule in counterpoint_rules():
        cells = []
        for species in SPECIES:
            broken = sum(place.rule == rule and species_of[place.figure] == species for place in places)
            of = sum(chance[unit(rule)] for s, chance in chances if s == species)
            cells.append(f"{broken}/{of}")
        hard = "hard" if rule in hard_rules() else "soft"
        lines.append(f"| `{rule}` | {hard} | {unit(rule)} | {' | '.join(cells)} |")
    lines += ["", "| species | admitted | of |", "| --- | ---: | ---: |"]
    lines += [f"| {species} | {passed} | {of} |" for species, (passed, of) in admitted(found, places).items()]
    lines += ["", "| figure | bar | hard rule | why |", "| --- | ---: | --- | --- |"]
    for place in places:
        if place.rule in hard_rules():
            lines.append(f"| {place.figure} | {place.bar} | `{place.rule}` | {EXPLANATIONS.get(place.figure, '')} |")
    return "\n".join(lines)


def main(say: Callable[[str], None] = print) -> None:
    """Print the tables."""
    say(tables())


if __name__ == "__main__":
    main()
