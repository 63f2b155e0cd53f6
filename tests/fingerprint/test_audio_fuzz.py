"""Decoding and tag reading under random damage: bad input, and nothing worse, comes out."""

import io

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.fingerprint import BadInput, decode, read_tags
from tests.fingerprint.signals import Form, tone_file

FORMS = [
    Form("wav", "pcm_s16le", 8_000),
    Form("wav", "adpcm_ima_wav", 11_025),
    Form("aiff", "pcm_s16be", 8_000),
    Form("caf", "pcm_s16le", 8_000),
    Form("mp3", "libmp3lame", 22_050),
    Form("flac", "flac", 8_000),
    Form("ogg", "vorbis", 22_050, 2),
    Form("ogg", "libopus", 48_000),
    Form("ipod", "aac", 22_050),
    Form("adts", "aac", 22_050),
    Form("mpegts", "aac", 22_050),
    Form("matroska", "aac", 22_050),
    Form("asf", "wmav2", 22_050, 2),
    Form("avi", "libmp3lame", 22_050),
]
HEADER_BYTES = 400


@st.composite
def damaged_files(draw: st.DrawFn) -> bytes:
    """A small file with a few bytes of its head or body replaced, removed or inserted."""
    content = bytearray(tone_file(draw(st.sampled_from(FORMS)), 1_000.0, 0.4))
    for _ in range(draw(st.integers(1, 8))):
        reach = HEADER_BYTES if draw(st.booleans()) else len(content)
        place = draw(st.integers(0, max(0, min(reach, len(content)) - 1)))
        span = draw(st.integers(0, 40))
        content[place : place + span] = draw(
            st.binary(max_size=16) | st.sampled_from([b"\xff" * 8, bytes(8), b"\x7f" * 4])
        )
    return bytes(content)


def _decodes_or_is_bad_input(content: bytes) -> None:
    try:
        decoded = decode(content, max_s=30)
    except BadInput:
        return
    assert decoded.samples.dtype == np.float32 and len(decoded.samples) > 0
    assert np.abs(decoded.samples).max() <= 4.0  # and so finite


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.data_too_large])
@given(damaged_files())
def test_damaged_files_decode_or_are_bad_input(content: bytes) -> None:
    """Whatever is done to a file, bounded samples or a BadInput come out; tags or none are read."""
    _decodes_or_is_bad_input(content)
    read_tags(io.BytesIO(content))


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from([b"", b"RIFF", b"ID3\x03", b"OggS\0\x02", b"fLaC", b"FORM", b"\xff\xfb\x90", b"\x1aE\xdf\xa3"]),
    st.binary(max_size=300),
)
def test_random_bytes_decode_or_are_bad_input(start: bytes, rest: bytes) -> None:
    """Likewise for noise behind the first bytes of a format."""
    _decodes_or_is_bad_input(start + rest)
    read_tags(io.BytesIO(start + rest))


@pytest.mark.long
@pytest.mark.timeout(1_800)
@settings(max_examples=20_000, deadline=None, suppress_health_check=[HealthCheck.data_too_large])
@given(damaged_files())
def test_many_damaged_files_decode_or_are_bad_input(content: bytes) -> None:
    """The same, at length."""
    _decodes_or_is_bad_input(content)
    read_tags(io.BytesIO(content))
