"""What a choice writes, whatever the task: held against a sheet of symbols in plain Python."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicgym import BLANK, REST, ChordChoice, NoteChoice, Score, StepChoice, Task
from musicgym.engine import Engine
from musicgym.pieces import Excerpts

HOLD, SILENCE = "hold", "silence"  # a hold with nothing before it at step 0 is the silence before the piece


class Sheet:
    """A score as symbols: None for blank, "hold", "silence", or (pitch, velocity) for an event that begins."""

    def __init__(self, score, open_slots, task):
        self.task, self.open, self.steps = task, open_slots, score.steps
        self.slots = {}
        for v in range(score.voices):
            for s in range(score.steps):
                begins = score.onset[v, s]
                held = SILENCE if s == 0 else HOLD
                event = (int(score.pitch[v, s]), int(score.velocity[v, s])) if begins else held
                self.slots[v, s] = None if score.pitch[v, s] == BLANK else event

    def sounds(self, v, s):
        while self.slots[v, s] == HOLD:
            s -= 1
        return {None: (BLANK, 0), SILENCE: (REST, 0)}.get(self.slots[v, s], self.slots[v, s])

    def write(self, v, s, action):
        """Write a choice as the class's docstring says; returns whether it was legal."""
        choice = self.task.choice
        if isinstance(choice, ChordChoice):
            voices = [w for w in range(self.task.voices) if (w, s) in self.open]
            legal = [self._write_code(w, s, action[w], choice.ranges[w][0], choice.ranges[w]) for w in voices]
            return all(legal)
        if isinstance(choice, StepChoice):
            allowed = choice.ranges[v] if choice.ranges else (choice.low, choice.high)
            return self._write_code(v, s, action[0], choice.low, allowed)
        pitch, asked = choice.pitches[action[0]], choice.durations[action[1]]
        room = 1
        while s + room < self.steps and self.slots[v, s + room] is None:
            room += 1
        for t in range(min(room, asked)):
            self.slots[v, s + t] = HOLD if t else (pitch, 0 if pitch == REST else choice.velocities[action[2]])
        return asked <= room or asked == choice.durations[0]

    def _write_code(self, v, s, code, low, allowed):
        if code == 0:
            self.slots[v, s] = (REST, 0)
            return True
        if code == 1:
            legal = s > 0 and self.slots[v, s - 1] is not None
            self.slots[v, s] = HOLD if legal else SILENCE if s == 0 else (REST, 0)
            return legal
        asked = pitch = low + code - 2
        while pitch < allowed[0]:
            pitch += 12
        while pitch > allowed[1]:
            pitch -= 12
        pitch = max(pitch, allowed[0])
        self.slots[v, s] = (pitch, self.task.velocity)
        return pitch == asked


def begun(setting):
    engine = Engine(setting.task, 1, setting.material)
    engine.reset(np.array([0]), np.array([setting.seed], np.uint64))
    return engine


def open_slots(engine, row=0):
    pieces, length = engine.pieces, engine.pieces.length[row]
    return {(int(v), int(s)) for v, s in np.argwhere(~pieces.given[row, :, :length])}


def order_of(engine, row=0):
    return [(int(v), int(s)) for v, s in engine.pieces.order[row, : engine.pieces.visits[row]]]


def masks_of(engine, row=0):
    out = np.empty((engine.num_pieces, engine.mask_size), np.int8)
    engine.masks(out)
    return np.split(out[row], np.cumsum(engine.plan.sizes)[:-1])


def drawn_action(data, engine, legal=None):
    """A choice: by the mask, or (`legal` None) sometimes anything."""
    masks = masks_of(engine)
    codes = [[c for c, ok in enumerate(mask) if ok] for mask in masks]
    keep_to_it = data.draw(st.integers(0, 3)) > 0 if legal is None else legal
    return np.array([data.draw(st.sampled_from(c if keep_to_it else range(len(m)))) for c, m in zip(codes, masks)])


def assert_same(engine, sheet, row=0):
    score = engine.score(row)
    for v, s in sheet.slots:
        assert (score.pitch[v, s], score.velocity[v, s]) == sheet.sounds(v, s), (v, s)
        assert score.onset[v, s] == isinstance(sheet.slots[v, s], tuple), (v, s)


def assert_indices(engine, row=0):
    """`start` of what stands, and `previous`, as a walk through the score finds them."""
    pieces, score = engine.pieces, engine.score(row)
    for v in range(score.voices):
        begin, last = 0, -1
        for s in range(score.steps):
            begin = s if score.onset[v, s] else begin
            stands = score.pitch[v, s] != BLANK
            if stands:
                assert pieces.start[row, v, s] == begin, (v, s)
            if stands or not pieces.append[row]:
                assert pieces.previous[row, v, s] == last, (v, s)
            last = s if score.onset[v, s] and score.pitch[v, s] >= 0 else last


@given(data=st.data())
def test_every_choice_writes_what_its_class_says_and_is_counted_where_the_mask_forbids_it(settings, data):
    setting = data.draw(settings())
    engine = begun(setting)
    sheet = Sheet(engine.score(0), open_slots(engine), setting.task)
    order, illegal, at = order_of(engine), 0, 0
    while not engine.pieces.done[0]:
        masks = masks_of(engine)
        assert all(mask.any() for mask in masks)
        while isinstance(setting.task.choice, NoteChoice) and sheet.slots[order[at]] is not None:
            at += 1  # covered by a longer note
        v, s = order[at]
        at += 1
        action = drawn_action(data, engine)
        engine.write(engine.check(action[None]))
        legal = sheet.write(v, s, action)
        factors = range(len(masks))
        if isinstance(setting.task.choice, ChordChoice):
            factors = [w for w in factors if (w, s) in sheet.open]  # the others are ignored
        assert legal == all(masks[k][action[k]] for k in factors)
        illegal += not legal
        assert engine.pieces.illegal[0] == illegal
        assert_same(engine, sheet)
        assert_indices(engine)
    assert engine.score(0).finished
    assert all(mask.all() for mask in masks_of(engine))  # a finished piece's mask is all true


@given(data=st.data())
def test_the_order_visits_each_open_slot_once_a_sweep(settings, data):
    setting = data.draw(settings())
    engine = begun(setting)
    task, order = setting.task, order_of(engine)
    expected = open_slots(engine)
    if isinstance(task.choice, ChordChoice):
        expected = {min((v, s) for v, s in expected if s == step) for step in {s for _, s in expected}}
    assert expected, "a piece with nothing to do"
    for sweep in range(task.sweeps):
        part = order[sweep * len(expected) : (sweep + 1) * len(expected)]
        assert sorted(part) == sorted(expected)
        in_time = task.order == "time" or isinstance(task.choice, ChordChoice)
        if task.order != "random":
            assert part == sorted(expected, key=lambda slot: slot[::-1] if in_time else slot)
    assert len(order) == task.sweeps * len(expected)


def decoded(engine, order, opened):
    """The choices, in order, that write a finished score."""
    score, choice, actions, covered = engine.score(0), engine.task.choice, [], set()

    def code(v, s, low):
        pitch = int(score.pitch[v, s])
        return (0 if pitch == REST else pitch - low + 2) if score.onset[v, s] else 1

    for v, s in order:
        if isinstance(choice, StepChoice):
            actions.append([code(v, s, choice.low)])
        elif isinstance(choice, ChordChoice):
            sees = [(w, choice.ranges[w][0]) for w in range(score.voices)]
            actions.append([code(w, s, low) if (w, s) in opened else 1 for w, low in sees])
        elif (v, s) not in covered:
            end = s + 1
            while end < score.steps and not score.onset[v, end]:
                end += 1
            covered |= {(v, t) for t in range(s, end)}
            pitch, duration = int(score.pitch[v, s]), end - s
            fits = duration in choice.durations
            velocity = 0 if pitch == REST else choice.velocities.index(int(score.velocity[v, s]))
            actions.append([choice.pitches.index(pitch), choice.durations.index(duration) if fits else 0, velocity])
    return np.array(actions)


@given(data=st.data())
def test_every_sequence_of_choices_maps_to_one_score_and_back(settings, data):
    setting = data.draw(settings(edits=False))
    engine, actions = begun(setting), []
    order, opened = order_of(engine), open_slots(engine)
    while not engine.pieces.done[0]:
        actions.append(drawn_action(data, engine, legal=True))
        engine.write(engine.check(actions[-1][None]))
    found = decoded(engine, order, opened)
    asked = np.array(actions)
    if isinstance(setting.task.choice, NoteChoice):  # a rest has no velocity, and a shortest note may have been cut
        asked[asked[:, 0] == 0, 2] = 0
    assert np.array_equal(found, asked)
    again = begun(setting)
    for action in found:
        again.write(again.check(action[None]))
    assert again.score(0) == engine.score(0)


@given(data=st.data())
def test_a_score_keeps_what_was_given_and_no_other_slot_is_given(settings, data):
    setting = data.draw(settings())
    engine = begun(setting)
    start, opened = engine.score(0), open_slots(engine)
    while not engine.pieces.done[0]:
        engine.write(engine.check(drawn_action(data, engine)[None]))
    finish = engine.score(0)
    for v in range(start.voices):
        for s in range(start.steps):
            if (v, s) not in opened and setting.task.begin == "blank":
                assert start.pitch[v, s] == finish.pitch[v, s] != BLANK
                assert start.onset[v, s] == finish.onset[v, s]
    assert (start.position == finish.position).all()
    assert start.key == finish.key


@given(data=st.data())
def test_saved_copied_and_taken_rows_go_on_as_the_original_does(settings, data):
    setting = data.draw(settings())
    engine = Engine(setting.task, 3, setting.material)
    engine.reset(np.arange(3), np.arange(3, dtype=np.uint64) + np.uint64(setting.seed))
    draws = np.random.default_rng(setting.seed)

    def play(engine, steps, draws):
        for _ in range(steps):
            engine.write(draws.integers(0, engine.plan.sizes, (engine.num_pieces, len(engine.plan.sizes))))

    play(engine, 2, draws)
    saved, row_one = engine.state(), engine.state(np.array([1]))
    taken = engine.take(np.array([1, 1, 0]))
    for name, array in taken.pieces._asdict().items():
        assert np.array_equal(array, getattr(engine.pieces, name)[[1, 1, 0]]), name
    play(engine, 3, np.random.default_rng(1))
    finish = engine.state()
    engine.load_state(saved)
    play(engine, 3, np.random.default_rng(1))
    for name, array in finish._asdict().items():
        assert np.array_equal(array, getattr(engine.pieces, name)), name
    engine.load_state(saved)
    engine.load_state(row_one, np.array([2]))
    engine.copy_rows(np.array([1]), np.array([0]))
    for name, array in engine.pieces._asdict().items():
        assert np.array_equal(array, getattr(saved, name)[[1, 1, 1]]), name


@given(data=st.data())
def test_a_batch_writes_what_single_pieces_write(settings, data):
    setting = data.draw(settings())
    batch = Engine(setting.task, 3, setting.material)
    seeds = np.array([setting.seed, setting.seed + 1, 5], np.uint64)
    batch.reset(np.arange(3), seeds)
    singles = [Engine(setting.task, 1, setting.material) for _ in range(3)]
    for single, seed in zip(singles, seeds):
        single.reset(np.array([0]), np.array([seed]))
    draws = np.random.default_rng(setting.seed)
    for turn in range(8):
        actions = draws.integers(0, batch.plan.sizes, (3, len(batch.plan.sizes)))
        batch.write(actions)
        for i, single in enumerate(singles):
            single.write(actions[i : i + 1])
        if turn == 4:  # row 1 begins its next episode, the others go on
            batch.reset(np.array([1]))
            singles[1].reset(np.array([0]))
    for name, array in batch.pieces._asdict().items():
        assert np.array_equal(array, np.concatenate([getattr(s.pieces, name) for s in singles])), name


def test_a_state_of_another_task_is_refused():
    state = Engine(Task(length=4), 2).state()
    with pytest.raises(ValueError, match="these rows of this task"):
        Engine(Task(length=5), 2).load_state(state)


def test_a_state_of_other_rows_is_refused():
    state = Engine(Task(length=4), 3).state(np.array([0]))
    with pytest.raises(ValueError, match="these rows of this task"):
        Engine(Task(length=4), 2).load_state(state)


def melody(*pitches):
    return Score.from_notes([[(i, 1, p, 80) for i, p in enumerate(pitches)]], steps=len(pitches))


def test_pieces_of_different_lengths_end_at_their_own_last_slot():
    engine = Engine(Task(length=None, source="-", meter=None), 4, material_of(3, 5))
    engine.reset(np.arange(4), np.arange(4, dtype=np.uint64))
    lengths = engine.pieces.length.copy()
    assert set(lengths.tolist()) == {3, 5}
    ended = np.zeros(4, int)
    for turn in range(1, 6):
        engine.write(np.full((4, 1), 14))
        ended[engine.pieces.done & (ended == 0)] = turn
        assert np.array_equal(engine.pieces.written, turn <= lengths)
    assert np.array_equal(ended, lengths)
    assert [engine.score(i).steps for i in range(4)] == lengths.tolist()


def material_of(*lengths):
    return Excerpts.from_scores([melody(*range(60, 60 + n)) for n in lengths])


def test_a_hole_gives_the_note_after_it_an_onset_of_its_own():
    held = Score.from_notes([[(0, 4, 60, 80)]], steps=4)
    for seed in range(20):
        engine = Engine(Task(length=4, blank=0.5), 1, Excerpts.from_scores([held]))
        engine.reset(np.array([0]), np.array([seed], np.uint64))
        score = engine.score(0)
        for s in range(1, 4):
            if score.pitch[0, s] == 60:
                assert score.onset[0, s] == (score.pitch[0, s - 1] == BLANK)


def test_bars_are_blank_or_given_as_a_whole():
    page = Score.from_notes([[(s, 1, 60, 80) for s in range(12)]], steps=12, meter=(1, 4), pickup=2)
    engine = Engine(Task(length=12, blank=0.5, holes="bar"), 64, Excerpts.from_scores([page]))
    engine.reset(np.arange(64), np.arange(64, dtype=np.uint64))
    bars = [slice(0, 2), slice(2, 6), slice(6, 10), slice(10, 12)]
    whole = (~engine.pieces.given[:, 0]).sum(axis=1) > 1  # where chance leaves nothing, one slot is opened
    shares = [engine.pieces.given[whole, 0, bar] for bar in bars]
    assert all((share.all(axis=1) | ~share.any(axis=1)).all() for share in shares)
    assert 0.3 < np.mean([share.mean() for share in shares]) < 0.7


def test_a_score_with_blanks_of_its_own_keeps_just_those():
    score = Score.from_notes([[(0, 2, 60, 80), (2, 2, 62, 80)]], steps=4)
    pitch, onset, velocity = score.pitch.copy(), score.onset.copy(), score.velocity.copy()
    pitch[0, 1:3], onset[0, 1:3], onset[0, 3], velocity[0, 1:3] = BLANK, False, True, 0
    holed = dataclasses.replace(score, pitch=pitch, onset=onset, velocity=velocity)
    engine = Engine(Task(length=4, blank=0.5), 1, Excerpts.from_scores([holed]))
    engine.reset(np.array([0]), np.array([3], np.uint64))
    assert engine.score(0) == holed
    assert open_slots(engine) == {(0, 1), (0, 2)}


def test_filled_blanks_begin_with_the_music_that_they_edit():
    engine = Engine(Task(length=3, begin="filled"), 1, material_of(3))
    engine.reset(np.array([0]), np.array([0], np.uint64))
    assert engine.score(0).pitch.tolist() == [[60, 61, 62]]
    assert open_slots(engine) == {(0, 0), (0, 1), (0, 2)}


def test_keys_are_drawn_from_all_that_the_task_names():
    engine = Engine(Task(length=4, key=("C major", "D minor", "Ab major")), 60)
    engine.reset(np.arange(60), np.arange(60, dtype=np.uint64))
    keys = [engine.score(i).key for i in range(60)]
    assert {key: keys.count(key) >= 8 for key in set(keys)} == {"C major": True, "D minor": True, "Ab major": True}


def test_random_orders_and_holes_are_drawn_anew_for_every_episode_and_seed():
    engine = Engine(Task(length=7, order="random"), 30)
    engine.reset(np.arange(30), np.arange(30, dtype=np.uint64))
    first = [tuple(order_of(engine, i)) for i in range(30)]
    engine.reset(np.arange(30))
    second = [tuple(order_of(engine, i)) for i in range(30)]
    assert len(set(first)) == 30
    assert len(set(second)) == 30
    assert not any(a == b for a, b in zip(first, second))
