"""Files that are there whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def replace_file(path: str | Path) -> Iterator[Path]:
    """A temporary name beside `path` to write to; renamed to `path` at the end, removed if anything fails.

    The temporary file exists, is empty, and keeps `path`'s suffix.

    Raises:
        ValueError: the folder isn't there or can't be written to.
        OSError: writing failed (a full disk).
    """
    path = Path(path)
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.stem[:64]}.", suffix=path.suffix, dir=path.parent)
    except (OSError, ValueError) as error:
        raise ValueError(f"cannot write {str(path)!r}: {error}; choose a folder that exists and may be written to") from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        os.chmod(temporary, 0o666 & ~_umask())  # mkstemp's files are for their owner only
        os.replace(temporary, path)
    except IsADirectoryError as error:
        raise ValueError(f"cannot write {str(path)!r}: it is a folder") from error
    finally:
        temporary.unlink(missing_ok=True)


def _umask() -> int:
    """The process's file mask, which can only be read by setting it."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
