"""Decoding: whatever comes in, mono samples at 8 kHz of the right pitch and length come out."""

import io
from pathlib import Path

import numpy as np
import pytest

from ingest.fingerprint import SAMPLE_RATE, AudioStream, NoAudioStream, TooLong, decode
from tests.fingerprint.signals import Form, encode, float_wav, level, peak_hz, tone, tone_file, video_file

CODEC_DELAY_S = 0.06  # what lossy codecs add or leave out at the ends

FORMS = [
    *(Form("wav", codec) for codec in ("pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_f64le")),
    *(Form("wav", codec, 8_000) for codec in ("pcm_mulaw", "pcm_alaw")),
    *(Form("wav", "pcm_s16le", rate) for rate in (8_000, 11_025, 16_000, 48_000, 96_000, 192_000)),
    Form("wav", "pcm_s16le", channels=2),
    Form("wav", "pcm_s24le", 48_000, channels=6),
    Form("aiff", "pcm_s16be"),
    Form("flac", "flac", 48_000, 2),
    *(Form("mp3", "libmp3lame", rate, channels, CODEC_DELAY_S) for rate, channels in [(44_100, 2), (22_050, 1)]),
    Form("ogg", "vorbis", 44_100, 2, CODEC_DELAY_S),
    Form("ogg", "flac", 44_100, 1),
    Form("ogg", "libopus", 48_000, 2, CODEC_DELAY_S),
    Form("ogg", "libopus", 48_000, 6, CODEC_DELAY_S),
    Form("webm", "libopus", 48_000, 1, CODEC_DELAY_S),
    Form("ipod", "aac", 44_100, 2, CODEC_DELAY_S),
    Form("ipod", "alac", 44_100, 2, CODEC_DELAY_S),
    Form("adts", "aac", 44_100, 1, CODEC_DELAY_S),
    Form("asf", "wmav2", 44_100, 2, CODEC_DELAY_S),
    Form("ac3", "ac3", 48_000, 6, CODEC_DELAY_S),
]


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_pitch_and_length_come_out_of_every_format(form: Form) -> None:
    """A tone of 1 kHz and 2 s is one of 1 kHz and 2 s in every container, codec, width, rate and number of channels."""
    decoded = decode(tone_file(form))
    assert decoded.samples.dtype == np.float32 and decoded.samples.ndim == 1
    assert decoded.duration_s == pytest.approx(2.0, abs=form.slack_s)
    assert peak_hz(decoded.samples) == pytest.approx(1_000, abs=2)
    assert 0.3 < level(decoded.samples, 1_000) < 2.0
    assert not decoded.truncated


@pytest.mark.parametrize("container", ["mp4", "matroska", "avi"])
def test_sound_is_taken_out_of_video(container: str) -> None:
    """Of a file with pictures the sound track is read."""
    form = Form(container, "libmp3lame" if container == "avi" else "aac")
    decoded = decode(tone_file(form, video=True))
    assert decoded.duration_s == pytest.approx(2.0, abs=CODEC_DELAY_S)
    assert peak_hz(decoded.samples) == pytest.approx(1_000, abs=2)


@pytest.mark.parametrize("container", ["mp4", "matroska"])
def test_pictures_alone_have_no_audio_stream(container: str) -> None:
    """A video without sound is rejected as such, and not as unreadable."""
    with pytest.raises(NoAudioStream):
        decode(video_file(container))


def test_stereo_becomes_the_sum_of_its_channels() -> None:
    """Both channels are heard at equal strength, 3 dB down each, as FFmpeg mixes them."""
    channels = np.stack([tone(500, 1, amplitude=0.4), tone(1_500, 1, amplitude=0.4)])
    mono = decode(encode(channels, Form("wav", "pcm_f32le", SAMPLE_RATE, 2))).samples
    assert level(mono, 500) == pytest.approx(0.4 * np.sqrt(0.5), rel=0.01)
    assert level(mono, 1_500) == pytest.approx(0.4 * np.sqrt(0.5), rel=0.01)


def test_all_of_surround_but_the_bass_channel_is_heard() -> None:
    """5.1: front, centre and surround channels are all in the mono mix (the LFE channel is not, by standard)."""
    tones_hz = [400, 700, 1_000, 1_300, 1_600, 1_900]  # FL FR FC LFE BL BR
    channels = np.stack([tone(hz, 1, amplitude=0.2) for hz in tones_hz])
    mono = decode(encode(channels, Form("wav", "pcm_f32le", SAMPLE_RATE, 6))).samples
    heard = [level(mono, hz) > 0.05 for hz in tones_hz]
    assert heard == [True, True, True, False, True, True]


def test_what_8_khz_cannot_hold_is_filtered_and_not_folded() -> None:
    """A tone of 5.5 kHz, which would alias to 2.5 kHz, is gone."""
    mono = decode(tone_file(Form("wav", "pcm_s16le"), 5_500.0)).samples
    assert np.abs(mono[800:-800]).max() < 0.005


def test_samples_at_8_khz_pass_unchanged() -> None:
    """Mono float audio at the working rate comes out bit by bit."""
    samples = np.random.default_rng(0).uniform(-1, 1, 20_000).astype(np.float32)
    assert np.array_equal(decode(float_wav(samples)).samples, samples)


def test_bytes_paths_and_open_files_are_the_same(tmp_path: Path) -> None:
    """A file gives the same samples by its name, as text or path, as bytes, and as an open stream."""
    content = tone_file(Form("mp3", "libmp3lame", 44_100, 2, CODEC_DELAY_S))
    path = tmp_path / "tone.mp3"
    path.write_bytes(content)
    with path.open("rb") as opened:
        sources = [str(path), path, content, opened, io.BytesIO(content)]
        decoded = [decode(source).samples for source in sources]  # type: ignore[arg-type]  # a list of all kinds
    assert all(np.array_equal(samples, decoded[0]) for samples in decoded[1:])


def test_blocks_are_streamed() -> None:
    """The first block of a minute comes when little of the file has been read."""
    file = io.BytesIO(tone_file(Form("wav", "pcm_s16le"), 440.0, 60.0))
    blocks = iter(AudioStream(file))
    assert len(next(blocks)) < SAMPLE_RATE
    assert file.tell() < len(file.getvalue()) // 5
    assert sum(map(len, blocks)) > 59 * SAMPLE_RATE


def test_more_than_the_limit_is_too_long() -> None:
    """The limit holds to the sample; it is found out while decoding, whatever the header says."""
    content = tone_file(Form("wav", "pcm_s16le", 8_000))
    assert decode(content, max_s=2.0).duration_s == 2.0
    with pytest.raises(TooLong, match="longer than the limit of 1\\.99 s"):
        decode(content, max_s=1.99)


def test_samples_are_finite_and_bounded() -> None:
    """NaN and infinity become silence, absurd values are cut off: 16-bit and float samples then agree."""
    samples = tone(440, 1)
    samples[1_000], samples[2_000], samples[3_000], samples[4_000] = np.nan, np.inf, -np.inf, 1e38
    decoded = decode(float_wav(samples)).samples
    assert decoded[[1_000, 2_000, 3_000, 4_000]].tolist() == [0.0, 0.0, 0.0, 4.0]
    assert np.isfinite(decode(float_wav(samples, 44_100)).samples).all()
