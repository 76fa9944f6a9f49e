"""`statistics` against histograms counted note by note, and the law of the sum in every order of filling."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from musicgym import Score, Task
from musicgym.pieces import Excerpts
from musicgym.rewards import AtEnd, Statistics, parse
from musicgym.rewards.statistics import TERMS, statistics
from musicgym.testing.music import TASKS, random_score
from musicgym.testing.reward import check_reward

TUNES = [random_score(np.random.default_rng(seed), 1, 400) for seed in range(8)]


def counted(score: Score) -> tuple[Counter[object], Counter[object], Counter[object]]:
    """Slots by degree or rest, by interval, and by what lasts how many twelfths of a quarter."""
    pitches: Counter[object] = Counter()
    intervals: Counter[object] = Counter()
    durations: Counter[object] = Counter()
    for voice in range(score.voices):
        last = None
        begun = [step for step in range(score.steps) if step == 0 or score.onset[voice, step]]
        for start, end in zip(begun, [*begun[1:], score.steps]):
            lasts, pitch = end - start, int(score.pitch[voice, start])
            units = min(round(lasts * 12 / score.steps_per_quarter), 96)
            degree: object = "rest"
            leap: object = None
            if pitch >= 0:
                degree = (pitch - int(score.tonic[start])) % 12
                leap = None if last is None else max(-13, min(13, pitch - last))
                last = pitch
            pitches[degree] += lasts
            intervals[leap] += lasts
            durations[degree == "rest", units] += lasts
    return pitches, intervals, durations


def distance(own: Counter[object], other: Counter[object]) -> float:
    """Total variation."""
    a, b = sum(own.values()), sum(other.values())
    return sum(abs(own[key] / a - other[key] / b) for key in {*own, *other}) / 2


@limits(max_examples=25)
@given(seed=st.integers(0, 2**20), voices=st.integers(1, 3), steps=st.integers(1, 40))
def test_a_piece_is_worth_minus_its_distance_from_the_music_of_its_mode(seed: int, voices: int, steps: int) -> None:
    score = random_score(np.random.default_rng(seed), voices, steps)
    alike = [tune for tune in TUNES if tune.mode[0] == score.mode[0]]
    assert alike
    corpus = [sum((counted(tune)[k] for tune in alike), Counter()) for k in range(3)]
    found = Statistics(TUNES).score([score])
    for name, own, other in zip(TERMS, counted(score), corpus, strict=True):
        assert found[name][0] == pytest.approx(-distance(own, other), abs=1e-5), name


@pytest.mark.parametrize("page", TASKS)
def test_the_checker_of_rewards_has_nothing_to_say_in_any_order_of_filling(page: str) -> None:
    check_reward(Statistics(TUNES) - 0.5 * AtEnd(Statistics(TUNES[:3])), TASKS[page], pieces=2)


def test_music_of_any_number_of_voices_counts_voice_by_voice() -> None:
    three, one = random_score(np.random.default_rng(1), 3, 100), random_score(np.random.default_rng(2), 1, 60)
    page = Excerpts.from_scores([three])
    slots = ("pitch", "onset", "velocity")
    apart = page.take(np.zeros(3, np.int64))._replace(**{name: getattr(page, name).transpose(1, 0, 2) for name in slots})
    assert Statistics(apart).fingerprint == Statistics([three]).fingerprint
    assert Statistics([one, three]).fingerprint == Statistics([three, one]).fingerprint != Statistics([three]).fingerprint


def test_nothing_is_gained_by_writing_nothing_or_one_note() -> None:
    reward = Statistics(TUNES)
    music = random_score(np.random.default_rng(77), 1, 400)
    idle = Score.from_notes([[]], steps=64)
    held = Score.from_notes([[(0, 64, 60, 80)]])
    worth = [sum(float(row[0]) for row in reward.score([score]).values()) for score in (music, idle, held)]
    assert worth[0] > -1 > max(worth[1:])


def test_a_piece_exactly_like_the_music_is_worth_nothing_and_not_more() -> None:
    music = [random_score(np.random.default_rng(seed), 1, 37) for seed in range(30)]
    for score in music:
        for marks in (found := Statistics([score]).score([score, *music])).values():
            assert -1 <= marks.min() <= marks.max() <= 0
        assert [float(found[name][0]) for name in TERMS] == [0, 0, 0]


def test_a_corpus_is_known_by_its_name() -> None:
    made = parse("0.5*statistics(corpus='fux')")
    assert made.fingerprint == (0.5 * statistics("fux")).fingerprint != (0.5 * statistics("fux", voice=0)).fingerprint
    for text, reason in {
        "statistics(corpus='nosuch')": "no corpus is called 'nosuch'",
        "statistics(corpus='fux/nosuch')": "expected one of 'train', 'valid', 'test'",
        "statistics(corpus='fux', voice=0.5)": "expected a voice, counted from 0",
        "statistics(corpus='fux', voice=1e999)": r"voice=inf\): expected a voice, counted from 0",
        "statistics(corpus='fux', voice='high')": r"voice='high'\): expected a voice, counted from 0",
        "statistics(corpus='fux', voice=7)": r"voice\(7\): a piece has 2 voices: expected one within 0\.\.1",
        "statistics(corpus=3)": r"corpus=3\): expected names in quotes",
    }.items():
        with pytest.raises(ValueError, match=reason):
            parse(text)


def test_what_holds_no_music_is_refused() -> None:
    rests = Score.from_notes([[]], steps=8)
    for nothing in (Excerpts.blank(2, 1, 8), Excerpts.from_scores([rests, rests]), [rests, rests]):
        with pytest.raises(ValueError, match="statistics of 2 pieces without a note"):
            Statistics(nothing)
    with pytest.raises(TypeError, match="expected a list of musicgym"):
        Statistics(["tune.mid"])  # type: ignore[list-item]


def test_steps_longer_than_a_quarter_last_as_long_as_they_sound() -> None:
    task = Task(length=4, steps_per_quarter=0.5)
    check_reward(Statistics(TUNES), task, pieces=2)
