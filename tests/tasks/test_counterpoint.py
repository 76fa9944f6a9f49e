"""Counterpoint-v0: species, places of the cantus firmus, users' own, and what is refused; Fux can be played as he wrote."""

import functools

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.utils.env_match import check_environments_match

from musicgym import ComposeEnv, ComposeVectorEnv, Score, Task
from musicgym.corpus.fux import exercises
from musicgym.given import on_pages
from musicgym.tasks.counterpoint import STEPS_A_BAR, counterpoint
from musicgym.testing import check_vector_env

ID = "musicgym/Counterpoint-v0"
PLACES = ({"above": True}, {"above": False}, {"voices": 3}, {"voices": 3, "cantus_voice": 1}, {"voices": 3, "above": False})
WHOLES = Score.from_notes([[(16 * bar, 16, pitch, 80) for bar, pitch in enumerate((62, 65, 64, 62))]], key="D dorian")


def played(env, seed=0, **options):
    rng = np.random.default_rng(seed)
    _, info = env.reset(seed=seed, **options)
    while True:
        _, _, over, _, info = env.step(rng.choice(np.flatnonzero(info["action_mask"])))
        if over:
            assert info["illegal"] == 0
            return env.unwrapped.score


@pytest.mark.parametrize("place", PLACES, ids=str)
@pytest.mark.parametrize("species", STEPS_A_BAR)
def test_every_species_and_place_can_be_played_and_written(species, place, tmp_path):
    task = counterpoint(species, **place)
    assert Task.from_json(task.to_json()) == task
    score = played(gym.make(ID, species=species, **place))
    (cantus,) = task.given
    assert {note.duration / score.steps_per_quarter for note in score.notes(cantus)} == {4}
    added = score.notes(0 if cantus else 1)
    last = score.steps - 4 * score.steps_per_quarter
    assert added[-1][:2] == (last, score.steps - last)
    in_the_middle = [note for note in added if 4 <= note.start / score.steps_per_quarter < last / score.steps_per_quarter - 4]
    shortest, longest = {1: (4, 4), 2: (2, 2), 3: (1, 1), 4: (2, 4), 5: (0.5, 8)}[species]
    assert all(shortest <= note.duration / score.steps_per_quarter <= longest for note in in_the_middle)
    for suffix in ("mid", "musicxml"):
        path = tmp_path / f"piece.{suffix}"
        getattr(score, f"to_{'midi' if suffix == 'mid' else suffix}")(path)
        read = getattr(Score, f"from_{'midi' if suffix == 'mid' else suffix}")(path, steps_per_quarter=score.steps_per_quarter)
        assert [[n[:3] for n in read.notes(v)] for v in range(read.voices)] == [
            [n[:3] for n in score.notes(v)] for v in range(score.voices)
        ]
        assert read.meter == (4, 4)


@pytest.mark.parametrize("exercise", exercises(), ids=lambda e: f"figure {e.figure}")
def test_fux_can_be_played_as_he_wrote(exercise):
    env = gym.make(ID, species=exercise.species, above=exercise.cantus_voice == 1).unwrapped
    task, voice = env.session.task, 1 - exercise.cantus_voice
    solution = on_pages([exercise.score], task)
    _, info = env.reset(seed=0, options={"given": exercise.cantus})
    for step in range(int(solution.length[0])):
        pitch, begins = int(solution.pitch[0, voice, step]), solution.onset[0, voice, step]
        action = 1 if not begins else 0 if pitch < 0 else pitch - task.choice.low + 2
        assert info["action_mask"][action]
        _, _, over, _, info = env.step(action)
    assert over
    times = exercise.score.steps_per_quarter / env.score.steps_per_quarter
    written = [(n.start * times, n.duration * times, n.pitch) for n in env.score.notes(voice)]
    assert written == [note[:3] for note in exercise.score.notes(voice)]


@pytest.mark.parametrize("species", STEPS_A_BAR)
def test_checkers_have_nothing_to_say(species):
    check_env(gym.make(ID, species=species).unwrapped)
    check_environments_match(*(gym.make(ID, species=species) for _ in range(2)), num_steps=40)
    make = functools.partial(ComposeVectorEnv, ID, species=species)
    check_vector_env(make, 2, single=lambda: ComposeEnv(ID, species=species), episodes=1)


def test_agents_see_the_same_shapes_whatever_the_cantus_firmi():
    spaces = [gym.make(ID, cantus=source).observation_space for source in ("cantus/train", "cantus/test", "cantus", "fux_cantus")]
    assert all(space == spaces[0] for space in spaces)


def test_ones_own_cantus_firmus_stands_there_in_its_mode():
    for env, options in (
        (gym.make(ID, cantus=(62, 65, 64, 62)), {}),
        (ComposeEnv(ID, given=[WHOLES]), {}),
        (gym.make(ID), {"options": {"given": WHOLES}}),
    ):
        score = played(env, **options)
        assert ([note.pitch for note in score.notes(1)], score.key, score.steps) == ([62, 65, 64, 62], "D dorian", 16)


@pytest.mark.parametrize(
    ("pitches", "written", "key"),
    [
        ((62, 65, 64, 62), "C major", "D dorian"),
        ((67, 70, 69, 67), "C major", "G dorian"),  # the B flat says that it isn't mixolydian
        ((62, 65, 64, 62), "D minor", "D minor"),  # its own tonic: its own mode
        ((60, 64, 62, 60), "C major", "C major"),
    ],
)
def test_a_cantus_firmus_is_in_the_key_of_its_last_note(pitches, written, key):
    score = Score.from_notes([[(16 * bar, 16, pitch, 80) for bar, pitch in enumerate(pitches)]], key=written)
    made, begun = gym.make(ID, given=[score]).unwrapped, gym.make(ID).unwrapped
    made.reset(seed=0)
    begun.reset(seed=0, options={"given": score})
    assert (made.score.key, begun.score.key) == (key, key)
    begun.reset(seed=0, options={"given": score, "key": "A minor"})
    assert begun.score.key == "A minor"


HIGH = Score.from_notes([[(16 * bar, 16, pitch, 80) for bar, pitch in enumerate((69, 72, 71, 69))]])


@pytest.mark.parametrize("arguments", [{"cantus": "cantus 69 72 71 69"}, {"cantus": (69, 72, 71, 69)}, {"given": [HIGH]}])
def test_a_cantus_firmus_that_leaves_a_voice_no_room_is_refused(arguments):
    with pytest.raises(ValueError, match=r"from 69 to 72, and the voice above it has the range 55\.\.70 .*transpose it"):
        gym.make(ID, range=(55, 70), **arguments)
    with pytest.raises(ValueError, match=r"the voice below it has the range 70\.\.74"):
        gym.make(ID, range=(70, 74), above=False, **arguments)


def test_cantus_firmi_that_leave_a_voice_no_room_are_not_drawn():
    drawn = gym.make(ID, cantus="fux_cantus", range=(50, 66)).unwrapped.session.engine.material
    assert 0 < len(drawn.length) < 6
    assert drawn.pitch.max() <= 66
    with pytest.raises(ValueError, match=r"and the voice above it has the range 40\.\.45"):
        gym.make(ID, cantus="fux_cantus", range=(40, 45))


def test_all_twelve_pitch_classes_may_be_chosen():
    _, info = gym.make(ID).reset(seed=0)
    assert info["action_mask"][2 + 57 - 50 :].all()


HALVES = Score.from_notes([[(8 * i, 8, 62, 80) for i in range(8)]])
SHORT_OF_A_BAR = Score.from_notes([[(0, 16, 62, 80), (16, 8, 64, 80)]])


@pytest.mark.parametrize(
    ("species", "score", "message"),
    [
        (1, HALVES, "4 steps a quarter, the task has 0.25: a note, a rest or a hole begins between"),
        (2, HALVES, "voice 1 in bar 1 has not the rhythm of the task: .* one note a bar"),
        (1, SHORT_OF_A_BAR, "its length is no whole number"),
        (1, WHOLES.transpose(24), r"voice 1 has the pitch 86 at step 0: expected 50\.\.72"),
        (1, Score.from_notes([[(12 * i, 12, 62, 80) for i in range(4)]], meter=(3, 4)), "bars|between"),
        (1, Score.from_notes([[], [], []], steps=64), "3 voices: expected 2 voices or the 1 given ones"),
        (1, Score.from_notes([[(16 * i, 16, 62 + i % 2, 80) for i in range(17)]]), "17 steps: expected 2 voices and 1..16 steps"),
    ],
)
def test_a_cantus_firmus_that_does_not_fit_is_refused(species, score, message):
    with pytest.raises(ValueError, match=message):
        gym.make(ID, species=species).reset(seed=0, options={"given": score})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"species": 6}, "species=6: expected 1, 2, 3, 4 or 5"),
        ({"species": True}, "species=True"),
        ({"voices": 4}, "voices=4: expected 2 or 3"),
        ({"cantus_voice": 2}, r"cantus_voice=2: expected 0\.\.1"),
        ({"range": (60, 50)}, "low must be below high"),
        ({"range": (50,)}, r"range=\(50,\): expected \(lowest, highest\)"),
        ({"voices": 3, "range": (50, 70)}, "each of the 2 added voices"),
        ({"cantus": (62, 200, 62)}, "three or more MIDI numbers"),
        ({"cantus": (88, 90, 88)}, r"from 88 to 90, and the voice above it has the range 57\.\.81"),
        ({"cantus": "cantus/all"}, "expected a split of train, valid, test"),
        ({"cantus": "fux_cantus/test"}, "expected 'fux_cantus' alone"),
        ({"cantus": "cantus D E"}, "two or more MIDI numbers"),
        ({"given": (0, 1), "voices": 3}, "say where it lies with cantus_voice="),
        ({"length": 5}, "no cantus firmus has 5 steps or fewer"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        gym.make(ID, **arguments)


def test_the_voice_that_is_given_is_named_by_its_place():
    with pytest.raises(ValueError, match=r"given=\(0,\): the cantus firmus is what is given; say where"):
        gym.make("musicgym/Counterpoint-v0", given=(0,))
    with pytest.raises(ValueError, match=r"cantus='fux': expected 'cantus/train'"):
        gym.make("musicgym/Counterpoint-v0", cantus="fux")
    with pytest.raises(ValueError, match=r"transpose_to='C': cantus firmi stay in the keys of their finals"):
        gym.make("musicgym/Counterpoint-v0", transpose_to="C")


def test_a_page_that_is_too_long_for_its_arrays_is_refused():
    with pytest.raises(ValueError, match=r"a page of 2 voices and 40,000 steps: expected at most 32,767 slots"):
        gym.make("musicgym/Counterpoint-v0", cantus=(62, 64) * 20_000)


def test_two_notes_are_no_cantus_firmus_in_a_score_either():
    two = Score.from_notes([[(0, 16, 64, 80), (16, 16, 62, 80)]], key="D dorian")
    with pytest.raises(ValueError, match="its cantus firmus has 2 notes: expected 3 or more"):
        gym.make("musicgym/Counterpoint-v0", given=[two])
