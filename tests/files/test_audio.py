"""Sound: right pitches at right times, as loud as it may be, and never half a file."""

from __future__ import annotations

import dataclasses
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from musicgym.files import audio
from musicgym.score import BLANK, MeterChange, Score, TempoChange


def heard(score: Score, folder: Path, **options: Any) -> tuple[np.ndarray, int]:
    """The samples (frames, channels) of a score within -1..1, and the sample rate."""
    score.to_wav(folder / "a.wav", **options)
    with wave.open(str(folder / "a.wav")) as file:
        assert file.getsampwidth() == 2
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, file.getnchannels())
        return samples / 32768, file.getframerate()


def fundamental(sound: np.ndarray, rate: int) -> float:
    """Frequency of the lowest strong peak of the spectrum."""
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound)), 1 << 18))
    strong = np.flatnonzero(spectrum > 0.4 * spectrum.max())
    first = strong[0]
    top = first + int(spectrum[first : first + 200].argmax())
    return top * rate / (1 << 18)


def loudness(sound: np.ndarray) -> float:
    return float(np.sqrt(np.mean(sound**2)))


@pytest.mark.parametrize("program", range(0, 128, 8))
@pytest.mark.parametrize("pitch", [40, 69, 90])
def test_every_family_of_instruments_sounds_the_written_pitch(program: int, pitch: int, tmp_path: Path) -> None:
    score = Score.from_notes([[(0, 8, pitch, 100)]], programs=(program,))
    sound, rate = heard(score, tmp_path, stereo=False)
    expected = 440 * 2 ** ((pitch - 69) / 12)
    assert fundamental(sound[: rate // 2, 0], rate) == pytest.approx(expected, rel=0.005)


def test_it_lasts_as_long_as_the_score_and_its_tail(tmp_path: Path) -> None:
    tempos = (TempoChange(0, 60.0), TempoChange(4, 240.0))
    score = dataclasses.replace(Score.from_notes([[(0, 4, 60, 80), (4, 4, 72, 80)]]), tempos=tempos)
    sound, rate = heard(score, tmp_path, stereo=False)
    assert len(sound) / rate == pytest.approx(1.25 + audio.TAIL, abs=1e-4)
    assert fundamental(sound[: int(0.9 * rate), 0], rate) == pytest.approx(261.63, rel=0.005)
    assert fundamental(sound[int(1.02 * rate) : int(1.22 * rate), 0], rate) == pytest.approx(523.25, rel=0.01)


@pytest.mark.parametrize("voices", [1, 4, 12])
def test_it_is_loud_and_does_not_clip(voices: int, tmp_path: Path) -> None:
    lines = [[(i, 1, 40 + 5 * v + i % 7, 127) for i in range(16)] for v in range(voices)]
    sound, _ = heard(Score.from_notes(lines), tmp_path)
    assert 0.85 < np.abs(sound).max() < 0.95
    assert loudness(sound) > 0.05


def test_louder_notes_are_louder_and_brighter(tmp_path: Path) -> None:
    score = Score.from_notes([[(0, 4, 57, 30), (8, 4, 57, 70), (16, 4, 57, 120)]], programs=(40,))
    sound, rate = heard(score, tmp_path, stereo=False)
    notes = [sound[int(t * rate) : int((t + 0.5) * rate), 0] for t in (0, 1, 2)]
    assert loudness(notes[0]) < 0.6 * loudness(notes[1]) < 0.4 * loudness(notes[2])
    spectra = [np.abs(np.fft.rfft(note)) for note in notes]
    high = [np.sum(s[500:] ** 2) / np.sum(s**2) for s in spectra]
    assert high[0] < high[1] < high[2]


def test_rests_are_silent_and_the_end_dies_away(tmp_path: Path) -> None:
    sound, rate = heard(Score.from_notes([[(0, 4, 60, 100), (12, 4, 60, 100)]], programs=(19,)), tmp_path)
    assert np.abs(sound[int(0.7 * rate) : int(1.49 * rate)]).max() == 0
    assert np.abs(sound[-10:]).max() < 0.001
    assert np.abs(sound[:3]).max() < 0.05


def test_voices_are_spread_from_left_to_right(tmp_path: Path) -> None:
    one = [(0, 8, 60, 100)]
    left, _ = heard(Score.from_notes([one, []], steps=8), tmp_path)
    right, _ = heard(Score.from_notes([[], one], steps=8), tmp_path)
    middle, _ = heard(Score.from_notes([one]), tmp_path)
    assert loudness(left[:, 0]) > 1.5 * loudness(left[:, 1])
    assert loudness(right[:, 1]) > 1.5 * loudness(right[:, 0])
    assert loudness(middle[:, 0]) == pytest.approx(loudness(middle[:, 1]), rel=1e-3)


def test_a_long_piece_sounds_the_same_as_one_rendered_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    score = Score.from_notes([[(0, 30, 60, 90), (30, 9, 64, 100)], [(3, 30, 48, 70)]], steps=48, programs=(0, 48))
    whole, _ = heard(score, tmp_path)
    monkeypatch.setattr(audio, "_BLOCK", 10_007)
    monkeypatch.setattr(audio, "_KEPT", 0)
    blocks, _ = heard(score, tmp_path)
    assert np.abs(whole - blocks).max() < 2e-4


def test_silence_is_silence(tmp_path: Path) -> None:
    sound, _ = heard(Score.from_notes([[]], steps=4), tmp_path)
    assert not sound.any()


def test_the_sample_rate_is_the_one_asked_for_and_no_partial_folds_back(tmp_path: Path) -> None:
    sound, rate = heard(Score.from_notes([[(0, 8, 100, 120)]], programs=(40,)), tmp_path, sample_rate=11_025, stereo=False)
    assert rate == 11_025
    spectrum = np.abs(np.fft.rfft(sound[:, 0] * np.hanning(len(sound))))
    frequency = np.fft.rfftfreq(len(sound), 1 / rate)
    assert spectrum[frequency < 2500].max() < 0.01 * spectrum.max()


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({}, {"sample_rate": 1000}, "sample_rate=1000: expected 8000"),
        ({}, {"blanks": "hum"}, "blanks='hum'"),
        ({"tempos": (TempoChange(0, 0.0),)}, {}, "tempo 0.0 at step 0"),
        ({"tempos": (TempoChange(0, 1e-9),)}, {}, "too long for a WAV file"),
        ({"pitch": np.full((1, 4), BLANK), "onset": np.zeros((1, 4), bool)}, {}, "4 blank slots"),
    ],
)
def test_what_cannot_be_played_is_refused(change: dict[str, Any], options: dict[str, Any], message: str, tmp_path: Path) -> None:
    score = dataclasses.replace(Score.from_notes([[(0, 4, 60, 80)]]), meters=(MeterChange(0, 4, 4),), **change)
    with pytest.raises(ValueError, match=message):
        score.to_wav(tmp_path / "a.wav", **options)
    assert not list(tmp_path.iterdir())


def test_an_unwritable_folder_is_an_error_and_a_written_file_stands_alone(tmp_path: Path) -> None:
    score = Score.from_notes([[(0, 4, 60, 80)]])
    with pytest.raises(ValueError, match="choose a folder that exists"):
        score.to_wav(tmp_path / "no" / "a.wav")
    score.to_wav(tmp_path / "a.wav")
    assert [p.name for p in tmp_path.iterdir()] == ["a.wav"]
