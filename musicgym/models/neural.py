"""What neural models share: how tokens and places become vectors, and what their weights are."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

from musicgym.models.model import Model
from musicgym.models.sequence_model import SequenceModel
from musicgym.models.tokens import POSITIONS
from musicgym.task import Task

_LARGEST, _MOST_LAYERS = 65_536, 256  # sizes read from a file may ask for no more


class Network(Model, torch.nn.Module):
    """A model that is a torch module. A new one is in `eval()` mode, its weights drawn from torch's global generator."""

    def __init__(self, task: Task, name: str) -> None:
        torch.nn.Module.__init__(self)
        self.of_task(task, name)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    def tensors(self) -> dict[str, torch.Tensor]:
        """The weights, float32, detached but not copied."""
        return dict(self.state_dict())

    def load_tensors(self, tensors: dict[str, torch.Tensor]) -> None:
        """Put weights in the place of the model's own.

        Raises:
            ValueError: other names, shapes or types, or weights that are no finite numbers.
        """
        own = self.tensors()
        if set(tensors) != set(own):
            odd = sorted(set(tensors) ^ set(own))
            raise ValueError(
                f"the weights' names differ in {odd[:3]}: expected the {len(own)} of a {self.kind} with {self.config}"
            )
        for name, tensor in sorted(tensors.items()):
            if tensor.shape != own[name].shape or tensor.dtype != own[name].dtype:
                raise ValueError(
                    f"the weights {name!r} are {tensor.dtype} {tuple(tensor.shape)}: expected {own[name].dtype} "
                    f"{tuple(own[name].shape)}, as {self.config}, {self.alphabet.size} tokens and {self.places} places say"
                )
            if not torch.isfinite(tensor).all():
                raise ValueError(f"the weights {name!r} hold values that are no finite numbers: train the model anew")
        # A model made on torch's device "meta", as loading does, has no memory of its own to copy into.
        self.load_state_dict(tensors, assign=any(tensor.is_meta for tensor in own.values()))

    @contextlib.contextmanager
    def judging(self) -> Iterator[None]:
        """While this lasts no gradients flow and there is no dropout."""
        training = self.training
        self.eval()
        try:
            with torch.no_grad():
                yield
        finally:
            self.train(training)

    def shifted(self, tokens: torch.Tensor) -> torch.Tensor:
        """The tokens that are read before each of `tokens`, int64 (M, T): `alphabet.start` first."""
        return torch.cat([torch.full_like(tokens[:, :1], self.alphabet.start), tokens[:, :-1]], dim=1)


class NeuralModel(Network, SequenceModel):
    """A sequence model that is a torch module. `train()` turns dropout on in `logits`; `step` never has any."""


class Reading(torch.nn.Module):
    """The vector of a token just read and of the place of the one to come: (...) int64 each -> (..., width).

    It is the sum of three: one for the token, one for the position in the bar, one for voice and factor.
    """

    def __init__(self, model: Model, width: int) -> None:
        super().__init__()
        self.slots = model.places // POSITIONS  # voices * factors
        self.token = torch.nn.Embedding(model.alphabet.size + 1, width)
        self.position = torch.nn.Embedding(POSITIONS, width)
        self.slot = torch.nn.Embedding(self.slots, width)

    def forward(self, tokens: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
        """Their vectors, float32."""
        position = torch.div(place, self.slots, rounding_mode="floor")
        made: torch.Tensor = self.token(tokens) + self.position(position) + self.slot(place - position * self.slots)
        return made


def check_sizes(what: str, dropout: float, **sizes: int) -> None:
    """Raises ValueError, in the name of `what`, for sizes out of their range and a dropout that is no share."""
    for name, size in sizes.items():
        most = _MOST_LAYERS if name == "layers" else _LARGEST
        if size.__class__ is not int or not 1 <= size <= most:
            raise ValueError(f"{what}({name}={size!r}): expected a whole number within 1..{most:,}")
    if isinstance(dropout, bool) or not isinstance(dropout, (int, float)) or not 0 <= dropout < 1:
        raise ValueError(f"{what}(dropout={dropout!r}): expected a share within [0, 1)")
