"""What is seen of a training."""

import io
import math

import pytest

from musicgym.models import progress
from musicgym.models.training import Progress


def at(update, best=math.inf):
    return Progress(update, 50, 0, 1.5, 2000.0, 1e-3, best, None, None)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_without_a_terminal_there_is_a_line_now_and_then_and_one_at_the_end():
    out = io.StringIO()
    with progress.showing("tunes", out) as watch:
        for update in range(1, 51):
            watch(at(update, 1.25))
    lines = out.getvalue().splitlines()
    assert lines[0] == "tunes: 1 of 50 updates, 1.500 nats a token, best 1.250 held out, 2,000 tokens/s"
    assert lines[-1].startswith("tunes: 50 of 50 updates")
    assert len(lines) < 5


@pytest.mark.parametrize("first", [1, 31])
def test_on_a_terminal_there_is_a_bar_also_where_training_goes_on(first):
    out = Terminal()
    with progress.showing("tunes", out) as watch:
        for update in range(first, 51):
            watch(at(update))
    assert "50/50" in out.getvalue()
    assert "held out" not in out.getvalue()
