"""What is said of adversarial training: judges that learn, measures with known answers, figures with intervals, a quick run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musicgym import StepChoice, Task
from musicgym.benchmarks import adversarial
from musicgym.benchmarks.adversarial import ARMS, expected, table
from musicgym.benchmarks.diversity import distinct, longest_copies, steps_of, vendi
from musicgym.benchmarks.fresh_judges import KINDS, Budget, Sides, verdict
from musicgym.models.tokens import Sequences, alphabet_of
from musicgym.pieces import Excerpts
from musicgym.score import REST, Score

ALPHABET = alphabet_of(Task(StepChoice(60, 71)))


# Judges


def some(draws: np.random.Generator, count: int, rising: bool) -> Sequences:
    """Tunes of notes that go up step by step, or in any order; the same notes and lengths."""
    tokens = np.zeros((count, 24), np.int16)
    length = draws.integers(14, 25, count).astype(np.int32)
    for row, end in zip(tokens, length):
        row[:end] = 2 + (draws.integers(12) + np.arange(end)) % 12 if rising else 2 + draws.permutation(24)[:end] % 12
    return Sequences(tokens, np.zeros_like(tokens), length)


@pytest.mark.parametrize("kind", KINDS)
def test_a_fresh_judge_tells_what_can_be_told_and_not_what_cannot(kind: str) -> None:
    draws = np.random.default_rng(0)
    budget = Budget(updates=60, batch=32, evaluate_every=20)
    other, same = (
        [Sides(some(draws, count, True), some(draws, count, rising)) for count in (128, 48, 64)] for rising in (False, True)
    )
    told = verdict(kind, ALPHABET, *other, budget, seed=1)
    assert told.auc > 0.9
    assert verdict(kind, ALPHABET, *other, budget, seed=1).auc == told.auc
    assert 0.3 < verdict(kind, ALPHABET, *same, budget, seed=1).auc < 0.7


def test_the_n_gram_judge_hears_that_a_phrase_comes_back() -> None:
    draws = np.random.default_rng(0)

    def phrases(count: int, different: int) -> Sequences:
        """Four phrases, each of all twelve notes in an order that is drawn; single notes are as frequent in all pieces."""
        lots = np.argsort(draws.random((count, different, 12)), axis=2)
        tokens = np.tile(lots.reshape(count, -1), (1, 4 // different)).astype(np.int16) + 2
        return Sequences(tokens, np.zeros_like(tokens), np.full(count, 48, np.int32))

    sides = [Sides(phrases(count, 2), phrases(count, 4)) for count in (512, 48, 64)]
    assert verdict("n-gram logistic", ALPHABET, *sides, Budget(updates=60, batch=32, evaluate_every=20), seed=1).auc > 0.9


@pytest.mark.parametrize("kind", KINDS)
def test_what_stands_after_a_pieces_end_is_nothing_to_a_judge(kind: str) -> None:
    draws = np.random.default_rng(0)
    budget = Budget(updates=2, batch=8, evaluate_every=2)
    sides = [Sides(some(draws, 12, True), some(draws, 12, False)) for _ in range(3)]
    found = verdict(kind, ALPHABET, *sides, budget, seed=1)
    wider = Sides(
        *(
            part._replace(
                tokens=np.pad(part.tokens, ((0, 0), (0, 7)), constant_values=5), place=np.pad(part.place, ((0, 0), (0, 7)))
            )
            for part in sides[2]
        )
    )
    again = verdict(kind, ALPHABET, *sides[:2], wider, budget, seed=1)
    np.testing.assert_allclose(found.real, again.real, atol=1e-5)


def test_a_judge_that_there_is_not_is_named() -> None:
    part = some(np.random.default_rng(0), 4, True)
    with pytest.raises(ValueError, match="judge 'SVM': expected one of n-gram logistic, CNN, Transformer"):
        verdict("SVM", ALPHABET, Sides(part, part), Sides(part, part), Sides(part, part), Budget(updates=1), 0)


# Measures


def melody(*pitches: int, length: int = 2) -> Score:
    return Score.from_notes(
        [[(length * i, length, pitch, 80) for i, pitch in enumerate(pitches) if pitch >= 0]], steps=length * len(pitches)
    )


def music(*scores: Score) -> Excerpts:
    return Excerpts.from_scores(list(scores))


def test_steps_are_intervals_and_lengths_in_whatever_key() -> None:
    one, other = steps_of(music(melody(60, 62, REST, 65), melody(67, 69, REST, 72)))
    np.testing.assert_array_equal(one, other)
    assert len(one) == 3
    longer = steps_of(music(melody(60, 62, REST, 65, length=4)))[0]
    assert (longer != one).all()


def test_distinct_is_the_share_of_different_n_grams() -> None:
    assert distinct(music(melody(60, 62, 64, 65), melody(72, 74, 76, 77)), n=3) == 0.5
    assert distinct(music(melody(60, 62, 64, 65), melody(60, 59, 55, 48)), n=3) == 1.0
    assert distinct(music(melody(*[60] * 11)), n=2) == pytest.approx(1 / 9)
    with pytest.raises(ValueError, match="without 4 steps in a row"):
        distinct(music(melody(60, 62)))


def test_the_vendi_score_counts_different_melodies() -> None:
    scale, leaps, back = (60, 62, 64, 65, 67), (60, 67, 55, 70, 51), (72, 71, 69, 67, 65)
    assert vendi(music(*[melody(*scale)] * 4)) == pytest.approx(1)
    assert vendi(music(melody(*scale), melody(*leaps), melody(*back))) == pytest.approx(3)
    assert vendi(music(melody(*scale), melody(*scale), melody(*leaps), melody(*leaps))) == pytest.approx(2)
    assert vendi(music(melody(60, 62), melody(60, 64))) == pytest.approx(2)  # too short to be like anything


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_the_longest_copy_is_that_of_a_search_by_hand(seed: int) -> None:
    draws = np.random.default_rng(seed)
    lines = [draws.integers(60, 63, draws.integers(1, 9)).tolist() for _ in range(5)]
    found = longest_copies(music(*(melody(*line) for line in lines[:2])), music(*(melody(*line) for line in lines[2:])))
    moves = [np.diff(line).tolist() for line in lines]
    for copies, own in zip(found, moves[:2]):
        best = 0
        for size in range(1, len(own) + 1):
            windows = [own[i : i + size] for i in range(len(own) - size + 1)]
            if any(other[i : i + size] in windows for other in moves[2:] for i in range(len(other) - size + 1)):
                best = size
        assert copies == best


# Figures


def seed_of(draws: np.random.Generator, after: float, copies: int = 5) -> dict[str, Any]:
    """What one seed said: before, real pieces stand out by 2; afterwards by `after`."""
    arms = {}
    for arm, apart in zip(ARMS, (2.0, after)):
        judges = {kind: {"real": draws.normal(apart, 1, 60), "generated": draws.normal(0, 1, 60)} for kind in KINDS}
        arms[arm] = {"judges": judges, "distinct": 0.5 + after / 100, "vendi": 30.0, "copies": np.full(60, copies)}
    return {"families": np.arange(60) // 2, "real_copies": np.arange(60) % 10, "arms": arms}


def test_intervals_hold_the_auc_and_are_of_seeds_and_families() -> None:
    draws = np.random.default_rng(0)
    found = table([seed_of(draws, 0.5) for _ in range(4)])
    for figures in found.auc.values():
        assert figures["pretrained"].low < 0.921 < figures["pretrained"].high  # the normal's at 2 / sqrt 2
        assert figures["adversarial"].low < 0.638 < figures["adversarial"].high
        assert figures["difference"].mean == pytest.approx(figures["adversarial"].mean - figures["pretrained"].mean)
    assert found.copies["real"]["95th percentile"] == 9
    assert found.copies["adversarial"] == {"95th percentile": 5, "most": 5, "share above real": 0}


def test_families_that_all_seeds_share_are_drawn_together() -> None:
    draws = np.random.default_rng(4)
    lot = draws.normal(0, 3, 30)  # of a family, in every seed
    seeds = [seed_of(draws, 0.5) for _ in range(4)]
    for one in seeds:
        for judges in (said["judges"] for said in one["arms"].values()):
            for said in judges.values():
                said["real"] = said["real"] + lot[one["families"]]
    alone, together = (table(some).auc["CNN"]["pretrained"] for some in (seeds[:1], seeds))
    assert together.high - together.low > 0.8 * (alone.high - alone.low)


@pytest.mark.parametrize(("after", "copies", "missed"), [(0.5, 5, 0), (2.0, 5, 3), (0.5, 12, 1)])
def test_what_was_expected_is_judged_by_intervals(after: float, copies: int, missed: int) -> None:
    draws = np.random.default_rng(1)
    met = expected(table([seed_of(draws, after, copies) for _ in range(4)]))
    assert len(met) == 6
    assert sum(not value for value in met.values()) == missed


def test_less_of_everything_is_a_miss() -> None:
    draws = np.random.default_rng(2)
    seeds = [seed_of(draws, 0.5) for _ in range(4)]
    for one in seeds:
        one["arms"]["adversarial"] |= {"distinct": 0.3, "vendi": 12.0}
    met = expected(table(seeds))
    assert [name for name, value in met.items() if not value] == [
        "distinct no more than a twentieth below the pretrained",
        "vendi no more than a twentieth below the pretrained",
    ]


def test_twins_are_to_be_found_out_more_easily() -> None:
    draws = np.random.default_rng(3)
    seeds = [seed_of(draws, 0.5) for _ in range(4)]
    seeds[0]["arms"]["negated"] = seed_of(draws, 3.0)["arms"]["adversarial"]
    seeds[0]["arms"]["blind"] = seed_of(draws, 2.0)["arms"]["adversarial"]
    found = table(seeds)
    for figures in found.twins.values():
        difference = figures["blind"].mean - figures["adversarial"].mean
        assert figures["blind less adversarial"].mean == pytest.approx(difference)
        assert figures["blind less adversarial"].low < difference < figures["blind less adversarial"].high
    assert all(expected(found).values())
    assert f"| CNN | {found.twins['CNN']['pretrained'].mean:.3f} [" in adversarial.markdown(found, {}, "")
    seeds[0]["arms"]["blind"] = seed_of(draws, 0.5)["arms"]["adversarial"]
    missed = [name for name, value in expected(table(seeds)).items() if not value]
    assert missed == [f"the {kind} tells the twins' better" for kind in KINDS]


@pytest.mark.slow
def test_a_quick_run_has_every_figure_and_goes_on_where_it_was(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--quick", "--out", str(tmp_path)]
    assert adversarial.main(words) in (0, 1)
    first = capsys.readouterr().out
    assert all(f"| AUC of the {kind} |" in first for kind in KINDS)
    found = json.loads((tmp_path / "adversarial.json").read_text())
    assert len(found["expected"]) == 9
    written = (tmp_path / "seed-0" / "blind.json").stat().st_mtime_ns
    assert adversarial.main(words) in (0, 1)
    assert (tmp_path / "seed-0" / "blind.json").stat().st_mtime_ns == written
    assert capsys.readouterr().out.split("##")[1] == first.split("##")[1]


@pytest.mark.slow
def test_seeds_may_be_run_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--quick", "--out", str(tmp_path)]
    assert adversarial.main([*words, "--seeds", "1"]) == 0
    assert "seeds [0] are still to be done" in capsys.readouterr().out
    assert adversarial.main([*words, "--seeds", "0"]) in (0, 1)
    assert "## Adversarial training" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        adversarial.main([*words, "--seeds", "7"])
    assert "--seeds 7: expected some of 0, 1" in capsys.readouterr().err
