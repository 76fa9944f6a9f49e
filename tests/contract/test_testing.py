"""The checks for users' tests find planted faults, and name them."""

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from musicgym import ComposeEnv, ComposeVectorEnv, StepChoice, Task
from musicgym.rewards import BoundReward, Reward, Rules, rule
from musicgym.testing import check_reward, check_vector_env

SAME_STEP, NEXT_STEP, DISABLED = AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP, AutoresetMode.DISABLED
MELODY = Task(StepChoice(52, 67), length=6, key=("C major", "D minor", "Eb major", "F# minor", "G major"))


def check_env(kind, mode=SAME_STEP, single=False, **kwargs):
    kwargs = {"observation": "tokens", "reward": "fixed_key", **kwargs}
    alone = (lambda: ComposeEnv(MELODY, **kwargs)) if single else None
    check_vector_env(lambda num_envs, **more: kind(MELODY, num_envs, **more), 2, single=alone, modes=[mode], **kwargs)


def test_check_vector_env_passes_what_is_right():
    check_vector_env(lambda num_envs, **more: ComposeVectorEnv(MELODY, num_envs, **more), 3, reward="fixed_key")


def test_check_vector_env_passes_gymnasiums_own_batch():
    check_vector_env("CartPole-v1", num_envs=2, episodes=1)


def test_check_vector_env_plays_a_registered_id_in_a_fresh_process_too():
    check_vector_env("musicgym/Melody-v0", 2, length=4, reward="fixed_key", modes=[SAME_STEP], fresh_process=True)


def test_check_vector_env_needs_two_environments():
    with pytest.raises(ValueError, match="num_envs=1"):
        check_vector_env("musicgym/Melody-v0", num_envs=1)


def test_an_aliased_observation_is_named():
    with pytest.raises(AssertionError, match=r"aliased array: the observation that reset 1 returned"):
        check_env(ComposeVectorEnv, copy=False)


def test_buffers_may_be_returned_where_that_is_meant():
    make = lambda num_envs, **more: ComposeVectorEnv(MELODY, num_envs, reward="fixed_key", copy=False, **more)  # noqa: E731
    check_vector_env(make, 2, fresh_arrays=False)


class AliasedInfo(ComposeVectorEnv):
    def step(self, actions):
        *first, infos = super().step(actions)
        return *first, {**infos, "cursor": self.session.engine.pieces.cursor}


def test_an_aliased_array_inside_the_infos_is_named():
    with pytest.raises(AssertionError, match=r"aliased array: the info\['cursor'\] that step"):
        check_env(AliasedInfo)


class BelievesWhatItReturned(ComposeVectorEnv):
    returned = None

    def step(self, actions):
        spoilt = self.returned is not None and bool(self.returned[0])
        obs, rewards, terminated, self.returned, infos = super().step(actions)
        obs[:, 0] = 0 if spoilt else obs[:, 0]
        return obs, rewards, terminated, self.returned, infos


def test_an_environment_that_reads_what_it_returned_is_named():
    with pytest.raises(AssertionError, match="aliased array: writing into returned arrays changes what environment 0 does"):
        check_env(BelievesWhatItReturned)


class TermsOfTheNextPiece(ComposeVectorEnv):
    def step(self, actions):
        obs, rewards, terminated, truncated, infos = super().step(actions)
        for terms in (infos["reward_terms"], infos.get("final_info", {}).get("reward_terms", {})):
            for name in self.session.bound.terms:
                if name in terms:
                    terms[name] = np.where(terminated, np.float32(7), terms[name])
        return obs, rewards, terminated, truncated, infos


@pytest.mark.parametrize("mode", [SAME_STEP, NEXT_STEP, DISABLED])
def test_terms_of_the_next_piece_are_named(mode):
    with pytest.raises(AssertionError, match="are these the reward terms of the next piece"):
        check_env(TermsOfTheNextPiece, mode)


class OnlyInfosTermsOfTheNextPiece(ComposeVectorEnv):
    def step(self, actions):
        obs, rewards, terminated, truncated, infos = super().step(actions)
        for name in self.session.bound.terms:
            infos["reward_terms"] = {**infos["reward_terms"], name: np.where(terminated, np.float32(7), 0)}
        return obs, rewards, terminated, truncated, infos


def test_terms_that_differ_from_those_in_final_info_are_named():
    with pytest.raises(AssertionError, match="reward terms of another transition"):
        check_env(OnlyInfosTermsOfTheNextPiece)


class SeedsOfTheBatch(ComposeVectorEnv):
    def reset(self, *, seed=None, options=None):
        return super().reset(seed=None if seed is None else seed * self.num_envs + self.num_envs, options=options)


def test_seeds_that_depend_on_num_envs_are_named():
    with pytest.raises(AssertionError, match=r"seeds, or something else, depend on num_envs: with seed 0 environment"):
        check_env(SeedsOfTheBatch)


class SeedsOfTheirOwn(ComposeVectorEnv):
    def reset(self, *, seed=None, options=None):
        return super().reset(seed=None if seed is None else [seed + i * i for i in range(self.num_envs)], options=options)


def test_seeds_other_than_seed_plus_i_are_named():
    with pytest.raises(AssertionError, match="differs from a batch of one with its seed"):
        check_vector_env(lambda n, **more: SeedsOfTheirOwn(MELODY, n, reward="fixed_key", **more), 4, modes=[SAME_STEP])


class SharedCount(ComposeVectorEnv):
    count = [0]

    def reset(self, **kwargs):
        self.count[0] = 0
        return super().reset(**kwargs)

    def step(self, actions):
        obs, *rest = super().step(actions)
        self.count[0] = (self.count[0] + 1) % 7
        obs[:, 0] = self.count[0]
        return obs, *rest


def test_state_shared_between_environments_is_named():
    with pytest.raises(AssertionError, match="state shared between environments: environment 0 changes"):
        check_env(SharedCount)


class UnrepeatableReset(ComposeVectorEnv):
    episodes = 0

    def reset(self, **kwargs):
        self.episodes += 1
        obs, infos = super().reset(**kwargs)
        obs[:, 0] = self.episodes
        return obs, infos


def test_a_seed_that_does_not_begin_the_same_again_is_named():
    with pytest.raises(AssertionError, match=r"reset\(seed=0\) a second time"):
        check_env(UnrepeatableReset)


class EmptyMask(ComposeVectorEnv):
    def step(self, actions):
        *first, infos = super().step(actions)
        infos["action_mask"][1] = 0
        return *first, infos


def test_a_mask_that_is_all_false_is_named():
    with pytest.raises(AssertionError, match=r"environment 1: the action mask .* is all false"):
        check_env(EmptyMask)


class CountsAll(ComposeVectorEnv):
    def step(self, actions):
        *first, infos = super().step(actions)
        return *first, {**infos, "illegal": infos["illegal"] + self.session.engine.pieces.cursor}


def test_a_legal_action_that_is_counted_as_illegal_is_named():
    with pytest.raises(AssertionError, match=r"is legal by its mask but was counted in info\['illegal'\]"):
        check_env(CountsAll)


class FinalObservationOfTheNextPiece(ComposeVectorEnv):
    def step(self, actions):
        obs, rewards, terminated, truncated, infos = super().step(actions)
        for i in np.flatnonzero(terminated):
            infos["final_obs"][i] = obs[i].copy()
        return obs, rewards, terminated, truncated, infos


def test_a_final_observation_of_the_next_piece_is_named():
    with pytest.raises(AssertionError, match=r"differs from a single environment .*\(final_obs\)"):
        check_env(FinalObservationOfTheNextPiece, single=True)


class NoFinalInfo(ComposeVectorEnv):
    def step(self, actions):
        *first, infos = super().step(actions)
        return *first, {name: value for name, value in infos.items() if "final_info" not in name}


def test_a_missing_final_info_is_named():
    with pytest.raises(AssertionError, match=r"info\['_final_info'\] of step 6"):
        check_env(NoFinalInfo)


class PaysForIgnoredSteps(ComposeVectorEnv):
    def step(self, actions):
        before = self.session.engine.pieces.done.copy()
        obs, rewards, *rest = super().step(actions)
        return obs, np.where(before, np.float32(1), rewards), *rest


def test_pay_for_an_ignored_step_is_named():
    with pytest.raises(AssertionError, match="NEXT_STEP: environment 0 ended with step 6, so step 7 should ignore its action"):
        check_env(PaysForIgnoredSteps, NEXT_STEP)


class ResetsAll(ComposeVectorEnv):
    def reset(self, *, seed=None, options=None):
        return super().reset(seed=seed)


def test_a_reset_mask_that_is_not_kept_to_is_named():
    lengths = [Task(length=n).material() for n in (3, 6)]
    given = lengths[1]._replace(length=np.array([6], np.int32))
    short = given.take(np.array([0, 0]))._replace(length=np.array([3, 6], np.int32))
    with pytest.raises(AssertionError, match=r"reset_mask after step .* left out environment"):
        check_env(ResetsAll, DISABLED, given=short)


class WholeRewards(ComposeVectorEnv):
    def step(self, actions):
        obs, rewards, *rest = super().step(actions)
        return obs, rewards.astype(int), *rest


def test_rewards_of_another_type_are_named():
    with pytest.raises(AssertionError, match=r"reward is int64 \(2,\): expected floats"):
        check_env(WholeRewards)


class AnotherMode(ComposeVectorEnv):
    def __init__(self, task, num_envs, autoreset_mode, **kwargs):
        super().__init__(task, num_envs, **kwargs)


def test_another_mode_than_was_asked_for_is_named():
    with pytest.raises(AssertionError, match=r"expected .*NEXT_STEP.*, as asked for"):
        check_env(AnotherMode, NEXT_STEP)


# Rewards


class Tally(Reward):
    """Pays the notes that a choice adds or removes; `fault` plants one."""

    def __init__(self, fault=""):
        self.name = "tally"
        self.fault = fault
        if fault == "unpicklable":
            self.hook = lambda: None

    def bind(self, task, num_envs, seed=0):
        return BoundTally(self.fault, num_envs)

    @property
    def description(self):
        return f"tally {id(self) if self.fault == 'fingerprint' else ''}"


class BoundTally(BoundReward):
    terms = ("notes",)

    def __init__(self, fault, num_envs):
        self.fault = fault
        self.arrays = () if fault == "forgets" else ("before",)
        self.before = np.zeros(num_envs, np.int64)
        self.buffer = np.zeros((1, num_envs), np.float32)
        self.begun = False

    def reset(self, pieces, mask):
        if self.fault == "ignores reset" and self.begun:
            return
        if self.fault == "resets all":
            mask = np.ones_like(mask)
            self.before[:] = 0
        self.begun = True
        self.before[mask] = 0 if self.fault == "resets all" else self.count(pieces)[mask]

    def count(self, pieces):
        inside = np.arange(pieces.pitch.shape[2]) < pieces.length[:, None, None]
        return (inside & pieces.onset & (pieces.pitch >= 0)).sum(axis=(1, 2))

    def state(self):
        return {"before": self.before, "parts": []} if self.fault == "lends its state" else super().state()

    def load_state(self, state):
        if self.fault == "lends its state":
            self.before = state["before"]
        else:
            super().load_state(state)

    def take(self, rows):
        if self.fault != "takes nothing":
            super().take(rows)

    def __call__(self, pieces):
        after = self.count(pieces)
        paid = (after - self.before)[None].astype(np.float32)
        if self.fault == "lends its state":
            self.before[:] = after
        else:
            self.before = after
        return self.spoilt(paid, pieces)

    def spoilt(self, paid, pieces):
        ended = pieces.done & pieces.written
        if self.fault == "random":
            paid += np.where(pieces.written, np.random.random(), 0).astype(np.float32)  # noqa: NPY002
        elif self.fault == "nan":
            paid[:, ended] = np.nan
        elif self.fault == "double":
            paid[:, pieces.written & (pieces.cursor == 2)] *= 2
        elif self.fault == "idle":
            paid[:, ~pieces.written] = 1
        elif self.fault == "company":
            paid += np.where(pieces.written, paid.mean() - paid, 0)
        elif self.fault == "writes":
            pieces.velocity[:] = 1
        elif self.fault == "dtype":
            return paid.astype(np.float64)
        elif self.fault == "shape":
            return paid.T
        elif self.fault == "aliased":
            self.buffer[:] = paid
            return self.buffer
        return paid


TWO_VOICES = Task(StepChoice(52, 67), voices=2, length=5)


def test_check_reward_passes_a_reward_that_remembers_in_every_kind_of_task():
    check_reward(Tally())


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("unpicklable", "reward tally does not pickle"),
        ("fingerprint", "its fingerprint changes"),
        ("random", "is not deterministic"),
        ("nan", "term 'notes' is nan"),
        ("dtype", r"returned float64 \(1, 1\): expected float32"),
        ("shape", r"returned float32 \(3, 1\): expected float32 \(1, 3\)"),
        ("aliased", "aliased array: the terms that a call returned"),
        ("writes", "the reward changed pieces.velocity"),
        ("double", "the law of the sum is broken: term 'notes'"),
        ("company", "pay depends on the other pieces of the batch"),
        ("ignores reset", r"reset\(pieces, mask\) does not begin anew: term 'notes'"),
        ("resets all", r"reset\(pieces, mask\) changes pieces outside its mask"),
        ("forgets", r"load_state\(state\(\)\) does not bring back"),
        ("lends its state", r"load_state\(state\(\)\) does not bring back"),
        ("takes nothing", r"take\(rows\) does not bring back"),
    ],
)
def test_a_reward_with_a_planted_fault_is_named(fault, message):
    with pytest.raises(AssertionError, match=message):
        check_reward(Tally(fault), TWO_VOICES)


def test_pay_in_a_piece_that_is_over_is_named():
    with pytest.raises(AssertionError, match=r"term 'notes' pays 1.0 in a piece that was not written"):
        check_reward(Tally("idle"), Task(StepChoice(52, 67), length=8, blank=0.5))


SMALL = np.array([100], np.int8)


@rule(span=1, sees="own")
def planted(piece, voice, step, *, fault=0):
    """The pitch, counted from the one before; `fault` plants one."""
    paid = piece.pitch[voice, step] * 0.5
    if fault == 1 and step == 3:
        return np.nan
    if fault == 2:
        return (SMALL[0] + SMALL[0]) * 1.0
    if fault == 3 or step > 0:
        paid -= piece.pitch[voice, step - 1] * 0.5
    if fault == 4 and step + 1 < piece.length:
        paid += piece.pitch[voice, step + 1]
    if fault == 5 and step > 1:
        paid += piece.pitch[voice, step - 2]
    if fault == 6 and step > 0:
        paid += piece.pitch[1 - voice, step - 1]
    if fault == 7 and voice == 1:
        paid += piece.pitch[0, step]
    if fault == 8 and voice == 0:
        paid += piece.pitch[1, step]
    return paid


@rule(sees="own")
def notes_so_far(piece, voice, step, *, fault=0):
    """Notes that began up to here."""
    count = 0
    for t in range(step + 1):
        count += piece.onset[voice, t] and piece.pitch[voice, t] >= 0
    return count * 1.0


@notes_so_far.carried(1)
def _notes_so_far_carried(piece, voice, step, carry, *, fault=0):
    carry[0] += piece.onset[voice, step] and piece.pitch[voice, step] >= 0
    return carry[0] + (fault == 1 and step > 2)


PLANTED = Rules.of(planted, notes_so_far, name="planted_rules")


@pytest.mark.parametrize(
    ("grid", "fields"),
    [
        (2, {"given": (0,), "voices": 2}),
        (0.5, {}),
        (0.5, {"given": (0,), "voices": 2}),
        (0.25, {"order": "random", "voices": 2}),
        (0.25, {"begin": "filled", "sweeps": 2}),
        (0.125, {"meter": (8, 4), "blank": 0.5}),
    ],
)
def test_check_reward_plays_on_every_grid(grid, fields):
    task = Task(StepChoice(52, 67), **{"length": 6, "steps_per_quarter": grid, **fields})
    check_reward("fixed_key + fixed_repeat", task)
    check_reward(Tally(), task)
    with pytest.raises(AssertionError, match="does not begin anew"):
        check_reward(Tally("ignores reset"), task)


def test_check_reward_passes_rules_that_keep_to_what_they_declare():
    check_reward(PLANTED, TWO_VOICES, fresh_process=False)


@pytest.mark.parametrize(
    ("term", "fault", "message"),
    [
        ("planted", 1, "term 'planted' is nan"),
        ("planted", 2, "rule planted: compiled and uncompiled differ, .*200.* against .*-56"),
        ("planted", 3, "rule planted reads outside the piece at voice 0, step 0"),
        ("planted", 4, "rule planted: .* a rule may look only at earlier steps"),
        ("planted", 5, "rule planted: .* span=1 is too narrow: declare span=2 or more"),
        ("planted", 6, "rule planted: .* sees='own' is too narrow: declare sees='(all|lower)'"),
        ("planted", 7, "rule planted: .* sees='own' is too narrow: declare sees='lower'"),
        ("planted", 8, "rule planted: .* lower-numbered voices of its own step"),
        ("notes_so_far", 1, "term 'notes_so_far' at voice 0, step 3: its carried form pays"),
    ],
)
def test_a_rule_with_a_planted_fault_is_named(term, fault, message):
    with pytest.raises(AssertionError, match=message):
        check_reward(PLANTED.set(term, fault=fault), TWO_VOICES)


def test_what_is_no_sum_over_sites_can_be_checked_without_the_law():
    edits = Task(StepChoice(52, 67), voices=2, length=5, order="random", sweeps=3)
    with pytest.raises(AssertionError, match="the law of the sum is broken"):
        check_reward(Tally().clip(-0.5, 1), edits)
    check_reward(Tally().clip(-0.5, 1), edits, additive=False)
