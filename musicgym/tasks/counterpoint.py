"""Species counterpoint: voices written to a cantus firmus."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from musicgym.task import Task

STEPS_A_BAR = {1: 1, 2: 2, 3: 4, 4: 2, 5: 8}  # of each species' grid
# What may begin on the steps of the first bar, the bars between and the last: n a note, h a hold, r a rest. Fux's solutions
# have it so; only third species, which he begins with a note, may begin with a rest as well.
RHYTHMS = {
    1: ("n", "n", "n"),
    2: ("nr n", "n n", "n h"),
    3: ("nr n n n", "n n n n", "n h h h"),
    4: ("nr n", "nh n", "n h"),
    # A rest or note up to the middle of the first bar; eighths only in the second and fourth quarter of a bar.
    5: ("nr h h h n h nh nh", "nh h nh nh nh h nh nh", "n h h h h h h h"),
}
CANTUS_RANGE = (50, 72)  # of all cantus firmi that come with the package
# Lowest and highest pitch of the voices that are added, the highest voice first, by number of voices and the cantus's voice. In
# two voices Fux's lie within 60..77 above and 48..65 below.
ADDED_RANGES = {
    (2, 1): ((57, 81),),
    (2, 0): ((43, 67),),
    (3, 2): ((60, 84), (55, 77)),
    (3, 1): ((57, 81), (43, 67)),
    (3, 0): ((48, 69), (40, 62)),
}


def counterpoint(
    species: int = 1,
    above: bool = True,
    voices: int = 2,
    cantus: str | tuple[int, ...] = "cantus/train",
    cantus_voice: int | None = None,
    range: tuple[Any, ...] | None = None,
    forbid: tuple[str, ...] = (),
    **fields: Any,
) -> Task:
    """Species counterpoint: one voice, or two, written to a cantus firmus that stands there in whole notes.

    A bar of 4/4 has 1, 2, 4, 2 or 8 steps in the species 1 to 5, and masks let each begin with what the species has there
    (`RHYTHMS`). Pitches are free: all twelve of an octave within the voice's range may be chosen, as musica ficta needs them, and
    what is right is said by the rules of the reward, or by `forbid=("strict_counterpoint",)`, hard rules that Fux's own solutions
    obey. Of three voices the highest added one is in the species; the other adds whole notes.

    Args:
        species: 1 note against note, 2 two notes, 3 four notes, 4 syncopes, 5 florid.
        above: the added voices lie above the cantus firmus, else below.
        voices: 2 or 3, the cantus firmus among them.
        cantus: "cantus/train", "cantus/valid", "cantus/test" (generated ones), "fux_cantus", or MIDI numbers of one of your own,
            a note a bar, ending on its final. With the environment's `given=[score]` or `reset(options={"given": score})` it is
            that score's. Its last note is the tonic, in whatever key a score says it is; where that isn't the score's own
            tonic the mode is the one that holds most of its notes, of two as good that of the white keys: (62, 65, 64, 62) is
            in D dorian. `reset(options={"given": score, "key": "D minor"})` says otherwise.
        cantus_voice: where it lies, 0 the highest, whatever `above` says; None for what that says. 1: the middle of three.
        range: lowest and highest pitch of the added voice, MIDI numbers, or a pair for each of two; None for two octaves or so.
        forbid: see `Task`.
        fields: any other field of `Task`.

    Raises:
        ValueError: an unknown species, a number of voices or a place that there isn't, a range that is none, or a cantus
            firmus that leaves a voice no room.
    """
    from musicgym.choice import StepChoice
    from musicgym.corpus.cantus_pages import cantus_source, is_cantus, no_room
    from musicgym.task import Task
    from musicgym.tasks.chorale import CHOIR_AAHS

    if species.__class__ is not int or species not in STEPS_A_BAR:
        raise ValueError(f"species={species!r}: expected 1, 2, 3, 4 or 5")
    if voices.__class__ is not int or voices not in (2, 3):
        raise ValueError(f"voices={voices!r}: expected 2 or 3, the cantus firmus among them")
    if above.__class__ is not bool:
        raise ValueError(f"above={above!r}: expected True or False")
    place = (voices - 1 if above else 0) if cantus_voice is None else cantus_voice
    if place.__class__ is not int or not 0 <= place < voices:
        raise ValueError(f"cantus_voice={cantus_voice!r}: expected 0..{voices - 1} (0 the highest), or None")
    added = _ranges(range, ADDED_RANGES[voices, place])
    own = CANTUS_RANGE
    if isinstance(cantus, str) and is_cantus(cantus):
        source = cantus
    else:
        pitches = _pitches(cantus)
        source, own = cantus_source(pitches), (min(*CANTUS_RANGE, *pitches), max(*CANTUS_RANGE, *pitches))
    ranges = (*added[:place], own, *added[place:])
    if not isinstance(cantus, str) and (fault := no_room(pitches, place, ranges)):
        raise ValueError(f"cantus={pitches}: {fault}")
    if tuple(fields.get("given", (place,))) != (place,):
        raise ValueError(f"given={fields['given']!r}: the cantus firmus is what is given; say where it lies with cantus_voice=")
    steps = STEPS_A_BAR[species]
    whole = tuple(" ".join(("n", *"h" * (steps - 1))) for _ in RHYTHMS[species])
    rhythms = [whole] * voices
    rhythms[0 if place else 1] = RHYTHMS[species]
    page = Task(
        StepChoice(min(low for low, _ in ranges), max(high for _, high in ranges), ranges),
        voices=voices,
        length=None,
        steps_per_quarter=steps / 4,
        source=source,
        given=(place,),
        rhythm=tuple(rhythms),
        forbid=forbid,
        programs=(CHOIR_AAHS,) * voices,
    )
    return page.changed(**fields)


def _ranges(range: Any, usual: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
    """The added voices' ranges. Raises ValueError for anything else than pairs of MIDI numbers, one a voice."""
    from musicgym.choice import check_range

    if range is None:
        return usual
    pairs = (range,) if isinstance(range, (tuple, list)) and len(range) and not isinstance(range[0], (tuple, list)) else range
    wrong = not isinstance(pairs, (tuple, list)) or len(pairs) != len(usual)
    if wrong or not all(isinstance(pair, (tuple, list)) and len(pair) == 2 for pair in pairs):
        each = "(lowest, highest)" if len(usual) == 1 else "a (lowest, highest) for each of the 2 added voices"
        raise ValueError(f"range={range!r}: expected {each}, MIDI numbers")
    for low, high in pairs:
        check_range("Counterpoint", low, high)
    return tuple((int(low), int(high)) for low, high in pairs)


def _pitches(cantus: Any) -> tuple[int, ...]:
    numbers = tuple(cantus) if isinstance(cantus, (tuple, list)) else ()
    if len(numbers) < 3 or not all(pitch.__class__ is int and 0 <= pitch <= 127 for pitch in numbers):
        raise ValueError(
            f"cantus={cantus!r}: expected 'cantus/train', 'cantus/valid', 'cantus/test', 'fux_cantus', "
            "or three or more MIDI numbers"
        )
    return numbers
