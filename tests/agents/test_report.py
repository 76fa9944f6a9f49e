"""The report of a run: which pieces it shows, and what of them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from musicgym import Score, Task, register, rewards
from musicgym.agents.comparison import Sample, compare
from musicgym.agents.held_out import RealTunes, real_tunes
from musicgym.agents.players import Judged, play, randomly
from musicgym.agents.report import judged_pieces, write_report
from musicgym.agents.runs import Run
from musicgym.agents.settings import Settings, task_of
from musicgym.choice import StepChoice

pytest.importorskip("verovio", reason="the report needs verovio: pip install 'musicgym[report]'")

from musicgym.render.report import Group, Report, Rule, html

register("test/Duet-v0", Task(StepChoice(60, 72), voices=2, length=8), reward="fixed_key")


def sample(judged: Judged) -> Sample:
    return Sample(judged.totals, np.arange(len(judged.totals)))


def reported(
    folder: Path, task: str, reward: rewards.Reward, seeds: int, *, paid: rewards.Reward | None = None, finished: bool = True
) -> tuple[str, Any, list[Judged], RealTunes]:
    """The report of a run whose agents play at random; its text, its data, the agents' pieces and the real tunes."""
    settings = [Settings(task=task, seed=seed) for seed in range(seeds)]
    run = Run(folder)
    run.begin(settings[0], "<i>an expression</i>", reward.fingerprint, list(range(seeds)))
    agents = [play(task_of(own), 20, randomly(masked=True), reward=reward, seed=own.seed) for own in settings]
    random = play(task_of(settings[0]), 20, randomly(masked=True), reward=reward, seed=100)
    run.note({"step": 32, "return": float("nan"), "terms": {}})  # no piece is finished yet
    for step in (64, 128) if finished else ():
        run.note({"step": step, "return": 0.5 * step, "terms": dict.fromkeys(random.terms, 0.25 * step)})
    tunes = real_tunes(task_of(settings[0]), reward)
    samples = {"agent": sample(agents[0]), "random, masked": sample(random)}
    if tunes.sample is not None:
        samples["real tunes"] = tunes.sample
    write_report(
        run,
        [(own, run) for own in settings],
        reward=reward,
        trained_on=paid or reward,
        comparison=compare(random.terms, "agent", samples),
        notes=["a note"],
        agents=agents,
        random=random,
        tunes=tunes,
    )
    text = (folder / "report.html").read_text(encoding="utf-8")
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert found
    return text, json.loads(found[1]), agents, tunes


@pytest.fixture(scope="module")
def melodies(tmp_path_factory: pytest.TempPathFactory) -> Any:
    reward = rewards.parse("fixed_key - 0.5*fixed_leap")
    return reported(tmp_path_factory.mktemp("run"), "musicgym/Melody-v0", reward, 3)


def test_seeds_take_turns_and_median_and_worst_are_named(melodies: Any) -> None:
    _, data, _, _ = melodies
    labels = [piece["label"] for piece in data["pieces"]]
    assert labels[:4] == ["seed 0, piece 1", "seed 1, piece 1", "seed 2, piece 1", "seed 0, piece 2"]
    assert len(labels) == 8 + 2 + 2 + 4
    assert [label.partition(":")[0] for label in labels[8:10]] == ["median", "worst"]
    assert labels[10:12] == ["random, piece 1", "random, piece 2"]
    assert {label.partition(",")[0] for label in labels[12:]} == {"bach", "ryan", "oneill", "aird"}


def test_pieces_are_worth_what_they_were_judged(melodies: Any) -> None:
    _, data, agents, tunes = melodies

    def total(piece: dict[str, Any]) -> float:
        return sum(sum(flat[2::3]) for flat in piece["marks"].values())

    for index, piece in enumerate(data["pieces"][:8]):
        assert total(piece) == pytest.approx(agents[index % 3].totals[index // 3].sum(), abs=1e-4)
    totals = sorted(float(t) for judged in agents for t in judged.totals.sum(axis=1))
    assert total(data["pieces"][9]) == pytest.approx(totals[0], abs=1e-4)
    assert total(data["pieces"][8]) == pytest.approx(totals[len(totals) // 2], abs=1e-4)
    real = np.round(tunes.sample.totals.sum(axis=1), 3)
    assert all(round(total(piece), 3) in real for piece in data["pieces"][12:])


def test_marks_stand_on_what_the_rules_are_about() -> None:
    rules = "syncopation + leading_tone + leap_recovered + empty_bar + pitch_variety + closing"
    head = "X:1\nM:4/4\nL:1/8\nK:C\n"
    tunes = ["C D2 E2 F2 G|z8|]", "G2 A2 B2 e2|G2 G2 A2 E2|]"]
    reward, scores = rewards.parse(rules), [Score.from_abc(head + tune) for tune in tunes]
    pieces = judged_pieces(reward, list(zip("ab", scores, strict=True)))
    text = html(Report("t", "", rules=[Rule(term, "") for term in reward.terms], groups=[Group("g", "", pieces)]))
    data = json.loads(re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1])["pieces"]  # type: ignore[index]  # it is there
    assert data[0]["marks"] == {"0": [0, 2, -1.0, 0, 6, -2.0, 0, 10, -1.0]}  # D, E and F, not E, F and G
    assert data[0]["spans"] == [[3, 0, 16, 32, -1.0, 0], [5, 0, 0, 32, -0.5, 1]]
    assert data[1]["marks"] == {"1": [0, 8, -1.0], "2": [0, 12, -1.0, 0, 16, -1.0]}  # B; the E leapt to, the G leapt to
    assert data[1]["spans"] == [[4, 0, 0, 32, -1.0, 0], [5, 0, 0, 32, -0.5, 1]]  # of two bars, and of the whole
    for piece, shown in zip(scores, data, strict=True):
        paid = sum(float(values[0]) for values in reward.score([piece]).values())
        assert paid == sum(sum(flat[2::3]) for flat in shown["marks"].values()) + sum(span[4] for span in shown["spans"])


def test_settings_versions_rules_and_references_are_there(melodies: Any) -> None:
    text, data, _, _ = melodies
    assert "&lt;i&gt;an expression&lt;/i&gt;" in text
    assert "<dt>verovio</dt>" in text
    assert "<dt>ent_coef</dt>" in text
    assert "<li>a note</li>" in text
    assert data["rules"][0]["about"].startswith("-1 for a note outside the local key's scale")
    assert data["references"].keys() == {"random, masked", "real tunes"}
    assert [curve["label"] for curve in data["curves"]] == ["seed 0", "seed 1", "seed 2"]
    assert data["curves"][0]["values"]["return"] == [32.0, 64.0]  # the rollout that finished no piece leaves no gap
    assert "no learning curve" not in text


def test_a_task_without_real_tunes_and_a_reward_without_rules_have_a_report(tmp_path: Path) -> None:
    reward = rewards.AtEnd(rewards.parse("fixed_key"))
    text, data, _, _ = reported(tmp_path, "test/Duet-v0", reward, 1, paid=rewards.parse("fixed_leap"))
    assert "Real tunes" not in text
    assert data["references"] == {}  # agents were paid otherwise: the curves can't be set beside the table
    assert len(data["pieces"]) == 8 + 2 + 2
    assert all(len(piece["voices"]) == 2 for piece in data["pieces"])


def test_a_run_too_short_to_finish_a_piece_says_so_in_place_of_curves(tmp_path: Path) -> None:
    text, data, _, _ = reported(tmp_path, "test/Duet-v0", rewards.parse("fixed_key"), 1, finished=False)
    assert data["curves"] == []
    assert 'id="chart"' not in text
    assert "<li>no learning curve: no piece was finished in training</li>" in text
