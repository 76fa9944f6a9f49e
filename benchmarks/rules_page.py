"""Every rule on one page: `python -m musicgym.benchmarks.rules_page [docs/rules.md]` writes it, with a picture for each rule.

What the page says of a rule comes from its docstring and declaration, what it shows from `rule_examples`, what it counts from
`rule_figures`. It takes what is registered: a new rule of one of the sets is on it without a line here, but for its example.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from musicgym.benchmarks.rule_examples import EXAMPLES
from musicgym.benchmarks.rule_figures import Told, told
from musicgym.benchmarks.rule_pictures import picture
from musicgym.benchmarks.theory_page import meaning_and_source, paragraph
from musicgym.files.atomic import replace_file
from musicgym.rewards import Rules
from musicgym.rewards.expression import documented, parse
from musicgym.rewards.rules import LOWER, OWN, RULES, Rule

_OURS = "musicgym.rewards."
_APART = ("rl_tuner",)  # judge sequences of actions, not music: the rules of one paper
_SITES = {"note": "notes", "chord": "whole chords", "bar": "the ends of bars", "end": "the end", "any": "all steps"}
_ABOUT = {
    "here": "what stands where it judges",
    "ended": "the event that has ended",
    "before": "the note before",
    "bar": "bars",
    "piece": "the whole piece",
}
ABOUT = """
    {count} rules, by the package or module of `musicgym.rewards` that holds them. Each is a term that can be switched off,
    weighed and set by its name. In the pictures the notes at fault are red; rules of bars and of the whole piece redden none. A
    rule *takes* and *gives* at so many places for every 100 notes. AUC is the probability that a piece of real music is worth
    more than a spoiled one by this rule alone: 0.5 tells nothing. In brackets are 95 % intervals, bootstrapped over families of
    melodies, of Fux over exercises. Tunes and the chorales that are told from others are held out. Rules of chord symbols judge
    sopranos over the chords of their labels, one a beat; there the sopranos' notes alone are counted.
    """
COMMAND = """<!-- not run: takes some minutes, and writes where the sources lie -->
```bash
python -m musicgym.benchmarks.rules_page docs/rules.md
```"""


class Group(NamedTuple):
    """The rules of one package or module of rewards."""

    name: str
    rules: dict[str, Rule]


def groups() -> list[Group]:
    """All registered rules that judge music, by where they are written, in the order in which the modules state them."""
    documented()  # loads all that is built in
    made: dict[str, dict[str, Rule]] = {}
    for name, rule in RULES.items():
        place = rule.__module__.removeprefix(_OURS).partition(".")[0]
        if rule.__module__.startswith(_OURS) and not place.startswith(_APART):
            made.setdefault(place, {})[name] = rule
    return [Group(place, dict(sorted(rules.items()))) for place, rules in sorted(made.items())]


def sets() -> dict[str, Rules]:
    """All registered sets of rules by name, but those that are no music's."""
    found = {name: parse(name) for name, kind, _ in documented() if kind == "set" and not name.startswith(_APART)}
    return {name: reward for name, reward in found.items() if isinstance(reward, Rules)}


def described(rule: Rule, of: dict[str, Rules]) -> str:
    """All that the page says of a rule but figures: meaning, source, where it counts, how it judges, its parameters."""
    meaning, source = meaning_and_source(rule)
    weights = [f"{name} {weight:g}" for name, one in of.items() for term, own, _, weight in one.entries if own is rule]
    settings = [
        f"`{name}` {value:g}" + ("" if name not in rule.within else " ({:g} to {:g})".format(*rule.within[name]))
        for name, value in rule.parameters.items()
    ]
    sees = "its own voice" if rule.sees == OWN else "voices above too" if rule.sees == LOWER else "all voices"
    facts = [
        f"weight: {', '.join(weights) or 'in no set'}",
        f"judges {_SITES[rule.at]}, sees {sees}, marks {_ABOUT[rule.about]}",
        *([f"parameters: {', '.join(settings)}"] if settings else []),
    ]
    return "\n\n".join([meaning, *([source] if source else []), "*" + "; ".join(facts) + "*"])


def home(rule: Rule, of: dict[str, Rules]) -> Rules:
    """The set that a rule was made for, with weight 1 for it and 0 for the others: sets are compiled already."""
    place = rule.__module__.removeprefix(_OURS).partition(".")[0]
    for one in sorted(of.values(), key=lambda one: one.name != place):
        for term, own, _, _ in one.entries:
            if own is rule:
                return one.weighted(**{**dict.fromkeys(one.terms, 0.0), term: 1.0})
    return rule()


def page(figures: dict[str, Told]) -> str:
    """The page as Markdown."""
    found, of = groups(), sets()
    parts = ["# The rules", paragraph(ABOUT.format(count=sum(len(group.rules) for group in found))), COMMAND]
    for group in found:
        parts.append(f"## {group.name.replace('_', ' ').capitalize()}")
        for name, rule in group.rules.items():
            parts += [f"### `{name}`", described(rule, of)]
            if name in EXAMPLES:
                parts.append(f"![{name}: obeyed and broken](rules/{name}.svg)")
            if name in figures:
                parts.append(_figures(figures[name]))
    return "\n\n".join(parts) + "\n"


def _figures(of: Told) -> str:
    rates = [f"{where}: takes {one.takes:.2f}, gives {one.gives:.2f}" for where, one in of.rates.items()]
    aucs = [f"{kind} {one.mean:.2f} [{one.low:.2f}, {one.high:.2f}]" for kind, one in of.aucs.items()]
    told = "; ".join(aucs + of.untold)
    return "For 100 notes of " + "; ".join(rates) + "." + (f" AUC: {told}." if told else "")


def write_pictures(folder: Path) -> None:
    """Write a picture for each rule that has an example, and remove those of rules that are no more."""
    folder.mkdir(exist_ok=True)
    known = {name: rule for group in groups() for name, rule in group.rules.items() if name in EXAMPLES}
    for stale in folder.glob("*.svg"):
        if stale.stem not in known:
            stale.unlink()
    of = sets()
    for name, rule in known.items():
        with replace_file(folder / f"{name}.svg") as temporary:
            temporary.write_text(picture(home(rule, of), EXAMPLES[name]), encoding="utf-8")


def main(argv: Sequence[str] | None = None) -> int:
    """Write the page and its pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", nargs="?", type=Path, default=Path("docs/rules.md"), help="the file to write")
    path = parser.parse_args(argv).page
    if not path.parent.is_dir():
        parser.error(f"{path}: there is no folder {path.parent}: run this in a checkout, or name another file")
    write_pictures(path.parent / "rules")
    with replace_file(path) as temporary:
        temporary.write_text(page(told(sets())), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
