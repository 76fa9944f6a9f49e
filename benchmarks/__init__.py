"""Everything that measures."""

if not __name__.startswith("musicgym."):
    raise ImportError(f"import musicgym.benchmarks, not {__name__}: the folder benchmarks/ is installed under musicgym")
