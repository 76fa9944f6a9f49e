"""The script that sets trained agents beside controls: what it runs, what it writes, what it calls met."""

import dataclasses
import json

import numpy as np
import pytest

from musicgym.agents.comparison import Figure, Sample
from musicgym.agents.players import play, randomly
from musicgym.agents.settings import Settings
from musicgym.benchmarks import train_controls
from musicgym.benchmarks.control_verdicts import (
    PIECES,
    RANDOM,
    REAL,
    Judgement,
    Samples,
    loudness_of,
    panel_of,
    samples_of,
    standing_of,
    verdicts,
)
from musicgym.benchmarks.train_controls import CONTROL_SEEDS, TUNING_SEEDS, control_arms, setting_arms
from musicgym.pieces import Excerpts
from musicgym.score import Score

PLAIN = Settings(reward="rl_tuner")
FIXED = Settings(reward="rl_tuner(form='fixed')")
PANEL = {
    "trained": {m: Figure(0.2, 0.1, 0.3) for m in ("pitch_class", "interval", "duration", "inter_onset")},
    RANDOM: {m: Figure(0.5, 0.4, 0.6) for m in ("pitch_class", "interval", "duration", "inter_onset")},
    REAL: {},
}
for name, value in (("trained", -3.0), (RANDOM, -6.0), (REAL, -2.5)):
    PANEL[name]["log_likelihood"] = Figure(value, value - 0.1, value + 0.1)


def test_controls_differ_from_the_trained_arm_in_one_field_each():
    base = PLAIN
    changed = {
        arm: {k for k, v in settings.to_dict().items() if v != base.to_dict()[k]} for arm, settings in control_arms(base).items()
    }
    assert changed == {"trained": set(), "constant": {"reward"}, "negated": {"reward"}, "blind": {"blind"}}
    assert control_arms(base)["negated"].reward == "-1*(rl_tuner)"
    assert control_arms(Settings())["negated"].reward == "-1*(theory)"
    assert control_arms(FIXED)["constant"].reward == "0*(rl_tuner(form='fixed'))"


def test_a_default_is_not_chosen_on_the_seeds_that_figures_are_reported_on():
    assert not set(TUNING_SEEDS) & set(CONTROL_SEEDS)


def test_arms_of_settings_are_read_from_text():
    arms = setting_arms(FIXED, ["", "n_envs=256 net=32", "net=64,64 ent_coef=0.1"])
    assert arms["as it is"] == FIXED
    assert arms["n_envs=256 net=32"] == dataclasses.replace(FIXED, n_envs=256, net=(32,))
    assert arms["net=64,64 ent_coef=0.1"] == dataclasses.replace(FIXED, net=(64, 64), ent_coef=0.1)
    with pytest.raises(ValueError, match="'n_env'"):
        setting_arms(FIXED, ["n_env=3"])


@pytest.fixture(scope="module")
def music():
    return play("musicgym/Melody-v0", 2, randomly(masked=True)).music


def judgements(music, distinct=PIECES, **means):
    rng = np.random.default_rng(0)
    terms = np.zeros((PIECES, 9))
    return [
        Judgement(arm, seed, 1.0, terms + rng.normal(mean / 9, 0.1, terms.shape), distinct, music)
        for arm, mean in means.items()
        for seed in range(5)
    ]


@pytest.mark.parametrize(
    ("means", "missed"),
    [
        ({"trained": 100, "constant": -18, "negated": -200, "blind": 50}, []),
        ({"trained": 100, "constant": 60, "negated": -200, "blind": 50}, ["constant within 10%"]),
        ({"trained": 100, "constant": -18, "negated": 0, "blind": 50}, ["negated below"]),
        ({"trained": 100, "constant": -18, "negated": -200, "blind": 130}, ["trained above blind"]),
    ],
)
def test_each_expectation_of_rl_tuners_reward_can_be_missed(music, means, missed):
    found = judgements(music, **means)
    met = verdicts(found, PLAIN, samples_of(found, PLAIN), {}, {})
    assert len(met) == 6
    assert misses_of(met) == missed or [any(n.startswith(m) for m in missed) for n in misses_of(met)] == [True] * len(missed)


def misses_of(met):
    return [name for name, value in met.items() if not value]


def of_music(means, distinct, music):
    """Judgements and samples in which real tunes are worth 0 to 100."""
    found = judgements(music, distinct, **{k: v for k, v in means.items() if k != RANDOM})
    by_source = {
        arm: Sample(np.concatenate([j.totals for j in found if j.arm == arm]), np.repeat(np.arange(5), PIECES))
        for arm in dict.fromkeys(j.arm for j in found)
    }
    by_source[RANDOM] = Sample(np.full((PIECES, 9), means[RANDOM] / 9), np.arange(PIECES))
    tunes = np.full((101, 9), np.nan)
    tunes[:, :8] = np.linspace(0, 100, 101)[:, None] / 8
    by_source[REAL] = Sample(tunes, np.arange(101))  # the last term can't be judged on real tunes
    for source, sample in by_source.items():
        if source != REAL:
            sample.totals[:, 8] = 1000.0  # so it must not count
    return found, Samples(tuple("abcdefghi"), by_source, {}, "")


GOOD = {"trained": 60, "constant": -18, "negated": -200, "blind": 20, RANDOM: -18}


@pytest.mark.parametrize(
    ("means", "distinct", "panel", "missed"),
    [
        ({}, PIECES, {}, []),
        ({"trained": 24.9}, PIECES, {}, ["trained at or above percentile 25"]),
        ({}, 900, {}, ["distinct pieces"]),
        ({}, PIECES, {"interval": Figure(0.35, 0.2, 0.45)}, ["trained nearer to real music than random, masked by interval"]),
        ({}, PIECES, {"log_likelihood": Figure(0.0, -0.1, 1.1)}, ["trained nearer to real music than random, masked by log"]),
        ({"constant": 10}, PIECES, {}, ["constant within 10%"]),
        ({"blind": 80}, PIECES, {}, ["trained above blind"]),
    ],
)
def test_each_expectation_of_a_reward_that_knows_music_can_be_missed(music, means, distinct, panel, missed):
    found, samples = of_music({**GOOD, **means}, distinct, music)
    met = verdicts(found, FIXED, samples, {**PANEL, "trained": {**PANEL["trained"], **panel}}, {})
    assert len(met) == 12
    misses = misses_of(met)
    assert len(misses) == len(missed), misses
    assert all(name.startswith(start) for name, start in zip(misses, missed))


def with_trained(music, by_seed):
    """Judgements and samples as `GOOD` has them, but for the trained agents' means, seed by seed."""
    found, samples = of_music(GOOD, PIECES, music)
    for seed, mean in enumerate(by_seed):
        samples.by_source["trained"].totals[seed * PIECES : (seed + 1) * PIECES, :8] = mean / 8
    return found, samples


@pytest.mark.parametrize(("by_seed", "met"), [([30] * 5, True), ([10, 20, 30, 40, 50], False), ([26, 27, 28, 90, 90], True)])
def test_seeds_that_differ_must_stand_among_real_tunes_with_their_whole_interval(music, by_seed, met):
    found, samples = with_trained(music, by_seed)
    assert verdicts(found, FIXED, samples, PANEL, {})["trained at or above percentile 25 of real tunes"] is met


def test_the_notes_tell_where_the_mean_stands_among_real_tunes(music):
    _, samples = with_trained(music, [20, 30, 40, 50, 60.5])
    assert standing_of(samples) == "the trained agent's mean, 40.1, stands at percentile 41 of real tunes"
    without = {name: sample for name, sample in samples.by_source.items() if name != REAL}
    assert standing_of(samples._replace(by_source=without)) == ""


def played_at(velocities):
    """Eight quarters in 4/4 with these velocities, twice."""
    made = [Score.from_notes([[(4 * i, 4, 60 + i, v) for i, v in enumerate(velocities)]]) for _ in range(2)]
    return Excerpts.from_scores(made)


LOUDER, CHANGING = "trained louder on strong beats than on weak ones", "trained not constant in loudness: spread above 1"


@pytest.mark.parametrize(
    ("velocities", "missed"),
    [
        ([100, 50, 80, 50] * 2, []),
        ([50, 90, 60, 90] * 2, [LOUDER]),
        ([81, 80, 80, 80] * 2, [CHANGING]),
        ([80] * 8, [LOUDER, CHANGING]),
    ],
)
def test_loudness_is_judged_beside_random_play_and_not_of_real_tunes(music, velocities, missed):
    found, samples = of_music(GOOD, PIECES, music)
    two = Sample(np.zeros((2, 9)), np.arange(2))
    pieces = {"trained": played_at(velocities), RANDOM: played_at([60, 61] * 4), REAL: played_at([80] * 8)}
    loud = loudness_of(Samples(samples.terms, dict.fromkeys(pieces, two), pieces, ""))
    assert set(loud) == {"trained", RANDOM}
    assert misses_of(verdicts(found, FIXED, samples, PANEL, loud)) == missed
    level = {**pieces, RANDOM: played_at([80] * 8)}
    assert loudness_of(Samples(samples.terms, dict.fromkeys(pieces, two), level, "")) == {}


@pytest.mark.parametrize(("experiment", "split"), [("controls", "test"), ("settings", "valid"), ("windows", "valid")])
def test_what_is_tuned_is_compared_with_the_validation_split_and_figures_with_the_test_split(
    experiment, split, tmp_path, monkeypatch, capsys
):
    drawn = play("musicgym/Melody-v0", 50, randomly(masked=True), seed=1, reward="theory")

    def run(arms, seeds, jobs, judge_by, modules):
        return [Judgement(a, seed, 1.0, drawn.totals, drawn.distinct, drawn.music) for a in arms for seed in seeds]

    monkeypatch.setattr(train_controls, "run", run)
    words = ["--seeds", "1", "2", "--out", str(tmp_path), "--option", "length=32"]
    assert train_controls.main([experiment, *words]) == (1 if experiment == "controls" else 0)
    found = json.loads((tmp_path / f"{experiment}.json").read_text())
    assert any(f"from the {split} split" in note for note in found["notes"])
    assert any("stands at percentile" in note for note in found["notes"]) == (experiment == "controls")
    assert found["panel"][REAL]["interval"][0] > 0  # real tunes are compared with others than themselves
    assert found["loudness"] == {}
    assert (tmp_path / f"{experiment}.md").read_text().count("Measures that no rule uses:") == 1
    capsys.readouterr()


@pytest.mark.slow
def test_random_play_is_farther_from_real_music_than_real_tunes_are():
    random = play("musicgym/Melody-v0", PIECES, randomly(masked=True), seed=1)
    found = [Judgement("trained", 0, 1.0, random.totals, random.distinct, random.music)]
    panel = panel_of(samples_of(found, Settings()), Settings())
    assert set(panel) == {"trained", RANDOM, REAL}
    for measure in ("pitch_class", "interval", "duration", "inter_onset"):
        assert panel[REAL][measure].high < panel[RANDOM][measure].low
        assert panel["trained"][measure].mean == pytest.approx(panel[RANDOM][measure].mean, abs=0.05)
    assert panel[RANDOM]["log_likelihood"].high < panel[REAL]["log_likelihood"].low


@pytest.mark.slow
def test_a_tiny_run_writes_json_and_a_table(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(train_controls, "WINDOWS", (4, 8))
    assert train_controls.main(["windows", "--steps", "128", "--seeds", "7", "8", "--jobs", "1", "--out", str(tmp_path)]) == 0
    found = json.loads((tmp_path / "windows.json").read_text())
    assert found["seeds"] == [7, 8]
    assert set(found["totals"]) == {"window 4", "window 8"}
    assert set(found["means"]) == {"window 4", "window 8", RANDOM, REAL} == set(found["panel"])
    text = (tmp_path / "windows.md").read_text()
    assert "| total |" in text
    assert "| log_likelihood |" in text
    capsys.readouterr()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["controls", "--task", "Melodie"], "did you mean musicgym/Melody-v0"),
        (["controls", "--option", "lenght=8"], "did you mean length"),
        (["controls", "--reward", "rl_tunr"], "did you mean rl_tuner"),
        (["settings", "--arm", "n_env=8"], "'n_env'"),
    ],
)
def test_bad_input_is_one_line(words, message, capsys, tmp_path):
    assert train_controls.main([*words, "--out", str(tmp_path / "none")]) == 1
    told = capsys.readouterr().err
    assert told.startswith("Error: ")
    assert message in told
    assert not (tmp_path / "none").exists()
