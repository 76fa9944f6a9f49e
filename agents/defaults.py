"""Settings that were tuned, by task and reward: what `musicgym train` takes where nothing else is asked for."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from musicgym.agents.settings import Settings
from musicgym.registration import registered


class Tuned(NamedTuple):
    """Settings for runs of a task on a reward."""

    task: str | None  # a registered id; None for every task
    reward: str | None  # a name that occurs in the reward's expression; None for every reward
    fields: dict[str, Any]


# Fewer, larger, bolder updates. For theory on 64 steps 600,000 choices come to 2.79 [2.78, 2.80] (seeds 1001, 1002) in less time
# than 500,000 with the settings of rl_tuner, which come to 2.42 [2.15, 2.68] (1001..1003).
_WIDE: dict[str, Any] = {
    "steps": 600_000,
    "n_envs": 256,
    "batch_size": 2048,
    "n_epochs": 3,
    "learning_rate": 2e-3,
    "ent_coef": 0.05,
}
# Every entry that fits counts, a later one before an earlier one. `Settings` has the rest: its own defaults are those of
# musicgym/Melody-v0 with rl_tuner. Seeds for tuning are 1001..1003, which no reported figure uses.
TUNED: tuple[Tuned, ...] = (
    Tuned(None, "theory", _WIDE),
    # Four bars: in two there is little for rules of form to say.
    Tuned("musicgym/Melody-v0", "theory", {"options": {"length": 64}, "window": 16, "steps": 800_000, "ent_coef": 0.08}),
    # Entropy that begins high and falls to nothing: without it no agent finds the raised leading tone, which is a fault anywhere
    # but at the close (seed 1001: 49 % of pieces legal with 2,000,000 choices at 0.01). On validation cantus firmi: 93 and 91 %
    # with 2,500,000 choices (seeds 1001, 1002), 94 % with 5,000,000 (1001); a second layer of 256 takes twice the time and adds
    # nothing (92 %). By a script that is not kept.
    Tuned(
        "musicgym/Counterpoint-v0",
        None,
        {
            **_WIDE,
            "observation": "tokens",
            "steps": 5_000_000,
            "n_epochs": 4,
            "net": (256,),
            "ent_coef": 0.3,
            "ent_coef_end": 0.0,
        },
    ),
    # Moved to C, on the grid of eighths. With an entropy of 0.3 or 0.12 at first it takes millions of choices more.
    # Agents of the plain weights write octaves, rare and cheap beside the rest, 13 times as often as Bach, and cross voices twice
    # as often: hence the weights. With one layer they earn more sooner but still write four times as many octaves, with two less
    # than twice as many (one tuning seed of 1001 to 1003 each, validation split; by a script that is not kept).
    Tuned(
        "musicgym/Chorale-v0",
        "part_writing",
        {
            **_WIDE,
            "options": {"steps_per_quarter": 2, "transpose_to": "C"},
            "changes": ("parallel_octaves=12", "parallel_fifths=4", "voice_crossing=0.3", "six_four=2"),
            "observation": "tokens",
            "window": 4,
            "steps": 7_000_000,
            "net": (256, 256),
            "ent_coef": 0.05,
            "ent_coef_end": 0.0,
        },
    ),
    Tuned("musicgym/ExpressiveMelody-v0", None, {**_WIDE, "steps": 700_000, "ent_coef": 0.12}),
)


def settings_for(asked: dict[str, Any]) -> Settings:
    """Settings with what is asked for, and for the rest what was tuned for that task and reward.

    An expression such as `-1*theory + 0.5*rl_tuner` has the names of both, so controls train as the arm that they stand beside.

    Args:
        asked: fields of `Settings`.

    Raises:
        ValueError: as `Settings`; an unknown task.
    """
    plain = Settings(**asked)
    reward = plain.reward if plain.reward is not None else registered(plain.task).reward
    names = set(re.findall(r"[^\W\d]\w*", reward if isinstance(reward, str) else reward.name))
    tuned: dict[str, Any] = {}
    for entry in TUNED:
        if entry.task in (None, plain.task) and (entry.reward is None or entry.reward in names):
            tuned.update(entry.fields)
    options = {**tuned.pop("options", {}), **plain.options}
    return Settings(**{**tuned, **asked, "options": options})
