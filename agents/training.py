"""Training: MaskablePPO on a task, with checkpoints from which it goes on exactly, bit by bit, after a kill."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import torch
from sb3_contrib import MaskablePPO
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import configure
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper
from stable_baselines3.common.vec_env.base_vec_env import VecEnvStepReturn

from musicgym.agents import checkpoint
from musicgym.agents.players import Judged, NotFiniteError, Player, play, randomly
from musicgym.agents.sb3 import make_vec_env
from musicgym.agents.settings import Settings, reward_of, task_of
from musicgym.agents.tokens import TokenPolicy

if TYPE_CHECKING:
    from musicgym.pieces import Excerpts
    from musicgym.rewards import Reward

SCALING_PIECES, SCALING_SEED = 1000, 90_000  # random play that rewards are scaled by
SECONDS_BETWEEN_CHECKPOINTS = 5.0


class Progress(NamedTuple):
    """Where training stands after a rollout."""

    step: int  # choices so far
    total: int
    steps_per_second: float  # since training began or was resumed
    mean_return: float  # of the pieces that the last rollout finished; nan if none
    terms: dict[str, float]  # the same, by term
    losses: dict[str, float]  # of the last update, as SB3 names them

    def record(self) -> dict[str, Any]:
        """As a line of metrics.jsonl."""
        return {
            "step": self.step,
            "steps_per_second": round(self.steps_per_second),
            "return": self.mean_return,
            "terms": self.terms,
            "losses": self.losses,
        }


class Watcher(Protocol):
    """What is told of each rollout."""

    def __call__(self, progress: Progress) -> None: ...


def make_agent(settings: Settings) -> MaskablePPO:
    """A new agent with its environment, nothing learned yet.

    Raises:
        ValueError: an unknown task or reward, or settings that don't fit, with what is expected.
    """
    torch.set_num_threads(settings.threads)
    env: VecEnv = make_vec_env(
        task_of(settings),
        settings.n_envs,
        reward=reward_of(settings),
        observation=settings.observation,
        window=settings.window,
        blind=settings.blind,
    )
    scale = settings.reward_scale if settings.reward_scale is not None else measured_scale(settings)
    policy, layers = _network(settings)
    return MaskablePPO(
        policy,
        Scaled(env, scale),
        learning_rate=Falling(settings.learning_rate),
        n_steps=settings.n_steps,
        batch_size=min(settings.batch_size, settings.n_envs * settings.n_steps),
        n_epochs=settings.n_epochs,
        clip_range=settings.clip_range,
        ent_coef=settings.ent_coef,
        gamma=settings.gamma,
        gae_lambda=settings.gae_lambda,
        policy_kwargs=layers,
        seed=settings.seed,
        device="cpu",
    )


def _network(settings: Settings) -> tuple[str | type[TokenPolicy], dict[str, Any]]:
    """The policy's class and what it is made with."""
    if settings.observation == "tokens" and settings.net:
        first, *others = settings.net
        return TokenPolicy, {"features_extractor_kwargs": {"width": first}, "net_arch": others}
    return "MlpPolicy", {"net_arch": list(settings.net)}


def measured_scale(settings: Settings) -> float:
    """What makes the returns of masked random play have a standard deviation of 1; 1.0 where they are all alike."""
    judged = play(task_of(settings), SCALING_PIECES, randomly(masked=True), reward=reward_of(settings), seed=SCALING_SEED)
    spread = float(judged.totals.sum(axis=1).std())
    return 1.0 / spread if spread > 0 else 1.0


def train(
    settings: Settings,
    *,
    folder: Path | None = None,
    state: dict[str, Any] | None = None,
    watcher: Watcher | None = None,
    seconds_between_checkpoints: float = SECONDS_BETWEEN_CHECKPOINTS,
) -> MaskablePPO:
    """Train an agent to the end of its steps.

    Args:
        settings: the run.
        folder: where checkpoint.npz and TensorBoard's files go, an existing folder; None for neither.
        state: a checkpoint, as `checkpoint.read` returns it, to go on from; the outcome is the same as without a break.
        watcher: called after each rollout.
        seconds_between_checkpoints: at least so many; 0 for one after each rollout. There is always one at the end.

    Raises:
        ValueError: settings or a checkpoint that don't fit; a reward that pays nan or an infinity, weights that became so.
            What was kept before that in `folder` stays.
    """
    model = make_agent(settings)
    model.set_logger(configure(str(folder / "tensorboard"), ["tensorboard"]) if folder else configure(None, []))
    if state is not None:
        checkpoint.restore(model, state)
    left = settings.total_steps - model.num_timesteps
    if left > 0:
        keeper = _Keeper(settings, folder, watcher, seconds_between_checkpoints)
        try:
            model.learn(left, callback=keeper, log_interval=None, reset_num_timesteps=state is None)  # type: ignore[arg-type]  # SB3 takes None
        except NotFiniteError as error:
            raise ValueError(f"after {model.num_timesteps:,} choices {error}") from error
        except (ValueError, RuntimeError) as error:  # what torch says of weights that an update spoiled is a page of numbers
            _check_weights(model)
            raise error
    return model


def load_agent(folder: Path, settings: Settings) -> MaskablePPO:
    """The agent of a run, from its last checkpoint. Unlike SB3's agent.zip, a checkpoint runs no code when it is read."""
    model = make_agent(replace(settings, reward_scale=1.0))  # nothing is paid any more, so nothing need be measured
    checkpoint.load_policy(model, checkpoint.read(folder / "checkpoint.npz"))
    return model


def entropy_worth(settings: Settings, step: int) -> float:
    """The coefficient of entropy after so many choices.

    >>> entropy_worth(Settings(ent_coef=0.5, ent_coef_end=0.0, steps=4096), 1024)
    0.375
    """
    if settings.ent_coef_end is None:
        return settings.ent_coef
    done = min(step / settings.total_steps, 1.0)
    return settings.ent_coef + (settings.ent_coef_end - settings.ent_coef) * done


class Falling:
    """A learning rate that falls in a line from `start` to 0."""

    def __init__(self, start: float) -> None:
        self.start = start

    def __call__(self, progress_remaining: float) -> float:
        return self.start * progress_remaining


class Scaled(VecEnvWrapper):
    """A `VecEnv` whose rewards are multiplied by a constant: PPO's step sizes are made for returns of about 1."""

    def __init__(self, venv: VecEnv, scale: float) -> None:
        super().__init__(venv)
        self.scale = scale

    def reset(self) -> Any:
        """As the wrapped environment."""
        return self.venv.reset()

    def step_wait(self) -> VecEnvStepReturn:
        """As the wrapped environment, with rewards scaled, float32 (N,)."""
        observations, rewards, dones, infos = self.venv.step_wait()
        return observations, rewards * np.float32(self.scale), dones, infos


class _Keeper(BaseCallback):
    """Keeps count of finished pieces, reports, and writes checkpoints between rollouts."""

    def __init__(self, settings: Settings, folder: Path | None, watcher: Watcher | None, seconds: float) -> None:
        super().__init__()
        self.settings, self.folder, self.watcher, self.seconds = settings, folder, watcher, seconds
        self.finished: list[dict[str, float]] = []

    def _on_training_start(self) -> None:
        self.began = self.kept = time.monotonic()
        self.first_step = self.num_timesteps

    def _on_step(self) -> bool:
        if self.locals["dones"].any():
            self.finished += [info["episode_terms"] for info in self.locals["infos"] if "episode_terms" in info]
        return True

    def _on_rollout_start(self) -> None:
        """Just after an update, where nothing is half done. Before the first rollout there is nothing to keep."""
        assert isinstance(self.model, MaskablePPO)
        self.model.ent_coef = entropy_worth(self.settings, self.num_timesteps)
        if self.num_timesteps > self.first_step:
            _check_weights(self.model)
            self._report()
            if time.monotonic() - self.kept >= self.seconds:
                self._keep()

    def _on_training_end(self) -> None:
        _check_weights(self.model)  # nothing could be learned or composed with what would be kept
        self._report()
        self._keep()

    def _report(self) -> None:
        speed = (self.num_timesteps - self.first_step) / max(time.monotonic() - self.began, 1e-9)
        names = self.finished[0] if self.finished else {}
        terms = {name: float(np.mean([piece[name] for piece in self.finished])) for name in names}
        mean = float(np.mean([sum(piece.values()) for piece in self.finished])) if self.finished else float("nan")
        self.finished = []
        losses = {name: float(value) for name, value in self.logger.name_to_value.items() if name.startswith("train/")}
        for name, value in {
            "return": mean,
            **{f"terms/{k}": v for k, v in terms.items()},
            "time/steps_per_second": speed,
        }.items():
            if np.isfinite(value):  # no return where no piece was finished
                self.logger.record(name, value)
        self.logger.dump(self.num_timesteps)
        if self.watcher is not None:
            self.watcher(Progress(self.num_timesteps, self.settings.total_steps, speed, mean, terms, losses))

    def _keep(self) -> None:
        if self.folder is not None:
            assert isinstance(self.model, MaskablePPO)
            checkpoint.write(self.folder / "checkpoint.npz", checkpoint.capture(self.model))
        self.kept = time.monotonic()


def _check_weights(model: BaseAlgorithm) -> None:
    """Raises ValueError if weights are nan or infinite."""
    if not all(bool(torch.isfinite(weights).all()) for weights in model.policy.parameters()):
        raise ValueError(
            f"after {model.num_timesteps:,} choices the agent's weights are no finite numbers any more: training went off; "
            "look for rewards of extreme size, or choose a lower learning_rate"
        )


def player(model: MaskablePPO, settings: Settings, *, masked: bool = True, greedy: bool = False) -> Player:
    """An agent as something that chooses: sampled from torch's random source, or `greedy` what it holds likeliest."""

    def choose(observations: np.ndarray, masks: tuple[np.ndarray, ...], rng: np.random.Generator) -> np.ndarray:
        seen = np.zeros_like(observations) if settings.blind else observations
        allowed = np.concatenate(masks, axis=1) if masked else None
        actions, _ = model.predict(seen, action_masks=allowed, deterministic=greedy)
        return np.asarray(actions)

    return choose


def judge(
    model: MaskablePPO,
    settings: Settings,
    pieces: int,
    *,
    masked: bool,
    reward: Reward,
    seed: int,
    given: Excerpts | None = None,
    greedy: bool = False,
) -> Judged:
    """Pieces of an agent, sampled with or without the mask and judged by a reward; see `players.play` and `player`."""
    torch.manual_seed(seed)
    return play(
        task_of(settings),
        pieces,
        player(model, settings, masked=masked, greedy=greedy),
        reward=reward,
        observation=settings.observation,
        window=settings.window,
        seed=seed,
        given=given,
    )
