"""Uploads made to hurt, over HTTP: promised answers alone come back, in bounded time and memory, and the service goes
on."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, given, settings

from serve.process_tree import below
from tests.fingerprint.test_audio_fuzz import damaged_files
from tests.service.claims import CLAIMS
from tests.service.live import serving
from tests.service.sounds import long_silence, melody, wav
from tests.service.world import World

MIB = 1 << 20
DECODE_S, MEMORY_MIB, BASE_MIB = 4, 256, 120
CODES = {"unreadable", "no_audio_stream", "too_short", "too_long", "silent", "decode_timeout", "decode_failed"}
OPTIONS = (
    f"bounds.decode_s={DECODE_S}",
    f"bounds.decode_memory_mib={MEMORY_MIB}",
    "bounds.decoders=1",
    "bounds.timeline_s=60",
)


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with serving(World.with_songs().api(*OPTIONS)) as client:
        yield client


def promised(response: httpx.Response) -> str:
    """The code of an answer that is an answer."""
    if response.status_code == 200:
        return "ok"
    code = str(response.json()["code"])
    assert response.status_code == 422 and code in CODES, response.text
    return code


def peak_mib(pid: int) -> float:
    """The most memory that a process ever held."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM"))


def test_goes_on(client: httpx.Client) -> None:
    """The client that the other tests share is answered at all."""
    assert promised(client.post("/v1/identify", content=wav(melody(1, 2.0)))) == "ok"


@pytest.mark.parametrize("path", ["/v1/identify", "/v1/timeline"])
@pytest.mark.parametrize("claim", CLAIMS)
def test_small_files_that_announce_large_things(client: httpx.Client, claim: str, path: str) -> None:
    """Neither the time nor the memory is what they announce."""
    began = time.monotonic()
    promised(client.post(path, content=CLAIMS[claim]))
    assert time.monotonic() - began < 2 * DECODE_S + 5
    peaks = [peak_mib(process.pid) for process in below(os.getpid()) if not process.zombie]
    assert max(peaks, default=0) < BASE_MIB + MEMORY_MIB


@pytest.mark.parametrize(
    ("container", "codec", "rate", "hours"), [("flac", "flac", 8_000, 6), ("ogg", "libopus", 48_000, 0.5)]
)
def test_hours_of_silence_in_little(client: httpx.Client, container: str, codec: str, rate: int, hours: float) -> None:
    """What is long when it is decoded is too long, or silent, and takes bounded memory; what follows is answered."""
    upload = long_silence(hours * 3600, container, codec, rate)
    began = time.monotonic()
    assert promised(client.post("/v1/identify", content=upload)) in {"too_long", "decode_timeout"}
    assert time.monotonic() - began < 2 * DECODE_S + 5
    assert promised(client.post("/v1/identify", content=wav(melody(1, 2.0)))) == "ok"
    peaks = [peak_mib(process.pid) for process in below(os.getpid()) if not process.zombie]
    assert max(peaks, default=0) < BASE_MIB + MEMORY_MIB


def _posted(client: httpx.Client, content: bytes) -> None:
    if content:
        promised(client.post("/v1/identify", content=content))


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(content=damaged_files())
def test_damaged_files_are_answered(client: httpx.Client, content: bytes) -> None:
    """Whatever is done to the head or body of a file of any format, the answer is one that is promised."""
    _posted(client, content)


@pytest.mark.long
@pytest.mark.timeout(3_600)
@settings(max_examples=2_000, deadline=None, suppress_health_check=list(HealthCheck))
@given(content=damaged_files())
def test_many_damaged_files_are_answered(client: httpx.Client, content: bytes) -> None:
    """The same, at length, in one process."""
    _posted(client, content)
