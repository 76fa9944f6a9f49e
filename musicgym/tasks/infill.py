"""Tasks of real pieces with holes: filling them, and improving what stands in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from musicgym.tasks.chorale import SATB, chorale

if TYPE_CHECKING:
    from musicgym.task import Order, Task

MELODY = ((55, 88),)  # the fiddle tunes' own, from the violin's lowest string on; MIDI numbers


def infill(
    holes: Literal["slot", "bar", "voice"] = "bar",
    blank: float = 0.4,
    bars: int | None = 4,
    improve: bool = False,
    given: tuple[int, ...] = (),
    steps_per_quarter: int = 4,
    choice: Literal["step", "chord"] = "step",
    source: str = "bach/train",
    meter: tuple[int, int] | None = (4, 4),
    order: Order = "time",
    ranges: tuple[tuple[int, int], ...] | None = None,
    **fields: Any,
) -> Task:
    """A real piece with holes: single slots, bars or whole voices are blank, the rest stands there.

    Args:
        holes: what is blank as one: a "slot" (one step of one voice), a "bar" of one voice, or a "voice".
        blank: share of them that is blank, in (0, 1]; always one at the least.
        bars: of an excerpt, which begins at a bar line; None for whole pieces. `length`, in steps, goes before it.
        improve: the holes hold the piece's own notes, and choices edit them; `sweeps=2` goes through them twice. A draft
            of one's own is improved by `reset(options={"given": draft})`.
        given: voices without holes.
        steps_per_quarter: the grid: 4 (sixteenths), 2 (eighths) or 1 (beats); see `musicgym.tasks.chorale.chorale`.
        choice: "step": one voice at one step; "chord": all blank voices of a step.
        source: corpus and split: chorales ("bach/train"), or tunes ("fiddle/train").
        meter: of the source's music; None for any, with bars counted as 4/4.
        order: of filling; see `Task`.
        ranges: lowest and highest pitch of each voice, MIDI numbers; None for those of a choir where the source is the chorales,
            else for one voice.
        fields: any other field of `Task`.

    Raises:
        ValueError: an unknown kind of choice, bars that are none, or a value that `Task` doesn't take.
    """
    if improve.__class__ is not bool:
        raise ValueError(f"improve={improve!r}: expected True or False")
    begin = "filled" if improve else "blank"
    holed: dict[str, Any] = {"holes": holes, "blank": blank, "begin": begin}
    if ranges is None and str(source).partition("/")[0].strip() != "bach":
        ranges = MELODY
        holed |= {"tempo": 120.0, "programs": (0,)}
    return chorale(given, bars, steps_per_quarter, choice, source, meter, order, ranges or SATB, **{**holed, **fields})
