"""Models that know music: what is likely, where rules say what is forbidden."""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING

# Public names and the modules they come from, imported when first asked for: torch is an extra, and loads slowly.
_HOME = {
    "Discriminator": "discriminator",
    "LSTM": "lstm",
    "NGramModel": "ngram",
    "Online": "online",
    "SequenceModel": "sequence_model",
    "Transformer": "transformer",
    "VAE": "vae",
    "card_of": "storing",
    "load": "storing",
    "save": "storing",
    "shipped": "storing",
}

if TYPE_CHECKING:
    from musicgym.models.discriminator import Discriminator
    from musicgym.models.lstm import LSTM
    from musicgym.models.ngram import NGramModel
    from musicgym.models.online import Online
    from musicgym.models.sequence_model import SequenceModel
    from musicgym.models.storing import card_of, load, save, shipped
    from musicgym.models.transformer import Transformer
    from musicgym.models.vae import VAE

__all__ = [
    "LSTM",
    "VAE",
    "Discriminator",
    "NGramModel",
    "Online",
    "SequenceModel",
    "Transformer",
    "card_of",
    "load",
    "save",
    "shipped",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'musicgym.models' has no attribute {name!r}")
    value: object = getattr(_import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
