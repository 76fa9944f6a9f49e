"""musicgym: Gymnasium environments in which agents learn to compose."""

from importlib import import_module as _import_module
from pathlib import Path as _Path
from typing import TYPE_CHECKING

if __name__ != "musicgym":
    raise ImportError(f"import musicgym, not {__name__}")

__version__ = "0.1.0"

# In a checkout the folders rewards/, agents/ and benchmarks/ lie beside this one and are imported under this package's name.
_checkout = _Path(__file__).resolve().parent.parent
_pyproject = _checkout / "pyproject.toml"
if _pyproject.is_file() and 'name = "musicgym"' in _pyproject.read_text(encoding="utf-8"):
    __path__.append(str(_checkout))

from musicgym.registration import register, task_ids  # noqa: E402  # once __path__ is complete

_import_module("musicgym.tasks")  # registers them with Gymnasium

# Public names and the modules they come from, imported when first asked for: `import musicgym` stays quick.
_HOME = {
    "BLANK": "musicgym.score",
    "REST": "musicgym.score",
    "ChordChoice": "musicgym.choice",
    "ComposeEnv": "musicgym.env",
    "ComposeVectorEnv": "musicgym.vector_env",
    "Note": "musicgym.score",
    "NoteChoice": "musicgym.choice",
    "Performance": "musicgym.performing",
    "Score": "musicgym.score",
    "StepChoice": "musicgym.choice",
    "SymbolChoice": "musicgym.choice",
    "Task": "musicgym.task",
    "perform": "musicgym.performing",
    "set_threads": "musicgym.threads",
}

if TYPE_CHECKING:
    from musicgym.choice import ChordChoice, NoteChoice, StepChoice, SymbolChoice
    from musicgym.env import ComposeEnv
    from musicgym.performing import Performance, perform
    from musicgym.score import BLANK, REST, Note, Score
    from musicgym.task import Task
    from musicgym.threads import set_threads
    from musicgym.vector_env import ComposeVectorEnv

__all__ = [
    "BLANK",
    "REST",
    "ChordChoice",
    "ComposeEnv",
    "ComposeVectorEnv",
    "Note",
    "NoteChoice",
    "Performance",
    "Score",
    "StepChoice",
    "SymbolChoice",
    "Task",
    "__version__",
    "perform",
    "register",
    "set_threads",
    "task_ids",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'musicgym' has no attribute {name!r}")
    value: object = getattr(_import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
