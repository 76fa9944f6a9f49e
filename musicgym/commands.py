"""The command line: `musicgym COMMAND ...`.

This module knows the name, the help line and the place of every command, and nothing else. A command's own module is
imported when the command is called, so `musicgym --help` is quick, and the core imports nothing from the packages above it.

A command is a callable that takes `args` (list of text) and `prog_name`, as a `typer.Typer` does. Exit status: 0 done,
1 failed (a file, or what it says: the reason is one line on stderr; with MUSICGYM_DEBUG set, a traceback), 2 the command line was
wrong (`UsageError`), 130 interrupted.
"""

from __future__ import annotations

import difflib
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from types import MappingProxyType
from typing import NamedTuple

from musicgym import __version__


class UsageError(ValueError):
    """The command line was wrong: exit status 2."""


@contextmanager
def typed() -> Iterator[None]:
    """Inside, what is found wrong is what a user typed: a ValueError becomes a `UsageError` that says the same.

    >>> with typed():
    ...     int("three")
    Traceback (most recent call last):
    musicgym.commands.UsageError: invalid literal for int() with base 10: 'three'
    """
    try:
        yield
    except ValueError as error:
        raise UsageError(str(error)) from error


class Command(NamedTuple):
    """Where a command is found, and what `musicgym --help` says of it."""

    module: str
    """Dotted name of the module, imported when the command is called."""
    name: str
    """The attribute of that module that is called."""
    help: str
    """One line."""
    extra: str = ""
    """The extra of the distribution that the command needs: `pip install "musicgym[extra]"`."""


COMMANDS: Mapping[str, Command] = MappingProxyType(
    {
        "train": Command(
            "musicgym.agents.commands", "train", "Train an agent and leave its pieces, scores and figures in runs/.", "agents"
        ),
        "compose": Command(
            "musicgym.agents.composing_commands",
            "compose",
            "Let a trained agent compose, also from your own beginning.",
            "agents",
        ),
        "reward": Command("musicgym.rewards.commands", "reward", "Judge MIDI, MusicXML and ABC files, note by note."),
        "list": Command("musicgym.agents.listing", "list_", "Name the tasks, rewards, agents and corpora there are."),
        "corpus": Command("musicgym.corpus.commands", "corpus", "List, build and show the collections of real tunes."),
        "model": Command(
            "musicgym.models.commands", "model", "Train sequence models that know music, list and show them.", "agents"
        ),
        "bench": Command(
            "musicgym.benchmarks.commands",
            "bench",
            "Measure how fast the environments are, beside others in the same run.",
            "agents",
        ),
    }
)


def main(argv: Sequence[str] | None = None, commands: Mapping[str, Command] = COMMANDS) -> int:
    """Run the command line `argv` (that of the process if None) and return the exit status.

    >>> main(["--version"]) == 0
    musicgym 0.1.0
    True
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] in ("-h", "--help"):
        print(_overview(commands), file=sys.stdout if words else sys.stderr)
        return 0 if words else 2
    if words[0] == "--version":
        print(f"musicgym {__version__}")
        return 0
    word, *rest = words
    if word not in commands:
        near = difflib.get_close_matches(word, commands, n=3)
        advice = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(commands)}; see musicgym --help"
        return _fail(f"no such command: {word!r}; {advice}", 2)
    return _run(word, commands[word], rest)


def _overview(commands: Mapping[str, Command]) -> str:
    width = max(map(len, commands))
    return "\n".join(
        [
            "Usage: musicgym COMMAND [ARGS]...",
            "",
            "Gymnasium environments in which agents learn to compose.",
            "",
            "Commands:",
            *(f"  {word:<{width}}  {command.help}" for word, command in commands.items()),
            "",
            "Options:",
            "  --version  Show the version.",
            "  --help     Show this; 'musicgym COMMAND --help' tells more about one command.",
            "",
            "Exit status:",
            "  0  done",
            "  1  failed: a file that cannot be read or written, or what it says",
            "  2  the command line was wrong: an unknown option, name or reward, a value out of its range",
        ]
    )


def _run(word: str, command: Command, rest: list[str]) -> int:
    try:
        call = getattr(import_module(command.module), command.name)
        call(args=rest, prog_name=f"musicgym {word}")
    except SystemExit as stop:  # how Typer ends, also when all went well
        if isinstance(stop.code, str):
            return _fail(stop.code, 1)
        return stop.code or 0
    except KeyboardInterrupt:
        return _fail("interrupted", 130)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing in ("", "musicgym") or os.environ.get("MUSICGYM_DEBUG"):
            raise
        remedy = f'pip install "musicgym[{command.extra}]"' if command.extra else f"pip install {missing}"
        return _fail(f"musicgym {word} needs {missing}, which is not installed: {remedy}", 1)
    except Exception as error:  # bad input, whose message says what to do, and rules of a user's that don't compile
        told = _told(error) if isinstance(error, (ValueError, OSError)) else _uncompiled(error)
        if told is None or os.environ.get("MUSICGYM_DEBUG"):
            raise
        return _fail(told, 2 if isinstance(error, UsageError) else 1)
    return 0


def _uncompiled(error: Exception) -> str | None:
    """What Numba found wrong in a rule, in one line; None for an error that isn't Numba's."""
    if not type(error).__module__.startswith("numba."):
        return None
    lines = [line for line in re.sub(r"\x1b\[[0-9;]*m", "", str(error)).splitlines() if line.strip()]
    cause = next((line.strip() for line in lines if not line.startswith("Failed in")), "no reason given")
    cause = re.sub(r"\bPiece\(array.*", "Piece", cause)  # a type of twenty lines
    places = re.findall(r'File "([^"]+)", line (\d+)', str(error))
    where = f" ({places[0][0]}:{places[0][1]})" if places else ""
    return f"a rule doesn't compile: {cause}{where}; MUSICGYM_DEBUG=1 shows all that the compiler says"


def _told(error: ValueError | OSError) -> str:
    """An error in words; of the system's own those that name the file."""
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{os.fspath(error.filename)!r}: {error.strerror}"
    return str(error)


def _fail(message: str, status: int) -> int:
    print(f"Error: {message}", file=sys.stderr)
    return status
