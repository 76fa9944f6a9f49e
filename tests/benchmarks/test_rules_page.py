"""The page of rules says what their docstrings say, and its examples show what they claim."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from musicgym.benchmarks.rule_examples import EXAMPLES, music
from musicgym.benchmarks.rules_page import described, groups, home, main, sets
from musicgym.rewards.expression import parse
from musicgym.rewards.rules import Rule

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "rules.md").read_text(encoding="utf-8")
SETS = sets()
RULES = {name: rule for group in groups() for name, rule in group.rules.items()}
MOST_BYTES = 1_500_000  # of all pictures


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.name)
def test_the_page_says_what_the_docstring_says(rule: Rule) -> None:
    (own,) = (part for part in PAGE.split("### ") if part.startswith(f"`{rule.name}`\n"))
    assert described(rule, SETS) in own, "write the page anew: python -m musicgym.benchmarks.rules_page docs/rules.md"


@pytest.mark.parametrize("name", RULES)
def test_every_rule_has_an_auc_or_says_why_there_is_none(name: str) -> None:
    (own,) = (part for part in PAGE.split("### ") if part.startswith(f"`{name}`\n"))
    assert re.search(r" AUC: .* \d\.\d\d \[\d\.\d\d, \d\.\d\d\]| AUC: none, for want of real music: ", own)
    assert ("for want of real music" in own) == (name in parse("performance").terms)


def test_every_rule_is_on_the_page_and_no_other() -> None:
    assert [part.split("`")[1] for part in PAGE.split("### ")[1:]] == list(RULES)


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.name)
def test_what_obeys_is_worth_more_than_what_breaks(rule: Rule) -> None:
    example, judge = EXAMPLES[rule.name], home(rule, SETS)
    texts = zip((example.obeys, example.breaks), example.loud, strict=True)
    pieces = [music(text, example.fields, loud) for text, loud in texts]
    obeys, breaks = (float(sum(values[0] for values in judge.score([piece]).values())) for piece in pieces)
    assert obeys > breaks


def test_every_example_is_of_a_rule_and_every_rule_has_a_picture() -> None:
    assert EXAMPLES.keys() == RULES.keys()
    pictures = {path.stem: path.stat().st_size for path in (DOCS / "rules").glob("*.svg")}
    assert pictures.keys() == RULES.keys()
    assert sum(pictures.values()) < MOST_BYTES
    assert all(f"rules/{name}.svg" in PAGE for name in RULES)


def test_a_picture_shows_both_pieces_and_reddens_what_is_at_fault() -> None:
    from musicgym.benchmarks.rule_pictures import picture

    text = picture(home(RULES["parallel_fifths"], SETS), EXAMPLES["parallel_fifths"])
    obeys, breaks = text.split(">breaks<")
    assert ">obeys<" in obeys
    assert 'class="fault' not in obeys
    assert breaks.count('class="fault') == 2  # tenor and bass


def test_loudness_of_an_example_is_that_of_its_notes() -> None:
    example = EXAMPLES["high_loud"]
    score = music(example.obeys, example.fields, example.loud[0])
    assert [note.velocity for note in score.notes(0)] == list(example.loud[0])
    assert np.unique(score.position[:1]).tolist() == [0]


def test_a_page_in_no_folder_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([str(tmp_path / "nowhere" / "rules.md")])
    assert "there is no folder" in capsys.readouterr().err
