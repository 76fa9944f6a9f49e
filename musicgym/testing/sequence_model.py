"""`check_sequence_model`: does a model say the same token by token as of whole sequences, whatever other rows do?"""

from __future__ import annotations

import numpy as np
import torch

from musicgym.models.sequence_model import SequenceModel
from musicgym.testing.music import random_music

TOLERANCE = 1e-4  # of logits; of a whole piece's log probability ten times that
_ROWS, _LEFT_OUT, _RESTARTS = 6, 0.2, 0.02  # pieces side by side; shares of all steps


def check_sequence_model(model: SequenceModel, *, tokens: int = 220, seed: int = 0) -> None:
    """Check a sequence model by reading with it. For tests: raises AssertionError, and the message names the fault.

    What is checked:

    - `step`: logits are float32 (N, A) and, to 1e-4, what `logits` says of the whole sequence, with rows begun anew by
      `alphabet.start` and rows left out (`active`) at random;
    - a row says the same whatever the others read;
    - `take`: rows copied out of a state go on by themselves, and the state goes on without them;
    - `logits`: nothing to come has an influence, but the place of the next token;
    - `log_prob` of random pieces is the sum of what step by step says.

    Args:
        model: of any task that sequence models read.
        tokens: how many are read, at least 20; more than a model's memory holds is a better test.
        seed: another one reads other tokens.

    Raises:
        AssertionError: naming the fault.
        ValueError: fewer than 20 tokens.
    """
    if tokens < 20:
        raise ValueError(f"check_sequence_model(tokens={tokens}): expected 20 or more")
    _check_steps(model, tokens, np.random.default_rng([seed, 0]))
    _check_rows(model, tokens // 2, np.random.default_rng([seed, 1]))
    _check_future(model, tokens // 2, np.random.default_rng([seed, 2]))
    _check_pieces(model, np.random.default_rng([seed, 3]))


def _check_steps(model: SequenceModel, length: int, draws: np.random.Generator) -> None:
    """Rows that begin anew and rest at random, against whole sequences."""
    size, start = model.alphabet.size, model.alphabet.start
    read: list[list[int]] = [[] for _ in range(_ROWS)]
    places: list[list[int]] = [[] for _ in range(_ROWS)]
    said: list[list[torch.Tensor]] = [[] for _ in range(_ROWS)]

    def judge(row: int) -> None:
        if said[row]:  # the first token read is `start`; the last logits are for a token not read yet: any will do
            whole = _whole(model, [*read[row][1:], 0], places[row])
            _same(torch.stack(said[row]), whole, f"step says other logits than logits of {len(said[row])} tokens read at once")

    state = model.start(_ROWS)
    for time in range(length):
        active = draws.random(_ROWS) >= _LEFT_OUT
        tokens = draws.integers(0, size, _ROWS)
        tokens[draws.random(_ROWS) < _RESTARTS] = start  # also in rows that are left out
        if time == 0:
            active[:], tokens[:] = True, start
        place = draws.integers(0, model.places, _ROWS)
        rows = None if active.all() else _tensor(active, model)
        logits, state = model.step(_tensor(tokens, model), state, _tensor(place, model), rows)
        if logits.shape != (_ROWS, size) or logits.dtype != torch.float32:
            raise AssertionError(
                f"step gives {logits.dtype} {tuple(logits.shape)}: expected torch.float32 {(_ROWS, size)}, rows and alphabet.size"
            )
        for row in np.flatnonzero(active).tolist():
            if tokens[row] == start:
                judge(row)
                read[row], places[row], said[row] = [], [], []
            read[row].append(int(tokens[row]))
            places[row].append(int(place[row]))
            said[row].append(logits[row].clone())
    for row in range(_ROWS):
        judge(row)


def _check_rows(model: SequenceModel, length: int, draws: np.random.Generator) -> None:
    """Rows by themselves, and rows that are taken out."""
    most = min(model.alphabet.size, model.places)
    tokens, place = (_tensor(draws.integers(0, most, (length, 4)), model) for _ in range(2))
    tokens[0] = model.alphabet.start
    rows = torch.tensor([2, 0, 2], device=model.device)
    state, alone = model.start(4), model.start(1)
    for t in range(length // 2):
        together, state = model.step(tokens[t], state, place[t])
        one, alone = model.step(tokens[t, 3:], alone, place[t, 3:])
        _same(one[0], together[3], "a row says something else when other rows are read beside it")
    branch = state.take(rows)
    expected = together
    for t in range(length // 2, length):
        expected, state = model.step(tokens[t], state, place[t])
        model.step(tokens[t, [1, 1, 3]], state.take(rows), place[t, rows])  # another way, which must change neither
    again = expected[rows]
    for t in range(length // 2, length):
        again, branch = model.step(tokens[t, rows], branch, place[t, rows])
    _same(again, expected[rows], "rows that were taken out of a state with take don't go on as they would have there")


def _check_future(model: SequenceModel, length: int, draws: np.random.Generator) -> None:
    """What is said doesn't hang on what comes."""
    tokens, place = (draws.integers(0, most, length).tolist() for most in (model.alphabet.size, model.places))
    half = length // 2
    before = _whole(model, tokens, place)
    other = [(token + 1) % model.alphabet.size for token in tokens[half:]]
    after = _whole(model, [*tokens[:half], *other], [*place[: half + 1], *[0] * (length - half - 1)])
    _same(after[: half + 1], before[: half + 1], "logits of a token hang on tokens that come at or after it")


def _check_pieces(model: SequenceModel, draws: np.random.Generator) -> None:
    """The probability of pieces."""
    music = random_music(draws, model.task, 4)
    found = model.sequences(music)
    pieces, width = found.tokens.shape
    state, token = model.start(pieces), torch.full((pieces,), model.alphabet.start, device=model.device)
    sums = np.zeros(pieces)
    for t in range(width):
        logits, state = model.step(token, state, _tensor(found.place[:, t].astype(np.int64), model))
        token = _tensor(found.tokens[:, t].astype(np.int64), model)
        said = torch.log_softmax(logits.double(), dim=1).gather(1, token[:, None])[:, 0].cpu().numpy()
        sums += np.where(t < found.length, said, 0.0)
    if not np.allclose(model.log_prob(music), sums, atol=10 * TOLERANCE):
        raise AssertionError(f"log_prob gives {model.log_prob(music)}: step by step its pieces are worth {sums}")


def _whole(model: SequenceModel, tokens: list[int], place: list[int]) -> torch.Tensor:
    with model.judging():
        return model.logits(torch.tensor([tokens], device=model.device), torch.tensor([place], device=model.device))[0]


def _same(said: torch.Tensor, expected: torch.Tensor, fault: str) -> None:
    apart = float((said - expected).abs().max())
    if not apart <= TOLERANCE:
        raise AssertionError(f"{fault}: apart by {apart:g}, expected at most {TOLERANCE:g}")


def _tensor(array: np.ndarray, model: SequenceModel) -> torch.Tensor:
    return torch.from_numpy(array).to(model.device)
