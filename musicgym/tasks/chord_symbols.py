"""Tasks of chord symbols: chords for a melody, or a melody over chords."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from musicgym.task import Task

PIANO, CHOIR_AAHS = 0, 52  # General MIDI


def chord_symbols(
    compose: Literal["chords", "melody"] = "chords",
    bars: int | None = 4,
    every: Literal["beat", "half bar"] = "beat",
    range: tuple[int, int] = (57, 81),
    steps_per_quarter: int = 4,
    source: str = "bach:symbols/train",
    meter: tuple[int, int] = (4, 4),
    **fields: Any,
) -> Task:
    """A melody over chord symbols, the melody or the chords given: sopranos of chorales and the labels of their harmony.

    The melody is voice 0; the chords stand written out in four voices below it (see `musicgym.SymbolChoice`), so that they can be
    heard, and `Score.chord` names them. One's own melody comes with `reset(options={"given": score})`, a score of one voice;
    one's own chords as `Score.chord` of such a score, whose voice is blank where a melody is to be composed. Chords that are
    there stay; where every step has one, all are chosen anew.

    Args:
        compose: "chords": a choice is a chord's root, quality and inversion for one beat or half bar. "melody": it is one step
            of the melody over the chords of the labels, one a beat.
        bars: of an excerpt, which begins at a bar line; None for whole chorales. `length`, in steps, goes before it.
        every: how long a chosen chord stands; of bars that have no halves on a beat the whole.
        range: the melody's lowest and highest pitch, MIDI numbers.
        steps_per_quarter: the grid.
        source: corpus and split; see `Task`.
        meter: of the source's music.
        fields: any other field of `Task`.

    Raises:
        ValueError: an unknown `compose` or `every`, or a value that `Task` doesn't take.
    """
    from musicgym.choice import StepChoice, SymbolChoice
    from musicgym.chords import LOWEST_ABOVE, LOWEST_BASS, VOICES
    from musicgym.pieces import beat_steps
    from musicgym.score import bar_steps
    from musicgym.task import Task
    from musicgym.tasks.melody import range_ends

    if compose not in ("chords", "melody"):
        raise ValueError(f"compose={compose!r}: expected 'chords' or 'melody'")
    if every not in ("beat", "half bar"):
        raise ValueError(f"every={every!r}: expected 'beat' or 'half bar'")
    if bars is not None and (bars.__class__ is not int or bars < 1):
        raise ValueError(f"bars={bars!r}: expected a whole number from 1 on, or None for whole pieces")
    low, high = range_ends(range)
    bar, beat = bar_steps(meter, steps_per_quarter), beat_steps(meter, steps_per_quarter)
    half = bar // 2 if bar % (2 * beat) == 0 else bar
    above, bass = (LOWEST_ABOVE, LOWEST_ABOVE + 11), (LOWEST_BASS, LOWEST_BASS + 11)
    if compose == "chords":
        choice: Any = SymbolChoice(beat if every == "beat" else half, (low, high))
    else:
        ranges = ((low, high), *(above,) * (VOICES - 1), bass)
        choice = StepChoice(min(low, bass[0]), max(high, above[1]), ranges)
    page = Task(
        choice,
        voices=1 + VOICES,
        length=None if bars is None else bars * bar,
        steps_per_quarter=steps_per_quarter,
        meter=meter,
        source=source,
        given=(0,) if compose == "chords" else (1, 2, 3, 4),
        tempo=72,
        programs=(CHOIR_AAHS, *(PIANO,) * VOICES),
    )
    return page.changed(**fields)
