"""How a benchmark says what was expected of it and whether it came out: in its tables, in its files, and by its status."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from musicgym.agents.runs import write_json


def verdicts(met: Mapping[str, bool]) -> list[str]:
    """A line for each expectation.

    Example:
        >>> verdicts({"silence is worth less": True})
        ['- met: silence is worth less']
    """
    return [f"- {'met' if value else 'MISSED'}: {name}" for name, value in met.items()]


def conclude(out: Path, name: str, text: str, result: Mapping[str, Any], met: Mapping[str, bool]) -> int:
    """Write NAME.json and NAME.md into a folder, which is made, and print the text; 0 where all came out as expected, else 1.

    Args:
        out: the folder.
        name: of the files.
        text: the tables, in Markdown.
        result: what JSON is to say besides the machine and what was expected.
        met: expectation -> whether it came out.
    """
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / f"{name}.json", {"machine": platform.platform(), **result, "expected": dict(met)})
    (out / f"{name}.md").write_text(text.rstrip("\n") + "\n", encoding="utf-8")
    print(text)
    return 0 if all(met.values()) else 1
