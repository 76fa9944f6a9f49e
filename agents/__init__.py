"""Everything that chooses notes."""

if not __name__.startswith("musicgym."):
    raise ImportError(f"import musicgym.agents, not {__name__}: the folder agents/ is installed under musicgym")
