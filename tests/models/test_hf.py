"""Language models of transformers as judges: what they say of a score is what they say of its tokens, window by window."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from musicgym import Score

transformers = pytest.importorskip("transformers", reason="the extra hf isn't installed: transformers")
miditok = pytest.importorskip("miditok", reason="the extra hf isn't installed: miditok")

from musicgym.models.hf import HFScorer  # noqa: E402  # after it is known that there is something to test

TUNE = Score.from_notes([[(2 * i, 2, 60 + (7 * i) % 12, 80) for i in range(16)]])
SHORT = Score.from_notes([[(0, 4, 60, 80), (4, 4, 64, 80)]])


def tokenizer(**words: Any) -> Any:
    return miditok.REMI(miditok.TokenizerConfig(**words))


def model(words: int, context: int = 256) -> Any:
    torch.manual_seed(0)
    config = transformers.GPT2Config(vocab_size=words, n_positions=context, n_embd=16, n_layer=2, n_head=2)
    made = transformers.GPT2LMHeadModel(config)
    with torch.no_grad():
        for weights in made.parameters():
            weights.mul_(4)
    return made


@pytest.fixture(scope="module")
def scorer() -> HFScorer:
    return HFScorer(model(len(tokenizer())), tokenizer())


def by_hand(scorer: HFScorer, ids: list[int]) -> np.ndarray:
    """Each token's log probability, from the whole sequence at once."""
    read = torch.tensor([[scorer.tokenizer["BOS_None"], *ids]])
    with torch.no_grad():
        logs = torch.log_softmax(scorer.model(read).logits.double(), dim=2)[0, :-1]
    return logs[torch.arange(len(ids)), ids].numpy()


def test_a_score_is_as_likely_as_its_tokens_whatever_it_is_read_with(scorer: HFScorer) -> None:
    ids = [scorer.tokens(score) for score in (TUNE, SHORT)]
    assert len(ids[0]) > 3 * 16
    assert sum(name.startswith("Pitch_") for name in (scorer.tokenizer[token] for token in ids[0])) == 16
    found = scorer.token_log_prob([TUNE, SHORT])
    for logs, known in zip(found, ids):
        np.testing.assert_allclose(logs, by_hand(scorer, known), atol=1e-4)
    np.testing.assert_allclose(scorer.log_prob([SHORT, TUNE]), [found[1].sum(), found[0].sum()], atol=1e-4)
    assert scorer.lengths([TUNE, SHORT]).tolist() == [len(known) for known in ids]


def test_long_pieces_are_read_in_windows_and_each_token_is_judged_once(scorer: HFScorer) -> None:
    ids = scorer.tokens(TUNE)
    for context in (3, 4, 7, 8, 20, len(ids), len(ids) + 1):
        short = HFScorer(scorer.model, scorer.tokenizer, context=context, batch=3)
        expected = np.zeros(len(ids))
        every = [short.tokenizer["BOS_None"], *ids]
        for t in range(len(ids)):  # the window that judges token t + 1 of `every`
            starts = short._starts(len(ids))
            start = next(s for k, s in enumerate(starts) if t < s + context - 1 and (k == 0 or t >= s + context // 2))
            with torch.no_grad():
                said = scorer.model(torch.tensor([every[start : t + 1]])).logits[0, -1].double().log_softmax(0)
            expected[t] = said[every[t + 1]]
            assert t - start + 1 >= min(t + 1, context // 2)  # what it was judged by
        np.testing.assert_allclose(short.token_log_prob([TUNE])[0], expected, atol=1e-4)


def test_several_voices_need_one_stream(scorer: HFScorer) -> None:
    parts = Score.from_notes([[(0, 4, 72, 80)], [(0, 4, 60, 80)]])
    with pytest.raises(ValueError, match="2 voices give 2 streams of tokens: expected one; give the tokenizer use_programs=True"):
        scorer.log_prob([parts])
    together = tokenizer(use_programs=True)
    one = HFScorer(model(len(together)), together)
    assert np.isfinite(one.log_prob([parts, TUNE])).all()


def test_folders_are_read_from_disk_and_pickles_never(scorer: HFScorer, tmp_path: Path) -> None:
    scorer.model.save_pretrained(tmp_path)
    scorer.tokenizer.save_pretrained(tmp_path)
    again = HFScorer.load(tmp_path)
    assert again.fingerprint == scorer.fingerprint
    np.testing.assert_allclose(again.log_prob([TUNE]), scorer.log_prob([TUNE]), atol=1e-6)
    weights = tmp_path / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="cannot be read"):
        HFScorer.load(tmp_path)
    weights.unlink()
    (tmp_path / "pytorch_model.bin").write_bytes(pickle.dumps({}))
    with pytest.raises(ValueError, match="are never loaded"):
        HFScorer.load(tmp_path)
    with pytest.raises(ValueError, match=r"has no config\.json"):
        HFScorer.load(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            {"transformer.h.0.mlp.c_fc.weight": None},
            r"1 of its weights are missing, the first 'transformer\.h\.0\.mlp\.c_fc\.weight'",
        ),
        ({"transformer.wte.weight": None}, "2 of its weights are missing"),
        ({"more.weight": torch.zeros(2)}, r"1 of its weights are unexpected, the first 'more\.weight'"),
        ({"transformer.ln_f.weight": torch.zeros(3)}, "cannot be read"),
    ],
)
def test_weights_that_are_not_the_models_are_refused_and_none_is_made_up(
    scorer: HFScorer, tmp_path: Path, changes: dict[str, torch.Tensor | None], says: str
) -> None:
    scorer.model.save_pretrained(tmp_path)
    scorer.tokenizer.save_pretrained(tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    assert "lm_head.weight" not in tensors  # it is tied to the embedding, and nothing to miss
    changed = {name: tensor for name, tensor in {**tensors, **changes}.items() if tensor is not None}
    save_file(changed, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(ValueError, match=says):
        HFScorer.load(tmp_path)


def test_another_tokenization_than_there_is_runs_nothing(scorer: HFScorer, tmp_path: Path) -> None:
    scorer.model.save_pretrained(tmp_path)
    (tmp_path / "tokenizer.json").write_text('{"tokenization": "os.system"}')
    with pytest.raises(ValueError, match=r"tokenization 'os\.system': expected one of"):
        HFScorer.load(tmp_path)


def test_other_weights_have_another_fingerprint(scorer: HFScorer) -> None:
    other = model(len(tokenizer()))
    with torch.no_grad():
        other.transformer.wte.weight[0, 0] += 1
    assert HFScorer(other, tokenizer()).fingerprint != scorer.fingerprint


def test_what_does_not_belong_together_is_named(scorer: HFScorer) -> None:
    words = len(tokenizer())
    with pytest.raises(ValueError, match=f"has {words} tokens, the model knows 20: they don't belong together"):
        HFScorer(model(20), tokenizer())
    with pytest.raises(ValueError, match="several vocabularies"):
        HFScorer(model(words), miditok.CPWord())
    with pytest.raises(ValueError, match="no special token BOS"):
        HFScorer(model(words), tokenizer(special_tokens=["PAD"]))
    with pytest.raises(TypeError, match="expected a causal language model"):
        HFScorer(torch.nn.Linear(1, 1), tokenizer())
    with pytest.raises(TypeError, match="expected a tokenizer of miditok"):
        HFScorer(model(words), "REMI")
    for context in (999, 2, 2.7, True):
        with pytest.raises(ValueError, match=rf"context={context}\): expected a whole number of tokens, 3\.\.256"):
            HFScorer(model(words), tokenizer(), context=context)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"batch=0\): expected a whole number of windows, 1 or more"):
        HFScorer(model(words), tokenizer(), batch=0)


def test_a_model_that_says_what_is_no_number_is_named() -> None:
    broken = model(len(tokenizer()))
    with torch.no_grad():
        broken.transformer.ln_f.bias[:] = torch.nan
    with pytest.raises(ValueError, match="score 0 a log probability that is no finite number"):
        HFScorer(broken, tokenizer()).log_prob([TUNE])
