"""The collections that come with music21, and Fux's exercises, which come with this package, by name."""

from __future__ import annotations

import difflib

from musicgym.corpus import built
from musicgym.corpus.corpus import Corpus
from musicgym.corpus.readers import COLLECTIONS

ALIASES = {"fiddle": ("ryan", "oneill", "aird"), "melodies": ("ryan", "oneill", "aird")}


def names() -> list[str]:
    """Names that `load` knows, without the aliases "fiddle" and "melodies" (Ryan, O'Neill and Aird)."""
    return list(COLLECTIONS)


def load(*names: str, steps_per_quarter: int = 4, exact: bool = True) -> Corpus:
    """One or several built-in collections as one corpus.

    They are read from the corpus of the installed music21, once, into the user's cache folder.

    Args:
        names: of `names()`, or "fiddle" or "melodies" for Ryan, O'Neill and Aird together. "essen" is for
            NON-COMMERCIAL use only. "fux": 26 exercises, see `musicgym.corpus.fux`. Each collection's `rights` say what its
            files state.
        steps_per_quarter: the grid: 4 holds 99 % of the chorales, 64 % of Ryan, 66 % of O'Neill, 89 % of Aird and 98 % of
            Essen; 12 holds 93 % or more of every collection.
        exact: leave out the pieces that don't fit the grid (`left_out` counts them); False quantises them.

    Raises:
        ValueError: no name or an unknown one (with the nearest), or music21's corpus isn't installed.

    Example:
        >>> from musicgym import corpus
        >>> chorales = corpus.load("bach")
        >>> len(chorales), chorales[335]
        (361, Score('bwv66.6', voices=4, steps=144, notes=163, 4/4, F# minor))
    """
    wanted: list[str] = []
    for name in names:
        for part in ALIASES.get(name, (name,)):
            if part not in COLLECTIONS:
                near = difflib.get_close_matches(str(part), [*COLLECTIONS, *ALIASES], n=3, cutoff=0.3)
                hint = f"did you mean {' or '.join(map(repr, near))}?" if near else "see musicgym.corpus.names()"
                raise ValueError(f"no corpus is called {part!r}: {hint} (known: {', '.join([*COLLECTIONS, *ALIASES])})")
            if part not in wanted:
                wanted.append(part)
    if not wanted:
        raise ValueError(f"load(): expected one or more names of {', '.join([*COLLECTIONS, *ALIASES])}")
    return Corpus(
        built.together([built.load(name) for name in wanted]),
        name="+".join(wanted),
        steps_per_quarter=steps_per_quarter,
        rights="\n".join(f"{COLLECTIONS[name].title}: {COLLECTIONS[name].rights}" for name in wanted),
        exact=exact,
    )
