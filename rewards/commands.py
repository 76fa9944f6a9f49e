"""`musicgym reward`: any reward as a judge of any music, note by note."""

from __future__ import annotations

import difflib
import enum
import sys
from collections.abc import Iterator
from typing import Annotated, Any, NamedTuple

import numpy as np
import typer
from typer.core import TyperCommand

from musicgym.choir import voice_names
from musicgym.commands import UsageError, typed
from musicgym.corpus.own_files import ENDINGS, Opened, misread, places, scores
from musicgym.files.notation import bar_numbers
from musicgym.registration import imported, parted
from musicgym.rewards.expression import parse
from musicgym.rewards.marks import Judgement, Mark
from musicgym.rewards.marks import judge as judged_by
from musicgym.rewards.reward import Reward, few_or_list
from musicgym.rewards.settings import with_settings
from musicgym.score import Score, key_name, parse_key
from musicgym.strict_json import dumps

reward = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
_EXAMPLES = """\b
Examples:
  musicgym reward theory tune.mid
  musicgym reward theory tune.musicxml --rule leap_recovered --worst 10
  musicgym reward "rl_tuner - 0.5*rl_tuner.motif" tunes/ "more/*.abc" --worst 0
  musicgym reward theory take.mid --key "A minor" --grid 12 --set leap_recovered.leap=7
  musicgym reward "-0.5*rl_tuner.motif" tunes/ --worst 0
  musicgym reward my_module:my_reward book.abc#12 --json
"""


_FINEST = 96  # steps a quarter: rules know halves and thirds of beats, and on its divisors each is a step or none is near


class Voices(enum.Enum):
    """How the parts of MIDI and MusicXML files become voices; see `musicgym.files.voices.build`."""

    tracks = "tracks"
    skyline = "skyline"
    split = "split"


class Wish(NamedTuple):
    """What is to be shown."""

    rules: tuple[str, ...]  # terms; all where empty
    worst: int | None
    bars: tuple[int, int] | None


class _Judge(TyperCommand):
    """A command whose first argument may begin with a minus, as `-1*theory` does. It has no options of one letter."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        takes_value = {word for option in self.params if not getattr(option, "is_flag", True) for word in option.opts}
        at = 0
        while at < len(args) and args[at].startswith("--") and args[at] != "--":
            at += 2 if args[at] in takes_value else 1
        if at < len(args) and args[at].startswith("-") and not args[at].startswith("--"):
            args = [*args[:at], f" {args[at]}", *args[at + 1 :]]  # with a space before it, it is no option
        return super().parse_args(ctx, args)


@reward.command(epilog=_EXAMPLES, cls=_Judge)
def judge(
    expression: Annotated[str, typer.Argument(metavar="EXPR", help="A reward's name or an expression of names.")],
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE...", help=f"Files ({', '.join(ENDINGS)}), folders, wildcards; book.abc#12 is one tune."),
    ],
    rule: Annotated[list[str] | None, typer.Option(help="Show this term alone; may be given again for others.")] = None,
    worst: Annotated[
        int | None, typer.Option(min=0, help="Show the N marks of each piece that cost most; 0: totals alone.")
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="TERM.PARAMETER=VALUE or TERM=WEIGHT; may be given again.")
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(help="The key of all pieces, such as 'A minor'. [default: the file's; in MIDI without one, estimated]"),
    ] = None,
    bars: Annotated[str | None, typer.Option(metavar="FIRST:LAST", help="Judge these bars as if they were all there is.")] = None,
    grid: Annotated[int, typer.Option(help=f"Steps a quarter, a divisor of {_FINEST}: 4, or 12 where there are triplets.")] = 4,
    voices: Annotated[
        Voices, typer.Option(help="tracks: a voice a part; skyline: the highest notes; split: all notes.")
    ] = Voices.tracks,
    json_: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Judge music with a reward: for every note that a rule says something about, bar, beat, note, rule and value.

    A line names what the rule is about: the note that was syncopated or left unanswered, whole bars, the whole piece. Values are
    weighted: they add up to the totals below them. Files that can't be judged are named on stderr, the others are judged
    all the same, and the exit status is then 1.
    """
    with typed():
        made = with_settings(_named(expression), set_ or [])
        wish = Wish(tuple(rule or ()), worst, _bars(bars))
        if key is not None:
            parse_key(key)
        if grid < 1 or _FINEST % grid:
            known = ", ".join(str(steps) for steps in range(1, _FINEST + 1) if _FINEST % steps == 0)
            raise ValueError(f"--grid {grid}: expected one of {known}: rules count in halves and thirds")
    shown: list[dict[str, Any]] = []
    failures: list[dict[str, str]] = []
    for piece in _opened(files, grid, voices.value, key):
        try:
            if piece.score is None:
                raise ValueError(piece.reason)
            record, lines = _shown(piece, piece.score, made, wish, voices.value)
        except UsageError:
            raise
        except ValueError as error:
            reason = str(error) if piece.name in str(error) else f"{piece.name!r}: {error}"
            failures.append({"file": piece.name, "reason": reason})
            typer.echo(f"Error: {reason}", err=True)
            continue
        shown.append(record)
        if not json_:
            typer.echo("\n".join([*([""] if len(shown) > 1 else []), *lines]))
    if json_:
        of = {"name": made.name, "fingerprint": made.fingerprint}
        sys.stdout.write(dumps({"reward": of, "pieces": shown, "failures": failures}) + "\n")
    elif len(shown) > 1:
        totals = [record["total"] for record in shown]
        typer.echo(f"\n{len(shown)} pieces: totals from {min(totals):.2f} to {max(totals):.2f}, mean {np.mean(totals):.2f}")
    if failures:
        raise typer.Exit(1)


def _named(expression: str) -> Reward:
    """The reward that is typed. Raises ValueError, naming the module too where one was asked for it."""
    text = imported(expression.strip(), "reward")
    module, _ = parted(expression)
    try:
        return parse(text)
    except ValueError as error:
        raise error if module is None else ValueError(f"{error}; the module {module!r} was imported for it") from error


def _bars(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    first, sign, last = text.partition(":")
    if not sign or not (first.isdecimal() and last.isdecimal()) or int(first) > int(last):
        raise ValueError(f"--bars {text!r}: expected FIRST:LAST, two bar numbers such as 1:16 (a pickup is bar 0)")
    return int(first), int(last)


def _opened(files: list[str], grid: int, voices: str, key: str | None) -> Iterator[Opened]:
    for place in places(files):
        yield from scores(place, steps_per_quarter=grid, voices=voices, key=key)


def _shown(piece: Opened, score: Score, made: Reward, wish: Wish, way: str) -> tuple[dict[str, Any], list[str]]:
    """A piece's judgement as JSON and as lines of text; `way` is how voices were made."""
    first, stop = _steps(score, wish.bars)
    found = _chosen(judged_by(made, score, first, stop), wish, made)
    numbers = bar_numbers(score)
    moved = sum(change.kind == "quantised" for change in score.changes)
    record: dict[str, Any] = {
        "file": piece.name,
        "title": score.title,
        "key": key_name(int(score.tonic[first]), int(score.mode[first])),
        "key_from": piece.key_from,
        "meter": list(score.meter),
        "voices": score.voices,
        "bars": [int(numbers[first]), int(numbers[stop - 1])],
        "moved_to_grid": moved,
        "left_out": sum(change.notes for change in score.changes),
        "misread": misread(score),
        "total": found.total,
        "terms": found.totals,
        "marks": [{**mark._asdict(), "value": round(mark.value, 6)} for mark in found.marks],
    }
    return record, [*_heading(record, way), *_table(found, score), *_totals(found)]


def _steps(score: Score, bars: tuple[int, int] | None) -> tuple[int, int]:
    if bars is None:
        return 0, score.steps
    numbers = bar_numbers(score)
    inside = np.flatnonzero((numbers >= bars[0]) & (numbers <= bars[1]))
    if not inside.size:
        raise ValueError(f"--bars {bars[0]}:{bars[1]}: it has the bars {numbers[0]}:{numbers[-1]}")
    return int(inside[0]), int(inside[-1]) + 1


def _chosen(found: Judgement, wish: Wish, made: Reward) -> Judgement:
    """The terms and marks that are asked for. Raises ValueError for a term that isn't there, with the nearest."""
    totals, marks = found.totals, found.marks
    if wish.rules:
        chosen: list[str] = []
        for name in wish.rules:
            of_name = [term for term in totals if name in (term, term.rpartition(".")[2])]
            if not of_name:
                near = difflib.get_close_matches(name, totals, n=3, cutoff=0.5)
                hint = f"did you mean {' or '.join(near)}?" if near else few_or_list(totals, made.name)
                raise UsageError(f"--rule {name}: reward {made.name} has no such rule: {hint}")
            chosen += of_name
        totals = {term: value for term, value in totals.items() if term in chosen}
        marks = [mark for mark in marks if mark.rule in chosen]
    if wish.worst is not None:
        costly = sorted(
            (mark for mark in marks if mark.value < 0), key=lambda mark: (mark.value, mark.step, mark.voice, mark.paid_at)
        )
        marks = costly[: wish.worst]
    return Judgement(totals, marks)


def _heading(record: dict[str, Any], way: str) -> list[str]:
    """What is judged, and what reading did to it."""
    title = f" {record['title']!r}" if record["title"] else ""
    told = {"the file": "", "the notes": " (estimated from the notes; --key says better)", "asked for": " (asked for)"}
    first, last = record["bars"]
    numerator, denominator = record["meter"]
    bars = f"bar {first}" if first == last else f"bars {first} to {last}"
    lines = [f"{record['file']}{title}: {record['key']}{told[record['key_from']]}, {numerator}/{denominator}, {bars}"]
    if record["moved_to_grid"]:
        lines.append(
            f"  {record['moved_to_grid']} notes or marks were moved to the grid; --grid 12 holds triplets, 8 and 16 shorter notes"
        )
    lines += [f"  not understood: {field}" for field in record["misread"]]
    if record["left_out"]:
        is_abc = record["file"].partition("#")[0].lower().endswith(".abc")
        split = "" if is_abc or way == "split" else " (--voices split keeps what sounds together)"
        lines.append(
            f"  {record['left_out']} notes were left out: a voice keeps the highest of a chord, and no grace notes{split}"
        )
    return lines


def _table(found: Judgement, score: Score) -> list[str]:
    if not found.marks:
        return []
    several = score.voices > 1
    names = voice_names(score)
    rows = [_row(mark, names if several else None) for mark in found.marks]
    heads = ["bar", "beat", *(["voice"] if several else []), "note", "rule", "value"]
    widths = [max(len(row[column]) for row in [heads, *rows]) for column in range(len(heads))]
    right = {"bar", "beat", "value"}
    return [
        "  " + "  ".join(c.rjust(w) if head in right else c.ljust(w) for head, c, w in zip(heads, row, widths, strict=True))
        for row in [heads, *rows]
    ]


def _row(mark: Mark, names: list[str] | None) -> list[str]:
    return [
        str(mark.bar) if mark.bar == mark.last_bar else f"{mark.bar}-{mark.last_bar}",
        f"{mark.beat:.4g}" if mark.scope == "note" else "",
        *(["-".join(names[voice] for voice in sorted((mark.voice, *mark.others)))] if names is not None else []),
        mark.note,
        mark.rule,
        _number(mark.value),
    ]


def _totals(found: Judgement) -> list[str]:
    told = {term: value for term, value in found.totals.items() if value}
    width = max([*map(len, told), len("total")])
    lines = [f"    {term:<{width}}  {_number(value):>9}" for term, value in {**told, "total": found.total}.items()]
    silent = len(found.totals) - len(told)
    return [f"  by term ({silent} more at 0)" if silent else "  by term", *lines]


def _number(value: float) -> str:
    return f"{value:+.2f}" if abs(value) >= 0.005 or value == 0 else f"{value:+.1e}"
