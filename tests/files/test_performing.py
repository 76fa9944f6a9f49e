"""`perform`: what playing changes, and the files of a performance as other libraries read them."""

import dataclasses
import wave
from pathlib import Path

import numpy as np
import pretty_midi
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicgym import Note, Score, perform
from musicgym.score import TempoChange
from musicgym.testing.music import random_score

STEPS = [60, 62, 64, 65, 67, 65, 64, 62]  # no leaps and no repetitions
NAMES = ("onset", "duration", "pitch", "velocity", "voice", "program")


def line(pitches, velocity=80, length=4, **score):
    """Quarters unless said, one after another, at 120 a minute: half a second each."""
    return Score.from_notes([[Note(i * length, length, p, velocity) for i, p in enumerate(pitches)]], **score)


def test_with_amount_0_it_plays_what_is_written():
    score = Score.from_notes([[Note(0, 4, 60, 80), Note(4, 2, 60, 80)], [Note(2, 8, 48, 80)]], tempo=60, programs=(0, 42))
    played = perform(score, amount=0)
    assert played.onset.tolist() == [0, 0.5, 1]
    assert played.duration.tolist() == [1, 2, 0.5]
    assert [getattr(played, name).tolist() for name in NAMES[2:]] == [[60, 48, 60], [80] * 3, [0, 1, 0], [0, 42, 0]]
    assert played.seconds == 2.5


def test_phrases_begin_and_end_slower_than_they_go_on():
    between = np.diff(perform(line(STEPS * 5)).onset)  # two phrases of 16 quarters, and half of one
    for first in (0, 16):
        phrase = between[first : first + 16]
        assert phrase.argmin() == pytest.approx(4.5, abs=1)  # 0.3 of the phrase
        assert phrase[0] > 1.04 * phrase.min()
        assert phrase[15] > 1.1 * phrase.min()
        assert phrase.min() == pytest.approx(0.5, rel=0.01)


def test_phrase_marks_say_where_phrases_end():
    score = line(STEPS * 4)
    marked = dataclasses.replace(score, phrase_end=np.arange(score.steps) % 32 >= 28)
    between = np.diff(perform(marked).onset)
    assert between[7] > 1.1 * between[2]
    assert between[7] > 1.05 * np.diff(perform(score).onset)[7]


def test_the_piece_ends_with_a_ritard_and_a_longer_last_note():
    for tempo in (80, 120):
        between = np.diff(perform(line(STEPS * 3, tempo=tempo)).onset) * tempo / 60
        assert between[-1] > 1.4 > between[-6]
        assert (np.diff(between[-4:]) > 0).all()
    played = perform(line([60] * 3))
    assert played.duration[-1] >= 1.25 * 0.5


def test_repeated_notes_leaps_and_phrases_are_set_apart_and_steps_are_not():
    played = perform(line([60, 60, 62, 71, 72] + STEPS * 2))
    silence = played.onset[1:] - played.onset[:-1] - played.duration[:-1]
    assert silence[0] == pytest.approx(0.035)
    assert 0.02 < silence[2] < 0.05  # a leap of nine semitones after half a second
    assert silence[[1, 3]] == pytest.approx([0, 0], abs=1e-9)
    assert silence[15] == pytest.approx(0.08)  # the seventeenth quarter begins a phrase


def test_even_the_shortest_notes_sound():
    played = perform(line([60, 60, 72, 60] * 16, length=1, tempo=400), amount=3)
    assert (played.duration > 0.009).all()


def test_a_score_of_one_velocity_gets_dynamics():
    rising = perform(line(range(48, 80), length=8))
    assert np.corrcoef(rising.pitch, rising.velocity)[0, 1] > 0.8
    level = perform(line([60] * 64)).velocity
    assert level[::4].mean() > level[2::4].mean() > level[1::2].mean()  # bar lines, middles, other beats
    assert level[20] > level[16] - 1  # bar lines: the second bar of a phrase and its first
    assert level[20] > level[28]
    assert set(perform(line([60] * 64), amount=0).velocity) == {80}
    assert perform(line(range(40, 100), velocity=120), amount=3).velocity.max() == 127


def test_a_score_of_several_velocities_keeps_them():
    score = Score.from_notes([[Note(i * 4, 4, 60 + i, 40 + 3 * i) for i in range(20)]])
    assert perform(score).velocity.tolist() == [40 + 3 * i for i in range(20)]


def by_voice(played):
    return [played.velocity[played.voice == voice].tolist() for voice in range(len(played.programs))]


def test_voices_at_two_constant_levels_both_get_dynamics_around_their_own():
    loud, soft = [Note(i * 4, 4, 60, 96) for i in range(32)], [Note(i * 4, 4, 60, 56) for i in range(32)]
    high, low = by_voice(perform(Score.from_notes([loud, soft])))
    alone = by_voice(perform(Score.from_notes([loud])))[0]
    assert (np.subtract(high, alone) == 4).all()  # the highest voice leads, by a decibel
    assert len(set(low)) > 3
    assert (np.subtract(high, low) == 44).all()


def test_a_voice_of_one_velocity_gets_dynamics_beside_one_of_several():
    level, own = [Note(i * 4, 4, 60, 80) for i in range(32)], [Note(i * 4, 4, 48, 40 + i) for i in range(32)]
    shaped, kept = by_voice(perform(Score.from_notes([level, own])))
    assert len(set(shaped)) > 3
    assert kept == [40 + i for i in range(32)]


def test_dynamics_can_be_asked_for_and_refused():
    level, own = line([60] * 32), Score.from_notes([[Note(i * 4, 4, 60, 40 + i) for i in range(32)]])
    assert set(perform(level, dynamics=False).velocity) == {80}
    np.testing.assert_array_equal(perform(level, dynamics=True).velocity, perform(level).velocity)
    added = perform(own, dynamics=True).velocity - perform(own).velocity
    np.testing.assert_array_equal(added, perform(level).velocity - 80)


@given(st.integers(0, 1000), st.sampled_from([0.0, 0.5, 1.0, 3.0]), st.sampled_from([None, 5]))
def test_notes_stay_in_order_do_not_overlap_and_voices_stay_together(seed, amount, chance):
    score = random_score(np.random.default_rng(seed), 3, 40)
    played = perform(score, amount=amount, seed=chance)
    assert (np.diff(played.onset) >= 0).all()
    assert (played.velocity >= 1).all()
    assert (played.velocity <= 127).all()
    begun = {}
    for voice in range(3):
        mine = played.voice == voice
        notes = score.notes(voice)
        assert played.pitch[mine].tolist() == [note.pitch for note in notes]
        onset = played.onset[mine]
        assert (played.duration[mine] > 0).all()
        assert (onset[1:] >= (onset + played.duration[mine])[:-1] - 0.011).all()
        if chance is None:
            for note, time in zip(notes, onset, strict=True):
                assert begun.setdefault(note.start, time) == time
    assert (played.onset + played.duration <= played.seconds + 0.03).all()


def test_the_same_seed_plays_the_same_and_others_otherwise():
    score = line(STEPS * 4)
    plays = [perform(score, seed=seed) for seed in (1, 1, 2)] + [perform(score), perform(score)]
    for name in NAMES:
        np.testing.assert_array_equal(getattr(plays[0], name), getattr(plays[1], name))
        np.testing.assert_array_equal(getattr(plays[3], name), getattr(plays[4], name))
    assert not np.array_equal(plays[0].onset, plays[2].onset)
    assert np.abs(plays[0].onset - plays[3].onset).max() < 0.02


def test_a_midi_file_holds_the_performance(tmp_path):
    score = Score.from_notes([[Note(i * 4, 4, p, 80) for i, p in enumerate(STEPS)], [Note(0, 32, 48, 80)]], programs=(40, 42))
    played = perform(dataclasses.replace(score, title="An air", names=("violin", "")))
    played.to_midi(tmp_path / "air.mid")
    read = pretty_midi.PrettyMIDI(str(tmp_path / "air.mid"))
    assert [(i.program, i.name) for i in read.instruments] == [(40, "violin"), (42, "")]
    for voice, instrument in enumerate(read.instruments):
        mine = played.voice == voice
        found = sorted((n.start, n.end, n.pitch, n.velocity) for n in instrument.notes)
        ends = played.onset + played.duration
        expected = np.stack([played.onset, ends, played.pitch, played.velocity], axis=1)[mine]
        np.testing.assert_allclose(found, expected, atol=0.0003)


def test_a_wav_file_sounds_as_long_as_the_performance(tmp_path):
    played = perform(line(STEPS))
    played.to_wav(tmp_path / "air.wav", sample_rate=8000, stereo=False)
    with wave.open(str(tmp_path / "air.wav")) as file:
        sound = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        assert file.getnframes() / 8000 == pytest.approx(played.seconds + 0.3, abs=0.001)
    for start, duration in zip(played.onset, played.duration, strict=True):
        assert np.abs(sound[int(start * 8000) :][: int(duration * 8000)].astype(int)).max() > 3000
    with pytest.raises(ValueError, match="sample_rate=7"):
        played.to_wav(tmp_path / "air.wav", sample_rate=7)


def test_silence_and_empty_scores_are_performed(tmp_path):
    for score in (Score.from_notes([[]], steps=8), Score.from_notes([[], [Note(0, 2, 60, 80)]], steps=8)):
        played = perform(score, seed=1)
        assert len(played.onset) == len(score.notes(score.voices - 1))
        played.to_midi(tmp_path / "silence.mid")
        played.to_wav(tmp_path / "silence.wav", sample_rate=8000)


@given(st.integers(0, 1000), st.integers(0, 100), st.sampled_from([0.5, 1.0, 3.0]), st.sampled_from([60.0, 240.0, 600.0]))
def test_chance_keeps_the_notes_of_a_fast_run_apart_and_within_the_piece(music, chance, amount, tempo):
    score = dataclasses.replace(random_score(np.random.default_rng(music), 2, 24), tempos=(TempoChange(0, tempo),))
    played = perform(score, amount=amount, seed=chance)
    for voice in range(2):
        onset, duration = played.onset[played.voice == voice], played.duration[played.voice == voice]
        assert (np.diff(onset) > 0).all()
        assert (duration > 0).all()
        assert (onset[1:] >= (onset + duration)[:-1] - 1e-9).all()
        assert (onset + duration <= played.seconds + 1e-9).all()


@pytest.mark.parametrize("seed", [-1, 1.5, True, "x"])
def test_a_seed_that_is_no_whole_number_is_named(seed):
    with pytest.raises(ValueError, match=r"perform\(seed=.*expected a whole number, 0 or more"):
        perform(line(STEPS), seed=seed)


@pytest.mark.parametrize("amount", [-1, 3.5, float("nan"), "much", True])
def test_an_amount_out_of_range_is_named(amount):
    with pytest.raises(ValueError, match=r"perform\(amount=.*expected a number within 0..3"):
        perform(line(STEPS), amount=amount)


def test_blank_slots_are_refused():
    with pytest.raises(ValueError, match="8 blank slots: fill them"):
        perform(Score.blank(1, 8))


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(ValueError, match="no-such-folder"):
        perform(line(STEPS)).to_midi(tmp_path / "no-such-folder" / "air.mid")


def test_of_several_voices_the_highest_leads_and_the_inner_ones_stand_back() -> None:
    line = [Note(4 * i, 4, 60, 80) for i in range(8)]
    played = perform(Score.from_notes([line] * 4))
    mean = [played.velocity[played.voice == voice].mean() for voice in range(4)]
    assert mean[0] > mean[3] > mean[1] == mean[2]
    alone = perform(Score.from_notes([line]))
    assert alone.velocity.mean() == mean[3]
    kept = perform(Score.from_notes([line] * 4), dynamics=False)
    assert set(kept.velocity.tolist()) == {80}


def test_each_voice_plays_on_its_own_program(tmp_path: Path) -> None:
    lines = [[Note(4 * i, 4, 72 - 7 * voice, 80) for i in range(8)] for voice in range(4)]
    score = dataclasses.replace(Score.from_notes(lines), programs=(52, 68, 70, 43), names=("Soprano", "Alto", "Tenor", "Bass"))
    perform(score).to_midi(tmp_path / "played.mid")
    back = Score.from_midi(tmp_path / "played.mid")
    assert (back.programs, back.names) == (score.programs, score.names)
    assert [len(back.notes(voice)) for voice in range(4)] == [8] * 4
