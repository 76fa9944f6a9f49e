"""The fit of theory's weights: known weights come out of made-up totals, noise stays out, and the package has what is fitted."""

from __future__ import annotations

import json
from importlib.resources import files

import numpy as np
import pytest
from scipy.optimize import check_grad
from scipy.special import expit

from musicgym.agents.comparison import Figure
from musicgym.benchmarks import fit_theory
from musicgym.benchmarks.discrimination import Discrimination
from musicgym.benchmarks.fit_theory import BARS, ENDINGS, NEAREST, SHARES, Sample, fit, loss, sample, telling, weights
from musicgym.benchmarks.near_music import NEAR_MUSIC
from musicgym.benchmarks.tunes import Tunes
from musicgym.rewards import Rules, rule
from musicgym.rewards.theory import melody_rules

TRUE = np.array([0.8, 0.0, 2.0, 0.3, -1.0])  # what each of five made-up rules is worth; no fitted weight may be negative
UNITS = np.array([1.0, 3.0, 0.1, 20.0, 1.0])  # their totals' deviations


def made_up(pieces: int = 40_000, seed: int = 0) -> Sample:
    """Pieces of which the log-odds of being real are `TRUE` times their rules, and what their length adds."""
    draws = np.random.default_rng(seed)
    drawn = draws.standard_normal((pieces, len(TRUE)))
    length = draws.integers(0, len(BARS), pieces)
    real = draws.random(pieces) < expit(drawn @ TRUE + np.array([-1.0, 0.0, 1.0])[length])
    return Sample(drawn * UNITS, real, np.full(pieces, True), length, np.ones(pieces))


def test_known_weights_come_out() -> None:
    found = fit(made_up()._replace(values=made_up().values[:, :4]))
    # The fifth rule is left out: what is not seen makes the others' weights smaller, and alike so (Gail and others 1984).
    expected = TRUE[:4] / UNITS[:4]
    turned = (found * UNITS[:4]) @ TRUE[:4] / np.linalg.norm(found * UNITS[:4]) / np.linalg.norm(TRUE[:4])
    assert turned > 0.999
    assert found[1] * UNITS[1] < 0.03
    assert (found[[0, 2, 3]] < expected[[0, 2, 3]]).all()


def test_a_rule_that_is_upside_down_gets_nothing() -> None:
    found = fit(made_up())
    assert found[4] == 0
    assert (found[[0, 2, 3]] > 0).all()


def test_weights_are_for_totals_in_their_own_units() -> None:
    whole = made_up(4000)
    np.testing.assert_allclose(fit(whole._replace(values=whole.values * 7)) * 7, fit(whole), rtol=1e-3, atol=1e-4)


def test_a_piece_that_counts_twice_is_two_pieces() -> None:
    once = made_up(2000)
    twice = Sample(*(np.concatenate([field, field[:500]]) for field in once))
    counted = once._replace(counts=np.where(np.arange(2000) < 500, 2.0, 1.0))
    drift = np.abs(fit(counted) - fit(twice)) * UNITS  # the deviations differ a little, and the ridge with them
    assert drift.max() < 0.01


@pytest.mark.parametrize("seed", range(5))
def test_the_gradient_is_that_of_the_loss(seed: int) -> None:
    found = made_up(300, seed)
    found = found._replace(values=found.values / UNITS, counts=found.counts / 300)
    at = np.random.default_rng(seed).normal(0, 1, len(TRUE) + len(BARS))
    assert check_grad(lambda theta: loss(theta, found)[0], lambda theta: loss(theta, found)[1], at) < 1e-6


def test_a_sample_counts_as_much_of_each_kind_as_its_share_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fit_theory, "WINDOWS", 60)
    found = sample("valid")
    assert found.values.shape[1] == len(melody_rules())
    for index, bars in enumerate(BARS):
        here = found.length == index
        kinds = {name: share for name, share in SHARES.items() if bars > 2 or name != "two-bar loop"}
        assert here.sum() == 60 * (1 + len(kinds))
        assert found.counts[here & found.real].sum() == pytest.approx(sum(SHARES.values()) / 2)
        assert found.counts[here & ~found.real].sum() == pytest.approx(sum(kinds.values()))
        assert (found.near & ~found.real & here).sum() == 60 * len(NEAREST)
        counts = np.sort(found.counts[here & found.real])  # those with which a tune ends, or the others, count alike
        assert len(np.unique(counts.round(9))) == 2
        ending = min((counts == counts[0]).sum() * counts[0], (counts == counts[-1]).sum() * counts[-1])
        assert ending == pytest.approx(ENDINGS * counts.sum())


@rule(at="end")
def noise(piece, voice, step, *, salt=1.0):
    """A number that hangs on every note, and on nothing that is music."""
    state = int(salt)
    for i in range(step + 1):
        state = (state * 31 + piece.pitch[voice, i] + 200 * piece.onset[voice, i] + 7) % 1_000_003
    return state / 1_000_003


@rule(at="end")
def always(piece, voice, step):
    """The same for every piece."""
    return 1.0


@pytest.mark.parametrize("salt", range(1, 5))
def test_pure_noise_does_not_tell(monkeypatch: pytest.MonkeyPatch, salt: int) -> None:
    monkeypatch.setattr(fit_theory, "plain", lambda: Rules.of(noise).set("noise", salt=salt))
    assert telling() == {"noise": False}


def test_what_knows_music_tells_and_what_is_always_the_same_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fit_theory, "plain", lambda: melody_rules()["in_key"]() + always())
    assert telling() == {"in_key": True, "always": False}


@pytest.mark.parametrize(
    ("auc", "tells"),
    [
        (Figure(0.58, 0.54, 0.62), True),
        (Figure(0.54, 0.51, 0.57), False),  # one of fifteen looks finds as much in noise
        (Figure(0.44, 0.40, 0.48), False),  # upside down
        (Figure(0.5, 0.5, 0.5), False),
    ],
)
def test_an_auc_tells_by_its_interval_and_the_right_way_round(monkeypatch: pytest.MonkeyPatch, auc: Figure, tells: bool) -> None:
    """Of one kind alone, the last: one is enough, and none other may stand in for it."""
    nothing = Figure(0.5, 0.45, 0.55)

    def found(reward: Rules, real: Tunes, name: str, *, seed: int) -> Discrimination:
        figure = auc if name == list(NEAR_MUSIC)[-1] else nothing
        return Discrimination({"always": figure, "total": Figure(0.9, 0.9, 0.9)}, {}, 1, 1)

    monkeypatch.setattr(fit_theory, "discrimination", found)
    monkeypatch.setattr(fit_theory, "plain", always)
    assert telling() == {"always": tells}


def test_rules_are_not_asked_what_they_tell_of_far_fetched_play(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def found(reward: Rules, real: Tunes, name: str, *, seed: int) -> Discrimination:
        asked.append(name)
        return Discrimination({}, {}, 1, 1)

    monkeypatch.setattr(fit_theory, "discrimination", found)
    monkeypatch.setattr(fit_theory, "plain", always)
    telling()
    assert {"permuted notes", "20 % wrong notes", "one wrong note", *NEAR_MUSIC} <= set(asked)
    assert not {"one note", "repeated quarters", "silence", "hold", "trill", "random walk", "uniform random"} & set(asked)


@pytest.mark.slow
def test_the_packages_weights_are_what_is_fitted() -> None:
    stood = json.loads(files("musicgym.rewards.theory").joinpath("weights.json").read_text(encoding="utf-8"))
    fitted = weights()
    assert list(stood) == list(fitted) == list(melody_rules())
    off = {term: (stood[term], weight) for term, weight in fitted.items() if round(abs(stood[term] - weight), 3) > 0.002}
    assert not off, f"committed and fitted: {off}; run python -m musicgym.benchmarks.fit_theory --write"
