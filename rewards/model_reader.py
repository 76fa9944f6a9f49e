"""`Reader`: a sequence model that reads along while pieces are written, once a step however many rewards ask it."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from musicgym.choice import ANY_PITCH, NoteChoice
from musicgym.handle import handle
from musicgym.pieces import Pieces
from musicgym.rewards.model_state import as_arrays, from_arrays, has_rows, of_a_shape, put_rows
from musicgym.rewards.model_tokens import READ, UNKNOWN, Reading, ask, note_down, open_rows, script_of
from musicgym.rewards.reward import BoundReward, State
from musicgym.task import Task

if TYPE_CHECKING:
    import torch

    from musicgym.models.discriminator import Discriminator
    from musicgym.models.model import Model
    from musicgym.models.sequence_model import SequenceModel

_ALL = np.empty(0, np.int64)  # in the place of rows
_NONE = np.empty(0, np.bool_)  # in the place of a mask
_MOST_OF = 0.5  # where no more than this share of the rows have something to be read, they are read by themselves


class Reader(BoundReward):
    """A model at work in one environment. It pays nothing itself: rewards ask it how likely the last choices were.

    Every piece is read in order of time, all voices of a step before the next step, as far as it is written without a gap; given
    parts are read as they come. What is written behind a gap is read when the gap is filled. After an edit of what has been read
    the piece is read anew, from its beginning.

    The model reads a token when the one after it is asked for, so that pieces that begin anew share a batch with the others.

    Args:
        model: what reads. It is asked for `step` with all rows at once, or with few by themselves.
        task: of the environment.
        rows: N.

    Attributes:
        paid, paid_spans: what the last choice changed in `sums` and `spans`.
        record: where the value of each token goes, float64 (N, voices, steps, factors), and int64 (N, voices, steps) for the
            slots of its event; None.

    Raises:
        ValueError: the task's voices, grid or choices are not the model's.
    """

    terms = ()

    def __init__(self, model: SequenceModel | Discriminator, task: Task, rows: int) -> None:
        check_fits(model, task)
        self.model = model
        self.key: Hashable = key_of(model)
        self._script = script_of(model.alphabet)
        # Of other choices than whole notes it isn't known how long a note will be when its first slot is written.
        self._lacks_notes = self._script.notes and not isinstance(task.choice, NoteChoice)
        self._strict = False
        self._reading = Reading.of(model.alphabet, rows, task.voices)
        self.paid, self.paid_spans = np.zeros_like(self.sums), np.zeros_like(self.spans)
        self._model_state: Any = model.start(rows)
        self._logits: torch.Tensor | None = None  # float32 (N, A)
        self.record: tuple[np.ndarray, np.ndarray] | None = None
        self._served: set[int] | None = None  # who has been told of the last choice; None: the next one who asks comes first
        self._pieces: Pieces | None = None
        self._handles: Any = None

    # What rewards ask

    def follow(self, pieces: Pieces, asks: object) -> None:
        """Read what the last choice wrote, unless another reward has had that done; `paid` and `sums` then say what it is worth.

        Raises:
            ValueError: the model says what is no number; a note or pitch that it doesn't know, in finished music.
        """
        if self._served is None or id(asks) in self._served:
            self._served = set()
            self._advance(pieces)
        self._served.add(id(asks))

    @property
    def sums(self) -> np.ndarray:
        """float64 (N, voices, factors): log p of all tokens that have been read in each piece, in nats."""
        return self._reading.sums

    @property
    def spans(self) -> np.ndarray:
        """int64 (N, voices): slots that these tokens fill."""
        return self._reading.spans

    @property
    def logits(self) -> torch.Tensor:
        """float32 (N, A), on the model's device: of the next token of each piece as it stands, not normalised, not masked.

        The token is the next choice's, or its first: of `NoteChoice` the pitch, of `ChordChoice` the first voice's. Rows of
        finished pieces mean nothing. Known after `reset` and after each step; asking costs no more than the next step saves.
        """
        self._consult(everywhere=True)
        if self._logits is None:
            raise RuntimeError("logits of pieces that are all finished: begin anew first, with reset")
        return self._logits

    # What a bound reward does

    def __call__(self, pieces: Pieces) -> np.ndarray:
        self.follow(pieces, self)
        return np.empty((0, self.paid.shape[0]), np.float32)

    def reset(self, pieces: Pieces, mask: np.ndarray) -> None:
        grid = self.model.task.steps_per_quarter
        if (wrong := mask & (pieces.quarter != grid)).any():
            raise ValueError(
                f"model {self.model.name!r} reads {grid:g} steps a quarter, piece {int(wrong.argmax())} has "
                f"{pieces.quarter[wrong][0]:g}: expected music on the model's grid"
            )
        if self._lacks_notes and not self._strict:
            raise ValueError(f"model {self.model.name!r} reads whole notes: expected a task of NoteChoice with its durations")
        self._served = None
        self._read_on(pieces, open_rows(*self._of(pieces), self._strict, mask))

    def read(self) -> None:
        self._strict = True

    def take(self, rows: np.ndarray) -> None:
        index = _tensor(np.asarray(rows, np.int64), self.model.device)
        self._model_state = self._model_state.take(index)
        self._logits = None if self._logits is None else self._logits[index]
        start, *arrays = self._reading
        self._reading = Reading(start, *(array[rows] for array in arrays))
        self.paid, self.paid_spans = self.paid[rows], self.paid_spans[rows]
        self._let_go()

    def state(self) -> State:
        _, *arrays = self._reading
        return {
            "parts": [],
            "reading": [array.copy() for array in arrays],
            "paid": [self.paid.copy(), self.paid_spans.copy()],
            "logits": np.zeros((0, 0), np.float32) if self._logits is None else self._logits.cpu().numpy().copy(),
            "model": as_arrays(self._model_state, len(self.paid)),
        }

    def load_state(self, state: State) -> None:
        self._reading = Reading(self._reading.start, *(array.copy() for array in state["reading"]))
        self.paid, self.paid_spans = (array.copy() for array in state["paid"])
        self._logits = _tensor(state["logits"], self.model.device) if len(state["logits"]) else None
        self._model_state = from_arrays(self.model.start(1), state["model"], len(self.paid), self.model.device)
        self._let_go()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_served": None, "_pieces": None, "_handles": None}

    # Reading

    def _advance(self, pieces: Pieces) -> None:
        sums, spans = self.sums.copy(), self.spans.copy()
        self._read_on(pieces, open_rows(*self._of(pieces), self._strict, _NONE))
        self.paid, self.paid_spans = self.sums - sums, self.spans - spans

    def _read_on(self, pieces: Pieces, count: int) -> None:
        """Read every piece as far as it goes, token by token, as many pieces as there are at once; now `count` have a token."""
        while count:
            if count == UNKNOWN:
                self._refuse(pieces)
            self._consult(everywhere=False)
            count = self._judge(_ALL if count == len(self.paid) else np.flatnonzero(self._reading.token >= 0))

    def _consult(self, everywhere: bool) -> None:
        """Have the model read what is pending, so that it says what comes next: where a token stands, or in all pieces."""
        import torch

        rows, device = len(self.paid), self.model.device
        wanted, tokens, place = np.empty(rows, np.bool_), np.empty(rows, np.int64), np.empty(rows, np.int64)
        count = ask(self._handle_on_reading(), everywhere, wanted, tokens, place)
        if not count:
            return
        if self._logits is None:
            self._logits = torch.zeros((rows, self.model.alphabet.size), device=device)
        with torch.no_grad():
            if count > _MOST_OF * rows or not self._read_few(np.flatnonzero(wanted), tokens, place):
                active = None if count == rows else _tensor(wanted, device)
                said, self._model_state = self.model.step(
                    _tensor(tokens, device), self._model_state, _tensor(place, device), active
                )
                self._logits = said if active is None else torch.where(active[:, None], said, self._logits)
        self._reading.pending[wanted] = READ

    def _read_few(self, rows: np.ndarray, tokens: np.ndarray, place: np.ndarray) -> bool:
        """Have the model read in some rows by themselves; False where what it keeps of them can't be put back."""
        assert self._logits is not None
        if not has_rows(self._model_state, len(tokens)):
            return False
        device = self.model.device
        index = _tensor(rows, device)
        said, part = self.model.step(_tensor(tokens[rows], device), self._model_state.take(index), _tensor(place[rows], device))
        if not of_a_shape(self._model_state, part):
            return False
        self._model_state = put_rows(self._model_state, index, part)
        self._logits = self._logits.index_copy(0, index, said)
        return True

    def _judge(self, rows: np.ndarray) -> int:
        """Note down how likely the next tokens of these rows, or of `_ALL`, are; returns how many have another one after that."""
        assert self._logits is not None
        reading, logits, everywhere = self._reading, self._logits, rows is _ALL
        token = reading.token if everywhere else reading.token[rows]
        logits = logits if everywhere else logits[_tensor(rows, logits.device)]
        chosen = self._said(logits).gather(1, _tensor(token, logits.device)[:, None])
        log_prob = chosen[:, 0].cpu().numpy()
        if self.record is not None:
            self._write_down(np.arange(len(token)) if everywhere else rows, log_prob)
        count, wrong = note_down(*self._handles, self._strict, log_prob, rows)
        if wrong >= 0:
            row = wrong if everywhere else int(rows[wrong])
            step, voice = divmod(int(reading.at[row]) // self._script.factors, self.spans.shape[1])
            raise ValueError(
                f"model {self.model.name!r} gives token {int(reading.token[row])} of piece {row} (voice {voice}, step {step}) "
                f"the log probability {log_prob[wrong]:g}: expected a finite number; it has diverged, was given broken weights, "
                "or rules out what can be chosen: train it anew, or let it give every token a share"
            )
        return int(count)

    def _said(self, logits: torch.Tensor) -> torch.Tensor:
        """What is noted down of each token, float32 (R, A): its log probability."""
        return logits.log_softmax(1)

    def _write_down(self, rows: np.ndarray, log_prob: np.ndarray) -> None:
        assert self.record is not None
        slot, factor = np.divmod(self._reading.at[rows], self._script.factors)
        step, voice = np.divmod(slot, self.spans.shape[1])
        self.record[0][rows, voice, step, factor] = log_prob
        self.record[1][rows, voice, step] = self._reading.span[rows]

    def _refuse(self, pieces: Pieces) -> None:
        row = int(np.argmax(self._reading.token == UNKNOWN))
        slot, factor = divmod(int(self._reading.at[row]), self._script.factors)
        step, voice = divmod(slot, self.spans.shape[1])
        pitch, lasts = int(pieces.pitch[row, voice, step]), int(self._reading.span[row])
        what = "a rest" if pitch < 0 else f"pitch {pitch}"
        what = f"{what} of {lasts} steps" if factor else what
        raise ValueError(
            f"model {self.model.name!r} doesn't know {what} (piece {row}, voice {voice}, step {step}): leave the piece out, "
            "transpose it, or choose a model of a wider range"
        )

    def _of(self, pieces: Pieces) -> Any:
        """Handles on pieces, script and reading."""
        if self._handles is None or pieces is not self._pieces:
            self._pieces, self._handles = pieces, (handle(pieces), handle(self._script), handle(self._reading))
        return self._handles

    def _handle_on_reading(self) -> Any:
        return handle(self._reading) if self._handles is None else self._handles[2]

    def _let_go(self) -> None:
        """Other arrays are held now, and the next to ask is the first."""
        self._pieces = self._handles = self._served = None


def readers(bound: BoundReward) -> Iterator[Reader]:
    """All models at work in an environment's reward, each once: `session.bound`, for agents that need their logits."""
    if isinstance(bound, Reader):
        yield bound
    for part in bound.parts:
        yield from readers(part)


def key_of(model: Model) -> Hashable:
    """What models have in common that say the same of everything, so that one reader does for all of them.

    That is class and fingerprint; of a model without tensors, which a fingerprint may say nothing of, it is the object.
    """
    return type(model), model.fingerprint if model.tensors() else id(model)


def check_fits(model: Model, task: Task) -> None:
    """Raises ValueError where a model can't read what is written in a task: other voices, another grid, a wider range."""
    own, alphabet, choice = model.task, model.alphabet, task.choice
    says = f"model {model.name!r}"
    if task.voices != own.voices:
        raise ValueError(f"{says} reads {own.voices} voices, the task has {task.voices}: choose a model or a task of as many")
    if choice is ANY_PITCH:  # what the model doesn't know is found as it is read
        return
    if task.steps_per_quarter != own.steps_per_quarter:
        raise ValueError(
            f"{says} reads {own.steps_per_quarter:g} steps a quarter, the task has {task.steps_per_quarter:g}: expected one grid"
        )
    if alphabet.kind == "step":
        low, high = int(task.choice.voice_ranges(task.voices)[:, 0].min()), int(task.choice.voice_ranges(task.voices)[:, 1].max())
        if low < alphabet.low or high > alphabet.high:
            raise ValueError(
                f"{says} knows the pitches {alphabet.low}..{alphabet.high}, the task's choices are {low}..{high}: "
                f"expected a range within the model's, as in range=({max(low, alphabet.low)}, {min(high, alphabet.high)})"
            )
        return
    if not isinstance(choice, NoteChoice):
        raise ValueError(f"{says} reads whole notes, the task's choice is {type(choice).__name__}: expected NoteChoice")
    for name in ("pitches", "durations"):
        if beyond := sorted(set(getattr(choice, name)) - set(getattr(alphabet, name))):
            raise ValueError(
                f"{says} doesn't know the {name} {beyond} of the task's NoteChoice: expected some of {getattr(alphabet, name)}"
            )


def _tensor(array: np.ndarray, device: torch.device) -> torch.Tensor:
    import torch

    return torch.from_numpy(array.copy()).to(device)
