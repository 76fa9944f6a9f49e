"""The hard rules of two species, stated anew for CP-SAT from what the rules' docstrings say, and all lines that obey them.

Nothing here calls or reads the rules. A line is a list of integer variables, one for each note of the added voice; a rule is a
condition on one, two or three neighbours of them, given to the solver as the tuples that obey it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import pytest
from ortools.sat.python import cp_model

# Which scale degrees, in semitones, each mode has, and its one flat: B flat where the mode has no signature.
MODES = {
    "dorian": ({0, 2, 3, 5, 7, 9, 10}, 8),
    "phrygian": ({0, 1, 3, 5, 7, 8, 10}, 6),
    "lydian": ({0, 2, 4, 6, 7, 9, 11}, 5),
    "mixolydian": ({0, 2, 4, 5, 7, 9, 10}, 3),
    "minor": ({0, 2, 3, 5, 7, 8, 10}, 1),
    "major": ({0, 2, 4, 5, 7, 9, 11}, 10),
}
TONICS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9}
CONSONANT, PERFECT = {0, 3, 4, 7, 8, 9}, {0, 7}
SUNG = {0, 1, 2, 3, 4, 5, 7, 8, 12}
TWELFTH, COMPASS = 19, 17


class Lines(cp_model.CpSolverSolutionCallback):
    """Collects all solutions."""

    def __init__(self, notes: Sequence[cp_model.IntVar]) -> None:
        super().__init__()
        self.notes, self.found = notes, set()

    def on_solution_callback(self) -> None:
        self.found.add(tuple(self.value(note) for note in self.notes))


class Exercise:
    """Notes against a cantus: `against[i]` is the cantus note under note i, `strong[i]` whether it begins a bar."""

    def __init__(self, cantus: Sequence[int], per_bar: int, key: str, low: int, high: int, late: bool) -> None:
        tonic, mode = key.split()
        self.tonic = TONICS[tonic]
        self.scale, self.flat = MODES[mode]
        places = [(bar, part) for bar in range(len(cantus)) for part in range(per_bar if bar < len(cantus) - 1 else 1)]
        places = places[1:] if late else places
        self.bar = [bar for bar, _ in places]
        self.strong = [part == 0 for _, part in places]
        self.against = [cantus[bar] for bar, _ in places]
        self.bars, self.low, self.high = len(cantus), low, high
        self.model = cp_model.CpModel()
        self.notes = [self.model.new_int_var(low, high, f"note {i}") for i in range(len(places))]

    def demand(self, first: int, count: int, obeys: Callable[..., bool]) -> None:
        """Notes first, first + 1, .. must obey."""
        pitches = range(self.low, self.high + 1)
        allowed = [taken for taken in itertools.product(pitches, repeat=count) if obeys(*taken)]
        self.model.add_allowed_assignments(self.notes[first : first + count], allowed)

    def degree(self, pitch: int) -> int:
        return (pitch - self.tonic) % 12

    def consonant(self, i: int, pitch: int) -> bool:
        return abs(pitch - self.against[i]) % 12 in CONSONANT

    def perfect(self, i: int, pitch: int) -> bool:
        return abs(pitch - self.against[i]) % 12 in PERFECT

    def is_ficta(self, pitch: int) -> bool:
        return self.degree(pitch) not in self.scale and self.degree(pitch) != self.flat

    def lines(self) -> set[tuple[int, ...]]:
        """All that obey."""
        for i in range(len(self.notes)):
            self.demand(i, 1, lambda pitch, i=i: self.one(i, pitch))
        for i in range(1, len(self.notes)):
            self.demand(i - 1, 2, lambda a, b, i=i: self.two(i, a, b))
        for i in range(2, len(self.notes)):
            self.demand(i - 2, 3, lambda a, b, c, i=i: self.three(i, a, b, c))
        for i in range(3, len(self.notes)):  # a cambiata spans four notes; rare, so its breaches are excluded one by one
            breaches = [
                (a, b, b - third, d)
                for a, b, third, d in itertools.product(
                    range(self.low, self.high + 1), range(self.low, self.high + 1), (3, 4), range(self.low, self.high + 1)
                )
                if a - b in (1, 2) and not self.strong[i - 2] and not self.consonant(i - 2, b) and d - (b - third) not in (1, 2)
            ]
            if breaches:
                self.model.add_forbidden_assignments(self.notes[i - 3 : i + 1], breaches)
        highest, lowest = (self.model.new_int_var(self.low, self.high, name) for name in ("highest", "lowest"))
        self.model.add_max_equality(highest, self.notes)
        self.model.add_min_equality(lowest, self.notes)
        self.model.add(highest - lowest <= COMPASS)
        solver = cp_model.CpSolver()
        solver.parameters.enumerate_all_solutions = True
        solver.parameters.num_workers = 1
        collected = Lines(self.notes)
        assert solver.solve(self.model, collected) in (cp_model.OPTIMAL, cp_model.INFEASIBLE)
        return collected.found

    def one(self, i: int, pitch: int) -> bool:
        """What a note alone must obey."""
        against, last_bar = self.against[i], self.bar[i] == self.bars - 1
        if self.strong[i] and not self.consonant(i, pitch):
            return False
        if abs(pitch - against) > TWELFTH:
            return False
        if self.strong[i] and i > 0 and not last_bar and pitch == against:
            return False  # a unison inside
        if i == 0 and not (self.perfect(0, pitch) and self.degree(min(pitch, against)) == 0):
            return False
        if last_bar and self.degree(pitch) != 0:
            return False
        return not self.is_ficta(pitch) or self.degree(pitch) == 11

    def two(self, i: int, a: int, b: int) -> bool:
        """What two neighbours, notes i - 1 and i, must obey."""
        move, cantus_move = b - a, self.against[i] - self.against[i - 1]
        if abs(move) not in SUNG:
            return False
        if move == 0 and len(set(self.bar)) < len(self.bar):
            return False  # notes shorter than a bar do not repeat
        if not self.strong[i] and not self.consonant(i, b) and abs(move) not in (1, 2):
            return False  # dissonance comes by step
        if not self.strong[i - 1] and not self.consonant(i - 1, a) and abs(move) not in (1, 2, 3, 4):
            return False  # and goes by step, or a third (down: see three) as a cambiata
        if self.perfect(i, b) and move * cantus_move > 0:
            return False
        size, before = abs(b - self.against[i]) % 12, abs(a - self.against[i - 1]) % 12
        if self.perfect(i, b) and size == before and move * cantus_move < 0:
            return False  # the same perfect consonance by contrary motion
        if self.strong[i] and abs(b - self.against[i]) == 12:  # battuta
            upper, lower = (move, cantus_move) if b > self.against[i] else (cantus_move, move)
            if upper < -2 and lower in (1, 2):
                return False
        if self.bar[i] == self.bars - 1 and not self.closes(move, cantus_move):
            return False
        if self.degree(a) == 11 and self.is_ficta(a) and self.bar[i - 1] != self.bars - 2 and move != 1:
            return False  # a raised leading tone rises
        return abs(move) != 1 or self.diatonic_semitone(min(a, b), max(a, b))

    def closes(self, move: int, cantus_move: int) -> bool:
        """By step, in contrary motion, into the final; from below by a semitone unless the other falls by one."""
        if abs(move) not in (1, 2) or abs(cantus_move) not in (1, 2) or move * cantus_move > 0:
            return False
        return max(move, cantus_move) == 1 or min(move, cantus_move) == -1

    def diatonic_semitone(self, low: int, high: int) -> bool:
        if self.degree(high) == 0:
            return True
        return self.degree(low) in self.scale and (self.degree(high) in self.scale or self.degree(high) == self.flat)

    def three(self, i: int, a: int, b: int, c: int) -> bool:
        """What three neighbours, the last of them note i, must obey."""
        first, second = b - a, c - b
        if abs(first) > 2 and abs(second) > 2 and first * second > 0 and abs(first + second) > 12:
            return False
        if not self.strong[i - 1] and not self.consonant(i - 1, b):
            if abs(second) > 2:  # left by leap: a cambiata, down a step, down a third
                return first in (-1, -2) and second in (-3, -4)
            return first * second > 0  # in the middle of the bar it passes
        return True


def _all_lines(cantus: Sequence[int], per_bar: int, key: str, low: int, high: int) -> set[tuple[int, ...]]:
    """Every legal line, notes only; in the second species those that begin with a half rest too, which have one note less."""
    found = Exercise(cantus, per_bar, key, low, high, late=False).lines()
    return found if per_bar == 1 else found | Exercise(cantus, per_bar, key, low, high, late=True).lines()


@pytest.fixture
def all_lines() -> Callable[..., set[tuple[int, ...]]]:
    """`all_lines(cantus, notes in a bar, key, low, high)`."""
    return _all_lines
