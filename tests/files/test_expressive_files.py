"""Durations and velocities that an agent chose, in a MIDI file that other libraries read."""

import mido
import music21
import numpy as np
import pretty_midi
import pytest

from musicgym import ComposeVectorEnv, Score

# What is asked for: bars and metre are the readers' to find, the grid is 4 steps a quarter unless said.
SETTINGS = {
    "as it comes": {},
    "slow and in three": {"meter": (3, 4), "tempo": 72.0},
    "with triplets": {"steps_per_quarter": 12},
    "in eighths": {"meter": (6, 8), "key": "E minor"},
}


def episodes(count, **fields):
    """Scores of random choices: every duration and velocity of the task, rests too."""
    env = ComposeVectorEnv("musicgym/ExpressiveMelody-v0", count, reward="smooth_velocity", autoreset_mode="next-step", **fields)
    env.action_space.seed(8)
    env.reset(seed=8)
    scores = {}
    while len(scores) < count:
        *_, ended, _, _ = env.step(env.action_space.sample())
        scores.update(
            (int(row), score) for row, score in zip(np.flatnonzero(ended), env.scores(np.flatnonzero(ended)), strict=True)
        )
    return [scores[row] for row in sorted(scores)]


@pytest.fixture(scope="module", params=SETTINGS)
def files(request, tmp_path_factory):
    """Scores, and the files that they were written to."""
    scores = episodes(3, **SETTINGS[request.param])
    folder = tmp_path_factory.mktemp("midi")
    for i, score in enumerate(scores):
        score.to_midi(folder / f"{i}.mid")
    return [(score, folder / f"{i}.mid") for i, score in enumerate(scores)]


def in_quarters(score):
    """(start, duration) in quarters, pitch and velocity of each note."""
    return [
        (n.start / score.steps_per_quarter, n.duration / score.steps_per_quarter, n.pitch, n.velocity) for n in score.notes(0)
    ]


def test_the_pieces_have_many_durations_and_velocities(files):
    for score, _ in files:
        assert len({note.duration for note in score.notes(0)}) > 3
        assert len({note.velocity for note in score.notes(0)}) > 3


def test_mido_reads_the_same_notes(files):
    for score, path in files:
        file = mido.MidiFile(path)
        found, sounding, now = [], {}, 0
        for message in mido.merge_tracks(file.tracks):
            now += message.time
            if message.type == "note_on" and message.velocity:
                sounding[message.note] = now, message.velocity
            elif message.type in ("note_on", "note_off"):
                begun, velocity = sounding.pop(message.note)
                found.append((begun / file.ticks_per_beat, (now - begun) / file.ticks_per_beat, message.note, velocity))
        assert [pytest.approx(note) for note in sorted(found)] == in_quarters(score)


def test_pretty_midi_reads_the_same_notes(files):
    for score, path in files:
        read = pretty_midi.PrettyMIDI(str(path))
        (instrument,) = [instrument for instrument in read.instruments if instrument.notes]
        quarter = 60 / score.tempo
        found = [(n.start / quarter, (n.end - n.start) / quarter, n.pitch, n.velocity) for n in instrument.notes]
        np.testing.assert_allclose(sorted(found), in_quarters(score), atol=1e-5)


def test_music21_reads_the_same_notes(files):
    for score, path in files:
        read = music21.converter.parse(path, forceSource=True, quantizePost=False).stripTies().flatten().notes
        found = [(float(n.offset), float(n.quarterLength), n.pitch.midi, n.volume.velocity) for n in read]
        np.testing.assert_allclose(found, in_quarters(score), atol=1e-3)


def test_this_library_reads_the_same_score(files):
    for score, path in files:
        assert Score.from_midi(path, steps_per_quarter=score.steps_per_quarter) == score
