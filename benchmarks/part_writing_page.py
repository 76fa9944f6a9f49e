"""The published figures of `part_writing`: `python -m musicgym.benchmarks.part_writing_page [PAGE]` writes docs/part_writing.md.

Rates are of all chorales, what rules tell is measured on held-out families (split "test"). The same versions write the same page.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from musicgym import corpus
from musicgym.agents.comparison import Figure
from musicgym.benchmarks.discrimination import discrimination, standing, worth
from musicgym.benchmarks.fit_part_writing import BARS, LEAST, NEAREST, SHARES, SMALLEST, SPOILED, plain_parts
from musicgym.benchmarks.fit_theory import CLEARLY
from musicgym.benchmarks.part_writing_figures import rates
from musicgym.benchmarks.spoiled_parts import NON_MUSIC_IN_PARTS, kinds_of_parts
from musicgym.benchmarks.theory_figures import LOWEST, at_best
from musicgym.benchmarks.theory_page import interval_cell, named_cell, paragraph, rules_table, table, write_page
from musicgym.benchmarks.tunes import Tunes, chorales
from musicgym.pieces import Excerpts
from musicgym.rewards.part_writing import MODULES, part_writing

SPLIT = "test"
FURTHER = tuple(kind for kind in NEAREST if kind not in SPOILED)
COMMANDS = """<!-- not run: takes some minutes, and writes where the sources lie -->
```bash
python -m musicgym.benchmarks.fit_part_writing --write
python -m musicgym.benchmarks.part_writing_page docs/part_writing.md
```"""


def page() -> str:
    """The page as Markdown."""
    real = chorales(SPLIT, BARS)
    kinds = kinds_of_parts(real.families)
    alone = {name: discrimination(plain_parts(), real, kinds[name]).auc for name in SHARES}
    aucs = {term: {name: alone[name][term] for name in SHARES} for term in plain_parts().terms}
    parts = [*_about(real), *_whole(real), *_scripted(real), *_says(), *_speaks(), *_tells(aucs), *_departs(aucs)]
    return "\n\n".join(parts) + "\n"


def _about(real: Tunes) -> list[str]:
    names = [module.__name__.rpartition(".")[2] for module in MODULES]
    modules = ", ".join(f"[{name}](../rewards/part_writing/{name}.py)" for name in names)
    capped = ", ".join(f"`{term}`" for term, _, _, weight in part_writing().entries if weight == LEAST / SMALLEST)
    metres = ", ".join(f"{a}/{b} ({int((real.meter == (a, b)).all(axis=1).sum())})" for a, b in ((4, 4), (3, 4)))
    return [
        "# Part-writing, in figures",
        paragraph(
            f"""
            `part_writing` is {len(part_writing().terms)} rules of four-part writing ({modules}, and melody's
            `in_key`), each a term that can be switched off, weighed and set by its name. Their weights
            ([weights.json](../rewards/part_writing/weights.json)) were fitted on training families, to windows of {BARS} bars of
            Bach's chorales, to tell them from spoiled ones and from scripted non-music
            ([spoiled_parts](../benchmarks/spoiled_parts.py)). A rule that on validation families tells chorales from
            none of these weighs nothing: the interval of its AUC, widened for so many looks, must lie above 0.5 for one spoiled
            kind, or above {CLEARLY:g} for one of the scripted kinds, which are all alike. Of every other rule one standard
            deviation of Bach's own costs {LEAST:g}, because what one rule covers in spoiled chorales an agent may break apart
            from it; but none weighs more than {LEAST / SMALLEST:g} for that alone, so that rules from which Bach departs by less
            than {SMALLEST:g} cost less ({capped}).
            """
        ),
        COMMANDS,
        paragraph(
            f"""
            But for the rates, all figures are of held-out families: {len(real.families)} windows of {BARS} bars from
            {len(np.unique(real.families))} melody families, by metre: {metres}. In brackets are 95 % intervals, bootstrapped over
            families. The key is the local one that the corpus estimates; notes carry no spelling.
            """
        ),
    ]


def _whole(real: Tunes) -> list[str]:
    kinds, judge = kinds_of_parts(real.families), part_writing()
    rows = []
    for name in NEAREST:
        found = discrimination(judge, real, kinds[name])
        rows.append(
            [f"**{name}**" if name in SPOILED else name, *(interval_cell(f["total"], 3) for f in (found.auc, found.paired))]
        )
    return [
        "## The whole of it",
        paragraph(
            """
            The probability that a chorale is worth more than a spoiled one (AUC; a tie counts half). Pooled: any
            chorale against any
            spoiled one; paired: each against its own spoiled copy. 0.5 tells nothing. In bold: the soprano over another chorale's
            lower parts of the same metre and mode, moved to its key; one part a beat late; one wrong note of the key
            in every bar.
            """
        ),
        table(["chorales against", "pooled", "paired"], rows),
    ]


def _scripted(real: Tunes) -> list[str]:
    kinds, judge = kinds_of_parts(real.families), part_writing()
    totals = worth(judge, real.excerpts)[1][:, -1]
    lowest = float(np.percentile(totals, LOWEST))
    rows = [["Bach", f"{totals.mean():.1f}", f"{np.median(totals):.1f}", f"{100 * (totals > lowest).mean():.0f} %", ""]]
    for name in NON_MUSIC_IN_PARTS:
        played = worth(judge, kinds[name](real.excerpts, np.random.default_rng(0)))[1][:, -1]
        stands = standing(judge, real, kinds[name])
        above = f"{100 * (played > lowest).mean():.0f} %"
        rows.append([name, f"{played.mean():.1f}", f"{np.median(played):.1f}", above, interval_cell(stands, 1)])
    return [
        "## Scripted non-music",
        paragraph(
            f"""
            Mean and median total of the pieces, how many of them are above the {LOWEST}th percentile of Bach's
            ({lowest:.1f}), and the percentile at which they stand, on average, among Bach's of their length.
            """
        ),
        table(["on the pages of chorales", "mean", "median", f"above the {LOWEST}th percentile", "percentile"], rows),
    ]


def _says() -> list[str]:
    return ["## The rules: what they say", rules_table(part_writing())]


def _speaks() -> list[str]:
    chorales = corpus.load("bach")
    found = rates(Excerpts.from_scores(list(chorales)))
    rows = [
        [f"`{term}`", one.unit, f"{one.opportunities:,}", f"{one.faults:,}", f"{100 * one.share:.2f} %", f"{one.total:,.1f}"]
        for term, one in found.items()
    ]
    return [
        "## The rules: how often Bach breaks them",
        paragraph(
            f"""
            Over the {len(chorales)} chorales that fit a grid of sixteenths ({chorales.left_out} do not): what a rule
            judges, how many of these there are, at how many sites it says something, and the sum of what it says before weighing.
            """
        ),
        table(["rule", "for each", "there are", "speaks", "rate", "sum"], rows),
    ]


def _tells(aucs: Mapping[str, Mapping[str, Figure]]) -> list[str]:
    rows = [
        [f"`{term}`", f"{weight:g}", *(interval_cell(aucs[term][name], 2) for name in SPOILED), named_cell(at_best(aucs[term]))]
        for term, _, _, weight in part_writing().entries
    ]
    return [
        "## The rules: what each tells alone",
        paragraph(
            """
            Pooled AUC of one rule's total against the three kinds by which rules are judged, and against that of all
            kinds which it
            tells best. It is 0.50 where spoiling leaves alone what a rule looks at; below 0.50 the spoiled chorale is worth more.
            """
        ),
        table(["rule", "weight", *SPOILED, "at best"], rows),
    ]


def departures(weights: Mapping[str, float], aucs: Mapping[str, Mapping[str, Figure]]) -> list[str]:
    """Rules that weigh something though they tell chorales from none of `SPOILED`: no interval lies above 0.5."""
    return [term for term, weight in weights.items() if weight and all(round(aucs[term][name].low, 2) <= 0.5 for name in SPOILED)]


def _departs(aucs: Mapping[str, Mapping[str, Figure]]) -> list[str]:
    weights = {term: weight for term, _, _, weight in part_writing().entries}
    rows = [
        [f"`{term}`", f"{weights[term]:g}", *(_told(aucs[term], kinds) for kinds in (FURTHER, NON_MUSIC_IN_PARTS))]
        for term in departures(weights, aucs)
    ]
    return [
        "## Rules that weigh more than the three kinds say",
        paragraph(
            f"""
            A rule that tells chorales from none of the three kinds, whose intervals all include 0.5 or lie below it, was to weigh
            nothing. These {len(rows)} depart from that. The three kinds displace one part, change one note a bar, or put Bach's
            own parts together: rhythm, texture, the bass's steps and how chords follow stay about as good as Bach's, so the rules
            that look at these have nothing to tell there. An agent writes all of it anew: with weight 0 it would be paid no less
            for the held chords, wholly parallel voices and bars all alike that other kinds are made of. Here are all further
            kinds from which a rule alone tells chorales, its interval above 0.5. Whether a rule weighs anything was decided on
            validation families, by all kinds together.
            """
        ),
        table(["rule", "weight", "further spoiled chorales", "scripted non-music"], rows),
    ]


def _told(found: Mapping[str, Figure], kinds: Iterable[str]) -> str:
    """The kinds that a rule tells chorales from, the clearest first."""
    told = sorted((kind for kind in kinds if found[kind].low > 0.5), key=lambda kind: -found[kind].mean)
    return "; ".join(f"{kind} {interval_cell(found[kind], 2)}" for kind in told) or "none"


def main(argv: Sequence[str] | None = None) -> int:
    """Write the page."""
    return write_page(argv, __doc__ or "", Path("docs/part_writing.md"), page)


if __name__ == "__main__":
    raise SystemExit(main())
