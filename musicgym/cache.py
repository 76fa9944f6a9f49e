"""Where musicgym keeps what it builds and can build again."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def cache_folder() -> Path:
    """The user's cache folder for musicgym; the environment variable MUSICGYM_CACHE overrides it."""
    return Path(os.environ.get("MUSICGYM_CACHE") or platformdirs.user_cache_dir("musicgym"))
