"""Means by term and their intervals; whole pieces by players."""

import numpy as np
import pytest

import musicgym
from musicgym import Task, rewards
from musicgym.agents.comparison import Sample, bootstrap, compare, real_tunes
from musicgym.agents.players import KEPT_SCORES, play, randomly
from musicgym.agents.settings import task_id
from musicgym.agents.table import markdown


def test_intervals_are_those_of_the_normal_theory_for_many_independent_pieces():
    rng = np.random.default_rng(0)
    totals = rng.normal(3.0, 2.0, (4000, 1))
    compared = compare(["a"], "x", {"x": Sample(totals, np.arange(4000))})
    figure = compared.means["x"][0]
    assert figure.mean == pytest.approx(totals.mean())
    half = 1.96 * totals.std() / np.sqrt(4000)
    assert (figure.high - figure.low) / 2 == pytest.approx(half, rel=0.08)


def test_pieces_of_one_group_count_as_one():
    rng = np.random.default_rng(0)
    totals = rng.normal(size=(30, 2))
    single = bootstrap(totals, np.arange(30), np.random.default_rng(1))
    tenfold = bootstrap(np.repeat(totals, 10, axis=0), np.repeat(np.arange(30), 10), np.random.default_rng(1))
    np.testing.assert_allclose(single, tenfold)


def test_groups_weigh_by_their_pieces():
    totals, groups = np.array([[1.0], [1.0], [1.0], [9.0]]), np.array([7, 7, 7, 2])
    values = np.unique(bootstrap(totals, groups, np.random.default_rng(0)).round(6))
    np.testing.assert_allclose(values, [1.0, 3.0, 9.0])


def test_a_verdict_needs_an_interval_without_zero():
    rows = {"agent": [5.0, 5.1, 4.9], "lower": [1.0, 1.1, 0.9], "higher": [9.0, 9.1, 9.0], "same": [9.0, 1.0, 5.0]}
    samples = {name: Sample(np.array(values)[:, None], np.arange(3)) for name, values in rows.items()}
    compared = compare(["a"], "agent", samples)
    assert [compared.verdict(name, 1) for name in ("lower", "higher", "same")] == ["above", "below", "even"]
    assert "| total |" in markdown(compared, ["a note"])


def test_played_totals_are_what_the_reward_says_of_the_finished_scores():
    judged = play("musicgym/Melody-v0", 20, randomly(masked=True), seed=3)
    assert len(judged.scores) == KEPT_SCORES
    assert all(score.finished for score in judged.scores)
    found = rewards.parse("rl_tuner").score(judged.scores)
    assert judged.terms == tuple(found)
    np.testing.assert_allclose(judged.totals[:KEPT_SCORES], np.stack(list(found.values()), axis=1), atol=1e-3)


def test_pieces_that_differ_are_counted():
    def two_pieces(observations, masks, rng):
        return np.where(np.arange(len(observations)) < 5, 10, 12)

    assert play("musicgym/Melody-v0", 50, two_pieces).distinct == 2
    assert play("musicgym/Melody-v0", 50, randomly(masked=True)).distinct == 50


def test_masked_random_play_needs_no_repair_and_unmasked_does():
    assert play("musicgym/Melody-v0", 200, randomly(masked=True), seed=1).illegal == 0
    assert play("musicgym/Melody-v0", 200, randomly(masked=False), seed=1).illegal > 0


def test_players_serve_several_factors_and_pieces_of_different_ends(monkeypatch):
    from musicgym import registration

    monkeypatch.setattr(registration, "_TASKS", dict(registration._TASKS))
    musicgym.register("test/Notes-v0", Task(musicgym.NoteChoice(), length=16))
    for masked in (True, False):
        judged = play("test/Notes-v0", 12, randomly(masked=masked), seed=2)
        found = rewards.parse("rl_tuner").score(judged.scores)
        np.testing.assert_allclose(judged.totals[:8].sum(axis=1), sum(found.values()), atol=1e-3)


def test_real_tunes_are_of_the_test_split_in_the_tasks_key_and_range():
    reward = rewards.parse("rl_tuner")
    tunes = real_tunes(Task(), reward)
    assert set(tunes.by_collection) == {"bach", "ryan", "oneill", "aird"}
    assert len(tunes.sample.totals) == sum(count for count, _ in tunes.by_collection.values())
    assert 30 < len(np.unique(tunes.sample.groups)) <= len(tunes.sample.groups)
    key = tunes.sample.totals[:, reward.terms.index("key")]
    assert -1.0 < key.mean() <= 0.0  # in C major nearly all notes are of its scale


def test_tasks_of_several_voices_have_no_real_tunes_and_say_so():
    tunes = real_tunes(Task(voices=2), rewards.parse("rl_tuner"))
    assert tunes.sample is None
    assert "one voice" in tunes.note


@pytest.mark.parametrize("name", ["Melody", "melody", "melody-v0", "Melody-v0", "musicgym/Melody-v0"])
def test_tasks_are_known_by_short_names(name):
    assert task_id(name) == "musicgym/Melody-v0"


def test_a_users_module_registers_its_task(tmp_path, monkeypatch):
    from musicgym import registration

    monkeypatch.setattr(registration, "_TASKS", dict(registration._TASKS))
    (tmp_path / "blues_house.py").write_text("import musicgym\nmusicgym.register('lab/Blues-v0', musicgym.Task(length=8))\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert task_id("blues_house:lab/Blues-v0") == "lab/Blues-v0"
    with pytest.raises(ValueError, match="no module 'no_house'"):
        task_id("no_house:lab/Blues-v0")
