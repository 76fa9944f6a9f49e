"""Rules: what `@rule` accepts, where users may define them, when they are compiled, and what their fingerprints tell apart."""

from __future__ import annotations

import importlib.util
import os
import pickle
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import pytest

from musicgym import Score
from musicgym.rewards import Rules, parse, rule
from musicgym.rewards.rl_tuner_fixed import fixed_leap, fixed_repeat
from musicgym.rewards.rules import RULES, SITES, Rule
from musicgym.score import Note

SCORE = Score.from_notes([[Note(0, 2, 60, 80), Note(2, 2, 67, 80), Note(6, 2, 64, 80)]])
SOURCE = '''
import numpy as np
from musicgym.compiled import kernel
from musicgym.rewards import rule

LIMIT = 62
TABLE = np.arange(200.0)

@kernel
def is_high(pitch):
    return pitch > LIMIT

@rule(span=0, sees="own")
def user_high_notes(piece, voice, step, *, worth=2.0):
    """+worth for a note above LIMIT."""
    # Only where it begins.
    begins = piece.onset[voice, step]
    return worth * TABLE[1] if begins and is_high(piece.pitch[voice, step]) else 0.0
'''


@pytest.fixture(autouse=True)
def registry() -> Iterator[None]:
    """Forgets the rules that a test makes."""
    before, modules = dict(RULES), set(sys.modules)
    yield
    RULES.clear()
    RULES.update(before)
    for name in set(sys.modules) - modules:
        if name.startswith("user_"):
            del sys.modules[name]


def module_of(source: str, folder: Path, name: str = "user_rules") -> types.ModuleType:
    """A user's module, in a file of its own."""
    path = folder / f"{name}_{len(list(folder.iterdir()))}.py"
    path.write_text(source)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def fingerprint_of(source: str, folder: Path) -> str:
    found: str = module_of(source, folder).user_high_notes().fingerprint
    return found


def test_a_rule_of_a_users_own_module_is_known_scored_and_played(tmp_path: Path, play: Any) -> None:
    module = module_of(SOURCE, tmp_path)
    assert parse("user_high_notes(worth=3)").score([SCORE])["user_high_notes"] == pytest.approx([6.0])
    played = play([[14, 21, 1, 18, 0, 20]], module.user_high_notes())
    np.testing.assert_array_equal(played.rewards, [[0, 2, 0, 2, 0, 2]])


def test_a_rule_of_a_notebook_is_scored_and_played(play: Any) -> None:
    cell: dict[str, Any] = {"__name__": "__main__"}
    exec(SOURCE.replace("user_high_notes", "user_cell_rule"), cell)
    made = cell["user_cell_rule"]()
    assert made.score([SCORE])["user_cell_rule"] == pytest.approx([4.0])
    np.testing.assert_array_equal(play([[14, 21, 1, 18]], made + fixed_leap()).rewards, [[0, 2, 0, 7]])


@pytest.mark.slow
def test_a_rule_of_main_runs_in_a_script(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    play_it = """
import pickle
import musicgym
from musicgym.vector_env import ComposeVectorEnv
env = ComposeVectorEnv(num_envs=2, reward="user_high_notes(worth=4) + fixed_leap")
env.reset(seed=0)
print(env.step([21, 14])[1].tolist(), pickle.loads(pickle.dumps(user_high_notes)) is user_high_notes)
"""
    script.write_text(SOURCE + play_it)
    assert run(script) == "[4.0, 0.0] True"


def test_rules_pickle_by_name_where_they_can_be_imported(tmp_path: Path) -> None:
    assert pickle.loads(pickle.dumps(fixed_leap)) is fixed_leap
    own = module_of(SOURCE, tmp_path).user_high_notes
    assert pickle.loads(pickle.dumps(own)) is own
    assert len(pickle.dumps(own)) < 200


@pytest.mark.slow
def test_a_rule_of_a_notebook_goes_to_another_process_with_its_function(tmp_path: Path) -> None:
    cell: dict[str, Any] = {"__name__": "__main__"}
    exec(SOURCE.replace("user_high_notes", "user_sent_rule"), cell)
    (tmp_path / "reward.pickle").write_bytes(cloudpickle.dumps(cell["user_sent_rule"](worth=5)))
    (tmp_path / "score.pickle").write_bytes(pickle.dumps(SCORE))
    script = tmp_path / "other.py"
    script.write_text(
        "import pickle, pathlib\n"
        f"folder = pathlib.Path({str(tmp_path)!r})\n"
        "reward, score = (pickle.loads((folder / f'{n}.pickle').read_bytes()) for n in ('reward', 'score'))\n"
        "print(reward.score([score])['user_sent_rule'].tolist())\n"
    )
    assert run(script) == "[10.0]"


def test_what_a_rule_is_about_goes_with_it_to_another_process() -> None:
    cell: dict[str, Any] = {"__name__": "__main__"}
    exec(SOURCE.replace("user_high_notes", "user_late_rule").replace('sees="own")', 'sees="own", about="ended")'), cell)
    sent = cloudpickle.loads(cloudpickle.dumps(cell["user_late_rule"]))
    assert sent is not cell["user_late_rule"]
    assert sent.about == "ended"


def test_a_rule_is_about_where_it_is_judged_unless_it_says_otherwise() -> None:
    def plain_idea(piece: Any, voice: int, step: int) -> float:
        return 0.0

    found = {at: Rule(plain_idea, 0, "own", at).about for at in SITES}
    assert found == {"any": "here", "note": "here", "chord": "here", "bar": "bar", "end": "piece"}
    with pytest.raises(ValueError, match="about='after': expected one of 'here', 'ended', 'before', 'bar', 'piece'"):
        Rule(plain_idea, 0, "own", about="after")  # type: ignore[arg-type]  # that is what is tried


def test_changed_parameters_and_weights_compile_nothing(play: Any) -> None:
    actions = np.random.default_rng(1).integers(0, 38, (3, 20))
    reward = fixed_repeat() + 2 * fixed_leap()
    scores = play(actions, reward).scores
    reward.score(scores)
    before = compiled(reward)
    assert [len(signatures) for _, signatures in before] == [1, 1]
    changed = -3 * fixed_repeat(most=2) + 0.1 * fixed_leap()
    for other in (changed, changed.set("fixed_repeat", most=7), changed.weighted(fixed_leap=0.0)):
        other.score(play(actions[:1, :9], other, low=40, high=90, key="D dorian").scores)
        assert compiled(other) == before


def compiled(reward: Rules) -> list[tuple[int, tuple[Any, ...]]]:
    """Which compiled functions a reward uses, and for what types of arguments they have been compiled."""
    return [(id(entry), tuple(entry.signatures)) for entry in (reward.kernels.pay_appended, reward.kernels.judge_sites)]


def test_a_rule_defined_anew_is_judged_anew() -> None:
    for worth in (1.0, 2.0):
        cell: dict[str, Any] = {"__name__": "__main__"}
        exec(SOURCE.replace("worth=2.0", f"worth={worth}").replace("user_high_notes", "user_edited_rule"), cell)
        assert parse("user_edited_rule").score([SCORE])["user_edited_rule"] == pytest.approx([2 * worth])


CHANGES = {
    "the rule": ("worth * TABLE[1]", "worth * TABLE[2]"),
    "a helper": ("pitch > LIMIT", "pitch >= LIMIT"),
    "a constant": ("LIMIT = 62", "LIMIT = 63"),
    "one figure of a long table": ("np.arange(200.0)", "np.where(np.arange(200) == 100, 7.0, np.arange(200.0))"),
    "a type": ("np.arange(200.0)", "np.arange(200, dtype=np.float32)"),
    "a default": ("worth=2.0", "worth=2.5"),
}
SAME = {
    "a comment": ("# Only where it begins.", "# Elsewhere nothing."),
    "the docstring": ("+worth for a note", "A bonus for a note"),
    "layout": ("    begins =", "\n\n    begins ="),
    "the helper's decorator's spelling": ("@kernel", "@kernel  # compiled"),
    "something that it does not reach": ("LIMIT = 62", "LIMIT = 62\nOTHER = 3"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_fingerprint_changes_with(change: str, tmp_path: Path) -> None:
    before, after = CHANGES[change]
    assert before in SOURCE
    assert fingerprint_of(SOURCE.replace(before, after), tmp_path) != fingerprint_of(SOURCE, tmp_path)


@pytest.mark.parametrize("change", SAME)
def test_a_fingerprint_stays_the_same_with_another(change: str, tmp_path: Path) -> None:
    before, after = SAME[change]
    assert before in SOURCE
    assert fingerprint_of(SOURCE.replace(before, after), tmp_path) == fingerprint_of(SOURCE, tmp_path)


def test_fingerprints_tell_parameters_weights_and_kinds_of_pay_apart() -> None:
    texts = [
        "fixed_repeat",
        "fixed_repeat(most=5)",
        "2*fixed_repeat",
        "fixed_leap",
        "fixed_repeat + fixed_leap",
        "fixed_repeat - fixed_leap",
        "at_end(fixed_repeat)",
        "potential(fixed_repeat, gamma=0.9)",
        "potential(fixed_repeat, gamma=0.99)",
        "clip(fixed_repeat, low=-1, high=1)",
        "clip(fixed_repeat, low=-1, high=2)",
        "rl_tuner",
        "rl_tuner(form='fixed')",
    ]
    schedules = [fixed_repeat().scheduled(weight) for weight in (lambda k: 1.0, lambda k: 2.0, float, np.cos, np.sin)]
    prints = [parse(text).fingerprint for text in texts] + [reward.fingerprint for reward in schedules]
    assert len(set(prints)) == len(prints)
    assert prints == [parse(text).fingerprint for text in texts] + [reward.fingerprint for reward in schedules]


@pytest.mark.slow
def test_a_fingerprint_is_the_same_in_every_process(tmp_path: Path) -> None:
    (tmp_path / "user_rules.py").write_text(SOURCE)
    text = "2*rl_tuner - rl_tuner(form='fixed').leap + at_end(fixed_key) + user_high_notes"
    script = tmp_path / "fingerprint.py"
    script.write_text(f"import user_rules\nfrom musicgym.rewards import parse\nprint(parse({text!r}).fingerprint)\n")
    assert run(script, PYTHONHASHSEED="1") == run(script, PYTHONHASHSEED="2")


def run(script: Path, **variables: str) -> str:
    variables["PYTHONPATH"] = os.pathsep.join(sys.path)
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, env={**os.environ, **variables})
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def _no_step(piece, voice):
    return 0.0


def _positional_parameter(piece, voice, step, worth=1.0):
    return worth


def _text_parameter(piece, voice, step, *, kind="high"):
    return 0.0


def _no_default(piece, voice, step, *, worth):
    return worth


@pytest.mark.parametrize("function", [_no_step, _positional_parameter, _text_parameter, _no_default])
def test_a_function_of_another_form_is_no_rule(function: Any) -> None:
    with pytest.raises(ValueError, match=r"expected \(piece, voice, step, \*, name=number, ...\)"):
        rule(function)


def test_a_name_belongs_to_the_module_that_took_it_first() -> None:
    def fixed_leap(piece, voice, step):
        return 1.0

    with pytest.raises(ValueError, match=r"'fixed_leap' is already registered by musicgym.rewards.rl_tuner_fixed"):
        rule(fixed_leap)


def test_declarations_that_cannot_be_are_refused() -> None:
    def user_plain(piece, voice, step):
        return 0.0

    with pytest.raises(ValueError, match="span=-1: expected 0 or more steps"):
        rule(span=-1)(user_plain)
    with pytest.raises(ValueError, match="sees='none': expected 'own', 'lower' or 'all'"):
        rule(sees="none")(user_plain)  # type: ignore[call-overload]


def test_a_carried_form_needs_the_rules_own_parameters() -> None:
    @rule
    def user_carrying(piece, voice, step, *, worth=1.0):
        return worth

    with pytest.raises(ValueError, match="its carried form must have the parameters"):

        @user_carrying.carried(1)
        def other(piece, voice, step, carry):
            return 0.0


def test_parameters_belong_to_one_rule() -> None:
    with pytest.raises(ValueError, match="need exactly one rule"):
        Rules.of(fixed_leap, fixed_repeat, most=3)
    assert isinstance(RULES["fixed_leap"], Rule)


def test_a_range_for_a_parameter_that_the_rule_lacks_is_refused() -> None:
    with pytest.raises(ValueError, match="it has no parameter 'heigth'"):

        @rule(within={"heigth": (0, 1)})
        def user_misspelt_range(piece, voice, step, *, height=1.0):
            return 0.0


def test_a_default_outside_its_own_range_is_refused() -> None:
    with pytest.raises(ValueError, match=r"height=2: expected a whole number, 0\.\.1"):

        @rule(within={"height": (0, 1)})
        def user_default_too_high(piece, voice, step, *, height=2.0):
            return 0.0


@pytest.mark.parametrize(
    "within",
    ["x", 5, {"a": 1}, {"a": (3, 1)}, {"a": (float("nan"), 1)}, {"a": (0, float("nan"))}, {"a": ("0", "1")}, {1: (0, 1)}],
)
def test_bounds_that_are_none_are_refused_with_what_they_are(within):
    def bounded_for_tests(piece, voice, step, *, a=1.0):
        return a

    with pytest.raises(
        ValueError, match=r"rule bounded_for_tests: within=.*expected name -> \(low, high\), two numbers, low <= high"
    ):
        rule(within=within)(bounded_for_tests)


def test_a_users_rule_cannot_take_a_name_of_ours_even_before_it_is_loaded() -> None:
    code = """
from musicgym.rewards import rule
try:
    @rule
    def climax(piece, voice, step):
        return 0.0
except ValueError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "rule 'climax' is already registered by musicgym.rewards.theory.contour: choose another name\n"
