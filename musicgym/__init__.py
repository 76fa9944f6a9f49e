"""musicgym: Gymnasium environments in which agents learn to compose."""

from pathlib import Path as _Path

__version__ = "0.1.0"

# In a checkout the folders rewards/, agents/ and benchmarks/ lie beside this one and are imported under this package's name.
_checkout = _Path(__file__).resolve().parent.parent
_pyproject = _checkout / "pyproject.toml"
if _pyproject.is_file() and 'name = "musicgym"' in _pyproject.read_text(encoding="utf-8"):
    __path__.append(str(_checkout))

from musicgym.score import BLANK, REST, Note, Score  # after __path__ is complete

__all__ = ["BLANK", "REST", "Note", "Score", "__version__"]
