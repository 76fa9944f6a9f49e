"""What models learn from: pieces by split, the keys they are moved to, the windows they are cut into."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicgym import ChordChoice, Note, NoteChoice, Score, StepChoice, Task, corpus
from musicgym.corpus import Corpus
from musicgym.models import material
from musicgym.models.leakage import leakage, untouched
from musicgym.models.material import Moves, Music
from musicgym.models.tokens import alphabet_of, encode
from musicgym.pieces import Excerpts
from musicgym.tasks.chorale import chorale

MELODY = Task(StepChoice(48, 83))
CHORALE = chorale(given=(), meter=None)


@pytest.fixture(scope="module")
def tunes() -> Corpus:
    return material.open_corpus("aird", MELODY)


@pytest.fixture(scope="module")
def music(tunes: Corpus) -> Music:
    return material.whole_pieces(tunes.split("valid"), MELODY)


def music_from(*lines: list[int], step: int = 4, key: str = "C major") -> Music:
    """Melodies of equally long notes."""
    scores = [Score.from_notes([[Note(i * step, step, pitch, 80) for i, pitch in enumerate(line)]], key=key) for line in lines]
    keys = np.array([[score.keys[0].tonic, score.keys[0].mode] for score in scores])
    return Music(Excerpts.from_scores(scores), np.arange(len(scores), dtype=np.int32), keys)


# Corpora


def test_a_folder_too_small_for_the_usual_split_is_divided_anew_and_one_of_two_melodies_refused(tmp_path):
    tunes = corpus.load("aird")
    task = Task(StepChoice(40, 95))
    for number, score in enumerate(list(tunes)[:25:5]):
        score.to_midi(tmp_path / f"{number}.mid")
    found = material.open_corpus(str(tmp_path), task)
    assert sorted(found.splits.tolist()) == [0, 0, 0, 1, 2]
    assert found.splits.tolist() == material.open_corpus(str(tmp_path), task).splits.tolist()
    for number in (2, 3, 4):
        (tmp_path / f"{number}.mid").unlink()
    with pytest.raises(ValueError, match="has 2 pieces of 2 melody families: expected 3 or more"):
        material.open_corpus(str(tmp_path), task)


def test_of_a_task_of_one_voice_a_chorale_gives_its_soprano():
    both = material.open_corpus("bach,aird", MELODY)
    assert set(both.voices.tolist()) == {1}
    chorales = corpus.load("bach")
    assert len(both) == len(chorales) + len(corpus.load("aird"))
    assert np.array_equal(both[0].pitch, chorales[0].pitch[:1])


def test_of_a_task_of_four_voices_tunes_are_left_out():
    assert len(material.open_corpus("bach,aird", CHORALE)) == len(corpus.load("bach"))


def test_a_corpus_without_pieces_of_so_many_voices_is_named():
    with pytest.raises(ValueError, match=r"corpus 'aird' is empty: none of its 1053 pieces .* has 4 voices"):
        material.open_corpus("aird", CHORALE)


def test_a_part_of_the_split_without_pieces_is_named():
    with pytest.raises(ValueError, match=r"corpus 'fux' is empty: .* none of them in the split 'train'"):
        material.part_of(corpus.load("fux"), "train")


def test_a_users_folder_is_read(tmp_path):
    for number in range(3):
        Score.from_notes([[Note(4 * i, 4, 60 + (i * number) % 7, 80) for i in range(20)]]).to_midi(tmp_path / f"{number}.mid")
    assert len(material.open_corpus(str(tmp_path), MELODY)) == 3


def test_an_unknown_corpus_is_told_with_the_nearest():
    with pytest.raises(ValueError, match="did you mean 'aird'"):
        material.open_corpus("aidr", MELODY)


def test_the_fingerprint_changes_with_the_pieces_and_not_with_their_order(tunes):
    assert material.fingerprint(tunes) == material.fingerprint(material.open_corpus("aird", MELODY))
    assert material.fingerprint(corpus.load("aird", "ryan")) == material.fingerprint(corpus.load("ryan", "aird"))
    assert material.fingerprint(tunes) != material.fingerprint(tunes.split("train"))


def test_a_task_of_beats_takes_what_sounds_at_them():
    task = chorale(given=(), steps_per_quarter=1, meter=None)
    found = material.whole_pieces(material.open_corpus("bach", task).split("valid"), task)
    assert set(found.excerpts.quarter.tolist()) == {1.0}
    assert found.excerpts.pitch.shape[1] == 4


# Keys


@given(
    lines=st.lists(st.lists(st.integers(40, 90), min_size=1, max_size=6), min_size=1, max_size=4),
    transpose=st.sampled_from(material.TRANSPOSE),
)
def test_a_move_that_fits_brings_every_note_into_the_range_and_one_that_does_not_could_not(lines, transpose):
    found = music_from(*lines)
    shift, fits = material.moves(found, MELODY, transpose)
    for line, shifts, those in zip(lines, shift, fits):
        for far, fit in zip(shifts.tolist(), those.tolist()):
            can = any(all(48 <= p + far + 12 * o <= 83 for p in line) for o in range(-8, 9))
            assert fit == can
            if fit:
                assert all(48 <= p + far <= 83 for p in line)


def test_all_keys_are_twelve_within_half_an_octave_where_the_range_is_wide():
    shift, fits = material.moves(music_from([60, 64, 67]), MELODY, "all")
    assert fits.all()
    assert sorted(shift[0].tolist()) == list(range(-6, 6))


@pytest.mark.parametrize(
    ("key", "pitch", "becomes"),
    [("D major", 62, 60), ("E minor", 64, 69), ("E dorian", 64, 62), ("A mixolydian", 69, 67), ("C major", 60, 60)],
)
def test_c_is_the_key_of_the_mode_that_has_neither_sharps_nor_flats(key, pitch, becomes):
    shift, _ = material.moves(music_from([pitch], key=key), MELODY, "C")
    assert (pitch + int(shift[0, 0]) - becomes) % 12 == 0
    assert -5 <= shift[0, 0] <= 6


def test_a_voice_of_its_own_range_decides_for_all():
    found = material.whole_pieces(material.open_corpus("bach", CHORALE).split("valid"), CHORALE)
    shift, fits = material.moves(found, CHORALE, "all")
    low, high = np.array(CHORALE.choice.ranges).T
    windows = material.in_all_keys(found, Moves(shift, fits))
    moved = material.music_of(found, windows).pitch
    assert ((moved < 0) | ((moved >= low[:, None]) & (moved <= high[:, None]))).all()
    assert fits[:, 6].all()  # as Bach wrote them
    assert 2 < fits.sum(axis=1).mean() < 10


def test_pieces_that_fit_in_no_key_are_an_error_where_none_is_left():
    found = music_from([20, 100])
    with pytest.raises(ValueError, match="none of the 1 pieces lies within the task's ranges in any key"):
        material.fitting(found, material.moves(found, MELODY, "all"))


def test_another_word_for_keys_is_refused():
    with pytest.raises(ValueError, match="transpose='some': expected one of 'all', 'C', 'none'"):
        material.moves(music_from([60]), MELODY, "some")


def test_as_written_is_every_piece_moved_as_little_as_the_range_asks(music):
    found = material.as_written(*material.fitting(music, material.moves(music, MELODY, "all")))
    sounds = music.excerpts.pitch >= 0
    low, high = (
        np.where(sounds, music.excerpts.pitch, 127).min(axis=(1, 2)),
        np.where(sounds, music.excerpts.pitch, 0).max(axis=(1, 2)),
    )
    assert (found.shift == np.maximum(48 - low.astype(int), 0) - np.maximum(high.astype(int) - 83, 0)).all()
    assert (found.stop == music.excerpts.length).all()


# Windows


@given(steps=st.integers(1, 200), seed=st.integers(0, 1000))
def test_windows_hold_every_step_once_and_begin_at_bar_lines(music, steps, seed):
    moves = material.moves(music, MELODY, "all")
    found = material.drawn(music, moves, steps, np.random.default_rng(seed))
    heard = [np.zeros(n, int) for n in music.excerpts.length]
    for piece, start, stop, shift in zip(*found):
        assert 0 < stop - start <= steps
        heard[piece][start:stop] += 1
        assert shift in moves.shift[piece][moves.fits[piece]]
        between = 2 * int(music.excerpts.bar[piece].max())  # a pickup within a piece has no bar line
        assert start == 0 or music.excerpts.position[piece, start] == 0 or steps < between
    assert all((times == 1).all() for times in heard)


def test_some_windows_of_pieces_begin_elsewhere_than_these(music):
    found = material.drawn(music, material.moves(music, MELODY, "none"), 10_000, np.random.default_rng(0))
    share = (found.start > 0).sum() / len(music.families)
    assert 0.3 < share < 0.7


def test_batches_hold_every_window_once(music):
    found = material.drawn(music, material.moves(music, MELODY, "all"), 64, np.random.default_rng(1))
    parts = material.batches(found, 7, np.random.default_rng(2))
    together = sorted(zip(*(np.concatenate([part[field] for part in parts]).tolist() for field in range(4))))
    assert together == sorted(zip(*(array.tolist() for array in found)))
    assert max(len(part.piece) for part in parts) == 7


def test_a_window_is_what_the_corpus_cuts_there(tunes, music):
    part = tunes.split("valid")
    where = part.windows(32)
    windows = material.Windows(where.piece, where.start, where.start + 32, np.full(len(where.piece), 3))
    cut, known = material.music_of(music, windows), part.excerpts(32)
    assert np.array_equal(cut.pitch, np.where(known.pitch >= 0, known.pitch + 3, known.pitch))
    first = where.start == 0  # excerpts also give an onset to a rest that was there before the piece
    for name in ("onset", "velocity", "position", "bar", "beat", "mode", "length", "quarter"):
        mine, theirs = getattr(cut, name), getattr(known, name)
        assert np.array_equal(mine[~first], theirs[~first]), name
    assert np.array_equal(cut.tonic, (known.tonic + 3) % 12)


def test_windows_of_all_lengths_are_written_in_tokens(music):
    found = material.drawn(music, material.moves(music, MELODY, "all"), 100, np.random.default_rng(3))
    tokens = encode(material.music_of(music, found), alphabet_of(MELODY), 1)
    assert (tokens.length == found.stop - found.start).all()


# Leakage


def test_the_parts_of_the_split_share_no_family_and_no_window(tunes):
    found = leakage(tunes.split("train"), tunes.split("test"))
    assert (found.families, found.windows, found.pieces) == (0, 0, 0)
    assert found.learned > 10_000


def test_a_transposed_copy_among_the_learned_is_found(tunes):
    part = tunes.split("test")
    copied = Corpus.from_scores([part[0].transpose(3), *tunes.split("train").filter(max_steps=100)])
    found = leakage(copied, part)
    assert found.windows > 0
    assert found.pieces >= 1
    keep = untouched(copied, part)
    assert not keep[0]
    assert keep.sum() == len(part) - found.pieces


def test_notes_chosen_whole_can_be_cut_too(music):
    task = Task(NoteChoice(), length=64)
    found = material.drawn(music, material.moves(music, task, "all"), 64, np.random.default_rng(3))
    assert material.music_of(music, found).pitch.shape[2] <= 64
    assert material.moves(music, Task(ChordChoice(((48, 83),))), "none").shift.shape == (len(music.families), 1)
