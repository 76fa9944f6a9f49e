"""`Online`: a discriminator that goes on learning while something else learns to pass for real."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence

import torch

from musicgym.models.determinism import drawing
from musicgym.models.discriminator import Discriminator
from musicgym.models.discriminator_lesson import prefix_loss
from musicgym.models.settings import MOST_RATE, MOST_WEIGHT, check_number
from musicgym.models.tokens import Sequences
from musicgym.pieces import Excerpts
from musicgym.score import Score

_BETAS = (0.5, 0.9)  # as usual against generators that change: shorter memories than where the task stays the same


class Online:
    """A copy of a discriminator that learns from what it is shown, whenever it is shown something.

    As a reward, `musicgym.rewards.Realness(online)` pays as the discriminator stands when a choice is made, so its fingerprint
    changes with every update. All environments have to be of this process: one in another process keeps the discriminator that
    it was given.

    Args:
        model: where it begins; stays as it is.
        learning_rate: AdamW's, the same all the time.
        weight_decay: AdamW's, of matrices only.
        clip: largest norm of a gradient; longer ones are shortened to it.
        seed: of dropout.

    Attributes:
        model: the copy that learns.
        updates: how often it has learned.

    Raises:
        TypeError: a model that is no discriminator.
        ValueError: a number out of its range.

    Example:
        >>> from musicgym import Task
        >>> tune, other = (Score.from_notes([[(0, 4, pitch, 80)]]) for pitch in (60, 61))
        >>> online = Online(Discriminator(Task(length=4), layers=2, width=8), learning_rate=0.01)
        >>> for _ in range(20):
        ...     surprise = online.update([tune], [other])
        >>> online.updates, surprise < 0.65, bool(online.model.log_odds([tune]) > online.model.log_odds([other]))
        (20, True, True)
    """

    def __init__(
        self, model: Discriminator, *, learning_rate: float = 5e-4, weight_decay: float = 0.01, clip: float = 1.0, seed: int = 0
    ) -> None:
        if not isinstance(model, Discriminator):
            raise TypeError(f"Online({model!r}): expected a musicgym.models.Discriminator")
        check_number("learning_rate", learning_rate, MOST_RATE)
        check_number("weight_decay", weight_decay, MOST_WEIGHT)
        check_number("clip", clip, MOST_WEIGHT, above=True)
        if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
            raise ValueError(f"Online(seed={seed!r}): expected a whole number, 0 or more")
        self.model = copy.deepcopy(model)
        self.model.card = None
        self.updates = 0
        self.clip, self.seed = clip, seed
        self._begins = model.fingerprint
        self._rates = {"learning_rate": learning_rate, "weight_decay": weight_decay, "clip": clip, "seed": seed}
        self.parameters = dict(self.model.named_parameters())
        matrices = [p for p in self.parameters.values() if p.dim() > 1]
        others = [p for p in self.parameters.values() if p.dim() <= 1]
        self._optimiser = torch.optim.AdamW(
            [{"params": matrices, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}],
            lr=learning_rate,
            betas=_BETAS,
        )

    @property
    def description(self) -> str:
        """Text that says where it began and how it has learned so far."""
        return f"from {self._begins} by {self._rates} after {self.updates} updates"

    def update(self, real: Sequence[Score] | Excerpts | Sequences, generated: Sequence[Score] | Excerpts | Sequences) -> float:
        """Learn once from finished pieces; returns the surprise at which is which, in nats, before that: log 2 is not to know.

        Args:
            real: pieces of the corpus, at best as long as the others.
            generated: pieces that are to be told from them.

        Raises:
            ValueError: no pieces, pieces that the model can't read, or a loss or weights that are no finite numbers; the model
                is then as it was before.
        """
        parts = [part if isinstance(part, Sequences) else self.model.sequences(part) for part in (real, generated)]
        if not all(len(part.length) for part in parts):
            raise ValueError(
                f"update({len(parts[0].length)} real, {len(parts[1].length)} generated pieces): expected some of each"
            )
        weights = {name: tensor.clone() for name, tensor in self.model.state_dict().items()}
        memory = {p: {name: tensor.clone() for name, tensor in kept.items()} for p, kept in self._optimiser.state.items()}
        try:
            loss = self._learn(*parts)
        except BaseException:  # also when it is interrupted half way
            self.model.load_state_dict(weights)
            self._optimiser.state.clear()
            self._optimiser.state.update(memory)
            raise
        self.updates += 1
        return loss

    def _learn(self, real: Sequences, generated: Sequences) -> float:
        """One step down the gradient; the loss before it. Raises ValueError for what is no finite number."""
        self.model.train()
        self._optimiser.zero_grad(set_to_none=True)
        try:
            with drawing(self.model.device, self.seed, self.updates):
                loss = prefix_loss(self.model, real, generated)
                loss.backward()  # type: ignore[no-untyped-call]
        finally:
            self.model.eval()
        norm = torch.nn.utils.clip_grad_norm_(list(self.parameters.values()), self.clip)
        if math.isfinite(float(norm)) and math.isfinite(float(loss.detach())):
            self._optimiser.step()
            self.model.constrain()
        if not all(bool(torch.isfinite(tensor).all()) for tensor in (loss.detach(), norm, *self.model.state_dict().values())):
            raise ValueError(
                f"update {self.updates + 1} of the discriminator {self.model.name!r}: loss {float(loss.detach()):g}, gradient "
                f"{float(norm):g}: expected finite numbers and weights; it stays as it was; go on with a lower learning rate"
            )
        return float(loss.detach())

    def memory(self) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        """AdamW's running means of each weight's gradient and of its square; empty before the first update."""
        made = {name: self._optimiser.state[p] for name, p in self.parameters.items() if p in self._optimiser.state}
        mean, square = ({name: found[key] for name, found in made.items()} for key in ("exp_avg", "exp_avg_sq"))
        return mean, square

    def restore(
        self, weights: dict[str, torch.Tensor], mean: dict[str, torch.Tensor], square: dict[str, torch.Tensor], updates: int
    ) -> None:
        """Go back to where another one of the same make was.

        Raises:
            ValueError: weights of another make.
            KeyError: running means that aren't there.
        """
        self.model.load_tensors(weights)
        for name, parameter in self.parameters.items() if updates else ():
            self._optimiser.state[parameter] = {
                "step": torch.tensor(float(updates)),
                "exp_avg": mean[name].to(parameter.device),
                "exp_avg_sq": square[name].to(parameter.device),
            }
        self.updates = updates
