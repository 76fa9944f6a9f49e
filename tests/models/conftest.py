"""Little music, so that what learns from it learns in seconds."""

import numpy as np
import pytest

from musicgym import StepChoice, Task
from musicgym.models import material
from musicgym.models.material import Moves, Music, Windows

MELODY = Task(StepChoice(48, 83))


@pytest.fixture(scope="session")
def little() -> tuple[tuple[Music, Moves], tuple[Music, Windows]]:
    """Forty tunes to learn from, ten held out."""
    corpus = material.open_corpus("aird", MELODY)
    parts = []
    for split, count in (("train", 40), ("valid", 10)):
        found = material.whole_pieces(corpus.split(split).filter(max_steps=128), MELODY)
        rows = np.arange(count)
        music = Music(found.excerpts.take(rows), found.families[rows], found.keys[rows])
        parts.append(material.fitting(music, material.moves(music, MELODY, "all")))
    learned, held_out = parts
    return learned, (held_out[0], material.as_written(*held_out))
