"""What the evaluation adds to the ways of spoiling: events, microphones, babble, recordings in memory, real tails."""

from pathlib import Path

import numpy as np
import pytest

from ingest.fingerprint.pcm import to_int16
from scripts.evaluation.heard import decode_heard
from scripts.spoil import Babble, Condition, Microphone, Noise, Recordings, Room, Speed
from scripts.spoil.effects import events, microphone_gains
from tests.fingerprint.signals import float_wav, level, melody, tone

RATE = 8_000


def test_events_come_and_go() -> None:
    """The level of a street moves several times as much as that of steady noise, and every street is another."""
    streets = [events(20 * RATE, RATE, np.random.default_rng(seed)) for seed in (0, 1)]
    steady = np.random.default_rng(2).normal(0, 1, 20 * RATE)
    moves = [np.log10(np.mean(np.reshape(x, (-1, 800)) ** 2, axis=1)).std() for x in (streets[0], steady)]
    assert moves[0] > 5 * moves[1] and np.isfinite(streets[0]).all() and streets[0].dtype == np.float32
    assert abs(np.corrcoef(*streets)[0, 1]) < 0.2
    assert len(events(7, RATE, np.random.default_rng(3))) == 7


def test_a_microphone_has_the_response_that_it_draws() -> None:
    """A tone comes out at the gain of its frequency, in time, and two microphones differ."""
    for hz in (150.0, 1_000.0, 3_000.0):
        heard = Microphone()(tone(hz, 2.0), RATE, np.random.default_rng(5))
        gain = microphone_gains(np.array([hz]), np.random.default_rng(5))[0]
        assert level(heard[RATE // 2 : -RATE // 2], hz) == pytest.approx(0.5 * gain, rel=0.02)
    grid = np.linspace(0, 4_000, 50)
    drawn = [microphone_gains(grid, np.random.default_rng(seed)) for seed in range(20)]
    assert max(gains.max() for gains in drawn) < 10 ** (6.1 / 20)
    assert all(gains[0] < 0.1 for gains in drawn) and np.std(drawn, axis=0)[20] > 0.1


def test_recordings_in_memory_are_noise() -> None:
    """int16 recordings are read in their scale, repeated where they are short, and set to their ratio."""
    hum = Recordings((to_int16(tone(120, 1.0)),))
    music = melody(3.0)
    added = Noise(hum, 6.0)(music, RATE, np.random.default_rng(0)) - music
    assert 10 * np.log10(np.mean(music**2) / np.mean(added**2)) == pytest.approx(6.0, abs=0.05)
    assert level(added[:RATE], 120) > 0.9 * np.sqrt(2 * np.mean(added**2))
    assert hum.drawn(np.random.default_rng(0)).max() == pytest.approx(0.5, abs=1e-3)


def test_babble_is_several_voices_at_once() -> None:
    """Every voice is heard, loud ones no louder than others, at the ratio asked for."""
    voices = Recordings(tuple(gain * tone(hz, 2.0) for hz, gain in ((200, 0.01), (500, 1.0), (900, 0.1), (1_700, 0.5))))
    music = melody(2.0)
    added = Babble(voices, 4, 10.0)(music, RATE, np.random.default_rng(0)) - music
    levels = [level(added, hz) for hz in (200, 500, 900, 1_700)]
    assert max(levels) < 1.1 * min(levels)
    assert 10 * np.log10(np.mean(music**2) / np.mean(added**2)) == pytest.approx(10.0, abs=0.05)


def test_a_measured_room_may_come_from_memory() -> None:
    """A response in memory acts from its peak on, as one from a folder does."""
    late = np.zeros(900, np.float32)
    late[500] = 0.9
    np.testing.assert_allclose(Room(folder=Recordings((late,)))(tone(440, 1.0), RATE, np.random.default_rng(0)),
                               tone(440, 1.0), atol=1e-3)  # fmt: skip


def test_the_lead_is_played_into_the_room_alone() -> None:
    """With a lead the clip is the one cut from the whole passage in the room; noise is heard over the clip alone."""
    music = melody(8.0)
    echo = np.zeros(RATE, np.float32)
    echo[0], echo[6_000] = 1.0, 0.5
    room = Condition("room", (Speed(1.25), Room(folder=Recordings((echo,)))))
    clip = room.clip(music, 4.0, 2.0, np.random.default_rng(0), lead_s=1.0)
    whole = room.apply(music[: round((4.0 + 2.5) * RATE)], np.random.default_rng(0))
    expected = whole[round(3.2 * RATE) :][: 2 * RATE]
    assert np.corrcoef(clip[100:-100], expected[100:-100])[0, 1] > 0.999
    noisy = Condition("noisy", (*room.steps, Noise("pink", 0.0)))
    added = noisy.clip(music, 4.0, 2.0, np.random.default_rng(0), lead_s=1.0) - clip
    assert 10 * np.log10(np.mean(clip**2) / np.mean(added**2)) == pytest.approx(0.0, abs=0.1)
    at_once = room.clip(music, 0.0, 2.0, np.random.default_rng(0), lead_s=1.0)
    assert len(at_once) == 2 * RATE


def test_noise_and_rooms_are_decoded_once(tmp_path: Path) -> None:
    """Named stems alone are used, speech is told by its name, what cannot be read is left out and named."""
    for folder, name in [("noise", "rain"), ("noise", "Speech-1"), ("noise", "wind"), ("rooms", "hall")]:
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / f"{name}.wav").write_bytes(float_wav(melody(1.0)))
    (tmp_path / "noise" / "bad.wav").write_text("no sound")
    noise, rooms = str(tmp_path / "noise"), str(tmp_path / "rooms")
    heard = decode_heard(noise, [], rooms, tmp_path / "out")
    assert [len(found) for found in (heard.noise, heard.speech, heard.rooms)] == [3, 1, 1]
    assert [Path(one.name).name for one in heard.skipped] == ["bad.wav"]
    chosen = decode_heard(noise, ["rain", "Speech-1"], None, tmp_path / "out")
    assert len(chosen.noise) == 2 and chosen.surroundings().rooms is None
    assert len(list((tmp_path / "out" / "audio").iterdir())) == 4
