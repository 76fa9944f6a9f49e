"""Generator and discriminator in turns: what is paid, what it leads to, that it goes on exactly, and what stops it."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from musicgym import StepChoice, Task
from musicgym.models import LSTM, Discriminator, Transformer, material
from musicgym.models.adversarial import contest
from musicgym.models.contest import Contest, Round
from musicgym.models.material import Moves, Music
from musicgym.models.policy_gradient import ahead
from musicgym.models.training import NotFiniteError
from musicgym.pieces import Excerpts
from musicgym.score import Score

MELODY = Task(StepChoice(48, 83))
SHORT = Contest(rounds=4, batch=16, steps=16, pool=20)


def made(kind: Any, seed: int = 0, **sizes: Any) -> Any:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return kind(MELODY, **sizes)


def generator(kind: Any = LSTM) -> Any:
    return made(kind, units=8, embedding=8) if kind is LSTM else made(kind, layers=1, width=8, heads=2, context=32)


def judge() -> Discriminator:
    found: Discriminator = made(Discriminator, layers=3, width=8, dropout=0.1)
    return found


@pytest.mark.parametrize("kind", [LSTM, Transformer])
def test_both_learn_and_only_what_is_to_learn_changes(little: Any, kind: Any) -> None:
    model, discriminator = generator(kind), judge()
    before, first = model.fingerprint, discriminator.fingerprint
    seen: list[Round] = []
    outcome = contest(model, discriminator, little[0], SHORT, watcher=seen.append)
    assert model.fingerprint != before
    assert discriminator.fingerprint == first != outcome.discriminator.fingerprint
    assert [one.round for one in seen] == [1, 2, 3, 4]
    assert outcome.rounds == 4
    assert seen[0].divergence == pytest.approx(0, abs=1e-6)
    assert seen[-1].divergence > 0
    assert np.isfinite(seen).all()
    assert not model.training


def constant(pitch: int, count: int = 32) -> tuple[Music, Moves]:
    """Tunes of one pitch only, a sixteenth each."""
    scores = [Score.from_notes([[(i, 1, pitch, 80) for i in range(16)]]) for _ in range(count)]
    music = Music(Excerpts.from_scores(scores), np.arange(count, dtype=np.int32), np.zeros((count, 2), np.int64))
    return music, Moves(np.zeros((count, 1), np.int64), np.ones((count, 1), np.bool_))


def test_the_generator_comes_to_write_what_is_real() -> None:
    model, real = generator(), constant(60)
    token = 60 - 48 + 2

    def share() -> float:
        found = model.sequences(model.sample_excerpts(32, seed=5))
        return float((found.tokens == token).mean())

    before = share()
    settings = Contest(rounds=60, batch=32, steps=16, generator_rate=0.02, discriminator_rate=0.01, leash=0.0)
    contest(model, judge(), real, settings)
    assert share() > before + 0.3


def test_the_leash_holds_the_generator_near_to_the_pretrained_one() -> None:
    ends = []
    for leash in (0.0, 30.0):
        seen: list[Round] = []
        settings = Contest(rounds=25, batch=16, steps=16, generator_rate=0.02, discriminator_rate=0.01, leash=leash)
        contest(generator(), judge(), constant(60), settings, watcher=seen.append)
        ends.append(seen[-1].divergence)
    assert ends[1] < 0.2 * ends[0]


def test_a_constant_pay_teaches_nothing_and_a_negated_one_the_contrary() -> None:
    token, rounds = 60 - 48 + 2, Contest(rounds=60, batch=32, steps=16, generator_rate=0.02, discriminator_rate=0.01, leash=0.0)
    share = {}
    for twin in ("", "constant", "negated"):
        model = generator()
        before = model.fingerprint
        contest(model, judge(), constant(60), dataclasses.replace(rounds, twin=twin))
        found = model.sequences(model.sample_excerpts(32, seed=5))
        share[twin] = float((found.tokens == token).mean())
        assert (model.fingerprint == before) == (twin == "constant")
    assert share["negated"] < share["constant"] < share[""] - 0.3


def test_the_blind_twin_is_paid_for_the_page_before_and_nothing_at_once(little: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from musicgym.models import adversarial

    seen = []

    def spied(paid: np.ndarray, inside: np.ndarray, discount: float, group: int) -> np.ndarray:
        seen.append(paid)
        return np.zeros(paid.shape, np.float32)

    monkeypatch.setattr(adversarial, "ahead", spied)
    for twin in ("", "blind"):
        model = generator()
        contest(model, judge(), little[0], Contest(rounds=1, batch=12, group=4, steps=16, leash=0.0, twin=twin))
        assert (model.fingerprint == generator().fingerprint) == (twin == "blind")
    np.testing.assert_array_equal(seen[1], np.roll(seen[0], 4, axis=0))
    assert not np.array_equal(seen[1], seen[0])


@pytest.mark.parametrize("inertia", [0.0, 0.3, 0.98, 1.0])
def test_what_comes_out_is_a_mean_of_the_weights(little: Any, inertia: float) -> None:
    seen: list[torch.Tensor] = []
    model = generator()
    settings = dataclasses.replace(SHORT, inertia=inertia)
    contest(model, judge(), little[0], settings, watcher=lambda _: seen.append(model.head.bias.detach().clone()))
    weights = [inertia**age for age in (3, 2, 1, 0)]
    expected = sum(weight * bias for weight, bias in zip(weights, seen, strict=True)) / sum(weights)
    torch.testing.assert_close(model.head.bias.detach(), expected)


def test_the_same_seed_gives_the_same_and_a_contest_goes_on_as_if_it_had_not_stopped(little: Any, tmp_path: Path) -> None:
    whole, halves = generator(), generator()
    expected = contest(whole, judge(), little[0], SHORT)

    def stop(told: Round) -> None:
        if told.round == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        contest(halves, judge(), little[0], SHORT, folder=tmp_path, watcher=stop, seconds_between_checkpoints=0)
    again = generator()  # the checkpoint is of the first round: the second was seen, and not yet kept
    outcome = contest(again, judge(), little[0], SHORT, folder=tmp_path, resume=True)
    assert again.fingerprint == whole.fingerprint
    assert outcome.discriminator.fingerprint == expected.discriminator.fingerprint
    finished = generator()
    done = contest(finished, judge(), little[0], SHORT, folder=tmp_path, resume=True)
    assert (done.rounds, done.last) == (4, None)
    assert finished.fingerprint == whole.fingerprint


def test_a_checkpoint_of_another_contest_is_refused(little: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        contest(generator(), judge(), little[0], SHORT, folder=tmp_path, resume=True)
    contest(generator(), judge(), little[0], dataclasses.replace(SHORT, rounds=1), folder=tmp_path)
    with pytest.raises(ValueError, match="belongs to other settings"):
        contest(generator(), judge(), little[0], SHORT, folder=tmp_path, resume=True)
    other = made(LSTM, seed=9, units=8, embedding=8)
    with pytest.raises(ValueError, match=r"belongs to other settings, or other models, than .*: give those that it began with"):
        contest(other, judge(), little[0], dataclasses.replace(SHORT, rounds=1), folder=tmp_path, resume=True)
    with pytest.raises(ValueError, match="expected the folder"):
        contest(generator(), judge(), little[0], SHORT, resume=True)


@pytest.mark.parametrize("which", ["generator", "discriminator"])
def test_what_is_no_number_stops_the_contest_and_the_last_good_checkpoint_stays(little: Any, tmp_path: Path, which: str) -> None:
    model, discriminator = generator(), judge()

    def spoil(told: Round) -> None:
        if told.round == 2 and which == "generator":
            with torch.no_grad():
                model.head.bias[:] = torch.inf

    if which == "discriminator":
        with torch.no_grad():
            discriminator.reading.token.weight.mul_(1e38)
    with pytest.raises(NotFiniteError, match=r"stopped in round \d: .*(finite|nan|inf)"):
        contest(model, discriminator, little[0], SHORT, folder=tmp_path, watcher=spoil, seconds_between_checkpoints=0)
    if which == "generator":
        contest(generator(), judge(), little[0], SHORT, folder=tmp_path, resume=True)


def test_old_pieces_are_kept_up_to_the_pools_size_and_shown_again(little: Any) -> None:
    from musicgym.models import adversarial

    shown: list[np.ndarray] = []
    run = adversarial._Run(generator(), judge(), little[0], SHORT, None)
    learn = run.online.update

    def update(real: Any, others: Any) -> float:
        shown.append(others.tokens[:, :8].copy())
        assert len(others.length) <= SHORT.batch
        return learn(real, others)

    run.online.update = update  # type: ignore[method-assign]
    run.finish(None, 1e9)
    assert run.pool is not None
    assert len(run.pool.length) <= SHORT.pool
    early = {row.tobytes() for row in shown[0]}
    assert any(row.tobytes() in early for row in shown[1])


@pytest.mark.parametrize("group", [1, 2, 4, 6])
def test_what_is_ahead_is_all_that_comes_later_less_the_mean_of_the_group_at_each_place(group: int) -> None:
    draws = np.random.default_rng(0)
    paid, inside = draws.normal(size=(6, 5)), np.arange(5) < np.array([5, 5, 3, 5, 1, 4])[:, None]
    found = ahead(paid, inside, 0.9, group)
    later = np.array(
        [[sum(0.9 ** (u - t) * paid[i, u] for u in range(t + 1, 5) if inside[i, u]) for t in range(5)] for i in range(6)]
    )
    for first in range(0, 6, group):
        some = np.arange(first, min(first + group, 6))
        for t in range(5):
            rows = some[inside[some, t]]
            np.testing.assert_allclose(found[rows, t], later[rows, t] - later[rows, t].mean() if len(rows) else [], atol=1e-6)
    assert not found[~inside].any()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"rounds": 0}, "rounds=0: expected a whole number, 1 or more"),
        ({"batch": 1.5}, "batch=1.5"),
        ({"group": 0}, "group=0: expected a whole number, 1 or more"),
        ({"leash": -1.0}, "leash=-1.0: expected a number from 0"),
        ({"discount": 1.1}, "a share within 0..1"),
        ({"largest": 0.0}, "a number above 0"),
        ({"generator_rate": float("nan")}, "generator_rate=nan"),
        ({"twin": "blind", "batch": 12, "group": 8}, "batch=12, group=8: the twin 'blind' needs two pages"),
        ({"twin": "evil"}, "twin='evil': expected one of '', 'constant', 'negated', 'blind'"),
        ({"inertia": 1.5}, "inertia=1.5: expected a share within 0..1"),
        ({"pool_share": 2}, "pool_share=2"),
        ({"pool_share": float("nan")}, "pool_share=nan: expected a share within 0..1"),
        ({"discriminator_rate": 1e39}, r"discriminator_rate=1e\+39: expected a number from 0, at most 1,000"),
        ({"largest": 1e300}, "a number above 0, at most 1,000,000"),
        ({"threads": 1025}, "threads=1025: expected at most 1,024"),
    ],
)
def test_settings_that_make_no_contest_are_named(words: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Contest(**words)


def test_models_that_cannot_meet_are_named(little: Any) -> None:
    with pytest.raises(TypeError, match="expected a network that gradients flow through"):
        contest(judge(), judge(), little[0], SHORT)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"the task has steps with pitches 48\.\.83"):
        contest(generator(), Discriminator(Task(StepChoice(50, 60))), little[0], SHORT)
    high = copy.deepcopy(little[0])
    music = high[0]._replace(
        excerpts=high[0].excerpts._replace(pitch=np.where(high[0].excerpts.pitch >= 0, 120, -1).astype(np.int8))
    )
    with pytest.raises(ValueError, match="none of the pieces can be written"):
        contest(generator(), judge(), (music, material.Moves(high[1].shift * 0, high[1].fits)), SHORT)
