"""What the rewards of the package's models tell before any agent sees them, and what they cost.

    python -m musicgym.benchmarks.model_rewards              # what they tell
    python -m musicgym.benchmarks.model_rewards speed        # what they cost
    python -m musicgym.benchmarks.model_rewards --quick      # of a few tunes, to see that all runs

Tunes: windows of eight bars of the test split, in their own keys, of those that lie within the range of the models. Against each
stands its copy with 20 % of its notes, or one, on another pitch of the key, rhythm and range kept. Intervals: 95 %, percentile
bootstrap over melody families. The discriminator learned from spoiled pieces of these kinds too, on other families; the other
models from real music alone.

What costs: steps of an environment of `PIECES` pieces that play at random, with a reward and beside it the model's bare step on
as many rows, by turns; and the Transformer's step on rows that have read 0 to 63 tokens, 32 on average, and on such that have
read 512 or more.

Expected, before the first run: every reward of a model tells 20 % of wrong notes, paired and pooled, the interval above 0.5; a
note held for ever, a rest for ever and the tonic over and over, in eighths and in quarters, stand, under `typicality`, below the
10th percentile of real tunes of their length; environment and likelihood take no more than 1.25 times as long as the model alone;
the Transformer's step at 512 tokens no more than 3 times that at 32. A run that misses one of these ends with status 1.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import gymnasium as gym
import numpy as np
import torch

from musicgym import models, rewards
from musicgym.agents.comparison import Figure
from musicgym.benchmarks.discrimination import Discrimination, discrimination, standing
from musicgym.benchmarks.outcome import conclude, verdicts
from musicgym.benchmarks.timing import Candidate, side_by_side
from musicgym.benchmarks.tunes import Tunes, tunes
from musicgym.models.determinism import threads
from musicgym.models.sequence_model import SequenceModel
from musicgym.models.tokens import POSITIONS

SEQUENCE_MODELS = ("melody-ngram", "melody-lstm", "melody-transformer")
REWARDS = (
    *(f"likelihood(model='{name}')" for name in SEQUENCE_MODELS),
    *(f"likelihood(model='{name}', minus='melody-ngram')" for name in SEQUENCE_MODELS[1:]),
    *(f"typicality(model='{name}')" for name in SEQUENCE_MODELS),
    "discriminator(model='melody-discriminator')",
    "vae(model='melody-vae')",
    "statistics()",
)
SPOILED = ("20 % wrong notes", "one wrong note")
NON_MUSIC = ("hold", "silence", "one note", "repeated quarters")
LOWEST = 10  # percentile of real tunes below which non-music is to stand
PIECES, NEAR, FAR = 256, 32, 512  # rows; tokens read
MOST_TIMES, MOST_LONGER = 1.25, 3.0
ROUNDS, SECONDS = 15, 0.3


def told(limit: int | None = None) -> dict[str, dict[str, Discrimination]]:
    """Reward -> spoiled how -> what it tells."""
    real = _within_range(tunes("test", limit=limit))
    return {text: {kind: discrimination(rewards.parse(text), real, kind) for kind in SPOILED} for text in REWARDS}


def standings(limit: int | None = None) -> dict[str, dict[str, Figure]]:
    """Reward -> non-music -> its percentile among real tunes, of `typicality` and, beside it, of `likelihood`."""
    real = _within_range(tunes("test", limit=limit))
    asked = [text for text in REWARDS if text.startswith(("typicality", "likelihood")) and "minus" not in text]
    return {text: {kind: standing(rewards.parse(text), real, kind) for kind in NON_MUSIC} for text in asked}


def speed(rounds: int = ROUNDS, seconds: float = SECONDS) -> dict[str, float]:
    """How many times as long as the model's bare step a step with its likelihood takes, and the Transformer's step by length."""
    found = {}
    with threads(1):
        for name in SEQUENCE_MODELS:
            model = models.load(name)
            assert isinstance(model, SequenceModel)
            both = {"environment": Candidate(_environment(name)), "bare": Candidate(_bare(model))}
            timed = side_by_side(both, rounds=rounds, seconds=seconds)
            ratio = timed["bare"].times_faster_than(timed["environment"])
            found[f"environment and likelihood of {name} / its bare step"] = ratio
        transformer = models.load("melody-transformer")
        assert isinstance(transformer, SequenceModel)
        steps = {"near": Candidate(_bare(transformer, 2 * NEAR)), "far": Candidate(_bare(transformer, 0, FAR))}
        timed = side_by_side(steps, rounds=rounds, seconds=seconds)
        found[f"the Transformer's step at {FAR} tokens / at {NEAR}"] = timed["near"].times_faster_than(timed["far"])
    return found


def expected(
    found: dict[str, dict[str, Discrimination]], stands: dict[str, dict[str, Figure]], ratios: dict[str, float]
) -> dict[str, bool]:
    """What was expected of what was measured, and whether it came out."""
    met = {}
    for text, kinds in found.items():
        one = kinds[SPOILED[0]]
        met[f"{text} tells {SPOILED[0]}"] = min(one.auc["total"].low, one.paired["total"].low) > 0.5
    for text, kinds_of in stands.items():
        if text.startswith("typicality"):
            met |= {f"{kind} below the {LOWEST}th percentile of {text}": f.mean < LOWEST for kind, f in kinds_of.items()}
    for name, ratio in ratios.items():
        most = MOST_LONGER if str(FAR) in name else MOST_TIMES
        met[f"{name}: at most {most:g}"] = ratio <= most
    return met


def markdown(found: dict[str, dict[str, Discrimination]], stands: dict[str, dict[str, Figure]], ratios: dict[str, float]) -> str:
    """Tables."""
    lines = []
    if found:
        columns = [f"{kind}, {how}" for kind in SPOILED for how in ("pooled", "paired")]
        lines += [f"| reward | {' | '.join(columns)} |", "| --- |" + " ---: |" * len(columns)]
        for text, kinds in found.items():
            cells = [_cell(f["total"], 3) for kind in SPOILED for f in (kinds[kind].auc, kinds[kind].paired)]
            lines.append(f"| `{text}` | {' | '.join(cells)} |")
        lines += ["", f"| reward | {' | '.join(NON_MUSIC)} |", "| --- |" + " ---: |" * len(NON_MUSIC)]
        lines += [f"| `{text}` | {' | '.join(_cell(row[kind], 1) for kind in NON_MUSIC)} |" for text, row in stands.items()]
        lines.append("")
    if ratios:
        lines += ["| what takes how many times as long | ratio |", "| --- | ---: |"]
        lines += [f"| {name} | {ratio:.2f} |" for name, ratio in ratios.items()]
        lines.append("")
    return "\n".join(lines)


def _within_range(real: Tunes) -> Tunes:
    """The tunes that all models know the notes of."""
    alphabet = models.load(SEQUENCE_MODELS[0]).alphabet
    pitch = real.excerpts.pitch
    return real.take(np.asarray(((pitch < 0) | (pitch >= alphabet.low) & (pitch <= alphabet.high)).all(axis=(1, 2))))


def _environment(name: str) -> Callable[[int], object]:
    """Steps of an environment at random."""
    reward = f"likelihood(model='{name}')"
    env = gym.make_vec("musicgym/Melody-v0", num_envs=PIECES, observation="tokens", reward=reward)
    env.reset(seed=0)
    draws = np.random.default_rng(0)
    actions = [draws.integers(0, 38, PIECES) for _ in range(64)]

    def turn(times: int) -> None:
        for number in range(times):
            env.step(actions[number % 64])

    return turn


def _bare(model: SequenceModel, length: int = 0, read: int = 0) -> Callable[[int], object]:
    """Steps of the model on as many rows, and nothing else.

    Args:
        model: that steps.
        length: tokens after which all rows begin anew; 0: those of its task's page, or never where some are read before.
        read: tokens that are read before.
    """
    draws = torch.Generator().manual_seed(0)
    tokens = torch.randint(0, model.alphabet.size, (64, PIECES), generator=draws)
    place = torch.arange(16) * (model.places // POSITIONS)
    begin = torch.full((PIECES,), model.alphabet.start)
    length = length or (0 if read else int(model.task.length or 0))
    state, at = model.start(PIECES), 0

    def turn(times: int) -> None:
        nonlocal state, at
        with torch.no_grad():
            for _ in range(times):
                begins = at % length == 0 if length else at == 0
                _, state = model.step(begin if begins else tokens[at % 64], state, place[at % 16].expand(PIECES))
                at += 1

    turn(read)
    return turn


def _cell(figure: Figure, digits: int) -> str:
    return "{:.{d}f} [{:.{d}f}, {:.{d}f}]".format(*figure, d=digits)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, write JSON and tables, and say whether what was expected came out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", choices=["tell", "speed"], default="tell")
    parser.add_argument("--out", type=Path, default=Path("runs/model_rewards"))
    parser.add_argument("--quick", action="store_true")
    asked = parser.parse_args(argv)
    limit = 16 if asked.quick else None
    found = told(limit) if asked.what == "tell" else {}
    stands = standings(limit) if asked.what == "tell" else {}
    ratios = (speed(2, 0.01) if asked.quick else speed()) if asked.what == "speed" else {}
    met = expected(found, stands, ratios)
    text = markdown(found, stands, ratios) + "\n".join(verdicts(met))
    result = {
        "told": {text: {kind: one._asdict() for kind, one in kinds.items()} for text, kinds in found.items()},
        "standings": stands,
        "ratios": ratios,
    }
    return conclude(asked.out, asked.what, text, result, met)


if __name__ == "__main__":
    raise SystemExit(main())
