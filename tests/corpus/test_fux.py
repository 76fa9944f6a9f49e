"""Fux's exercises: what the files hold, and that they disturb no other collection."""

import numpy as np
import pytest

from musicgym import corpus
from musicgym.corpus.fux import exercises
from musicgym.score import SCALES, parse_key

# As the edition has them, an octave for each.
CANTUS = {
    "D dorian": "D4 F4 E4 D4 G4 F4 A4 G4 F4 E4 D4",
    "E phrygian": "E4 C4 D4 C4 A3 A4 G4 E4 F4 E4",
    "F lydian": "F3 G3 A3 F3 D3 E3 F3 C4 A3 F3 G3 F3",
    "G mixolydian": "G3 C4 B3 G3 C4 E4 D4 G4 E4 C4 D4 B3 A3 G3",
    "A minor": "A3 C4 B3 D4 C4 E4 F4 E4 D4 C4 B3 A3",
}
PER_BAR = {1: 1, 2: 2, 3: 4, 4: 2, 5: 8}  # steps of each species' grid


def midi(name):
    return 12 * (int(name[1]) + 1) + "C D EF G A B".index(name[0])


def test_there_are_26_of_which_ten_in_the_first_species_and_four_in_each_other():
    assert [len(exercises(species)) for species in range(1, 6)] == [10, 4, 4, 4, 4]
    assert [e.figure for e in exercises()] == [str(e.figure) for species in range(1, 6) for e in exercises(species)]


@pytest.mark.parametrize("exercise", exercises(), ids=lambda e: f"figure {e.figure}")
def test_an_exercise_is_what_its_file_says(exercise):
    score, cantus = exercise.score, exercise.cantus
    assert (score.voices, score.meter, score.steps_per_quarter, score.key) == (2, (2, 2), 4, exercise.mode)
    notes = cantus.notes(0)
    expected = [midi(name) for name in CANTUS[exercise.mode].split()]
    assert {note.duration for note in notes} == {16}
    assert [note.start for note in notes] == list(range(0, 16 * len(expected), 16))
    assert {note.pitch - pitch for note, pitch in zip(notes, expected, strict=True)} <= {0}
    grid = 16 // PER_BAR[exercise.species]
    added = score.notes(1 - exercise.cantus_voice)
    assert all(note.start % grid == 0 and note.duration % grid == 0 for note in added)
    assert len({note.start % 16 // grid for note in added}) > 1 or exercise.species == 1
    tonic, mode = parse_key(exercise.mode)
    outside = {(n.pitch - tonic) % 12 for n in added} - set(SCALES[mode])
    assert outside <= {(pitch - tonic) % 12 for pitch in (1, 6, 8, 10)}  # C, F and G sharp, and B flat


def test_figure_5_is_as_in_the_edition():
    score = exercises(1)[0].score
    line = "A4 A4 G4 A4 B4 C5 C5 B4 D5"
    assert [note.pitch for note in score.notes(0)] == [*map(midi, line.split()), 73, 74]
    assert score.spelling[0, 16 * 9] == 7  # C sharp, not D flat


def test_an_unknown_species_is_refused():
    with pytest.raises(ValueError, match="species=6: expected 1, 2, 3, 4 or 5"):
        exercises(6)


def test_all_of_fux_is_for_testing_and_has_families_of_its_own():
    fux = corpus.load("fux")
    assert len(fux) == len(fux.split("test")) == 26
    assert len(np.unique(fux.families)) == 5
    both = corpus.load("fux", "bach")
    assert not set(fux.families) & set(corpus.load("bach").families)
    assert len(both) == 26 + len(corpus.load("bach"))
    assert "CC0" in fux.rights
    assert "Mark Gotham" in fux.rights


def test_files_come_with_the_package_in_coarser_grids_too():
    assert len(corpus.load("fux", steps_per_quarter=1)) == 26 - 4
    assert corpus.material("fux/test", voices=2, steps=None, steps_per_quarter=0.25, meter=(2, 2)).length.tolist() == [
        len(CANTUS[e.mode].split()) for e in exercises(1)
    ]
