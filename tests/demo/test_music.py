"""The sound of the composer, and the files it is written to."""

from io import BytesIO
from pathlib import Path

import mutagen
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import welch

from scripts.music import compose, compose_stereo
from scripts.music.catalog import Song, catalog, write_song, write_songs
from scripts.music.drums import BRUSH, CRASH, HAT, KICK
from scripts.music.files import FORMATS, Tags, encode, read, write
from scripts.music.kit import Kit
from scripts.music.oscillators import coloured, damped, plucked, wavetable
from scripts.music.voices import VOICES

RATE = 16_000


def _pitch_hz(sound: NDArray[np.float32], near_hz: float) -> float:
    """The frequency within a tone of `near_hz` whose first four harmonics hold the most power."""
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound)), 8 * len(sound)))
    candidates = near_hz * 2 ** np.linspace(-2 / 12, 2 / 12, 801)
    bins = np.outer(candidates, np.arange(1, 5)) * 8 * len(sound) / RATE
    return float(candidates[np.argmax(np.sum(spectrum[np.rint(bins).astype(int)], axis=1))])


@pytest.mark.parametrize("name", sorted(set(VOICES) - {"bell"}))
def test_an_instrument_plays_the_note_that_is_asked_for(name: str) -> None:
    """Every pitched instrument sounds at its frequency to within a seventh of a semitone (chorus), loud and finite."""
    asked_hz = 110.0 if "bass" in name or name in ("tuba", "cello") else 330.0
    sound = VOICES[name].sound(asked_hz, 0.8, RATE, np.random.default_rng(1))
    assert len(sound) == 0.8 * RATE
    assert 0.1 < np.abs(sound).max() < 2
    assert abs(12 * np.log2(_pitch_hz(sound, asked_hz) / asked_hz)) < 1 / 7


def test_a_bell_rings_at_its_carrier() -> None:
    """The bell's partials are not harmonic, so only its loudest late partial is checked: the carrier."""
    sound = VOICES["bell"].sound(400.0, 2.0, RATE, np.random.default_rng(1))[RATE:]
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    assert np.argmax(spectrum) * RATE / len(sound) == pytest.approx(400.0, abs=3)


def test_a_damped_partial_falls_by_60_db_in_its_time() -> None:
    """The level of a damped sine follows its definition, as does its phase against a plain sine."""
    seconds = np.arange(RATE) / RATE
    expected = np.exp(-np.log(1000) * seconds / 0.5) * np.sin(2 * np.pi * 440 * seconds)
    np.testing.assert_allclose(damped(440, 0.5, RATE, RATE), expected, atol=1e-4)
    assert not damped(0.48 * RATE, 0.5, 100, RATE).any()


def test_a_string_too_high_for_the_sample_rate_is_silent() -> None:
    """A period of fewer than four samples is not simulated."""
    assert not plucked(RATE / 3, 1.0, 0.5, 100, RATE, np.random.default_rng(0)).any()


def test_a_wavetable_holds_its_harmonics() -> None:
    """A table of three harmonics is the sum of three sines."""
    turns = np.arange(4096) / 4096
    expected = sum(a * np.sin(2 * np.pi * k * turns) for k, a in ((1, 1.0), (2, 0.5), (3, 0.25)))
    np.testing.assert_allclose(wavetable(np.array((1.0, 0.5, 0.25))), expected, atol=1e-5)


@pytest.mark.parametrize("slope_db", [0.0, -3.0, -6.0])
def test_coloured_noise_has_its_slope(slope_db: float) -> None:
    """White, pink and brown noise have unit RMS and lose 0, 3 and 6 dB an octave."""
    sound = coloured(2**18, np.random.default_rng(2), slope_db)
    frequencies, power = welch(sound, RATE, nperseg=4096)
    band = (frequencies > 100) & (frequencies < 6000)
    slope = np.polyfit(np.log2(frequencies[band]), 10 * np.log10(power[band]), 1)[0]
    assert float(np.mean(sound**2)) == pytest.approx(1.0, rel=0.01)
    assert slope == pytest.approx(slope_db, abs=0.2)


def test_drums_sound_where_drums_do() -> None:
    """Every drum makes a finite sound; a kick lies below 200 Hz, a hi-hat above 3 kHz."""
    kit, rng = Kit(1.0, 0.5, RATE), np.random.default_rng(0)
    centres = {}
    for drum in range(BRUSH + 1):
        sound = kit.sound(drum, rng)
        power = np.abs(np.fft.rfft(sound)) ** 2
        centres[drum] = float(np.sum(power * np.fft.rfftfreq(len(sound), 1 / RATE)) / np.sum(power))
        assert np.abs(sound).max() == pytest.approx(1.0)
    assert centres[KICK] < 200
    assert centres[HAT] > 3000
    assert centres[CRASH] > 3000
    with pytest.raises(ValueError, match="no drum 99"):
        kit.sound(99, rng)


def test_the_same_seed_sounds_the_same() -> None:
    """Rendered samples depend on nothing but seed, duration and sample rate."""
    one = compose_stereo(4, 6.0, RATE)
    np.testing.assert_array_equal(one, compose_stereo(4, 6.0, RATE))
    assert not np.allclose(one, compose_stereo(5, 6.0, RATE), atol=0.1)


@pytest.mark.parametrize("duration_s", [0.5, 3.3, 8.0])
def test_a_piece_is_exactly_as_long_as_asked_and_loud(duration_s: float) -> None:
    """Even a very short piece has its exact length, no clipping, no silence, and left differs from right."""
    stereo = compose_stereo(2, duration_s, RATE)
    assert stereo.shape == (2, round(duration_s * RATE))
    assert stereo.dtype == np.float32
    assert 0.5 < np.abs(stereo).max() <= 0.9
    assert float(np.sqrt(np.mean(stereo**2))) > 0.05
    assert not np.allclose(stereo[0], stereo[1])
    np.testing.assert_allclose(compose(2, duration_s, RATE), stereo.mean(axis=0), atol=1e-6)


@pytest.mark.parametrize("seed", range(13))
def test_every_style_makes_music(seed: int) -> None:
    """In every style the music goes on without a hole of half a second, and its harmony moves."""
    piece = compose(seed, 12.0, 8_000)
    power = np.mean(piece[: 8_000 * 11].reshape(-1, 4_000) ** 2, axis=1)
    spectra = np.abs(np.fft.rfft(piece[: 8_000 * 12].reshape(-1, 8_000), axis=1))[:, 80:2000]
    spectra /= np.linalg.norm(spectra, axis=1, keepdims=True)
    likeness = spectra @ spectra.T
    assert power.min() > 1e-5
    assert np.median(likeness[np.triu_indices(12, 1)]) < 0.9


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_brings_back_what_was_written(name: str, tmp_path: Path) -> None:
    """Each format keeps length, time and shape of a tone, at its own sample rate and from stereo."""
    seconds = np.arange(2 * 44_100) / 44_100
    tone = (0.4 * np.sin(2 * np.pi * 500 * seconds) * np.exp(-seconds)).astype(np.float32)
    path = write(tmp_path / "tone", np.stack((tone, tone)), 44_100, form=FORMATS[name])
    heard = read(path, 44_100)
    late, tolerance = (220, 0.3) if name == "amr" else (0, 0.1)  # its look-ahead of 5 ms is never cut off
    compared = heard[late : len(tone)]
    assert abs(len(heard) - len(tone)) < 0.03 * 44_100
    assert np.corrcoef(tone[: len(compared)], compared)[0, 1] > 0.9
    assert np.sqrt(np.mean(compared**2)) == pytest.approx(np.sqrt(np.mean(tone**2)), rel=tolerance)


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "amr"])
def test_tags_arrive(name: str, tmp_path: Path) -> None:
    """Title, artist, album and ISRC are read back from every format that has tags, in any alphabet."""
    path = write(
        tmp_path / f"song{FORMATS[name].suffix}",
        compose(1, 1.0, RATE),
        RATE,
        Tags("Číž, [Take 2]", "Sólrún & Co.", "Álbum", "ZZRFR2600001"),
        FORMATS[name],
    )
    told = str({key: str(value) for key, value in mutagen.File(path).tags.items()})
    assert all(text in told for text in ("Číž, [Take 2]", "Sólrún & Co.", "Álbum", "ZZRFR2600001"))


def test_the_suffix_names_the_format(tmp_path: Path) -> None:
    """Without a format, the suffix decides, and no partial file is left behind."""
    path = write(tmp_path / "deep" / "a.flac", compose(1, 0.5, RATE), RATE)
    assert path.read_bytes().startswith(b"fLaC")
    assert [file.name for file in path.parent.iterdir()] == ["a.flac"]


def test_24_bits_keep_more_than_16() -> None:
    """The 24-bit file differs from the waveform by less than any 16-bit file can."""
    piece = compose(1, 0.5, RATE)
    errors = [
        float(np.abs(read(BytesIO(encode(piece, RATE, FORMATS[name])), RATE) - piece).max())
        for name in ("wav", "wav24")
    ]
    assert errors[1] < 2e-6 < 1e-5 < errors[0] < 5e-5


def test_songs_are_written_once(tmp_path: Path) -> None:
    """Processes write what is missing; a second call leaves every file untouched."""
    tags = [Tags(f"Song {number}", "Band", "Album") for number in range(3)]
    songs = [Song(number, tags[number], form, RATE, 1.0) for number, form in enumerate(("wav", "mp3", "flac"))]
    first = write_song(tmp_path, songs[0])
    before = first.stat().st_mtime_ns
    assert sorted(write_songs(tmp_path, songs, workers=2)) == sorted(tmp_path / song.file_name for song in songs)
    assert sorted(write_songs(tmp_path, songs)) == sorted(tmp_path.iterdir())
    assert first.stat().st_mtime_ns == before
    assert list(write_songs(tmp_path, [])) == []


def test_titles_survive_as_file_names() -> None:
    """No file name of the catalogue leaves its folder or is too long for a file system."""
    names = [song.file_name for song in catalog(7, 60)]
    assert all("/" not in name and len(name.encode()) < 120 for name in names)
