"""Every example in README.md, ARCHITECTURE.md and docs/ is run, in order, in one empty folder a page.

    ```python   runs, as a notebook would run it: one namespace a page, called __main__
    ```pycon    runs as a doctest (>>> lines), in the same namespace
    ```bash     runs line by line; each line begins with `musicgym` or `python -m musicgym` and must end with status 0
    ```console  the same; only lines that begin with `$ ` are commands

An HTML comment right above a block changes that, and gives its reason:

    <!-- not run: needs a sound card -->      the block is left out, and listed as skipped
    <!-- tested with: --steps 4096 -->        these words are added to each command, so that it ends soon

Blocks in other languages (text, json, ...) are no examples. A block without a language is an error: nobody would know.
"""

import doctest
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    page for page in (ROOT / "README.md", ROOT / "ARCHITECTURE.md", *sorted((ROOT / "docs").rglob("*.md"))) if page.is_file()
]
SHELL = ("bash", "console", "sh")
RUN = ("python", "pycon", *SHELL)


class Block(NamedTuple):
    language: str
    text: str
    line: int
    """Of the block's first line of code, from 1."""
    skipped: str
    """Why it isn't run, or nothing."""
    added: str
    """Words added to each command."""


def blocks_of(page: str) -> list[Block]:
    """The fenced blocks of a Markdown page, with what the comment above each says."""
    blocks, lines, number = [], page.splitlines(), 0
    while number < len(lines):
        fence = re.match(r"(\s*)(```+|~~~+)\s*(\w*)", lines[number])
        if fence is None:
            number += 1
            continue
        above = lines[number - 1].strip() if number else ""
        note = re.fullmatch(r"<!-- (not run|tested with): (.+) -->", above)
        if note is None and re.match(r"<!--\s*(not run|tested with|run)", above, re.IGNORECASE):
            raise ValueError(f"line {number}: {above!r}: expected <!-- not run: REASON --> or <!-- tested with: WORDS -->")
        indent, marks, language = fence.groups()
        end = next((n for n in range(number + 1, len(lines)) if lines[n].strip() == marks), None)
        if end is None:
            raise ValueError(f"line {number + 1}: the block opened with {marks} is never closed")
        if not language:
            raise ValueError(f"line {number + 1}: a block needs a language: {', '.join(RUN)} are run, 'text' is not")
        text = "\n".join(line.removeprefix(indent) for line in lines[number + 1 : end])
        kind, said = note.groups() if note else ("", "")
        blocks.append(Block(language, text, number + 2, said * (kind == "not run"), said * (kind == "tested with")))
        number = end + 1
    return blocks


def commands_of(block: Block) -> list[tuple[int, list[str]]]:
    """Line number and words of each command of a shell block; a line that ends with a backslash goes on in the next."""
    commands, begun = [], ""
    for number, line in enumerate(block.text.splitlines(), block.line):
        if block.language == "console" and not begun:
            if not line.startswith("$ "):
                continue  # what the command prints
            line = line.removeprefix("$ ")
        begun += line
        if begun.endswith("\\"):
            begun = begun[:-1]
            continue
        words = shlex.split(begun, comments=True)
        begun = ""
        if words:
            commands.append((number, [*words, *shlex.split(block.added)]))
    return commands


def run_command(words: list[str], where: str, cwd: Path) -> None:
    if words[0] == "musicgym":
        words = ["python", "-m", *words]
    assert words[:3] == ["python", "-m", "musicgym"], f"{where}: not a musicgym command: mark the block <!-- not run: REASON -->"
    done = subprocess.run([sys.executable, *words[1:]], cwd=cwd, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, f"{where}: {shlex.join(words)} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"


def run_page(page: Path, namespace: dict, cwd: Path) -> list[str]:
    """Run the page's blocks; the reasons of those that are left out."""
    skipped = []
    for block in blocks_of(page.read_text(encoding="utf-8")):
        where = f"{page.name}:{block.line}"
        if block.language not in RUN:
            continue
        if block.skipped:
            skipped.append(f"{where}: {block.skipped}")
        elif block.language == "python":
            # Empty lines before it give the code the page's line numbers, in tracebacks and for inspect.getsource.
            exec(compile("\n" * (block.line - 1) + block.text, str(page), "exec"), namespace)
        elif block.language == "pycon":
            report: list[str] = []
            test = doctest.DocTestParser().get_doctest(block.text, namespace, where, str(page), block.line - 1)
            runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
            runner.run(test, out=report.append, clear_globs=False)
            namespace.update(test.globs)
            assert not runner.failures, "".join(report)
        else:
            for number, words in commands_of(block):
                run_command(words, f"{page.name}:{number}", cwd)
    return skipped


@pytest.fixture
def notebook(tmp_path, monkeypatch) -> dict:
    """The namespace of a fresh `__main__`, in an empty folder."""
    module = ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", module)
    monkeypatch.chdir(tmp_path)
    # Commands run elsewhere: a checkout that isn't installed has to be found from there too.
    monkeypatch.setenv("PYTHONPATH", str(ROOT), prepend=os.pathsep)
    return vars(module)


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_example_of_a_page_runs(page, notebook, tmp_path):
    run_page(page, notebook, tmp_path)


@pytest.mark.parametrize(
    ("where", "reason"),
    [
        (f"{page.name}:{block.line}", block.skipped)
        for page in PAGES
        for block in blocks_of(page.read_text(encoding="utf-8"))
        if block.skipped
    ],
)
def test_an_example_is_left_out(where, reason):
    pytest.skip(f"{where}: {reason}")  # so that pytest's summary lists what isn't run, with the page's own reason


def page_of(tmp_path: Path, text: str) -> Path:
    page = tmp_path / "page.md"
    page.write_text(text, encoding="utf-8")
    return page


def test_blocks_of_a_page_share_one_namespace_in_order(notebook, tmp_path):
    page = page_of(tmp_path, "```python\na = 1\n```\n\n- in a list:\n  ```python\n  a += 1\n  ```\n\n```pycon\n>>> a\n2\n```\n")
    assert run_page(page, notebook, tmp_path) == []
    assert notebook["a"] == 2


def test_a_failing_example_points_at_its_line_in_the_page(notebook, tmp_path):
    page = page_of(tmp_path, "one\n\n```python\nfine = 1\n1 / 0\n```\n")
    with pytest.raises(ZeroDivisionError) as failure:
        run_page(page, notebook, tmp_path)
    assert (Path(failure.traceback[-1].path), failure.traceback[-1].lineno + 1) == (page, 5)


def test_the_source_of_a_function_in_an_example_can_be_read(notebook, tmp_path):
    page = page_of(tmp_path, "```python\nimport inspect\ndef f():\n    return 1\nsource = inspect.getsource(f)\n```\n")
    run_page(page, notebook, tmp_path)
    assert notebook["source"] == "def f():\n    return 1\n"


def test_a_wrong_output_fails(notebook, tmp_path):
    with pytest.raises(AssertionError, match="Expected"):
        run_page(page_of(tmp_path, "```pycon\n>>> 1 + 1\n3\n```\n"), notebook, tmp_path)


def test_commands_are_run_and_a_failing_one_is_named(notebook, tmp_path):
    run_page(page_of(tmp_path, "```console\n$ musicgym --version\nmusicgym 9.9\n```\n"), notebook, tmp_path)
    with pytest.raises(AssertionError, match=r"page.md:3: python -m musicgym no-such-command ended with 2"):
        run_page(page_of(tmp_path, "```bash\nmusicgym --version  # fine\nmusicgym no-such-command\n```\n"), notebook, tmp_path)


def test_commands_of_other_programs_need_a_reason_to_be_left_out(notebook, tmp_path):
    with pytest.raises(AssertionError, match="not a musicgym command"):
        run_page(page_of(tmp_path, "```bash\nrm -r /tmp/x\n```\n"), notebook, tmp_path)


def test_a_block_left_out_is_listed_with_its_reason(notebook, tmp_path):
    page = page_of(tmp_path, "<!-- not run: needs a choir -->\n```python\n1 / 0\n```\n")
    assert run_page(page, notebook, tmp_path) == ["page.md:3: needs a choir"]


def test_words_are_added_to_every_command():
    (block,) = blocks_of("<!-- tested with: --steps 64 -->\n```bash\nmusicgym train \\\n  --seed 1\nmusicgym train\n```\n")
    assert commands_of(block) == [
        (4, ["musicgym", "train", "--seed", "1", "--steps", "64"]),
        (5, ["musicgym", "train", "--steps", "64"]),
    ]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("```python\na = 1\n", "never closed"),
        ("```\na = 1\n```\n", "needs a language"),
        ("<!-- not run -->\n```python\n```\n", "expected <!-- not run: REASON -->"),
    ],
)
def test_a_page_that_cannot_be_read_is_an_error(text, fault):
    with pytest.raises(ValueError, match=fault):
        blocks_of(text)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_a_page_links_to_is_there(page):
    targets = re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    missing = [t for t in targets if "://" not in t and not t.startswith("#") and not (page.parent / t.split("#")[0]).exists()]
    assert not missing
