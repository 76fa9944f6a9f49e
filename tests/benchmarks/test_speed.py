"""The speed benchmark measures what it says it does. How fast anything is, no test asks."""

import json
import sys

import numpy as np
import pytest

import musicgym
from musicgym import rewards
from musicgym.benchmarks import learning_share, speed, speed_players, startup, timing
from musicgym.benchmarks.speed import PARTS, Effort, measure
from musicgym.benchmarks.speed_report import goals, report
from musicgym.commands import main

TINY = Effort((1, 40), rounds=2, seconds=0.001, processes=1, files=5, learn_steps=2048, empty_cache=False)


class Clock:
    """Time that passes only when told to."""

    def __init__(self, monkeypatch, module):
        self.now = 0.0
        monkeypatch.setattr(module.time, "perf_counter", lambda: self.now)

    def work(self, seconds):
        def turn(times):
            self.now += seconds() * times

        return turn


def test_ratios_hold_while_the_machine_slows_down(monkeypatch):
    clock = Clock(monkeypatch, timing)

    def slower_and_slower(seconds):
        return lambda: seconds * (1 + clock.now)

    candidates = {
        "quick": timing.Candidate(clock.work(slower_and_slower(1e-4)), 10),
        "slow": timing.Candidate(clock.work(slower_and_slower(2e-4)), 10),
    }
    found = timing.side_by_side(candidates, rounds=8, seconds=0.01)
    assert found["quick"].times_faster_than(found["slow"]) == pytest.approx(2, rel=0.05)
    assert found["quick"].best < found["quick"].median


def test_figures_are_for_one_unit(monkeypatch):
    clock = Clock(monkeypatch, timing)
    found = timing.side_by_side({"x": timing.Candidate(clock.work(lambda: 0.5), 100)}, rounds=3, seconds=2)
    assert found["x"].seconds.tolist() == pytest.approx([0.005] * 3)


def test_pieces_are_at_different_places_so_that_every_step_ends_as_many():
    player = speed_players.composing(64, "rl_tuner.key", "tokens", speed_players.uniform_actions(64))
    for _ in range(70):
        turn = player.step(player.actions[0])
        assert turn[2].sum() == 2


def test_corpus_actions_write_the_tunes_they_come_from():
    pieces, codes = 40, speed_players.tunes()
    player = speed_players.composing(pieces, "rl_tuner.key", "tokens", speed_players.corpus_actions(pieces))
    env = player.step.__self__
    wanted = {row.tobytes() for row in codes}
    place, played = np.arange(pieces) % 32, np.zeros((pieces, 32), np.int64)
    for time in range(32, 32 + 3 * 128):
        actions = player.actions[time % 128]
        played[np.arange(pieces), (time - place) % 32] = actions
        *_, ended, _, infos = env.step(actions)
        assert not infos["illegal"].any()
        if time >= 64:
            assert all(played[row].tobytes() in wanted for row in np.flatnonzero(ended))


def test_players_of_one_environment_share_its_clock():
    one = speed_players.composing(4, "rl_tuner.key", "tokens", speed_players.uniform_actions(4))
    two = one.on(2)
    one(5)
    two(3)
    assert one.clock == two.clock == [40]
    assert two.step == one.step


def test_melodies_are_whole_tunes():
    scores = speed_players.melodies(3)
    codes = speed_players.tunes()
    for score, row in zip(scores, codes, strict=False):
        np.testing.assert_array_equal(speed_players.codes_of(score.pitch, score.onset)[0], row)


def test_a_single_player_takes_the_steps_it_is_asked_for():
    player = speed_players.single_melody("tokens")
    taken = 0
    step = player.env.step

    def counted(action):
        nonlocal taken
        taken += 1
        return step(action)

    player.env.step = counted
    for times in (1, 31, 300):
        player(times)
    assert taken == 332


@pytest.mark.slow
def test_every_part_is_measured_and_is_json():
    parts = tuple(part for part in PARTS if part not in ("startup", "learning", "chorales"))
    found = json.loads(json.dumps(measure(TINY, parts)))
    assert set(parts) <= set(found)
    rows = found["batches"]
    for pieces in (1, 40):
        ours = [row for row in rows if row["pieces"] == pieces and row["environment"] == "musicgym"]
        kinds = {(row["reward"], row["observation"], row["actions"]) for row in ours}
        assert len(kinds) == len(ours) == 16
        assert all(row["times_CartPoleVectorEnv"] > 0 for row in ours)
    assert all(row["steps_per_second"] > 0 and row["best"] >= row["steps_per_second"] for row in rows)
    text = report(found)
    assert "CartPoleVectorEnv" in text
    assert "x CartPole" in text


def test_two_threads_are_measured_where_the_library_uses_them(monkeypatch):
    monkeypatch.setattr(speed, "WORTH_THREADS", 40)
    monkeypatch.setattr(speed, "REWARDS", {"one rule": "rl_tuner.key"})
    monkeypatch.setattr(speed, "cores", lambda: 2)
    rows = measure(TINY._replace(pieces=(40,)), ("batches",))["batches"]
    ours = [row for row in rows if row["environment"] == "musicgym"]
    assert [row["threads"] for row in ours].count(2) == 4
    assert all(("times_one_thread" in row) == (row["threads"] == 2) for row in ours)
    assert all("times_EnvPool" not in row for row in rows if row["environment"] != "musicgym")


def test_goals_are_held_against_what_was_found():
    row = {
        "pieces": 8192,
        "threads": 1,
        "environment": "musicgym",
        "reward": "rl_tuner",
        "observation": "tokens",
        "actions": "uniform",
    }
    found = {
        "batches": [
            {**row, "steps_per_second": 9e6},
            {**row, "observation": "onehot", "steps_per_second": 2e6},
            {**row, "reward": "theory", "steps_per_second": 4e6},
            {**row, "reward": "theory", "observation": "onehot", "steps_per_second": 1e6},
        ],
        "startup": {"import_musicgym": {"median": 0.2, "best": 0.1}},
        "learning": {"share": 0.2, "steps_per_second": 1.0, "pieces": 1, "steps": 1},
    }
    reached = [(goal.found, goal.reached) for goal in goals(found)]
    assert reached == [(9.0, True), (2.0, False), (4.0, False), (0.2, True), (0.2, False)]


def test_one_piece_is_paid_by_rl_tuners_reward_whatever_the_tasks_own_is():
    env = speed_players.single_melody("tokens").env
    assert env.step(14)[4]["reward_terms"].keys() == set(rewards.parse("rl_tuner").terms)
    assert env.score.steps == 32


def test_calls_inside_calls_are_counted_once(monkeypatch):
    clock = Clock(monkeypatch, learning_share)
    watch = learning_share.Stopwatch()

    def wait(seconds):
        clock.now += seconds

    inner = watch.around(wait)

    def both(seconds):
        wait(seconds)
        inner(seconds)

    watch.around(both)(2.0)
    wait(50.0)
    inner(1.0)
    assert watch.seconds == 5.0


def test_without_the_agents_extra_the_share_is_left_out(monkeypatch):
    monkeypatch.setitem(sys.modules, "musicgym.agents.training", None)
    assert learning_share.learning_share(100) is None


@pytest.mark.slow
def test_the_share_of_learning_is_between_nothing_and_all():
    found = learning_share.learning_share(2048)
    assert 0 < found["share"] < 1
    assert found["steps"] == 2048


@pytest.mark.slow
def test_startup_times_fresh_processes():
    found = startup.startup(1, with_empty_cache=False)
    assert 0 < found["import_musicgym"]["best"] <= found["first_step"]["best"]


def test_the_command_prints_json_and_writes_it(tmp_path, capsys):
    out = tmp_path / "deep" / "speed.json"
    assert main(["bench", "speed", "--quick", "--part", "single", "--json", "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert json.loads(printed) == json.loads(out.read_text(encoding="utf-8"))
    assert {"machine", "single", "effort"} <= set(json.loads(printed))


def test_the_command_prints_tables(tmp_path, capsys):
    assert main(["bench", "speed", "--quick", "--part", "single", "--out", str(tmp_path / "speed.json")]) == 0
    assert "ComposeEnv, tokens" in capsys.readouterr().out


def test_an_unknown_part_is_named(tmp_path, capsys):
    assert main(["bench", "speed", "--part", "speling", "--out", str(tmp_path / "x.json")]) == 2
    assert "--part speling: expected some of single, batches" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_found_before_anything_is_measured(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["bench", "speed", "--out", str(tmp_path / "file" / "x.json")]) == 1
    assert "choose a folder" in capsys.readouterr().err


def test_measuring_leaves_one_thread(tmp_path):
    from musicgym import threads

    measure(TINY, ("single",))
    assert threads._threads == 1
    assert musicgym.task_ids()
