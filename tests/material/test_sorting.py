"""What the files of a package are, and what is made of them."""

from pathlib import Path

import numpy as np
import pytest

from conf import compose
from ingest.fingerprint import SAMPLE_RATE, decode
from scripts.material import archives, sorting, wave
from scripts.material.__main__ import MaterialConfig
from tests.fingerprint.signals import Form, encode, float_wav, melody, peak_hz, tone


@pytest.mark.parametrize(
    ("path", "length_s", "kind"),
    [
        ("naev-data/usr/share/naev/dat/snd/music/ambient2.ogg", 74.0, "music"),
        ("flare-game/mods/fantasycore/music/wind_ambient.ogg", 60.0, "ambience"),
        ("freedink-data/dink/Sound/denube.ogg", 177.0, "music"),
        ("freedink-data/dink/Sound/bird1.wav", 2.0, "sounds"),
        ("caveexpress-data/sounds/music-1.ogg", 59.0, "music"),
        ("zaz-data/usr/share/games/zaz/mus1.ogg", 283.0, "music"),
        ("fillets-ng-data/sound/elk/en/los-v-parohy.ogg", 3.0, "speech"),
        ("fillets-ng-data/sound/music/en/ves-hs-papa.ogg", 13.0, "speech"),
        ("fillets-ng-data/sound/cancan/en/kan-klavir-music.ogg", 29.0, "music"),
        ("hedgewars-data/Data/Sounds/voices/Pirate/Hello.ogg", 1.0, "speech"),
        ("warzone2100-data/base.wz.d/audio/tutorial/tut41.ogg", 2.0, "speech"),
        ("warzone2100-data/base.wz.d/audio/sfx/misc/crash.ogg", 2.0, "sounds"),
        ("ufoai-sound/0snd.pk3.d/sound/ambience/disco.ogg", 8.0, "ambience"),
        ("widelands-data/data/sound/animals/coyote_00.ogg", 94.0, "ambience"),
        ("unheard-of-data/things/a.ogg", 31.0, "music"),
        ("unheard-of-data/things/a.ogg", 29.0, "ambience"),
        ("unheard-of-data/things/a.ogg", 2.0, "sounds"),
    ],
)
def test_paths_are_sorted_by_the_shipped_rules(path: str, length_s: float, kind: str) -> None:
    """The rules of conf/material.yaml tell apart what the packages really hold."""
    rules = compose("material", ["out=x"], MaterialConfig).rules
    assert sorting.kind_of(path, length_s, rules) == kind


def test_held_out_music_is_not_gathered() -> None:
    """No package is listed, and none twice, whose music measures the encoder or lies in the corpus."""
    config = compose("material", ["out=x"], MaterialConfig)
    forbidden = (*config.held_out, "wesnoth", "supertux", "neverball", "lugaru")
    assert {"opensurge-data", "marsshooter-data"} <= set(config.held_out)
    assert not [name for name in config.packages if name.startswith(forbidden)]
    assert len(set(config.packages)) == len(config.packages)


def test_audio_is_cut_out_of_containers() -> None:
    """WAV and Ogg files are found whole between other bytes; what only looks like one, or breaks off, is not."""
    sound = float_wav(tone(440, 0.5))
    song = encode(melody(2.0, 5, 48_000)[None], Form("ogg", "libopus", 48_000))
    data = b"rcc\0RIFF" + b"\xff" * 9 + sound + b"OggS??" + b"OggS" + bytes(30) + song + song + b"\0" + song[:-10]
    assert list(archives.embedded(data)) == [(".wav", sound), (".ogg", song), (".ogg", song)]
    assert list(archives.embedded(sound[:-4])) == [] == list(archives.embedded(b""))


def test_containers_are_unpacked_beside_themselves(tmp_path: Path) -> None:
    """A resource file of Qt leaves its audio as files; its name tells where they are from."""
    (tmp_path / "core.rcc").write_bytes(b"qres" + float_wav(tone(440, 0.5)))
    archives.unpack(tmp_path / "core.rcc")
    assert peak_hz(decode(tmp_path / "core.rcc.d/core-000.wav").samples) == pytest.approx(440, abs=3)


def test_joined_sounds_are_equally_loud() -> None:
    """A loud tone and one 40 dB below it end at the same level, one after the other, with faded ends."""
    both = wave.joined([tone(500, 1.0, amplitude=0.9), tone(1000, 3.0, amplitude=0.009)], 2.0, 60.0)
    first, second = both[:8000], both[8000:]
    assert len(both) == 3 * SAMPLE_RATE and abs(first[0]) < 1e-3 > abs(second[-1])
    assert peak_hz(first) == pytest.approx(500, abs=2) and peak_hz(second) == pytest.approx(1000, abs=2)
    assert np.std(first[800:-800]) == pytest.approx(np.std(second[800:-800]), rel=0.02)


def test_too_many_sounds_are_thinned_evenly() -> None:
    """Ten sounds where five fit: every second one, from the beginning to the end."""
    ten = [tone(200.0 * (i + 1), 1.0) for i in range(10)]
    kept = wave.joined(ten, 8.0, 5.0)
    assert [round(peak_hz(kept[i * 8000 : (i + 1) * 8000])) for i in range(5)] == [400, 800, 1200, 1600, 2000]


def test_pauses_are_taken_out() -> None:
    """Of ten seconds with a tone in the second and the eighth, the tones and a moment around them stay."""
    samples = np.zeros(10 * SAMPLE_RATE, np.float32)
    samples[8000:16000], samples[56000:64000] = tone(400, 1.0), tone(400, 1.0)
    assert wave.seconds(wave.lively(samples)) == pytest.approx(2 + 4 * wave.PAUSE_S, abs=0.05)
    assert len(wave.lively(samples[:0])) == 0 and len(wave.lively(tone(400, 0.06))) == 480


def test_silence_is_what_does_not_move() -> None:
    """Zeros, an offset and hiss far below hearing are silent; a quiet tone is not."""
    hiss = 1e-4 * np.random.default_rng(1).standard_normal(8000)
    assert all(map(wave.is_silent, (np.zeros(0), np.zeros(8000), np.full(8000, 0.5), hiss)))
    assert not wave.is_silent(tone(400, 1.0, amplitude=0.01))


def test_only_the_beginning_of_a_file_is_kept(tmp_path: Path) -> None:
    """A file longer than asked for is cut to the sample, a shorter one comes whole."""
    (tmp_path / "a.wav").write_bytes(float_wav(tone(440, 5.0)))
    assert len(wave.beginning(tmp_path / "a.wav", 2.0)) == 16_000
    assert len(wave.beginning(tmp_path / "a.wav", 60.0)) == 40_000


def test_loud_audio_is_turned_down_not_clipped() -> None:
    """What leaves −1…1 keeps its form; what does not is untouched."""
    loud = tone(400, 1.0, amplitude=2.0)
    assert np.allclose(wave.unclipped(loud), loud * (wave.PEAK / np.abs(loud).max()), atol=1e-6)
    assert wave.unclipped(quiet := tone(400, 1.0)) is quiet
