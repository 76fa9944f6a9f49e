"""Means by term and their intervals; whole pieces by players."""

import dataclasses
import io
import json

import numpy as np
import pytest
from rich.console import Console

import musicgym
from musicgym import Score, Task, rewards
from musicgym.agents.comparison import COMPARABLE, Sample, bootstrap, compare
from musicgym.agents.held_out import real_tunes
from musicgym.agents.options import make_task
from musicgym.agents.players import KEPT_SCORES, play, randomly
from musicgym.agents.settings import task_id
from musicgym.agents.table import markdown, show, to_json
from musicgym.agents.unseen import unseen
from musicgym.rewards import rule


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
    judged = play("musicgym/Melody-v0", 20, randomly(masked=True), reward=rewards.parse("rl_tuner"), seed=3)
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


def test_pieces_that_differ_in_loudness_alone_are_alike():
    def one_piece(observations, masks, rng):
        return np.stack(
            [np.ones(len(observations), int), np.zeros(len(observations), int), rng.integers(0, 3, len(observations))], 1
        )

    task = Task(musicgym.NoteChoice(velocities=(40, 60, 80)), length=8)
    judged = play(task, 20, one_piece)
    assert judged.distinct == 1
    assert len(np.unique(judged.music.velocity, axis=0)) > 1


def test_the_music_of_all_pieces_is_that_of_their_scores_wherever_they_end():
    judged = play(Task(musicgym.NoteChoice(), length=16), 12, randomly(masked=True), seed=5)
    assert judged.music.pitch.shape == (12, 1, 16)
    for score, pitch, onset in zip(judged.scores, judged.music.pitch, judged.music.onset):
        np.testing.assert_array_equal(score.pitch, pitch)
        np.testing.assert_array_equal(score.onset, onset)
    assert (judged.music.pitch != musicgym.BLANK).all()


def test_what_one_source_cannot_be_judged_by_is_left_out_of_the_sum_for_all():
    samples = {
        "agent": Sample(np.array([[1.0, 10.0], [1.0, 10.0]]), np.arange(2)),
        "tunes": Sample(np.array([[3.0, np.nan], [3.0, np.nan]]), np.arange(2)),
    }
    compared = compare(["notes", "loud"], "agent", samples)
    assert compared.rows == ("notes", "loud", COMPARABLE, "total")
    assert [figure.mean for figure in compared.means["agent"]] == [1.0, 10.0, 1.0, 11.0]
    assert [compared.verdict("tunes", row) for row in range(4)] == ["below", "", "below", ""]
    assert "| loud | 10.0 [10.0, 10.0] | no velocities |" in markdown(compared, [])
    written = to_json(compared)
    assert json.loads(json.dumps(written, allow_nan=False)) == written
    assert written["means"]["tunes"]["loud"]["mean"] is None
    assert written["differences"]["tunes"]["total"]["verdict"] is None
    pages = Console(width=100, record=True, file=io.StringIO())
    show(compared, [], pages)
    assert "no\N{NO-BREAK SPACE}velocities" in pages.export_text()


def test_terms_that_never_pay_share_one_line():
    totals = np.array([[1.0, 0.0, 0.25], [1.0, 0.0, 0.25]])
    compared = compare(["a", "never", "c"], "agent", {name: Sample(totals, np.arange(2)) for name in ("agent", "random")})
    pages = Console(width=100, record=True, file=io.StringIO())
    show(compared, [], pages)
    lines = [line.strip() for line in pages.export_text().splitlines()]
    assert "0 for all pieces: never" in lines
    assert not [line for line in lines if line.startswith("never")]
    assert [line for line in lines if line.startswith("c ") and "0.25" in line]


def test_real_tunes_are_of_the_test_split_in_the_tasks_key_and_range():
    reward = rewards.parse("rl_tuner")
    tunes = real_tunes(Task(), reward)
    assert set(tunes.by_collection) == {"bach", "ryan", "oneill", "aird"}
    assert len(tunes.sample.totals) == sum(count for count, _ in tunes.by_collection.values())
    assert 30 < len(np.unique(tunes.sample.groups)) <= len(tunes.sample.groups)
    key = tunes.sample.totals[:, reward.terms.index("key")]
    assert -1.0 < key.mean() <= 0.0  # in C major nearly all notes are of its scale


def test_real_tunes_of_whole_notes_have_only_lengths_and_pitches_that_can_be_chosen():
    reward = rewards.parse("rl_tuner(form='fixed')")
    everything = real_tunes(Task(), reward)
    white = tuple(pitch for pitch in range(48, 84) if pitch % 12 in (0, 2, 4, 5, 7, 9, 11))
    task = Task(musicgym.NoteChoice(pitches=white, durations=(2, 4, 8)), length=32)
    tunes = real_tunes(task, reward)
    found = tunes.excerpts
    assert 10 < len(found.length) < len(everything.excerpts.length)
    left_out = int(tunes.note.partition(" left out")[0].rpartition(" ")[2])
    assert left_out + len(found.length) == len(everything.excerpts.length)
    scores = [
        dataclasses.replace(Score.blank(1, 32), pitch=pitch, onset=onset, velocity=velocity)
        for pitch, onset, velocity in zip(found.pitch, found.onset, found.velocity)
    ]
    notes = [note for score in scores for note in score.notes(0)]
    assert {note.duration for note in notes} == {2, 4, 8}
    assert {note.pitch for note in notes} <= set(white)
    assert not (found.pitch < 0).any()  # rests can't be chosen


@rule
def loud_downbeat(piece, voice, step):
    """+1 for a note at the beginning of a bar that is louder than 80 (our own)."""
    if piece.onset[voice, step] and piece.position[step] == 0 and piece.velocity[voice, step] > 80:
        return 1.0
    return 0.0


def test_real_tunes_are_not_judged_by_loudness_where_it_is_chosen():
    reward = rewards.parse("rl_tuner") + loud_downbeat()
    tunes = real_tunes(Task(musicgym.NoteChoice(velocities=(60, 100))), reward)
    unjudged = np.isnan(tunes.sample.totals)
    assert unjudged[:, -1].all()
    assert not unjudged[:, :-1].any()
    assert "not judged by loud_downbeat" in tunes.note
    even = real_tunes(Task(musicgym.NoteChoice()), reward)  # one velocity: the agent is no louder than the tunes
    assert not np.isnan(even.sample.totals).any()


def test_real_music_of_a_task_with_a_source_is_paid_as_its_choices_would_be():
    reward = rewards.parse("theory.leap_size + theory.one_way")
    task = make_task("musicgym/Chorale-v0", {"steps_per_quarter": 2})
    tunes = real_tunes(task, reward)
    assert "'bach/test', which no agent learned from" in tunes.note
    composed = tunes.excerpts.take(np.arange(3))
    env = musicgym.ComposeVectorEnv(task, 3, reward=reward, given=composed, autoreset_mode="disabled")
    env.reset(seed=5)
    paid, pieces = np.zeros((2, 3)), env.session.engine.pieces
    whole = [int(np.flatnonzero((composed.pitch[:, 0] == row[0]).all(axis=1))[0]) for row in pieces.pitch]  # which each drew
    done = np.zeros(3, bool)
    while not done.all():
        voice, step = pieces.order[np.arange(3), np.minimum(pieces.cursor, pieces.visits - 1)].T
        pitch, onset = composed.pitch[whole, voice, step], composed.onset[whole, voice, step]
        codes = np.where(~onset, 1, np.where(pitch < 0, 0, pitch - task.choice.low + 2))
        *_, done, _, infos = env.step(codes)
        paid += np.stack([infos["reward_terms"][term] for term in reward.terms])
    np.testing.assert_allclose(paid.T, tunes.sample.totals[whole], atol=1e-4)


def test_agents_are_judged_on_what_they_did_not_learn_from():
    task = make_task("musicgym/Chorale-v0", {"steps_per_quarter": 1})
    learned, pages = task.drawn(), unseen(task)
    assert not set(learned.families) & set(pages.families)
    assert unseen(Task()).pages is None


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
