"""The published figures of `theory`: `python -m musicgym.benchmarks.theory_page [docs/theory.md]` writes the page.

Everything is measured on held-out families (split "test"). The same versions write the same page.
"""

from __future__ import annotations

import argparse
import inspect
import re
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from musicgym.agents.comparison import Figure
from musicgym.benchmarks.adversaries import uniform_random
from musicgym.benchmarks.corruptions import CORRUPTIONS
from musicgym.benchmarks.discrimination import discrimination
from musicgym.benchmarks.fit_theory import BARS, NEAREST, WINDOWS
from musicgym.benchmarks.near_music import NEAR_MUSIC
from musicgym.benchmarks.theory_figures import FEWEST_WINDOWS, LOWEST, alone, at_best, firing, random_notes, rivals, weightless
from musicgym.benchmarks.tunes import METERS, Tunes, tunes
from musicgym.files.atomic import replace_file
from musicgym.rewards import Rules
from musicgym.rewards.rules import Rule
from musicgym.rewards.theory import MODULES, theory

SPLIT = "test"
LENGTH = 8  # bars
GOALS = {"permuted notes": 0.95, "20 % wrong notes": 0.85, "uniform random": 0.95}
MAIN = ("permuted notes", "20 % wrong notes", "one wrong note", "uniform random")
# Of the adversaries, those that must stand below the 10th percentile of real tunes.
BEATEN = (
    "one note", "repeated quarters", "silence", "hold", "scale in eighths", "scale in sixteenths", "two-bar loop",
    "uniform random",
)  # fmt: skip
PIECES = 200  # of random play note by note
SHORTER = (2, 4)  # bars
COMMANDS = """<!-- not run: takes some minutes, and writes where the sources lie -->
```bash
python -m musicgym.benchmarks.fit_theory --write
python -m musicgym.benchmarks.theory_page docs/theory.md
```"""


def page() -> str:
    """The page as Markdown; about a minute of measuring."""
    real, judge = tunes(SPLIT, LENGTH), theory()
    aucs = alone(real)
    parts = [
        *_about(real, judge),
        *_whole(judge, real),
        *_adversaries(judge, real),
        *_says(judge),
        *_speaks(judge, real),
        *_tells(judge, aucs),
        *_weightless(real, aucs),
    ]
    return "\n\n".join(parts) + "\n"


def _about(real: Tunes, judge: Rules) -> list[str]:
    names = [module.__name__.rpartition(".")[2] for module in MODULES]
    modules = ", ".join(f"[{name}](../rewards/theory/{name}.py)" for name in names)
    bars = ", ".join(map(str, BARS[:-1])) + f" and {BARS[-1]}"
    metres = ", ".join(f"{a}/{b} ({int((real.meter == (a, b)).all(axis=1).sum())})" for a, b in METERS)
    collections = ", ".join(real.collections)
    windows, families = len(real.families), len(np.unique(real.families))
    return [
        "# Theory, in figures",
        paragraph(
            f"""
            `theory` is {len(judge.terms)} rules of melody ({modules}), each a term that can be switched off, weighed and set by
            its name. Their weights ([weights.json](../rewards/theory/weights.json)) were fitted on training families, to at most
            {WINDOWS:,} windows of {bars} bars each, to tell real tunes from spoiled ones, from near music and from scripted
            non-music. What agents were seen to farm was turned into kinds of near music: no agent's piece is in the fit.
            """
        ),
        COMMANDS,
        paragraph(
            f"""
            All figures here are of held-out families, which neither the fit nor the choice of rules that tell nothing has seen:
            {windows} windows of {LENGTH} bars from {families} melody families of {collections} (of the chorales the soprano), by
            metre: {metres}. Most windows break off before their tune ends. In brackets are 95 % intervals, bootstrapped over
            families.
            """
        ),
    ]


def _whole(judge: Rules, real: Tunes) -> list[str]:
    rows = []
    for name in (*CORRUPTIONS, *NEAR_MUSIC, "uniform random"):
        found = discrimination(judge, real, name)
        goal = f"{GOALS[name]:.2f}" if name in GOALS else ""
        rows.append([name, interval_cell(found.auc["total"], 3), interval_cell(found.paired["total"], 3), goal])
    shorter = []
    for bars in SHORTER:
        some = tunes(SPLIT, bars)
        for name in MAIN:
            found = discrimination(judge, some, name)
            figures = interval_cell(found.auc["total"], 3), interval_cell(found.paired["total"], 3)
            shorter.append([name, str(bars), f"{found.tunes:,} / {found.families}", *figures])
    return [
        "## The whole of it",
        paragraph(
            """
            The probability that a real tune is worth more than a spoiled one (AUC; a tie counts half). Pooled: any tune against
            any spoiled one; paired: each tune against its own spoiled copy. 0.5 tells nothing. Goals are for the pooled
            figure. The fit knew all of these kinds, on other families, but displaced, retrograde and shuffled bars.
            """
        ),
        table(["real tunes against", "pooled", "paired", "goal"], rows),
        "In shorter windows:",
        table(["real tunes against", "bars", "windows / families", "pooled", "paired"], shorter),
    ]


def _adversaries(judge: Rules, real: Tunes) -> list[str]:
    metres, found = rivals(judge, real)
    mean, lowest = found.real.T
    rows = [
        ["real tunes, mean", *(f"{value:.1f}" for value in mean), *[""] * 3],
        [f"real tunes, {LOWEST}th percentile", *(f"{value:.1f}" for value in lowest), *[""] * 3],
    ]
    missed = []
    for name, figure in found.standing.items():
        cells = [f"{value:.1f} ({100 * share:.0f} %)" for value, share in zip(found.mean[name], found.above[name])]
        below = [_below(values < lowest, metres) for values in (found.mean[name], found.half[name])]
        stands = f"{figure.mean:.1f} [{figure.low:.1f}, {figure.high:.1f}]"
        rows.append([f"**{name}**" if name in BEATEN else name, *cells, stands, *below])
        if name in BEATEN and below != ["yes", "yes"]:
            missed.append(f"{name} ({below[0].removeprefix('no: ')})")
    by = ", ".join(missed) or "none"
    return [
        "## Scripted non-music",
        paragraph(
            f"""
            Mean total of each adversary's pieces and, in brackets, how many of them are above the {LOWEST}th percentile of the
            real tunes in that metre. Then the percentile at which its pieces stand, on average, among the real tunes of their
            length, and whether its mean and its median are below the {LOWEST}th percentile in every metre. In bold: those of
            which that is asked; missed by {by}. Metres with fewer than {FEWEST_WINDOWS} windows are left out.
            """
        ),
        table(["on the pages of tunes in", *(f"{a}/{b}" for a, b in metres), "percentile", "mean below", "median below"], rows),
    ]


def _says(judge: Rules) -> list[str]:
    return ["## The rules: what they say", rules_table(judge)]


def rules_table(judge: Rules) -> str:
    """What the rules of a set say, by their docstrings, with their weights and parameters, in Markdown."""
    rows = []
    for term, rule, values, weight in judge.entries:
        meaning, source = meaning_and_source(rule)
        settings = [
            f"{name} {value:g}" + (" ({:g} to {:g})".format(*rule.within[name]) if name in rule.within else "")
            for name, value in zip(rule.parameters, values)
        ]
        rows.append([f"`{term}`", f"{weight:g}", meaning, source, ", ".join(settings)])
    return table(["rule", "weight", "before weighing", "source", "parameters (range)"], rows)


def _speaks(judge: Rules, real: Tunes) -> list[str]:
    kinds = {
        "tunes": real.excerpts,
        "random steps": uniform_random(real.excerpts, np.random.default_rng(0)),
        "random notes": random_notes(PIECES),
    }
    found = firing(kinds)
    rows = []
    for term in judge.terms:
        of = [found[kind][term] for kind in kinds]
        shares = (f"{100 * one.share:.2f} %" for one in of)
        rows.append([f"`{term}`", of[0].unit, *shares, *(f"{round(one.mean, 3) + 0.0:.3f}" for one in of)])  # + 0.0: no -0.000
    return [
        "## The rules: how often they speak",
        paragraph(
            f"""
            The share of what a rule judges (notes, rests, bars, or the piece; for some rules every second or fourth bar) at
            which it says something, and the mean of what it says of one, before weighing: in real tunes, in random play step by
            step (`Melody-v0`'s actions on the tunes' pages) and in random play note by note ({PIECES} pieces of
            `ExpressiveMelody-v0`).
            """
        ),
        table(["rule", "of a", *kinds, *(f"mean: {kind}" for kind in kinds)], rows),
    ]


def _tells(judge: Rules, aucs: Mapping[str, Mapping[str, Figure]]) -> list[str]:
    rows = [
        [f"`{term}`", f"{weight:g}", *(interval_cell(aucs[term][name], 2) for name in MAIN), named_cell(at_best(aucs[term]))]
        for term, _, _, weight in judge.entries
    ]
    return [
        "## The rules: what each tells alone",
        paragraph(
            """
            Pooled AUC of one rule's total. It is 0.50 where spoiling leaves alone what a rule looks at, and near it where most
            pieces tie at 0. Below 0.50 the spoiled tune is worth more: such rules are for other kinds of non-music, of which the
            last column has that which the rule tells best.
            """
        ),
        table(["rule", "weight", *MAIN, "at best"], rows),
    ]


def _weightless(real: Tunes, aucs: Mapping[str, Mapping[str, Figure]]) -> list[str]:
    rows = [
        [
            f"`{term}`",
            "adds nothing" if found.tells else "tells nothing",
            named_cell(found.best),
            named_cell(found.close),
            f"{found.nearest[1]:.2f} `{found.nearest[0]}`",
            f"{found.explained:.2f}",
        ]
        for term, found in weightless(real, aucs).items()
    ]
    nearest = ", ".join(NEAREST)
    return [
        "## The rules of weight 0",
        paragraph(
            f"""
            A rule *tells nothing* if on validation families it tells tunes from none of what comes near to them (`telling` in
            [fit_theory](../benchmarks/fit_theory.py)): no interval of its AUC, widened for so many looks, lies above 0.5. It
            *adds nothing* if it tells something alone, but beside the other rules the fit leaves it at 0, the least it may be:
            it is redundant, or too rare or too weak to count. How redundant it is says R², of its totals on those of all rules
            that weigh something; the one most like it stands with their correlation. Both are over real tunes and the nearest
            kinds of spoiled ones ({nearest}). Rules of weight 0 can still be used by name.
            """
        ),
        table(["rule", "why", "tells at best", "at best of the nearest kinds", "most like", "R²"], rows),
    ]


def meaning_and_source(rule: Rule) -> tuple[str, str]:
    """A rule's meaning in one line and its source: the rest of its docstring, with what ends the first line in brackets."""
    first, _, rest = inspect.cleandoc(rule.__doc__ or "").partition("\n")
    inside = re.fullmatch(r"(.+?) \(((?:[^()]|\([^()]*\))+)\)\.?", first)
    meaning, source = inside.groups() if inside else (first, "")
    source = source and source[0].upper() + source[1:] + "."
    return f"{meaning.rstrip('.')}.", " ".join(f"{source} {rest}".split())


def _below(is_below: np.ndarray, metres: Iterable[tuple[int, int]]) -> str:
    above = [f"{a}/{b}" for (a, b), below in zip(metres, is_below) if not below]
    return f"no: {', '.join(above)}" if above else "yes"


def interval_cell(figure: Figure, decimals: int) -> str:
    """A figure and its interval."""
    return f"{figure.mean:.{decimals}f} [{figure.low:.{decimals}f}, {figure.high:.{decimals}f}]"


def named_cell(found: tuple[str, Figure]) -> str:
    """A figure, its interval and its name."""
    return f"{interval_cell(found[1], 2)} {found[0]}"


def paragraph(text: str) -> str:
    """A paragraph in lines of their usual length."""
    return textwrap.fill(" ".join(text.split()), 150, break_long_words=False, break_on_hyphens=False)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Write the page."""
    return write_page(argv, __doc__ or "", Path("docs/theory.md"), page)


def write_page(argv: Sequence[str] | None, about: str, default: Path, page: Callable[[], str]) -> int:
    """The command of a page: writes what `page` gives to the file that is asked for."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", nargs="?", type=Path, default=default, help="the file to write")
    path = parser.parse_args(argv).page
    if not path.parent.is_dir():
        parser.error(f"{path}: there is no folder {path.parent}: run this in a checkout, or name another file")
    with replace_file(path) as temporary:
        temporary.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
