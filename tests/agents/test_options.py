"""A task's options from the command line, and the settings that suit a task and a reward."""

import dataclasses
import json

import pytest

import musicgym
from musicgym import StepChoice, Task
from musicgym.agents import defaults
from musicgym.agents.defaults import Tuned, settings_for
from musicgym.agents.options import make_task, parse_options
from musicgym.agents.settings import Settings, task_of
from musicgym.agents.training import judge, make_agent
from musicgym.commands import main
from musicgym.rewards import parse

MELODY = "musicgym/Melody-v0"


@pytest.mark.parametrize(
    ("word", "name", "value"),
    [
        ("length=64", "length", 64),
        ("tempo=72.5", "tempo", 72.5),
        ("key=A minor", "key", "A minor"),
        ("key=C major, A minor", "key", ("C major", "A minor")),
        ("range=55,76", "range", (55, 76)),
        ("given=0,", "given", (0,)),
        ("length=None", "length", None),
        ("source=ryan/train", "source", "ryan/train"),
        ("name=a=b", "name", "a=b"),
        ("loud=true", "loud", True),
        ("source=", "source", ""),
        ("key=nan", "key", "nan"),
    ],
)
def test_values_are_read_as_what_they_look_like(word, name, value):
    found = parse_options([word])
    assert found == {name: value}
    assert type(found[name]) is type(value)


def test_tuples_of_none_and_of_one_can_be_typed_in_parentheses():
    assert parse_options(["given=()", "forbid=(strict_counterpoint)", "range=(60,72)"]) == {
        "given": (), "forbid": ("strict_counterpoint",), "range": (60, 72),
    }  # fmt: skip


@pytest.mark.parametrize("words", [["length"], ["=5"], ["a b=5"], ["length=8", "length=9"], [""]])
def test_words_of_another_form_are_refused(words):
    with pytest.raises(ValueError, match=r"--option .*expected"):
        parse_options(words)


def test_an_option_of_the_function_and_a_field_of_the_task_are_both_known():
    assert make_task(MELODY, {"range": (55, 76), "tempo": 90}) == Task(StepChoice(55, 76), tempo=90)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lenght": 64}, "unexpected keyword argument 'lenght': did you mean length"),
        ({"rang": (50, 60)}, "unexpected keyword argument 'rang': did you mean range"),
        ({"x": 1}, "unexpected keyword argument 'x': there are length, range, key"),
        ({"length": "long"}, "length='long'"),
        ({"range": 5}, "range=5"),
        ({"length": (1, 2)}, r"length=\(1, 2\)"),
        ({"meter": 4}, "meter=4"),
    ],
)
def test_options_that_the_task_does_not_take_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        make_task(MELODY, options)


def test_a_users_function_says_which_options_it_has(monkeypatch):
    from musicgym import registration

    monkeypatch.setattr(registration, "_TASKS", dict(registration._TASKS))
    musicgym.register("lab/Bars-v0", lambda bars=2: Task(length=16 + bars))
    assert make_task("lab/Bars-v0", {"bars": 3}).length == 19
    with pytest.raises(ValueError, match="unexpected keyword argument 'bar': did you mean bars"):
        make_task("lab/Bars-v0", {"bar": 3})
    with pytest.raises(ValueError, match="lab/Bars-v0 with"):
        make_task("lab/Bars-v0", {"bars": (1.5,)})


def test_options_come_back_from_json_as_they_went():
    settings = Settings(options={"range": (55, 76), "key": ("C major", "A minor"), "length": 8})
    assert Settings.from_dict(json.loads(json.dumps(settings.to_dict()))) == settings
    assert task_of(settings).length == 8


def test_an_agent_trains_and_is_judged_on_the_task_with_its_options():
    settings = Settings(options={"length": 12, "range": (60, 64)}, n_envs=2, reward_scale=1.0)
    model = make_agent(settings)
    assert model.action_space.n == 7
    judged = judge(model, settings, 5, masked=True, reward=parse("rl_tuner"), seed=1)
    assert judged.music.pitch.shape == (5, 1, 12)
    assert set(judged.music.pitch[judged.music.pitch >= 0]) <= set(range(60, 65))


def test_a_bad_option_is_one_line_and_leaves_no_folder(tmp_path, capsys):
    assert main(["train", "--option", "lenght=64", "--out", str(tmp_path / "runs")]) == 2
    assert "did you mean length" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_tuned_settings_go_with_their_task_and_reward_and_what_is_asked_for_goes_first(monkeypatch):
    table = (
        Tuned(None, "rl_tuner", {"ent_coef": 0.3}),
        Tuned(MELODY, None, {"n_epochs": 7}),
        Tuned(MELODY, "fixed_key", {"n_epochs": 9, "steps": 77}),
        Tuned("other/Task-v0", None, {"window": 3}),
    )
    monkeypatch.setattr(defaults, "TUNED", table)
    assert settings_for({}) == Settings(n_epochs=7)
    assert settings_for({"reward": "rl_tuner"}) == Settings(reward="rl_tuner", ent_coef=0.3, n_epochs=7)
    assert settings_for({"reward": "-1*fixed_key"}) == Settings(reward="-1*fixed_key", n_epochs=9, steps=77)
    assert settings_for({"reward": "0*rl_tuner", "n_epochs": 1}) == Settings(reward="0*rl_tuner", ent_coef=0.3, n_epochs=1)


def test_options_of_the_task_are_tuned_one_by_one(monkeypatch):
    monkeypatch.setattr(defaults, "TUNED", (Tuned(MELODY, None, {"options": {"length": 64, "tempo": 90}}),))
    assert settings_for({}).options == {"length": 64, "tempo": 90}
    assert settings_for({"options": {"length": 16, "key": "A minor"}}).options == {"length": 16, "tempo": 90, "key": "A minor"}
    assert settings_for({"task": "musicgym/ExpressiveMelody-v0"}).options == {}


def test_the_defaults_of_settings_are_those_of_rl_tuner_and_a_melody_trains_on_theory_in_four_bars():
    assert settings_for({"reward": "rl_tuner"}) == Settings(reward="rl_tuner")
    assert settings_for({}) == dataclasses.replace(settings_for({"reward": "theory"}), reward=None)
    assert task_of(settings_for({})).length == 64
    assert settings_for({"reward": "-1*(theory)"}).n_envs == settings_for({"reward": "theory"}).n_envs > Settings().n_envs


def test_every_tuned_entry_makes_settings():
    for entry in defaults.TUNED:
        settings = Settings(**entry.fields)
        assert entry.fields.keys().isdisjoint({"task", "reward", "seed", "blind"})
        if entry.task is not None:
            assert make_task(entry.task, settings.options)
        else:
            assert settings.options == {}  # another task may not take them
