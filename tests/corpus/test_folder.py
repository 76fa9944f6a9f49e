"""Users' own files as a corpus."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from musicgym import Note, Score
from musicgym.corpus import Corpus

TUNES = (
    "X:1\nT:First\nM:6/8\nL:1/8\nK:Edor\nE|GEE GAB|\n\nX:2\nT:Broken\nK:C\nz4\n\nX:3\nT:Third\nM:C\nL:1/8\nK:G\n(3GAB c2 d4|\n"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    score = Score.from_notes([[Note(i * 4, 4, 60 + i, 70 + i) for i in range(8)], [Note(0, 32, 48, 60)]], programs=(5, 32))
    (tmp_path / "sub").mkdir()
    score.to_midi(tmp_path / "a.mid")
    score.to_musicxml(tmp_path / "sub" / "b.musicxml")
    (tmp_path / "c.abc").write_text(TUNES)
    (tmp_path / "d.mid").write_bytes(b"MThd, but no more")
    (tmp_path / "e.mxl").write_bytes(b"no archive")
    (tmp_path / "readme.txt").write_text("no music")
    return tmp_path


def test_reads_midi_musicxml_and_abc_and_lists_what_it_cannot_read(folder: Path) -> None:
    mine = Corpus.from_folder(folder)
    assert mine.sources == ["a.mid", "c.abc#1", "c.abc#3", "sub/b.musicxml"]
    assert sorted(failure.path.name for failure in mine.failures) == ["c.abc", "d.mid", "e.mxl"]
    assert all(failure.reason for failure in mine.failures)
    assert "Broken" in next(f.reason for f in mine.failures if f.path.name == "c.abc")
    assert mine.voices.tolist() == [2, 1, 1, 2]
    assert mine.exact.tolist() == [True, True, False, True]


def test_pieces_are_what_the_files_readers_give(folder: Path) -> None:
    mine = Corpus.from_folder(folder)
    alone = Score.from_midi(folder / "a.mid")
    assert np.array_equal(mine[0].pitch, alone.pitch)
    assert np.array_equal(mine[0].onset, alone.onset)
    assert np.array_equal(mine[0].velocity, alone.velocity)
    assert np.array_equal(mine[0].position, alone.position)
    assert (mine[0].programs, mine[0].tempos, mine[0].meters) == (alone.programs, alone.tempos, alone.meters)
    assert mine[1].key == "E dorian"


def test_the_same_piece_in_two_formats_is_one_family(folder: Path) -> None:
    (folder / "f.mid").write_bytes((folder / "a.mid").read_bytes())
    long = Score.from_notes([[Note(i * 4, 4, 60 + (i * 7) % 12, 80) for i in range(24)]])
    long.to_midi(folder / "g.mid")
    long.transpose(3).to_musicxml(folder / "h.musicxml")
    mine = Corpus.from_folder(folder)
    at = [mine.sources.index(name) for name in ("g.mid", "h.musicxml")]
    assert len(set(mine.families[at].tolist())) == len(set(mine.splits[at].tolist())) == 1


def test_pieces_off_the_grid_can_be_left_out_or_held_by_a_finer_grid(folder: Path) -> None:
    assert Corpus.from_folder(folder, exact=True).left_out == 1
    assert Corpus.from_folder(folder, steps_per_quarter=12).exact.all()


def test_adding_a_file_leaves_the_others_split(folder: Path) -> None:
    before = dict(zip(Corpus.from_folder(folder).sources, Corpus.from_folder(folder).splits.tolist()))
    (folder / "0.abc").write_text("X:1\nK:D\nM:4/4\nDAdA FAdf aged cBAF|\n")
    after = dict(zip(Corpus.from_folder(folder).sources, Corpus.from_folder(folder).splits.tolist()))
    assert before.items() <= after.items()


def test_folders_without_music_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no music in .*\.mid"):
        Corpus.from_folder(tmp_path)
    with pytest.raises(ValueError, match="is no folder"):
        Corpus.from_folder(tmp_path / "nowhere")
    (tmp_path / "bad.mid").write_bytes(b"")
    with pytest.raises(ValueError, match=r"none of the 1 files"):
        Corpus.from_folder(tmp_path)


def test_scores_of_ones_own_are_a_corpus_too() -> None:
    score = Score.from_notes([[Note(0, 4, 60, 80), Note(4, 4, 62, 80)]])
    mine = Corpus.from_scores([score, score.transpose(2)], name="mine")
    assert (len(mine), mine.name) == (2, "mine")
    assert dataclasses.replace(mine[0], spelling=None) == score
    with pytest.raises(ValueError, match="one or more, all on one grid"):
        Corpus.from_scores([])
    with pytest.raises(ValueError, match="has blanks"):
        Corpus.from_scores([Score.blank(1, 8)])
