"""What a composer of whole notes sees beyond the window of steps, against the notes of the score it wrote."""

import numpy as np
import pytest

from musicgym import ComposeEnv, ComposeVectorEnv, Note, NoteChoice, Score, Task

PITCHES, DURATIONS, LOUD = (-1, *range(55, 73)), (1, 2, 3, 4, 6, 8), (40, 64, 88, 112)
FIXED, EVENTS = 4, 6  # slots left, position, tonic and mode come first


def task(velocities=LOUD, **fields):
    return Task(NoteChoice(PITCHES, DURATIONS, velocities), **{"length": 80, **fields})


def events(score, voice, end):
    """(start, pitch, duration, velocity) of every note and rest of a voice before a step, by walking over its slots."""
    found = []
    for step in range(end):
        if score.onset[voice, step] or not found:
            found.append([step, int(score.pitch[voice, step]), 0, int(score.velocity[voice, step])])
        found[-1][2] += 1
    return found


def expected(score, voice, step, velocities=LOUD, bar=16):
    """The tokens between the first four and the last note's, as the docs of `Observation` say them."""
    past = events(score, voice, step)
    notes = [event for event in past if event[1] >= 0]
    tokens = [step // bar % 4]
    tokens += [max(n[1] for n in notes) - 54, int(np.floor(np.mean([n[1] for n in notes]) + 0.5)) - 54] if notes else [0, 0]
    if len(velocities) > 1:
        tokens += [int(np.mean([n[3] for n in notes])) // 4 + 1] if notes else [0]
    for _, pitch, duration, velocity in (past[::-1] + [(0, None, 0, 0)] * EVENTS)[:EVENTS]:
        tokens += [0 if pitch is None else 1 if pitch < 0 else pitch - 53]
        tokens += [max([1, *(i + 1 for i, d in enumerate(DURATIONS) if d <= duration)]) if duration else 0]
        if len(velocities) > 1:
            tokens += [0 if not velocity else int(np.argmin(np.abs(np.array(velocities) - velocity))) + 1]
    return tokens


@pytest.mark.parametrize("velocities", [LOUD, (80,)])
def test_the_last_notes_and_what_the_line_did_so_far_are_seen(velocities):
    env = ComposeEnv(task(velocities), observation="tokens", reward="fixed_key")
    assert env.observation_space.shape == (FIXED + 3 + 2 * EVENTS + (1 + EVENTS) * (len(velocities) > 1) + 2 + 1,)
    env.action_space.seed(3)
    for episode in range(20):
        seen, info = env.reset(seed=episode)
        done = False
        while not done:
            step = 80 - int(seen[0])
            assert env.observation_space.contains(seen)
            assert seen[FIXED:-3].tolist() == expected(env.score, 0, step, velocities)
            seen, _, done, _, info = env.step(env.action_space.sample(mask=info["action_mask"]))


def test_of_several_voices_the_one_to_be_chosen_is_remembered():
    env = ComposeEnv(task(voices=2, length=32), observation="tokens", reward="fixed_key")
    env.action_space.seed(1)
    seen, _ = env.reset(seed=1)
    count = 4 + EVENTS * 3
    done = False
    while not done:
        voice, step = int(seen[4]), int(env.session.engine.pieces.order[0, env.session.engine.pieces.cursor[0], 1])
        assert seen[5 : 5 + count].tolist() == expected(env.score, voice, step)
        seen, _, done, _, _ = env.step(env.action_space.sample())


def test_bars_are_counted_from_the_first_bar_line_and_given_notes_have_the_nearest_class():
    page = Score.from_notes([[Note(0, 3, 60, 70), Note(3, 7, 62, 120)]], steps=60, pickup=3)
    pitch, onset = page.pitch.copy(), page.onset.copy()
    pitch[0, 10:], onset[0, 10:] = -2, False
    blank = Score(
        **{name: getattr(page, name) for name in ("velocity", "position", "tonic", "mode", "phrase_end")},
        pitch=pitch,
        onset=onset,
    )
    env = ComposeEnv(task(length=60), observation="tokens", reward="fixed_key")
    seen, _ = env.reset(seed=1, options={"given": blank})
    assert seen[FIXED : FIXED + 10].tolist() == [0, 8, 7, 95 // 4 + 1, 9, 5, 4, 7, 3, 2]
    for bar in (1, 2, 3):  # 19, 35, 51 are the next bar lines
        for _ in range(2):
            seen, *_ = env.step([0, 5, 0])
        assert seen[FIXED] == (10 + 16 * bar - 3) // 16
    seen, _ = env.reset(seed=1, options={"given": Score.blank(1, 60, pickup=3)})
    assert seen[FIXED] == 3  # as if it were the bar before the first


def test_tasks_of_single_steps_are_seen_as_before():
    env = ComposeEnv(Task(length=32), observation="tokens")
    assert env.observation_space.shape == (4 + 2 + 8,)


def test_a_piano_roll_is_as_loud_as_its_notes_where_velocities_vary():
    seen = {}
    for velocities in (LOUD, (80,)):
        env = ComposeEnv(task(velocities), observation="pianoroll", reward="fixed_key")
        env.reset(seed=1)
        seen[velocities], *_ = env.step([1, 3, len(velocities) - 1])
    assert seen[LOUD][1, 0, :6].tolist() == [255 * 112 // 127] * 4 + [0] * 2
    assert seen[LOUD][0, 0, :6].tolist() == [255] + [0] * 5
    assert seen[(80,)][1, 0, :6].tolist() == [255] * 4 + [0] * 2


def test_a_batch_sees_what_single_environments_see():
    batch, single = (
        ComposeVectorEnv(task(), 3, observation="tokens", reward="fixed_key"),
        ComposeEnv(task(), observation="tokens", reward="fixed_key"),
    )
    batch.action_space.seed(2)
    batch.reset(seed=5)
    single.reset(seed=7)
    for _ in range(8):
        actions = batch.action_space.sample()
        np.testing.assert_array_equal(batch.step(actions)[0][2], single.step(actions[2])[0])
