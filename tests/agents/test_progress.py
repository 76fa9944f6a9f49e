"""What one sees of training: a line for each agent, or bars that are redrawn."""

import io

from rich.console import Console

from musicgym.agents.progress import Display
from musicgym.agents.training import Progress


def progress(step, value=1.5):
    return Progress(step, 400, 1000.0, value, {"key": value / 2, "leap": value / 2}, {})


def shown(seeds, told, *, terminal):
    pages = io.StringIO()
    console = Console(file=pages, force_terminal=terminal, width=100)
    with Display(console, seeds).showing() as display:
        for seed, where in told:
            display(seed, where)
    return pages.getvalue()


def test_away_from_a_terminal_each_agent_has_lines_of_its_own_and_its_last_is_among_them():
    told = [(3, progress(100)), (4, progress(100)), (3, progress(200)), (4, progress(400)), (3, progress(400))]
    lines = shown([3, 4], told, terminal=False).splitlines()
    assert [line.split(" steps")[0] for line in lines] == [
        "seed 3: 100 of 400", "seed 4: 100 of 400", "seed 4: 400 of 400", "seed 3: 400 of 400",
    ]  # fmt: skip
    assert "return 1.5: key 0.8  leap 0.8" in lines[0]


def test_on_a_terminal_one_agent_has_its_terms_and_several_have_a_bar_each():
    alone = shown([3], [(3, progress(100)), (3, progress(400))], terminal=True)
    assert "seed 3" in alone
    assert "leap" in alone
    several = shown([3, 4], [(3, progress(100)), (4, progress(400))], terminal=True)
    assert "seed 3" in several
    assert "seed 4" in several
    assert "leap" not in several


def test_a_rollout_without_a_finished_piece_is_shown_too():
    for terminal in (False, True):
        page = shown([3], [(3, progress(100, float("nan")))], terminal=terminal)
        assert "no piece finished yet" in page
        assert "nan" not in page
    assert "nan" not in shown([3, 4], [(3, progress(100, float("nan")))], terminal=True)
