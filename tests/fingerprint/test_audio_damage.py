"""Decoding what is broken: kept up to the break and flagged, or rejected with a reason; never a crash."""

from pathlib import Path

import numpy as np
import pytest

from ingest.fingerprint import BadInput, NoAudioStream, UnreadableAudio, decode
from tests.fingerprint.signals import Form, encode, level, pcm_wav, peak_hz, remuxed, tone, tone_file, wav_header

DECLARING = [
    Form("wav", "pcm_s16le"),
    Form("wav", "pcm_s24le", 48_000, 2),
    Form("wav", "pcm_f32le"),
    Form("wav", "pcm_mulaw", 8_000),
    Form("aiff", "pcm_s16be"),
    Form("avi", "pcm_s16le"),
    Form("mp3", "libmp3lame"),
    Form("flac", "flac"),
    Form("matroska", "aac"),
    Form("webm", "libopus", 48_000),
    Form("asf", "wmav2", 44_100, 2),
]
SILENT_ABOUT_LENGTH = [
    Form("ogg", "vorbis", 44_100, 2),
    Form("ogg", "libopus", 48_000),
    Form("caf", "pcm_s16le"),
    Form("ac3", "ac3", 48_000),
]
SECONDS = 8.0


def first_part(form: Form, share: float) -> bytes:
    content = tone_file(form, 1_000.0, SECONDS)
    return content[: int(len(content) * share)]


@pytest.mark.parametrize("form", DECLARING, ids=str)
def test_a_file_that_breaks_off_is_kept_and_flagged(form: Form) -> None:
    """Where the header declares a duration, what came before the break is kept and the file is flagged."""
    decoded = decode(first_part(form, 0.5))
    assert decoded.truncated
    assert decoded.duration_s == pytest.approx(SECONDS / 2, abs=0.8)
    assert peak_hz(decoded.samples) == pytest.approx(1_000, abs=2)
    assert decode(first_part(form, 0.85)).truncated


@pytest.mark.parametrize("form", DECLARING + SILENT_ABOUT_LENGTH, ids=str)
def test_a_whole_file_is_not_flagged(form: Form) -> None:
    """The same files unbroken are not called truncated."""
    decoded = decode(tone_file(form, 1_000.0, SECONDS))
    assert not decoded.truncated
    assert decoded.duration_s == pytest.approx(SECONDS, abs=0.06)


@pytest.mark.parametrize("form", SILENT_ABOUT_LENGTH, ids=str)
def test_formats_without_a_declared_length_are_kept_up_to_the_break(form: Form) -> None:
    """Nothing in them tells that there was more: what is there is decoded."""
    decoded = decode(first_part(form, 0.6))
    assert 0.3 * SECONDS < decoded.duration_s < 0.75 * SECONDS
    assert peak_hz(decoded.samples) == pytest.approx(1_000, abs=2)


@pytest.mark.parametrize("size", [b"\xff\xff\xff\xff", b"\x00\x00\x00\x00", b"\x00\xf0\xff\x7f"])
def test_a_wav_from_a_pipe_declares_nothing(size: bytes) -> None:
    """Programs that cannot seek back leave 0 or the largest sizes in the header: such a file is whole."""
    content = bytearray(tone_file(Form("wav", "pcm_s16le"), 1_000.0, SECONDS))
    content[4:8] = size
    data = content.index(b"data") + 4
    content[data : data + 4] = size if size != bytes(4) else b"\xff\xff\xff\xff"
    decoded = decode(bytes(content))
    assert decoded.duration_s == pytest.approx(SECONDS, abs=0.01) and not decoded.truncated


def test_a_guessed_duration_flags_nothing() -> None:
    """Bare AAC whose quiet beginning makes FFmpeg guess a ten times longer file is not called truncated."""
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 44_100 * 8).astype(np.float32)
    noise[: 44_100 * 4] = 0.0
    assert not decode(encode(noise[None], Form("adts", "aac"))).truncated


@pytest.mark.parametrize(
    "form",
    [
        Form("mp3", "libmp3lame"),
        Form("flac", "flac"),
        Form("ogg", "vorbis", 44_100, 2),
        Form("ogg", "libopus", 48_000),
        Form("adts", "aac"),
        Form("ipod", "aac"),
        Form("asf", "wmav2", 44_100, 2),
        Form("matroska", "aac"),
        Form("mpegts", "aac"),
    ],
    ids=str,
)
def test_damage_inside_costs_only_its_surroundings(form: Form) -> None:
    """After a stretch of rubbish in the middle the decoder finds back: both ends of the tone are there."""
    content = bytearray(tone_file(form, 1_000.0, SECONDS))
    middle = len(content) // 2
    content[middle : middle + 600] = np.random.default_rng(1).bytes(600)
    samples = decode(bytes(content)).samples
    assert 0.7 * SECONDS < len(samples) / 8_000 <= SECONDS + 0.1
    assert all(level(part, 1_000) > 0.3 for part in (samples[4_000:12_000], samples[-12_000:-4_000]))


def test_an_mp4_without_its_index_is_unreadable() -> None:
    """Cut before the moov box at its end, nothing can be made of an mp4."""
    with pytest.raises(UnreadableAudio, match="no decoder makes sense of it"):
        decode(first_part(Form("ipod", "aac"), 0.9))


def test_a_stream_may_change_its_rate_and_channels() -> None:
    """Two mp3 files of different rate and channels, joined as radio recorders do: both parts at their true pitch."""
    parts = [Form("mp3", "libmp3lame", 44_100, 1), Form("mp3", "libmp3lame", 22_050, 2)]
    samples = decode(b"".join(tone_file(form, 1_000.0, 4.0) for form in parts)).samples
    assert len(samples) / 8_000 == pytest.approx(8.0, abs=0.2)
    assert peak_hz(samples[4_000:28_000]) == pytest.approx(1_000, abs=2)
    assert peak_hz(samples[-28_000:-4_000]) == pytest.approx(1_000, abs=2)


def test_ogg_streams_in_a_chain_are_one_recording() -> None:
    """Chained Ogg of one form plays through; where the form changes, FFmpeg stops: kept up to there and flagged."""
    mono, stereo = (tone_file(Form("ogg", "libopus", 48_000, channels), 1_000.0, 4.0) for channels in (1, 2))
    assert decode(mono + mono).duration_s == pytest.approx(8.0, abs=0.1)
    broken = decode(mono + stereo)
    assert broken.duration_s == pytest.approx(4.0, abs=0.1) and broken.truncated


def test_channels_that_nothing_can_mix_are_unreadable() -> None:
    """64 channels: the resampler refuses them, the file is rejected."""
    with pytest.raises(UnreadableAudio):
        decode(pcm_wav(np.zeros(64 * 2_000, np.int16), 44_100, 64))


@pytest.mark.parametrize("rate", [1, 50, 5_000_000, 2_000_000_000])
def test_absurd_rates_neither_crash_nor_run_away(rate: int) -> None:
    """A header may claim any rate: what comes of it is bounded by the limit on length, or rejected."""
    try:
        assert decode(pcm_wav(np.ones(20_000, np.int16), rate), max_s=50).duration_s < 50
    except BadInput as error:
        assert error.code in {"too_long", "unreadable"}


def test_an_unknown_codec_is_unreadable() -> None:
    """A container that is understood around a codec that is not."""
    content = tone_file(Form("wav", "pcm_s16le"))
    with pytest.raises(UnreadableAudio):
        decode(content[:20] + b"\x77\x77" + content[22:])
    with pytest.raises((UnreadableAudio, NoAudioStream)):
        decode(tone_file(Form("matroska", "aac")).replace(b"A_AAC", b"A_XYZ"))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"x",
        b"\0" * 5_000,
        b"this is no music\n" * 300,
        b"ID3\x04\0\0\0\0\0\0",
        b"RIFF\0\0\0\0WAVE",
        b"OggS",
        b"fLaC",
    ],
)
@pytest.mark.parametrize("suffix", [".mp3", ".wav", ".aac"])
def test_what_is_no_audio_is_unreadable(content: bytes, suffix: str, tmp_path: Path) -> None:
    """Empty, tiny and textual files, whatever their names say, from a file and from memory."""
    path = tmp_path / f"song{suffix}"
    path.write_bytes(content)
    for source in (path, content):
        with pytest.raises(UnreadableAudio):
            decode(source)


def test_a_header_without_samples_is_unreadable() -> None:
    """A WAV of no samples holds no audio."""
    with pytest.raises(UnreadableAudio, match="no audio could be decoded"):
        decode(wav_header(0, tag=1, rate=8_000, channels=1, bits=16))


def test_a_lone_damaged_packet_costs_itself() -> None:
    """Three packets of a thousand that fail are left out and flagged, and the rest is there."""
    form = Form("matroska", "aac")
    content = remuxed(tone_file(form, 1_000.0, SECONDS), form.container, spoilt={50, 100, 200})
    decoded, whole = decode(content), decode(tone_file(form, 1_000.0, SECONDS))
    assert whole.duration_s - decoded.duration_s == pytest.approx(3 * 1_024 / 44_100, abs=0.01)
    assert decoded.truncated


def test_many_damaged_packets_are_a_break() -> None:
    """What comes behind hundreds of packets that fail in a row is not waited for."""
    form = Form("matroska", "aac")
    content = remuxed(tone_file(form, 1_000.0, 20.0), form.container, spoilt=set(range(100, 600)))
    decoded = decode(content)
    assert decoded.duration_s == pytest.approx(100 * 1_024 / 44_100, abs=0.1)
    assert decoded.truncated


def test_clean_samples_around_a_cut_packet_are_true() -> None:
    """Up to the break the samples are those of the whole file."""
    whole = decode(tone_file(Form("flac", "flac"), 1_000.0, SECONDS)).samples
    part = decode(first_part(Form("flac", "flac"), 0.5)).samples
    kept = len(part) - 100  # the resampler's tail
    assert np.allclose(part[:kept], whole[:kept], atol=1e-6)
    assert np.allclose(whole[100:8_000], tone(1_000, 1)[100:], atol=0.01)
