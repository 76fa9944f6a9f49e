"""`musicgym corpus` as a user types it."""

import json

import pytest

from musicgym import Note, Score
from musicgym.commands import main


def test_list_counts_every_collection_and_names_its_rights(capsys):
    assert main(["corpus", "list"]) == 0
    out = capsys.readouterr().out
    assert "bach " in out
    assert "public domain" in out


def test_build_counts_what_list_counts_and_what_is_off_its_grid(capsys):
    assert main(["corpus", "list", "--json"]) == 0
    row = next(row for row in json.loads(capsys.readouterr().out) if row["name"] == "bach")
    assert main(["corpus", "build", "bach"]) == 0
    out = capsys.readouterr().out
    counts = f"{row['pieces']:,} on a grid of 4 steps a quarter, {row['left_out']:,} off the grid"
    assert f"bach: {row['pieces'] + row['left_out']:,} pieces ({counts})" in out


def test_list_as_json_holds_the_split(capsys):
    assert main(["corpus", "list", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert set(rows) == {"bach", "ryan", "oneill", "aird", "fux"}
    assert all(sum(row["split"].values()) == row["pieces"] for row in rows.values())


def test_show_prints_a_piece_of_a_users_folder_and_writes_it(tmp_path, capsys):
    Score.from_notes([[Note(0, 4, 60, 80), Note(4, 4, 62, 80)]]).to_midi(tmp_path / "tune.mid")
    copy = tmp_path / "copy.mid"
    assert main(["corpus", "show", str(tmp_path), "0", "--midi", str(copy)]) == 0
    assert "C4" in capsys.readouterr().out
    assert Score.from_midi(copy).notes(0)[1].pitch == 62


@pytest.mark.parametrize(
    ("words", "message"),
    [(["show", "bahc"], "did you mean 'bach'"), (["show", "bach", "9999"], "has the pieces 0..")],
)
def test_what_is_not_there_is_one_line_on_stderr(words, message, capsys):
    assert main(["corpus", *words]) == 2
    assert message in capsys.readouterr().err
