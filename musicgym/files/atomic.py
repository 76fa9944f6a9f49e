"""Files that are there whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def replace_file(path: str | Path) -> Iterator[Path]:
    """A temporary name beside `path` to write to; renamed to `path` at the end, removed if anything fails.

    The temporary file exists, is empty, and keeps `path`'s suffix.

    Raises:
        ValueError: the folder isn't there or can't be written to, or `path` is a folder.
        OSError: writing failed (a full disk).
    """
    path = Path(path)
    temporary = path.parent / f".{path.stem[:64]}.{secrets.token_hex(6)}{path.suffix}"
    try:
        os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
    except (OSError, ValueError) as error:
        raise ValueError(f"cannot write {str(path)!r}: {error}; choose a folder that exists and may be written to") from error
    try:
        yield temporary
        try:
            os.replace(temporary, path)
        except (IsADirectoryError, NotADirectoryError, PermissionError) as error:
            raise ValueError(f"cannot write {str(path)!r}: {error}; choose the name of a file") from error
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
