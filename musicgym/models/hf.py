"""`HFScorer`: a causal language model of transformers with a MidiTok tokenizer as a judge of scores (extra `hf`).

Its tokens are MidiTok's and not a task's, so it reads finished pieces and not choices. Nothing is fetched from anywhere, and no
code that comes with a model is run: folders are read from disk, weights as safetensors.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from musicgym.files import midi
from musicgym.score import Score

_PAD = 0  # in the place of tokens that nothing sees
_BESIDE = {"architectures", "_name_or_path", "dtype", "torch_dtype", "transformers_version"}  # say nothing of what it computes
_LEAST = 3  # tokens at once: a window has to go on by one at least, and to overlap with the one before
_LONGEST = 2048  # tokens that a model without a limit of its own is given at once


class HFScorer:
    """Says how likely a causal language model finds scores, in its own tokens.

    Pieces longer than the model's context are read in windows that overlap by half of it, and each token is judged once.

    Args:
        model: a `transformers` causal language model, such as `GPT2LMHeadModel`; it is put into `eval()` mode.
        tokenizer: a MidiTok tokenizer of one vocabulary, which has the special token BOS, after which the first token is
            judged. Several voices need one stream of tokens, as with `use_programs=True`.
        name: for people.
        context: tokens that the model is given at once, 3 or more; None for what its configuration says.
        batch: windows that are read together.

    Raises:
        TypeError: a model or tokenizer of another kind.
        ValueError: a vocabulary larger than the model's, several vocabularies, no BOS, or numbers out of their range.

    Example:
        scorer = HFScorer.load("folder")  # with config.json, model.safetensors and MidiTok's tokenizer.json
        scorer.log_prob([score]) / scorer.lengths([score])  # nats a token
    """

    def __init__(self, model: Any, tokenizer: Any, *, name: str = "", context: int | None = None, batch: int = 16) -> None:
        import miditok
        import transformers

        if not isinstance(model, transformers.PreTrainedModel) or not model.can_generate():
            raise TypeError(f"HFScorer({type(model).__name__}): expected a causal language model of transformers")
        if not isinstance(tokenizer, miditok.MusicTokenizer):
            raise TypeError(f"HFScorer(tokenizer={type(tokenizer).__name__}): expected a tokenizer of miditok")
        if tokenizer.is_multi_voc:
            raise ValueError(
                f"{type(tokenizer).__name__} has several vocabularies: expected one, as REMI, TSD or MIDI-Like have, so that "
                "each token has a probability"
            )
        if "BOS_None" not in tokenizer.vocab:
            raise ValueError("the tokenizer has no special token BOS: make it, and train the model, with one")
        words = int(model.config.vocab_size)
        if tokenizer.vocab_size > words:
            raise ValueError(
                f"the tokenizer has {tokenizer.vocab_size} tokens, the model knows {words}: they don't belong together"
            )
        limit = getattr(model.config, "max_position_embeddings", None) or getattr(model.config, "n_positions", None)
        self.context = context if context is not None else min(int(limit or _LONGEST), _LONGEST)
        if self.context.__class__ is not int or not _LEAST <= self.context <= int(limit or self.context):
            raise ValueError(
                f"HFScorer(context={self.context!r}): expected a whole number of tokens, "
                f"{f'{_LEAST}..{limit}' if limit else f'{_LEAST} or more'}"
            )
        if batch.__class__ is not int or batch < 1:
            raise ValueError(f"HFScorer(batch={batch!r}): expected a whole number of windows, 1 or more")
        model.train(False)
        self.model, self.tokenizer, self.batch = model, tokenizer, batch
        self.name = name or type(model).__name__
        self._begin = int(tokenizer["BOS_None"])

    @classmethod
    def load(cls, folder: str | Path, **words: Any) -> HFScorer:
        """A model and tokenizer that their `save_pretrained` wrote into one folder on disk.

        Args:
            folder: with config.json, model.safetensors and tokenizer.json.
            words: of the constructor.

        Raises:
            ValueError: a folder that isn't there, or without such files; weights that are not all of the model's, or of another
                one; a pickle is never loaded.
        """
        import miditok
        import transformers

        folder = Path(folder)
        for name in ("config.json", "tokenizer.json"):
            if not (folder / name).is_file():
                raise ValueError(f"{str(folder)!r} has no {name}: expected what save_pretrained of model and tokenizer wrote")
        if not list(folder.glob("*.safetensors")):
            raise ValueError(
                f"{str(folder)!r} has no weights as safetensors: pickles, as in pytorch_model.bin, could run any code and are "
                "never loaded; have the model saved anew as safetensors"
            )
        try:
            loaded: Any = transformers.AutoModelForCausalLM.from_pretrained(
                folder, use_safetensors=True, trust_remote_code=False, local_files_only=True, output_loading_info=True
            )
            model, found = loaded
            # Weights that aren't there are drawn at random, and those that have no place are left out, both with a warning only.
            # Those that are tied to others, or that old files have for nothing, are not among them.
            for what in ("missing", "unexpected", "mismatched"):
                if odd := sorted(map(str, found[f"{what}_keys"])):
                    raise ValueError(f"{len(odd)} of its weights are {what}, the first {odd[0]!r}")
            kind = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["tokenization"]
            known = {name: getattr(miditok, name) for name in miditok.tokenizations.__all__}
            if kind not in known:
                raise ValueError(f"tokenization {str(kind)[:40]!r}: expected one of {', '.join(sorted(known))}")
            tokenizer = known[kind](params=folder / "tokenizer.json")
        except Exception as error:  # whatever transformers, tokenizers and safetensors raise for files that are no good
            reason = " ".join(str(error).split()) or type(error).__name__
            raise ValueError(f"{str(folder)!r} cannot be read ({reason:.300}): get its files anew") from error
        return cls(model, tokenizer, **{"name": folder.name, **words})

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits of a hash of weights, configuration and vocabulary."""
        config = {name: value for name, value in self.model.config.to_dict().items() if name not in _BESIDE}
        about = [type(self.model).__name__, config, self.tokenizer.vocab]
        found = hashlib.sha256(json.dumps(about, sort_keys=True, default=str).encode())
        for name, tensor in sorted(self.model.state_dict().items()):
            found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            found.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes() if tensor.numel() else b"")
        return found.hexdigest()[:16]

    def tokens(self, score: Score) -> list[int]:
        """The score's tokens, BOS not among them.

        Raises:
            ValueError: blanks, or several streams of tokens.
        """
        from symusic import Score as Played

        played = self.tokenizer(Played.from_midi(midi.to_bytes(score)))
        streams = [played] if not isinstance(played, list) else played
        if len(streams) > 1:
            raise ValueError(
                f"the score's {score.voices} voices give {len(streams)} streams of tokens: expected one; give the tokenizer "
                "use_programs=True, or take one voice"
            )
        begin = self._begin
        return [int(token) for stream in streams for token in stream.ids if int(token) != begin]

    def token_log_prob(self, scores: Sequence[Score]) -> list[np.ndarray]:
        """Natural logarithm of each token's probability given those before it, float64 (tokens,) a score.

        Raises:
            ValueError: as `tokens`, or log probabilities that are no finite numbers.
        """
        ids = [self.tokens(score) for score in scores]
        windows = [(row, start) for row, known in enumerate(ids) for start in self._starts(len(known))]
        made = [np.zeros(len(known)) for known in ids]
        for first in range(0, len(windows), self.batch):
            part = windows[first : first + self.batch]
            read = [[self._begin, *ids[row]][start : start + self.context] for row, start in part]
            for (row, start), logs in zip(part, self._read(read)):
                fresh = 0 if start == 0 else self.context // 2  # of a later window only the second half is judged here
                made[row][start + fresh : start + len(logs)] = logs[fresh:]
        for row, logs in enumerate(made):
            if not np.isfinite(logs).all():
                raise ValueError(
                    f"model {self.name!r} gives score {row} a log probability that is no finite number: it is broken"
                )
        return made

    def log_prob(self, scores: Sequence[Score]) -> np.ndarray:
        """Natural logarithm of each score's probability as tokens, float64 (M,). Raises as `token_log_prob`."""
        return np.array([logs.sum() for logs in self.token_log_prob(scores)])

    def lengths(self, scores: Sequence[Score]) -> np.ndarray:
        """How many tokens each score has, int64 (M,)."""
        return np.array([len(self.tokens(score)) for score in scores], np.int64)

    def _starts(self, length: int) -> list[int]:
        """Where windows begin in BOS and so many tokens; each window judges the tokens after its first."""
        starts = [0]
        while starts[-1] + self.context < length + 1:
            starts.append(starts[-1] + self.context - 1 - self.context // 2)
        return starts if length else []

    @torch.no_grad()
    def _read(self, read: list[list[int]]) -> list[np.ndarray]:
        """Log probabilities of the tokens after the first of each window, float64."""
        width, device = max(map(len, read)), self.model.device
        tokens = torch.tensor([[*row, *[_PAD] * (width - len(row))] for row in read], device=device)
        mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in read], device=device)
        logits = self.model(input_ids=tokens, attention_mask=mask).logits[:, :-1].double()
        logs = torch.log_softmax(logits, dim=2).gather(2, tokens[:, 1:, None])[:, :, 0].cpu().numpy()
        return [row[: len(window) - 1] for row, window in zip(logs, read)]
