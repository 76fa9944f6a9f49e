"""Users' own files: which ones words mean, and the key of music that names none."""

import pytest

from musicgym import Note, Score, corpus
from musicgym.corpus.keys import heard_key
from musicgym.corpus.own_files import Place, in_key, places, scores
from musicgym.score import parse_key


@pytest.mark.parametrize(("collection", "share"), [("aird", 0.8), ("bach", 0.8)])
def test_the_key_heard_is_mostly_the_key_written(collection, share):
    found = corpus.load(collection)
    chosen = range(0, len(found), len(found) // 60)
    right = [heard_key(in_key(found[i], 0, 0))[0] == int(found.home_keys[i, 0]) for i in chosen]
    assert sum(right) / len(right) >= share


@pytest.mark.parametrize("key", ["C major", "A minor", "F# minor", "Eb major"])
def test_a_scale_is_heard_in_its_key_whatever_is_written(key):
    tonic, mode = parse_key(key)
    degrees = (0, 2, 4, 5, 7, 9, 11, 12, 7, 4, 0) if mode == 0 else (0, 2, 3, 5, 7, 8, 11, 12, 7, 3, 0)
    score = Score.from_notes([[Note(4 * i, 4, 60 + tonic + d, 80) for i, d in enumerate(degrees)]], key="B major")
    assert heard_key(score) == (tonic, mode)


def test_music_without_notes_is_heard_in_c_major():
    assert heard_key(Score.from_notes([[]], steps=16)) == (0, 0)


def test_a_file_whose_name_has_signs_of_wildcards_is_itself(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("take[1].mid", "take1.mid", "a#3.abc", "b.abc"):
        (tmp_path / name).touch()
    assert [str(place) for place in places(["take[1].mid", "a#3.abc", "b.abc#3", "gone#3.mid"])] == [
        *("take[1].mid", "a#3.abc", "b.abc#3", "gone#3.mid")
    ]
    assert places(["b.abc#3"])[0].number == "3"
    assert [str(place) for place in places(["take?.mid"])] == ["take1.mid"]


def test_a_number_that_no_tune_has_is_said(tmp_path):
    (tmp_path / "book.abc").write_text("X:1\nK:C\nCDE|\n\nX:2\nK:C\nEDC|\n")
    (found,) = scores(Place(tmp_path / "book.abc", "9"))
    assert "no tune has the number '9'; it has 1..2" in found.reason


def test_a_broken_tune_of_a_book_leaves_the_others(tmp_path):
    (tmp_path / "book.abc").write_text("X:1\nM:4/4\nK:C\nz4|\n\nX:2\nK:C\nEDC|\n")
    bad, good = scores(Place(tmp_path / "book.abc"))
    assert bad.score is None
    assert "no notes" in bad.reason
    assert [n.pitch for n in good.score.notes(0)] == [64, 62, 60]
