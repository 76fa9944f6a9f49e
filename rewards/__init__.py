"""Every reward function."""

if not __name__.startswith("musicgym."):
    raise ImportError(f"import musicgym.rewards, not {__name__}: the folder rewards/ is installed under musicgym")
