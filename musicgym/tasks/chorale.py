"""Tasks in which some parts of a chorale stand already: harmonising them, in full sight or as they sound."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from musicgym.choice import ChordChoice, StepChoice
    from musicgym.task import Order, Task

SATB = ((57, 81), (53, 74), (48, 69), (36, 64))  # lowest and highest pitch of each voice in all of Bach's chorales, MIDI numbers
CHOIR_AAHS = 52  # General MIDI


def chorale(
    given: tuple[int, ...] = (0,),
    bars: int | None = 4,
    steps_per_quarter: int = 4,
    choice: Literal["step", "chord"] = "step",
    source: str = "bach/train",
    meter: tuple[int, int] | None = (4, 4),
    order: Order = "time",
    ranges: tuple[tuple[int, int], ...] = SATB,
    **fields: Any,
) -> Task:
    """Voices to be written to those of a chorale that are given: its soprano, unless asked otherwise.

    Fermatas (`Score.phrase_end`) and the local key stand on the page, and are seen, also where no voice is given.

    On grids coarser than sixteenths each step takes what sounds at it in the source: of two eighths on a beat the first. Most
    chorales have such notes between the steps of the beat grid; none is left out for them. What is scored and written to
    files is the music on that grid.

    Args:
        given: voices that stand there, 0 the highest; () for none.
        bars: of an excerpt, which begins at a bar line; None for whole chorales. `length`, in steps, goes before it.
        steps_per_quarter: the grid: 4 (sixteenths), 2 (eighths) or 1 (beats).
        choice: "step": one voice at one step; "chord": all composed voices of a step.
        source: corpus and split; see `Task`.
        meter: of the source's music, such as (3, 4); None for any, with bars counted as 4/4.
        order: of filling; see `Task`.
        ranges: lowest and highest pitch of each voice, MIDI numbers.
        fields: any other field of `Task`.

    Raises:
        ValueError: an unknown kind of choice, bars that are none, or a value that `Task` doesn't take.
    """
    from musicgym.score import bar_steps
    from musicgym.task import Task

    if bars is not None and (bars.__class__ is not int or bars < 1):
        raise ValueError(f"bars={bars!r}: expected a whole number from 1 on, or None for whole pieces")
    bar = bar_steps((4, 4) if meter is None else meter, steps_per_quarter)
    page = Task(
        voices_choice(choice, ranges),
        voices=len(ranges),
        length=None if bars is None else bars * bar,
        steps_per_quarter=steps_per_quarter,
        meter=meter,
        source=source,
        given=given,
        order=order,
        quantise=steps_per_quarter < 4,
        tempo=72,
        programs=(CHOIR_AAHS,) * len(ranges),
    )
    return page.changed(**fields)


def voices_choice(choice: Any, ranges: tuple[tuple[int, int], ...]) -> StepChoice | ChordChoice:
    """One step of one voice ("step") or of all ("chord"), within each voice's range. Raises ValueError for another kind."""
    from musicgym.choice import ChordChoice, StepChoice

    if choice not in ("step", "chord"):
        raise ValueError(f"choice={choice!r}: expected 'step' (one voice at one step) or 'chord' (all voices of a step)")
    try:
        pairs = tuple((low, high) for low, high in ranges)
        lowest, highest = min(low for low, _ in pairs), max(high for _, high in pairs)
    except (TypeError, ValueError) as error:
        raise ValueError(f"ranges={ranges!r}: expected a (lowest, highest) for each voice, MIDI numbers") from error
    return ChordChoice(pairs) if choice == "chord" else StepChoice(lowest, highest, pairs)


def accompaniment(
    lookahead: int = 0,
    given: tuple[int, ...] = (0,),
    bars: int | None = 4,
    steps_per_quarter: int = 4,
    choice: Literal["step", "chord"] = "step",
    source: str = "bach/train",
    meter: tuple[int, int] | None = (4, 4),
    ranges: tuple[tuple[int, int], ...] = SATB,
    **fields: Any,
) -> Task:
    """A chorale whose soprano is heard only up to now: voices are written to it as it sounds.

    What may be seen of the page doesn't tell what the partner plays later: see `musicgym.observation.Observation`.

    Args:
        lookahead: steps of the given voices that are seen beyond the one that is chosen.
        given: the partner's voices, one or more.
        bars: as all that follow, see `chorale`.
        steps_per_quarter: the grid.
        choice: "step" or "chord".
        source: corpus and split.
        meter: of the source's music.
        ranges: lowest and highest pitch of each voice.
        fields: any other field of `Task`.

    Raises:
        ValueError: no voice given, another order than time, or as `chorale`.
    """
    if not given:
        raise ValueError("Accompaniment(given=()): expected one or more voices of the partner's, such as (0,), the soprano")
    if fields.get("sees", "past") != "past":
        raise ValueError(f"Accompaniment(sees={fields['sees']!r}): expected lookahead=, or musicgym/Chorale-v0, which sees all")
    heard: dict[str, Any] = {**fields, "sees": "past", "lookahead": lookahead}
    return chorale(given, bars, steps_per_quarter, choice, source, meter, ranges=ranges, **heard)
