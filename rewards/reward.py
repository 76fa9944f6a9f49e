"""`Reward` and its algebra: what a composer is paid for, as an immutable description that is bound to an environment."""

from __future__ import annotations

import abc
import difflib
import hashlib
from collections.abc import Callable, Collection, Hashable, Sequence
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np

from musicgym.engine import Engine, as_material, finished_pieces, lay_slots
from musicgym.handle import handle
from musicgym.pieces import Excerpts, Pieces
from musicgym.rewards.rules import ALL, Rule
from musicgym.score import BLANK
from musicgym.task import Task
from musicgym.threads import over_rows

if TYPE_CHECKING:
    from musicgym.score import Score

State = dict[str, Any]
_FEW = 12  # names that a message may list


class BoundReward(abc.ABC):
    """A reward at work in one environment, for N pieces.

    Attributes:
        terms: names of the rows that a call returns.
        arrays: names of attributes that hold something for each piece, its rows first: what `take` and `state` keep.
        parts: bound rewards that this one is made of.
    """

    terms: tuple[str, ...]
    arrays: tuple[str, ...] = ()
    parts: tuple[BoundReward, ...] = ()

    @abc.abstractmethod
    def __call__(self, pieces: Pieces) -> np.ndarray:
        """float32 (terms, N), weighted: what the last choice pays; 0 where `pieces.written` is false.

        Called after the write and before any piece begins anew. The array belongs to the caller.
        """

    def reset(self, pieces: Pieces, mask: np.ndarray) -> None:
        """These pieces, bool (N,), begin anew; what is given stands there already."""
        for part in self.parts:
            part.reset(pieces, mask)

    def read(self) -> None:
        """From now on finished music is read, site by site: an agent's progress has no part in it."""
        for part in self.parts:
            part.read()

    def share(self, known: dict[Hashable, BoundReward]) -> None:
        """Use what other rewards of the same environment use already, such as a model that reads along: `known`, by key."""
        for part in self.parts:
            part.share(known)

    def state(self) -> State:
        """A copy of what the reward remembers."""
        own: State = {name: getattr(self, name).copy() for name in self.arrays}
        return {**own, "parts": [part.state() for part in self.parts]}

    def load_state(self, state: State) -> None:
        """Go back to what `state()` returned."""
        for name in self.arrays:
            setattr(self, name, state[name].copy())
        for part, saved in zip(self.parts, state["parts"], strict=True):
            part.load_state(saved)

    def take(self, rows: np.ndarray) -> None:
        """From now on piece i is what piece `rows[i]` was; rows may repeat."""
        for name in self.arrays:
            setattr(self, name, getattr(self, name)[rows])
        for part in self.parts:
            part.take(rows)


class Reward(abc.ABC):
    """A description of what is paid. Immutable, picklable, named; `bind` makes it work.

    Rewards add, subtract and scale: `2 * a + b - c`. `a.clip(lo, hi)`, `a.scheduled(fn)`, `AtEnd(a)`, `Potential(a, gamma)` and
    `Normalised(a, reference)` change how one is paid.
    """

    name: str

    @abc.abstractmethod
    def bind(self, task: Task, num_envs: int, seed: int = 0) -> BoundReward:
        """The reward for an environment of N pieces of this task. Raises ValueError if the task doesn't suit it."""

    @property
    @abc.abstractmethod
    def description(self) -> str:
        """Text that says all that the reward's values depend on."""

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits: two rewards of the same fingerprint pay the same."""
        return hashlib.sha256(self.description.encode()).hexdigest()[:16]

    @overload
    def score(self, scores: Sequence[Score] | Excerpts, *, marks: Literal[False] = ...) -> dict[str, np.ndarray]: ...
    @overload
    def score(self, scores: Sequence[Score] | Excerpts, *, marks: Literal[True]) -> tuple[dict[str, np.ndarray], np.ndarray]: ...
    def score(self, scores: Sequence[Score] | Excerpts, *, marks: bool = False) -> Any:
        """What finished pieces are worth.

        Args:
            scores: M pieces; `BLANK` slots count nothing.
            marks: also return what each site is worth.

        Returns:
            Term name -> float64 (M,); with `marks` also float32 (M, terms, voices, steps).
        """
        material = as_material(scores)
        engine = Engine(_reading_task(material), material.length.shape[0], Excerpts.blank_like(material))
        bound = self.bind(engine.task, engine.num_pieces)
        bound.read()
        engine.reset_in_turn()
        voices, steps = material.pitch.shape[1:]
        inside = np.arange(steps) < material.length[:, None, None]  # (M, 1, steps)
        # Where slots are left out, a slot doesn't stand right behind all that was written before it.
        has_blanks = ((material.pitch == BLANK) & inside).any(axis=(1, 2))
        engine.pieces.append[has_blanks] = engine.pieces.forward[has_blanks] = False
        bound.reset(engine.pieces, np.ones(engine.num_pieces, bool))
        sites = np.zeros((engine.num_pieces, len(bound.terms), voices, steps), np.float32)
        read = handle(material)
        for step in range(steps):
            for voice in range(voices):
                lay_slots(engine.handle, read, voice, step)
                sites[:, :, voice, step] = bound(engine.pieces).T
        totals = dict(zip(bound.terms, sites.sum(axis=(2, 3), dtype=np.float64).T, strict=True))
        return (totals, sites) if marks else totals

    def __add__(self, other: Reward) -> Reward:
        return add((self, 1.0), (other, 1.0)) if isinstance(other, Reward) else NotImplemented

    def __radd__(self, other: object) -> Reward:
        return self if other == 0 else NotImplemented  # sum() starts from 0

    def __sub__(self, other: Reward) -> Reward:
        return add((self, 1.0), (other, -1.0)) if isinstance(other, Reward) else NotImplemented

    def __mul__(self, weight: float) -> Reward:
        if isinstance(weight, bool) or not isinstance(weight, (int, float, np.number)):
            return NotImplemented
        if not np.isfinite(weight):
            raise ValueError(f"{weight} * {self.name}: expected a finite weight")
        return add((self, float(weight)))

    __rmul__ = __mul__

    def __neg__(self) -> Reward:
        return self * -1.0

    def clip(self, low: float, high: float) -> Reward:
        """The sum of this reward's terms at each choice, held within low..high: one row."""
        from musicgym.rewards.paid import Clipped

        return Clipped(self, low, high)

    def scheduled(self, weight: Callable[[int], float]) -> Reward:
        """This reward times `weight(k)` at every environment's k-th step, counted from 0 since it was made."""
        from musicgym.rewards.paid import Scheduled

        return Scheduled(self, weight)

    def __repr__(self) -> str:
        return f"<reward {self.name}>"


class Rules(Reward):
    """A weighted set of rules, judged in one compiled pass; each is a term of its own.

    Args:
        name: of the set.
        entries: term name, rule, parameter values in the rule's order, weight.

    `set(**changes)` and `weighted(**weights)` give changed copies.
    """

    def __init__(self, name: str, entries: Sequence[tuple[str, Rule, tuple[float, ...], float]]) -> None:
        self.name = name
        self.entries = tuple(entries)
        self.terms = tuple(entry[0] for entry in self.entries)
        if len(set(self.terms)) < len(self.terms):
            twice = sorted({t for t in self.terms if self.terms.count(t) > 1})
            raise ValueError(f"reward {name}: terms {twice} occur more than once")

    @classmethod
    def of(cls, *rules: Rule, name: str | None = None, **parameters: float) -> Rules:
        """Rules with weight 1 under their own names; `parameters` belong to the only rule."""
        if parameters and len(rules) != 1:
            raise ValueError(f"Rules.of({len(rules)} rules): parameters {sorted(parameters)} need exactly one rule")
        return cls(name or "+".join(r.name for r in rules), [(r.name, r, r.values(parameters), 1.0) for r in rules])

    def weighted(self, **weights: float) -> Rules:
        """The set with other weights for these terms."""
        self._known(weights)
        return Rules(self.name, [(t, r, p, float(weights.get(t, w))) for t, r, p, w in self.entries])

    def set(self, term: str, **parameters: float) -> Rules:
        """The set with other parameters for one term."""
        self._known({term: 0.0})
        made = []
        for name, rule, values, weight in self.entries:
            if name == term:
                values = rule.values({**dict(zip(rule.parameters, values, strict=True)), **parameters})
            made.append((name, rule, values, weight))
        return Rules(self.name, made)

    def only(self, *terms: str) -> Rules:
        """The set with only these terms."""
        self._known(dict.fromkeys(terms, 0.0))
        return Rules("+".join(f"{self.name}.{t}" for t in terms), [entry for entry in self.entries if entry[0] in terms])

    def _known(self, terms: dict[str, float]) -> None:
        for term in terms:
            if term not in self.terms:
                near = difflib.get_close_matches(term, self.terms, n=3, cutoff=0.5)
                hint = f"did you mean {' or '.join(near)}?" if near else few_or_list(self.terms, self.name)
                raise ValueError(f"reward {self.name} has no term {term!r}: {hint}")

    def bind(self, task: Task, num_envs: int, seed: int = 0) -> BoundReward:
        return BoundRules(self, task.voices, num_envs)

    @property
    def kernels(self) -> Any:
        """The fused module of the set."""
        from musicgym.rewards.fuse import fuse

        return fuse(tuple(entry[1] for entry in self.entries))

    @property
    def params(self) -> np.ndarray:
        """float64: all rules' parameters in order."""
        return np.array([value for entry in self.entries for value in entry[2]], np.float64)

    @property
    def weights(self) -> np.ndarray:
        """float64 (terms,)."""
        return np.array([entry[3] for entry in self.entries], np.float64)

    @property
    def description(self) -> str:
        lines = [f"{t}: {w!r} * {r.__module__}.{r.name}{p} {r.digest}" for t, r, p, w in self.entries]
        return "\n".join(lines)

    def score(self, scores: Sequence[Score] | Excerpts, *, marks: bool = False) -> Any:  # as the base class
        pieces = finished_pieces(as_material(scores))
        n, voices, steps = pieces.pitch.shape
        sites = np.zeros((n if marks else 0, len(self.terms), voices, steps), np.float32)
        totals = np.zeros((len(self.terms), n))
        self.kernels.judge_sites(handle(pieces), self.params, self.weights, sites, totals)
        named = dict(zip(self.terms, totals, strict=True))
        return (named, sites) if marks else named


class BoundRules(BoundReward):
    """A set of rules at work."""

    arrays = ("carry",)

    def __init__(self, reward: Rules, voices: int, num_envs: int) -> None:
        self._reward = reward
        self.terms = reward.terms
        self.kernels, self.params, self.weights = reward.kernels, reward.params, reward.weights
        scalars = sum(entry[1].carry for entry in reward.entries)
        self.carry = np.zeros((num_envs, voices, scalars))
        self._carries = scalars > 0
        self._appends = False
        self._pieces: Pieces | None = None
        self._handle: Any = None

    def reset(self, pieces: Pieces, mask: np.ndarray) -> None:
        # Carries stand still while any piece isn't written forward in time: afterwards all have to catch up.
        rows = mask.nonzero()[0] if self._appends else np.arange(len(mask))
        grows = pieces.append if self.kernels.SEES == ALL else pieces.forward  # what stands ahead may only be seen, not see
        self._appends = bool(grows[rows].all())
        if self._carries and self._appends:
            self.carry[rows] = 0.0
            if pieces.order[rows, 0].any() or pieces.cursor[rows].any():  # something stands there already
                self.kernels.carry_on(self._of(pieces), self.params, self.carry, rows)

    def state(self) -> State:
        return {**super().state(), "appends": self._appends}

    def load_state(self, state: State) -> None:
        super().load_state(state)
        self._appends = state["appends"]

    def __call__(self, pieces: Pieces) -> np.ndarray:
        out = np.empty((len(self.terms), self.carry.shape[0]), np.float32)
        pay = self.kernels.pay_appended if self._appends else self.kernels.pay_any
        over_rows(pay, out.shape[1], self._of(pieces), self.params, self.weights, self.carry, out)
        return out

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "kernels": None, "_pieces": None, "_handle": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.kernels = self._reward.kernels

    def _of(self, pieces: Pieces) -> Any:
        if pieces is not self._pieces:
            self._pieces, self._handle = pieces, handle(pieces)
        return self._handle


class Sum(Reward):
    """Several rewards, each with a weight. Terms that occur more than once are told apart by their reward's name."""

    def __init__(self, parts: Sequence[tuple[Reward, float]]) -> None:
        self.parts = tuple(parts)
        self.name = " + ".join(p.name if w == 1.0 else f"{w:g}*{p.name}" for p, w in self.parts)

    def bind(self, task: Task, num_envs: int, seed: int = 0) -> BoundReward:
        return BoundSum(self, [part.bind(task, num_envs, seed) for part, _ in self.parts])

    @property
    def description(self) -> str:
        return "\n".join(f"{weight!r} * ({part.description})" for part, weight in self.parts)

    def score(self, scores: Sequence[Score] | Excerpts, *, marks: bool = False) -> Any:  # as the base class
        material = as_material(scores)
        found = [part.score(material, marks=True) if marks else (part.score(material), np.empty(0)) for part, _ in self.parts]
        names = unique_terms([(part.name, tuple(totals)) for (part, _), (totals, _) in zip(self.parts, found, strict=True)])
        weights = [w for _, w in self.parts]
        values = [w * row for w, (totals, _) in zip(weights, found, strict=True) for row in totals.values()]
        named = dict(zip(names, values, strict=True))
        if not marks:
            return named
        return named, np.concatenate([np.float32(w) * sites for w, (_, sites) in zip(weights, found, strict=True)], axis=1)


class BoundSum(BoundReward):
    """A sum at work."""

    def __init__(self, reward: Sum, parts: list[BoundReward]) -> None:
        self.parts = tuple(parts)
        self.weights = [weight for _, weight in reward.parts]
        names = [(part.name, bound.terms) for (part, _), bound in zip(reward.parts, parts, strict=True)]
        self.terms = unique_terms(names)
        self.share({})

    def __call__(self, pieces: Pieces) -> np.ndarray:
        rows = [np.float32(weight) * part(pieces) for weight, part in zip(self.weights, self.parts, strict=True)]
        return np.concatenate(rows)


def add(*parts: tuple[Reward, float]) -> Reward:
    """Weighted sum of rewards, flat: nested sums are opened, all rules are fused into one set, and the same term of the same
    rule with the same parameters stands in it once, with the sum of its weights."""
    flat: list[tuple[Reward, float]] = []
    for reward, weight in parts:
        flat += [(r, w * weight) for r, w in reward.parts] if isinstance(reward, Sum) else [(reward, weight)]
    sets = [(r, w) for r, w in flat if isinstance(r, Rules)]
    if not sets:
        return Sum(flat)
    parted: dict[tuple[str, Rule, tuple[float, ...]], list[tuple[str, float]]] = {}
    for r, w in sets:
        for term, rule, values, weight in r.entries:
            parted.setdefault((term, rule, values), []).append((r.name, weight * w))
    names = unique_terms([(owners[0][0], [term]) for (term, _, _), owners in parted.items()])
    entries = [
        (name, rule, values, sum(weight for _, weight in owners))
        for name, ((_, rule, values), owners) in zip(names, parted.items(), strict=True)
    ]
    for name, _, _, weight in entries:
        if not abs(weight) <= float(np.finfo(np.float32).max):
            raise ValueError(f"the weight of {name} would be {weight}: expected one that float32 can hold")
    name = " + ".join(r.name if w == 1.0 else f"{w:g}*{r.name}" for r, w in sets)
    fused = Rules(name, entries)
    others = [(r, w) for r, w in flat if not isinstance(r, Rules)]
    return Sum([(fused, 1.0), *others]) if others else fused


def few_or_list(names: Collection[str], reward: str) -> str:
    """For messages: what a reward has, or where that is listed if it is much.

    >>> few_or_list(["leap", "key"], "mine"), few_or_list("abcdefghijklmnopqrstuvwxyz", "theory")
    ('it has leap, key', "see musicgym list rewards 'theory'")
    """
    return f"it has {', '.join(names)}" if len(names) <= _FEW else f"see musicgym list rewards {reward!r}"


def unique_terms(parts: Sequence[tuple[str, Sequence[str]]]) -> tuple[str, ...]:
    """Term names of several rewards side by side: a name that occurs twice gets its reward's name before it, then a number."""
    plain = [term for _, terms in parts for term in terms]
    made: list[str] = []
    for owner, terms in parts:
        for term in terms:
            name = term if plain.count(term) == 1 else f"{owner}.{term}"
            count = 2
            while name in made:
                name = f"{owner}.{term}#{count}"
                count += 1
            made.append(name)
    return tuple(made)


def _reading_task(material: Excerpts) -> Task:
    from musicgym.choice import ANY_PITCH

    return Task(ANY_PITCH, voices=material.pitch.shape[1], length=material.pitch.shape[2])
