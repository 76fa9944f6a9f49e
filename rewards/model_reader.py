"""`Reader`: a sequence model that reads along while pieces are written, once a step however many rewards ask it."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from musicgym.choice import NoteChoice, StepChoice
from musicgym.handle import handle
from musicgym.pieces import Pieces
from musicgym.rewards.model_state import as_arrays, from_arrays, has_rows, put_rows
from musicgym.rewards.model_tokens import UNKNOWN, Next, find_edited, find_next, script_of
from musicgym.rewards.reward import BoundReward, State
from musicgym.task import Task
from musicgym.threads import over_rows

if TYPE_CHECKING:
    import torch

    from musicgym.models.sequence_model import SequenceModel

_READ = -1  # in the place of a pending token: the model has read all that stands there
_ANY_MUSIC = StepChoice(0, 127)  # the choice of those who read finished music
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
        sums: float64 (N, voices, factors): log p of all tokens that have been read in this piece, in nats.
        spans: int64 (N, voices): slots that these tokens fill.
        paid, paid_spans: what the last choice changed in these.
        record: where the value of each token goes, float64 (N, voices, steps, factors), and int64 (N, voices, steps) for the
            slots of its event; None.

    Raises:
        ValueError: the task's voices, grid or choices are not the model's.
    """

    terms = ()

    def __init__(self, model: SequenceModel, task: Task, rows: int) -> None:
        check_fits(model, task)
        self.model = model
        self.key: Hashable = model.fingerprint
        self._script = script_of(model.alphabet)
        # Of other choices than whole notes it isn't known how long a note will be when its first slot is written.
        self._lacks_notes = self._script.notes and not isinstance(task.choice, NoteChoice)
        self._strict = False
        self._next = Next.of(rows)
        self._pending = np.full(rows, model.alphabet.start)  # int64 (N,): the token to be read before the next, or _READ
        self._model_state: Any = model.start(rows)
        self._logits: torch.Tensor | None = None  # float32 (N, A)
        shape = rows, task.voices, self._script.factors
        self.sums, self.spans = np.zeros(shape), np.zeros(shape[:2], np.int64)
        self.paid, self.paid_spans = np.zeros(shape), np.zeros(shape[:2], np.int64)
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
    def logits(self) -> torch.Tensor:
        """float32 (N, A), on the model's device: of the next token of each piece as it stands, not normalised, not masked.

        The token is the next choice's, or its first: of `NoteChoice` the pitch, of `ChordChoice` the first voice's. Rows of
        finished pieces mean nothing. Known after `reset` and after each step; asking costs no more than the next step saves.
        """
        self._consult(self._next.place >= 0)
        if self._logits is None:
            raise RuntimeError("logits of pieces that are all finished: begin anew first, with reset")
        return self._logits

    # What a bound reward does

    def __call__(self, pieces: Pieces) -> np.ndarray:
        self.follow(pieces, self)
        return np.empty((0, len(self._pending)), np.float32)

    def reset(self, pieces: Pieces, mask: np.ndarray) -> None:
        grid = self.model.task.steps_per_quarter
        if (wrong := mask & (pieces.quarter != grid)).any():
            raise ValueError(
                f"model {self.model.name!r} reads {grid:g} steps a quarter, piece {int(wrong.argmax())} has "
                f"{pieces.quarter[wrong][0]:g}: expected music on the model's grid"
            )
        if self._lacks_notes and not self._strict:
            raise ValueError(f"model {self.model.name!r} reads whole notes: expected a task of NoteChoice with its durations")
        self._begin(mask)
        self._served = None
        self._read_on(pieces)

    def read(self) -> None:
        self._strict = True

    def take(self, rows: np.ndarray) -> None:
        import torch

        index = torch.from_numpy(np.asarray(rows, np.int64)).to(self.model.device)
        self._model_state = self._model_state.take(index)
        self._logits = None if self._logits is None else self._logits[index]
        self._next = Next(*(array[rows] for array in self._next))
        self._pending = self._pending[rows]
        for name in ("sums", "spans", "paid", "paid_spans"):
            setattr(self, name, getattr(self, name)[rows])
        self._let_go()

    def state(self) -> State:
        arrays = {name: getattr(self, name).copy() for name in ("sums", "spans", "paid", "paid_spans")}
        return {
            **arrays,
            "parts": [],
            "next": [array.copy() for array in self._next],
            "pending": self._pending.copy(),
            "logits": np.zeros((0, 0), np.float32) if self._logits is None else self._logits.cpu().numpy().copy(),
            "model": as_arrays(self._model_state, len(self._pending)),
        }

    def load_state(self, state: State) -> None:
        import torch

        for name in ("sums", "spans", "paid", "paid_spans"):
            setattr(self, name, state[name].copy())
        self._next = Next(*(array.copy() for array in state["next"]))
        self._pending = state["pending"].copy()
        logits = torch.from_numpy(state["logits"].copy()).to(self.model.device)
        self._logits = logits if len(logits) else None
        self._model_state = from_arrays(self.model.start(1), state["model"], len(self._pending), self.model.device)
        self._let_go()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_served": None, "_pieces": None, "_handles": None}

    # Reading

    def _advance(self, pieces: Pieces) -> None:
        sums, spans = self.sums.copy(), self.spans.copy()
        edited = np.zeros(len(self._pending), np.bool_)
        over_rows(find_edited, len(edited), self._of(pieces)[0], self._next.at, self._script.factors, edited)
        if edited.any():
            self._begin(edited)
        self._read_on(pieces)
        self.paid, self.paid_spans = self.sums - sums, self.spans - spans

    def _begin(self, mask: np.ndarray) -> None:
        """Nothing of these pieces has been read."""
        self._next.at[mask] = 0
        self._pending[mask] = self.model.alphabet.start
        self.sums[mask], self.spans[mask] = 0.0, 0

    def _read_on(self, pieces: Pieces) -> None:
        """Read every piece as far as it goes, token by token, as many pieces as there are at once."""
        handles, due = self._of(pieces), self._next
        while True:
            over_rows(find_next, len(self._pending), *handles, self._strict)
            if due.token.min() == UNKNOWN:
                self._refuse(pieces)
            reads = due.token >= 0
            count = int(reads.sum())
            if not count:
                return
            self._consult(reads)
            self._judge(None if count == len(reads) else np.flatnonzero(reads))
            np.copyto(self._pending, due.token, where=reads)
            due.at[:] += reads

    def _consult(self, wanted: np.ndarray) -> None:
        """Have the model read what is pending in these rows, bool (N,), so that it says what comes next."""
        import torch

        wanted = wanted & (self._pending != _READ)
        count = int(wanted.sum())
        if not count:
            return
        device, rows = self.model.device, len(wanted)
        if self._logits is None or len(self._logits) != rows:
            self._logits = torch.zeros((rows, self.model.alphabet.size), device=device)
        tokens = np.where(wanted, self._pending, 0)
        place = np.maximum(self._next.place, 0)
        with torch.no_grad():
            if count <= _MOST_OF * rows and has_rows(self._model_state, rows):
                few = np.flatnonzero(wanted)
                index = _tensor(few, device)
                part = self._model_state.take(index)
                said, part = self.model.step(_tensor(tokens[few], device), part, _tensor(place[few], device))
                self._model_state = put_rows(self._model_state, index, part)
                self._logits = self._logits.index_copy(0, index, said)
            else:
                active = None if count == rows else _tensor(wanted, device)
                said, self._model_state = self.model.step(
                    _tensor(tokens, device), self._model_state, _tensor(place, device), active
                )
                self._logits = said if active is None else torch.where(active[:, None], said, self._logits)
        self._pending[wanted] = _READ

    def _judge(self, rows: np.ndarray | None) -> None:
        """Add up how likely the next tokens of these rows are; None: of all."""
        assert self._logits is not None
        at = self._next.at if rows is None else self._next.at[rows]
        token = self._next.token if rows is None else self._next.token[rows]
        span = self._next.span if rows is None else self._next.span[rows]
        logits = self._logits if rows is None else self._logits[_tensor(rows, self._logits.device)]
        chosen = logits.gather(1, _tensor(token, logits.device)[:, None])[:, 0]
        log_prob = (chosen - logits.logsumexp(1)).cpu().numpy().astype(np.float64)
        rows = np.arange(len(token)) if rows is None else rows
        factors, voices = self._script.factors, self.spans.shape[1]
        slot, factor = at // factors, at % factors
        voice, step = slot % voices, slot // voices
        if not np.isfinite(log_prob).all():
            k = int(np.argmax(~np.isfinite(log_prob)))
            raise ValueError(
                f"model {self.model.name!r} gives token {int(token[k])} of piece {int(rows[k])} (voice {int(voice[k])}, step "
                f"{int(step[k])}) the log probability {log_prob[k]:g}: expected a finite number; it has diverged, or was given "
                "broken weights, or rules choices out that can be made: train it anew, or let it give every token a share"
            )
        begins = factor == 0
        self.sums[rows, voice, factor] += log_prob
        self.spans[rows, voice] += np.where(begins, span, 0)
        if self.record is not None:
            self.record[0][rows, voice, step, factor] = log_prob
            self.record[1][rows, voice, step] = span

    def _refuse(self, pieces: Pieces) -> None:
        row = int(np.argmax(self._next.token == UNKNOWN))
        slot, factor = divmod(int(self._next.at[row]), self._script.factors)
        step, voice = divmod(slot, self.spans.shape[1])
        pitch, lasts = int(pieces.pitch[row, voice, step]), int(self._next.span[row])
        what = "a rest" if pitch < 0 else f"pitch {pitch}"
        what = f"{what} of {lasts} steps" if factor else what
        raise ValueError(
            f"model {self.model.name!r} doesn't know {what} (piece {row}, voice {voice}, step {step}): leave the piece out, "
            "transpose it, or choose a model of a wider range"
        )

    def _of(self, pieces: Pieces) -> Any:
        if pieces is not self._pieces or self._handles is None:
            self._pieces, self._handles = pieces, (handle(pieces), handle(self._script), handle(self._next))
        return self._handles

    def _let_go(self) -> None:
        """Other arrays are held now, and the next to ask is the first."""
        self._pieces = self._handles = self._served = None


class BoundByModels(BoundReward):
    """A reward at work that asks models; it remembers nothing but what its readers do.

    Where several rewards of one environment have the same model, the first of them owns its reader.

    Attributes:
        readers: one for each model.
    """

    def __init__(self, readers: list[Reader]) -> None:
        self.readers = readers
        self.parts = tuple(readers)
        self.share({})

    def share(self, known: dict[Hashable, BoundReward]) -> None:
        found = []
        for own in self.readers:
            reader = known.setdefault(own.key, own)
            assert isinstance(reader, Reader)
            found.append(reader)
        self.parts = tuple(own for own in self.parts if own in found)
        self.readers = found

    @property
    def logits(self) -> torch.Tensor:
        """What the (first) model says of the next choice; see `Reader.logits`."""
        return self.readers[0].logits


def readers(bound: BoundReward) -> Iterator[Reader]:
    """All models at work in an environment's reward, each once: `session.bound`, for agents that need their logits."""
    if isinstance(bound, Reader):
        yield bound
    for part in bound.parts:
        yield from readers(part)


def check_fits(model: SequenceModel, task: Task) -> None:
    """Raises ValueError where a model can't read what is written in a task: other voices, another grid, a wider range."""
    own, alphabet, choice = model.task, model.alphabet, task.choice
    says = f"model {model.name!r}"
    if task.voices != own.voices:
        raise ValueError(f"{says} reads {own.voices} voices, the task has {task.voices}: choose a model or a task of as many")
    if choice == _ANY_MUSIC:  # what the model doesn't know is found as it is read
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
