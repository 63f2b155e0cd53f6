"""Spoiling, measured: what each effect does to tones, clicks and noise of known properties."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from scripts.music import compose
from scripts.music.files import write
from scripts.spoil import CONDITIONS, Band, Codec, Condition, Gain, Noise, Pitch, Room, Speed, Tempo
from scripts.spoil.effects import (
    add_noise,
    amplify,
    band_limit,
    change_pitch,
    change_speed,
    change_tempo,
    crowd,
    reverberate,
    room_response,
    transcode,
)

RATE = 8_000


def _tone(frequency: float, duration_s: float = 4.0) -> NDArray[np.float32]:
    return (0.5 * np.sin(2 * np.pi * frequency * np.arange(round(duration_s * RATE)) / RATE)).astype(np.float32)


def _frequency(samples: NDArray[np.float32]) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), 4 * len(samples)))
    return float(np.argmax(spectrum) * RATE / (4 * len(samples)))


def _clicks(period_s: float, duration_s: float = 4.0) -> NDArray[np.float32]:
    """Tone bursts of 100 ms, one a period."""
    bursts = np.zeros(round(duration_s * RATE), np.float32)
    for start in np.arange(0.1, duration_s - 0.2, period_s):
        at = round(start * RATE)
        bursts[at : at + 800] = _tone(1000, 0.1)
    return bursts


def _onsets_s(samples: NDArray[np.float32]) -> NDArray[np.float64]:
    """Where 10 ms frames become loud after at least 50 ms of quiet."""
    frames = samples[: len(samples) // 80 * 80].reshape(-1, 80)
    power = np.mean(frames**2, axis=1)
    loud = np.flatnonzero(power > 0.05 * power.max())
    return loud[np.diff(loud, prepend=-100) > 5] * 0.01


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.mark.parametrize("snr_db", [-5.0, 0.0, 20.0])
def test_noise_is_added_at_its_ratio(snr_db: float, rng: np.random.Generator) -> None:
    """The power of the signal over that of what was added is the SNR asked for."""
    tone, disturbance = _tone(440), rng.normal(0, 3, 4 * RATE).astype(np.float32)
    added = add_noise(tone, disturbance, snr_db) - tone
    measured = 10 * np.log10(np.mean(tone**2) / np.mean(added**2))
    assert measured == pytest.approx(snr_db, abs=0.01)


def test_silence_stays_silent(rng: np.random.Generator) -> None:
    """Without a signal or without noise no ratio exists, and the clip comes back as it was."""
    tone, silence = _tone(440), np.zeros(4 * RATE, np.float32)
    np.testing.assert_array_equal(add_noise(silence, tone, 0), silence)
    np.testing.assert_array_equal(add_noise(tone, silence, 0), tone)
    np.testing.assert_array_equal(reverberate(silence, room_response(RATE, rng, 0.4, 0)), silence)


def test_a_crowd_comes_and_goes(rng: np.random.Generator) -> None:
    """The level of talk moves several times as much as that of steady noise, and lies where speech lies."""
    talk, steady = crowd(8 * RATE, RATE, rng, voices=2), rng.normal(0, 1, 8 * RATE)
    levels = [np.log10(np.mean(np.reshape(noise, (-1, 800)) ** 2, axis=1)).std() for noise in (talk, steady)]
    power = np.abs(np.fft.rfft(talk)) ** 2
    frequencies = np.fft.rfftfreq(len(talk), 1 / RATE)
    assert levels[0] > 3 * levels[1]
    assert power[(frequencies > 90) & (frequencies < 3500)].sum() > 0.8 * power.sum()


@pytest.mark.parametrize("rt60_s", [0.3, 0.8])
def test_a_room_decays_in_its_time(rt60_s: float, rng: np.random.Generator) -> None:
    """Schroeder's backward integral of the response falls at the rate of the reverberation time."""
    response = room_response(RATE, rng, rt60_s, 0.0)
    assert response[0] == 1.0
    assert np.sum(response[1:] ** 2) == pytest.approx(1.0, rel=1e-3)
    late = response[round(0.05 * RATE) :]
    decay_db = 10 * np.log10(np.cumsum(late[::-1] ** 2)[::-1])
    straight = slice(0, round(0.4 * rt60_s * RATE))
    slope_db = np.polyfit(np.arange(len(late))[straight] / RATE, decay_db[straight], 1)[0]
    assert -60 / slope_db == pytest.approx(rt60_s, rel=0.15)


def test_a_room_keeps_time_and_loudness(rng: np.random.Generator) -> None:
    """The direct sound comes first: a click stays where it was, and the clip is as loud as before."""
    clicks = _clicks(0.5)
    heard = reverberate(clicks, room_response(RATE, rng, 0.2, 6.0))
    assert len(heard) == len(clicks)
    assert np.mean(heard**2) == pytest.approx(np.mean(clicks**2), rel=1e-3)
    np.testing.assert_allclose(_onsets_s(heard), _onsets_s(clicks), atol=0.011)


@pytest.mark.parametrize("speed", [0.8, 0.95, 1.05, 1.25])
def test_speed_changes_pitch_and_length(speed: float) -> None:
    """A tone of 440 Hz sounds at 440 × speed, and lasts 1/speed as long."""
    played = change_speed(_tone(440), speed)
    assert len(played) == pytest.approx(4 * RATE / speed, abs=1)
    assert _frequency(played) == pytest.approx(440 * speed, rel=2e-3)


@pytest.mark.parametrize("speed", [0.9, 1.1])
def test_tempo_changes_length_alone(speed: float) -> None:
    """A tone keeps its frequency while clicks come faster by the speed."""
    assert _frequency(change_tempo(_tone(440), RATE, speed)) == pytest.approx(440, rel=2e-3)
    onsets = _onsets_s(change_tempo(_clicks(0.5), RATE, speed))
    assert len(onsets) == len(_onsets_s(_clicks(0.5)))
    assert np.polyfit(np.arange(len(onsets)), onsets, 1)[0] == pytest.approx(0.5 / speed, rel=0.01)


@pytest.mark.parametrize("semitones", [-3, 1, 3])
def test_pitch_changes_frequency_alone(semitones: int) -> None:
    """A tone moves by its semitones; clicks stay where they were."""
    assert _frequency(change_pitch(_tone(440), RATE, semitones)) == pytest.approx(440 * 2 ** (semitones / 12), rel=3e-3)
    shifted = change_pitch(_clicks(0.5), RATE, semitones)
    assert len(shifted) == 4 * RATE
    np.testing.assert_allclose(_onsets_s(shifted), _onsets_s(_clicks(0.5)), atol=0.03)


def test_a_band_lets_through_what_lies_inside() -> None:
    """A tone in the middle keeps its level; an octave outside it loses more than 20 dB."""
    levels = {hz: np.std(band_limit(_tone(hz), RATE, 300, 1500)[RATE:]) / np.std(_tone(hz)) for hz in (100, 700, 3200)}
    assert levels[700] == pytest.approx(1.0, rel=0.02)
    assert levels[100] < 0.1
    assert levels[3200] < 0.1


@pytest.mark.parametrize(("codec", "bit_rate"), [("mp3", 32_000), ("opus", 12_000), ("amr", 5_150)])
def test_a_codec_loses_detail_but_not_time(codec: str, bit_rate: int) -> None:
    """A round trip keeps the length and, to within 10 ms, the place, and changes the samples; overload survives it."""
    piece = 2 * compose(2, 4.0, RATE)
    back = transcode(piece, RATE, codec, bit_rate)
    lags = np.arange(-80, 81)
    likeness = [np.corrcoef(piece[800:-800], np.roll(back, -lag)[800:-800])[0, 1] for lag in lags]
    assert len(back) == len(piece)
    assert 0.4 < max(likeness) < 0.9999
    assert abs(int(lags[np.argmax(likeness)])) < 80


def test_gain_clips_as_a_converter_does() -> None:
    """12 dB more of a half-scale tone clips at ±1; 20 dB less is a tenth."""
    tone = _tone(440)
    assert np.abs(amplify(tone, 12)).max() == 1.0
    np.testing.assert_allclose(amplify(tone, -20), tone / 10, rtol=1e-4)


@pytest.mark.parametrize("condition", CONDITIONS.values(), ids=CONDITIONS)
def test_a_condition_keeps_its_length_and_its_word(condition: Condition) -> None:
    """Every named condition gives the clip length it promises, finite float32, and the same for the same seed."""
    track = compose(1, 6.0, RATE)
    clip, again = (condition.clip(track, 1.5, 3.0, np.random.default_rng(5), RATE) for _ in range(2))
    spoilt = condition.apply(track[: round(condition.source_s(3.0) * RATE)], np.random.default_rng(5))
    assert clip.shape == (3 * RATE,)
    assert clip.dtype == np.float32
    assert np.isfinite(clip).all()
    assert np.std(clip) > 1e-3
    assert len(spoilt) == pytest.approx(3 * RATE, abs=2)
    np.testing.assert_array_equal(clip, again)


def test_a_condition_tells_speed_and_pitch() -> None:
    """Speeds multiply and semitones add up over the steps; what spoils otherwise counts for nothing."""
    condition = Condition("x", (Speed(1.05), Noise("pink", 3), Tempo(1.1), Pitch(-2), Room(), Gain(3), Band(1, 2)))
    assert condition.speed == pytest.approx(1.155)
    assert condition.source_s(10) == pytest.approx(11.55)
    assert condition.pitch_semitones == pytest.approx(12 * np.log2(1.05) - 2)
    assert (CONDITIONS["clean"].speed, CONDITIONS["clean"].pitch_semitones) == (1.0, 0.0)
    assert Condition("y", (Codec("mp3", 32_000),)).speed == 1.0


def test_a_clip_is_cut_where_it_says() -> None:
    """A clean clip is the track from its offset on; one that reaches beyond the track is refused."""
    track = compose(1, 3.0, RATE)
    clip = CONDITIONS["clean"].clip(track, 0.5, 2.0, np.random.default_rng(0), RATE)
    np.testing.assert_array_equal(clip, track[4_000:20_000])
    with pytest.raises(ValueError, match="not inside the track"):
        CONDITIONS["speed 1.05"].clip(track, 1.0, 2.0, np.random.default_rng(0), RATE)
    with pytest.raises(ValueError, match="not inside the track"):
        CONDITIONS["clean"].clip(track, -0.1, 2.0, np.random.default_rng(0), RATE)


def test_noise_and_rooms_come_from_folders(tmp_path: Path, rng: np.random.Generator) -> None:
    """A recording shorter than the clip is repeated; a measured room starts at its peak; an empty folder is named."""
    write(tmp_path / "noise" / "hum.wav", _tone(120, 1.0), RATE)
    late_click = np.zeros(RATE // 4, np.float32)
    late_click[500] = 0.9
    write(tmp_path / "rooms" / "dry.wav", late_click, RATE)
    tone = _tone(440)
    hum = Noise(tmp_path / "noise", 0)(tone, RATE, rng) - tone
    assert _frequency(hum) == pytest.approx(120, abs=1)
    np.testing.assert_allclose(Room(folder=tmp_path / "rooms")(tone, RATE, rng), tone, atol=1e-3)
    (tmp_path / "nothing").mkdir()
    with pytest.raises(FileNotFoundError, match="no audio files under"):
        Noise(tmp_path / "nothing", 0)(tone, RATE, rng)
