"""Adversarial training: a generator learns to pass for real before a discriminator that learns to find it out, in turns.

The generator begins as a model that has learned to foresee music, and is held near to it. Each round it writes pieces on pages of
real ones. What it is paid for a token is the discriminator's evidence, so a piece is paid its log-odds of being real: log D -
log(1 - D) in the words of Fu et al. 2018 ("Learning robust rewards with adversarial inverse reinforcement learning"), as in
SeqGAN (Yu et al. 2017) but known token by token, with no need of rollouts. The discriminator says the evidence of every token
that might have come, so the gradient of what a token is paid at once is the expected one, over all tokens; for what is paid later
it is REINFORCE's (Williams 1992), with the mean at each place over pieces on the same page as baseline (as in GRPO, Shao et al.
2024, "DeepSeekMath"). The divergence from the pretrained model (as in RL Tuner, Jaques et al. 2017) is expected too. Then the
discriminator learns, from real pieces, from those, and from a pool of old ones (Shrivastava et al. 2017, "Learning from simulated
and unsupervised images through adversarial training"), so that what the generator gave up isn't forgotten. What comes out in the
end is a running mean of the generator's weights (as in Yazici et al. 2019, "The unusual effectiveness of averaging in GAN
training").

    from musicgym.models import load, material
    from musicgym.models.adversarial import Contest, contest

    generator, discriminator = load("melody-lstm"), load("melody-discriminator")
    corpus = material.open_corpus("ryan", generator.task).split("train")
    music = material.whole_pieces(corpus, generator.task)
    outcome = contest(generator, discriminator, (music, material.moves(music, generator.task, "all")), Contest(rounds=100))
"""

from __future__ import annotations

import copy
import dataclasses
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from musicgym.models import checkpoint
from musicgym.models.checkpoint import Place, State
from musicgym.models.contest import TWINS, Contest, Outcome, Round
from musicgym.models.determinism import deterministic, threads
from musicgym.models.discriminator import Discriminator
from musicgym.models.discriminator_lesson import check_opponent
from musicgym.models.material import Moves, Music, drawn, music_of
from musicgym.models.neural import NeuralModel
from musicgym.models.online import Online
from musicgym.models.opposition import made_up, side_by_side
from musicgym.models.policy_gradient import ahead, without_dropout
from musicgym.models.tokens import Sequences, encode, readable
from musicgym.models.training import SECONDS_BETWEEN_CHECKPOINTS, NotFiniteError

_BETAS = (0.9, 0.99)
_PAGES, _POOL = 1 << 32, 1 << 33  # beside seed and round or epoch: what is drawn by
_GENERATOR, _DISCRIMINATOR, _KEPT = "generator.", "discriminator.", "pool."  # names in a checkpoint


Watcher = Callable[[Round], None]


def contest(
    generator: NeuralModel,
    discriminator: Discriminator,
    learned: tuple[Music, Moves],
    settings: Contest,
    *,
    folder: Path | None = None,
    resume: bool = False,
    watcher: Watcher | None = None,
    seconds_between_checkpoints: float = SECONDS_BETWEEN_CHECKPOINTS,
) -> Outcome:
    """Let a generator and a discriminator learn in turns.

    Args:
        generator: an LSTM or a Transformer that has learned to foresee music; its weights change in place, and in the end become
            the mean of those that it had. After a break it has those of the last round.
        discriminator: of the same tokens; stays as it is, a copy learns.
        learned: the pieces that are real, and where they may be moved.
        settings: how.
        folder: where checkpoint.safetensors goes, an existing folder; None for nowhere.
        resume: go on from the folder's checkpoint; generator and discriminator are those that it began with, and the outcome is
            the same as without a break.
        watcher: called after each round.
        seconds_between_checkpoints: at least so many; 0 for one after each round. There is always one at the end.

    Raises:
        ValueError: models that read other tokens, no piece that they read, or a checkpoint that doesn't fit.
        TypeError: a generator that is no network.
        NotFiniteError: a loss, a gradient or weights that are no finite numbers, with the round; the last good checkpoint in
            `folder` stays.
    """
    if not isinstance(generator, NeuralModel):
        raise TypeError(f"contest({generator!r}): expected a network that gradients flow through, an LSTM or a Transformer")
    check_opponent(generator, discriminator)
    with threads(settings.threads), deterministic(generator.device):
        run = _Run(generator, discriminator, learned, settings, folder)
        if resume:
            run.restore()
        return run.finish(watcher, seconds_between_checkpoints)


class _Run:
    """Both models, their optimisers, the pool, and the round they are in."""

    def __init__(
        self,
        generator: NeuralModel,
        discriminator: Discriminator,
        learned: tuple[Music, Moves],
        settings: Contest,
        folder: Path | None,
    ) -> None:
        self.generator, self.settings, self.folder = generator, settings, folder
        self.music, self.moves = learned
        self.about = {
            "contest": dataclasses.asdict(settings),
            "generator": generator.fingerprint,
            "discriminator": discriminator.fingerprint,
        }
        self.pretrained = copy.deepcopy(generator).eval()
        self.online = Online(discriminator, learning_rate=settings.discriminator_rate, seed=settings.seed)
        self.average = {name: tensor.detach().clone() for name, tensor in generator.state_dict().items()}
        self.parameters = dict(generator.named_parameters())
        self.optimiser = torch.optim.AdamW(
            list(self.parameters.values()), lr=settings.generator_rate, betas=_BETAS, weight_decay=0.0
        )
        self.pool: Sequences | None = None
        self.place = Place()
        self._epoch = -1
        self._windows: Any = None

    def finish(self, watcher: Watcher | None, seconds_between_checkpoints: float) -> Outcome:
        """Round after round, to the end."""
        began, before = time.monotonic(), self.place.seconds
        saved, told = began, None
        while self.place.update < self.settings.rounds:
            told = self._round()
            spent = before + time.monotonic() - began
            self.place = self.place._replace(update=self.place.update + 1, seconds=spent)
            told = told._replace(seconds=spent)
            if watcher is not None:
                watcher(told)
            if time.monotonic() - saved >= seconds_between_checkpoints:
                self._save()
                saved = time.monotonic()
        self._save()
        self.generator.load_tensors({name: tensor.clone() for name, tensor in self.average.items()})
        self.generator.eval()
        return Outcome(self.place.update, self.place.seconds, self.online.model, told)

    def _round(self) -> Round:
        """Both have their turn."""
        rng = np.random.default_rng([self.settings.seed, self.place.update, _POOL])
        real, made = self._pieces()
        evidence = self.online.model.evidence(made)
        self._check("the discriminator's evidence", float(np.abs(evidence).sum()))
        divergence, entropy = self._improve(made, evidence)
        surprise = 0.0
        try:
            for _ in range(self.settings.discriminator_updates):
                surprise = self.online.update(real, self._with_old(made, rng))
        except ValueError as error:
            raise self._not_finite(str(error)) from error
        self._keep(made, rng)
        odds = float(evidence.sum(axis=1).mean())
        return Round(self.place.update + 1, self.settings.rounds, odds, surprise, divergence, entropy, 0.0)

    def _pieces(self) -> tuple[Sequences, Sequences]:
        """Real pieces, and the generator's on their pages."""
        settings, alphabet = self.settings, self.generator.alphabet
        while True:
            per_epoch = max(1, len(self._of_epoch(self.place.epoch).piece) // settings.batch)
            if self.place.batch < per_epoch:
                break
            self.place = self.place._replace(epoch=self.place.epoch + 1, batch=0)
        windows = self._of_epoch(self.place.epoch)
        rows = slice(self.place.batch * settings.batch, (self.place.batch + 1) * settings.batch)
        real = music_of(self.music, windows.take(np.arange(len(windows.piece))[rows]))
        self.place = self.place._replace(batch=self.place.batch + 1)
        fits = readable(real, alphabet)
        if not fits.any():
            raise ValueError("none of the pieces can be written in the models' tokens: choose another corpus or task")
        real = real.take(fits)
        seed = np.random.SeedSequence([settings.seed, self.place.update, _PAGES]).generate_state(1, np.uint64)[0]
        pages = real.take(np.arange(len(real.length)) // settings.group)
        made = made_up(self.generator, pages, int(seed >> np.uint64(3)))
        written = [encode(part, alphabet, real.pitch.shape[1]) for part in (real, made)]
        return written[0], written[1]

    def _of_epoch(self, epoch: int) -> Any:
        """All windows of an epoch, in the order in which rounds take them."""
        if epoch != self._epoch:
            rng = np.random.default_rng([self.settings.seed, epoch, _PAGES])
            windows = drawn(self.music, self.moves, self.settings.steps, rng)
            self._windows = windows.take(rng.permutation(len(windows.piece)))
            self._epoch = epoch
        return self._windows

    def _improve(self, made: Sequences, evidence: np.ndarray) -> tuple[float, float]:
        """One step of the generator; its divergence from the pretrained one and its entropy before that, in nats a token."""
        settings, device = self.settings, self.generator.device
        width = int(made.length.max())
        tokens, place = (torch.from_numpy(array[:, :width].astype(np.int64)).to(device) for array in made[:2])  # (M, T)
        inside = np.arange(width) < made.length[:, None]
        paid = evidence[:, :width].clip(-settings.largest, settings.largest)
        at_once, later_on = TWINS[settings.twin]
        if settings.twin == "blind":  # another page's, so that its own is no part of the mean either
            if len(paid) < 2 * settings.group:
                raise ValueError(f"{len(paid)} of the {settings.batch} pieces can be read: the twin 'blind' needs two pages")
            paid = np.roll(paid, settings.group, axis=0)
        later = later_on * ahead(paid, inside, settings.discount, settings.group)
        factors, voices = self.generator.alphabet.factors, self.generator.task.voices
        voice = made.place[:, :width].astype(np.int64) % (voices * factors) // factors
        chosen = torch.from_numpy(inside & ~np.isin(voice, self.generator.task.given)).to(device)  # given voices are no choice
        self.optimiser.zero_grad(set_to_none=True)
        with without_dropout(self.generator):
            logs = torch.log_softmax(self.generator.logits(tokens, place), dim=2)  # (M, T, A)
            with self.pretrained.judging(), self.online.model.judging():
                before = torch.log_softmax(self.pretrained.logits(tokens, place), dim=2)
                every = self.online.model.logits(tokens, place).clamp(-settings.largest, settings.largest)  # (M, T, A)
            now = at_once * (logs.exp() * every).sum(dim=2)[chosen].mean()
            taken = logs.gather(2, tokens[:, :, None])[:, :, 0]
            after = (taken * torch.from_numpy(later).to(device))[chosen].mean()
            apart = (logs.exp() * (logs - before)).sum(dim=2)[chosen].mean()
            loss = settings.leash * apart - now - after
            loss.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(list(self.parameters.values()), settings.clip)
        self._check("the generator's loss", float(loss.detach()))
        self._check("the norm of the generator's gradient", float(norm))
        self.optimiser.step()
        weight = sum(settings.inertia**age for age in range(1, self.place.update + 1))  # of all rounds before, where this has 1
        for name, tensor in self.generator.state_dict().items():
            self.average[name].lerp_(tensor, 1 / (1 + weight))
        entropy = -(logs.detach().exp() * logs.detach()).sum(dim=2)[chosen].mean()
        return float(apart.detach()), float(entropy)

    def _with_old(self, made: Sequences, rng: np.random.Generator) -> Sequences:
        """The generator's pieces, some of them replaced by old ones, as many in all."""
        old = 0 if self.pool is None else min(round(self.settings.pool_share * len(made.length)), len(self.pool.length))
        if not old or self.pool is None:
            return made
        kept = rng.permutation(len(made.length))[old:]
        rows = rng.permutation(len(self.pool.length))[:old]
        return side_by_side(*(Sequences(*(array[at] for array in part)) for part, at in ((made, kept), (self.pool, rows))))

    def _keep(self, made: Sequences, rng: np.random.Generator) -> None:
        """Put a quarter of the pieces into the pool, in the place of pieces that are drawn where it is full."""
        some = rng.permutation(len(made.length))[: max(1, len(made.length) // 4)]
        new = Sequences(*(array[some] for array in made))
        every = new if self.pool is None else side_by_side(self.pool, new)
        over = len(every.length) - self.settings.pool
        if over > 0:
            old = len(every.length) - len(some)
            stays = np.ones(len(every.length), np.bool_)
            stays[rng.permutation(max(old, over))[:over]] = False
            every = Sequences(*(array[stays] for array in every))
        self.pool = every

    def _check(self, what: str, value: float) -> None:
        if not math.isfinite(value):
            raise self._not_finite(f"{what} is {value}")

    def _not_finite(self, what: str) -> NotFiniteError:
        there = self.folder is not None and (self.folder / checkpoint.NAME).exists()
        kept = f"; the last good checkpoint stays in {str(self.folder)!r}" if there else ""
        return NotFiniteError(f"the contest stopped in round {self.place.update + 1}: {what}{kept}; begin anew with lower rates")

    def _save(self) -> None:
        if fault := checkpoint.fault(self.generator.state_dict()):
            raise self._not_finite(fault)
        if self.folder is None:
            return
        weights = {
            **_named(_GENERATOR, self.generator.state_dict()),
            **_named(_DISCRIMINATOR, self.online.model.state_dict()),
        }
        if self.pool is not None:
            weights |= _named(_KEPT, {name: torch.from_numpy(array) for name, array in self.pool._asdict().items()})
        made = {name: self.optimiser.state[p] for name, p in self.parameters.items() if p in self.optimiser.state}
        own = [{name: found[key] for name, found in made.items()} for key in ("exp_avg", "exp_avg_sq")]
        mean, square = (
            {**_named(_GENERATOR, one), **_named(_DISCRIMINATOR, other)} for one, other in zip(own, self.online.memory())
        )
        checkpoint.write(self.folder, State(weights, self.average, mean, square, self.place), self.about)

    def restore(self) -> None:
        """Go back to where the folder's checkpoint was. Raises ValueError where it doesn't fit."""
        if self.folder is None:
            raise ValueError("resume: expected the folder of the checkpoint to go on from")
        state = checkpoint.read(self.folder, self.about)
        rounds, device = state.place.update, self.generator.device
        try:
            self.generator.load_tensors(_of(_GENERATOR, state.weights))
            self.average = {name: state.best[name].to(device) for name in self.average}
            weights, *memory = (_of(_DISCRIMINATOR, group) for group in (state.weights, state.mean, state.square))
            self.online.restore(weights, memory[0], memory[1], rounds * self.settings.discriminator_updates)
            mean, square = _of(_GENERATOR, state.mean), _of(_GENERATOR, state.square)
            for name, parameter in self.parameters.items() if rounds else ():
                self.optimiser.state[parameter] = {
                    "step": torch.tensor(float(rounds)),
                    "exp_avg": mean[name].to(device),
                    "exp_avg_sq": square[name].to(device),
                }
            pool = _of(_KEPT, state.weights)
            self.pool = Sequences(**{name: tensor.numpy() for name, tensor in pool.items()}) if pool else None
        except (RuntimeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"the checkpoint in {str(self.folder)!r} doesn't fit the models ({error}): begin anew") from error
        self.place = state.place


def _named(prefix: str, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {prefix + name: tensor for name, tensor in tensors.items()}


def _of(prefix: str, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
