"""Uploads are decoded in processes that may crash, hang and swell without anything else being lost."""

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import SpooledTemporaryFile, TemporaryFile

import httpx
import numpy as np
import pytest

from ingest.fingerprint import TooLong, TooShort, UnreadableAudio
from serve.clip import read_clip
from serve.config import BoundsConfig
from serve.decoding import hostile
from serve.decoding.decoders import Decoders
from serve.decoding.process import DecodeProcess, environment
from serve.meter import NoMeter
from serve.problems import DecodeFailed, DecoderAway, DecodeTimeout
from serve.process_tree import below, read_process
from serve.recording import Recording
from tests.service.live import serving
from tests.service.sounds import long_silence, melody, wav
from tests.service.test_api import problem
from tests.service.world import World, config
from tests.waiting import wait_for

GONE_S = 30.0


def bounds(*options: str) -> BoundsConfig:
    return config(*options).bounds


@pytest.fixture(scope="module")
def decoders() -> Iterator[Decoders]:
    made = Decoders(bounds("bounds.clip_s=5"))
    yield made
    made.close()


@pytest.fixture
def attacked() -> Iterator[Decoders]:
    """One process, a second for an upload, and a decoder that hostile bytes have got hold of."""
    made = Decoders(bounds("bounds.decoders=1", "bounds.decode_s=1"), clip_worker="serve.decoding.hostile")
    yield made
    made.close()


def pids() -> set[int]:
    return {process.pid for process in below(os.getpid()) if not process.zombie}


def gone(pid: int) -> bool:
    found = read_process(pid)
    return found is None or found.zombie


def test_a_clip_is_what_it_is_in_this_process(decoders: Decoders) -> None:
    """Samples, place and duration come over unchanged, of the whole and from a place that was asked for."""
    data = wav(melody(4, 12.0))
    for start_s in (None, 6.5):
        found = decoders.clip(data, start_s)
        expected = read_clip(data, clip_s=5, upload_s=900, start_s=start_s)
        assert np.array_equal(found.samples, expected.samples)
        assert (found.start_s, found.duration_s) == (expected.start_s, expected.duration_s)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"no audio", UnreadableAudio),
        (wav(melody(1, 0.4)), TooShort),
        (wav(melody(1, 3.0), rate=8), TooLong),
    ],
)
def test_bad_input_keeps_its_code_and_its_process(decoders: Decoders, data: bytes, kind: type[Exception]) -> None:
    """The refusal that the decoder raised is raised here, and the same process takes the next upload."""
    decoders.clip(wav(melody(1, 1.0)))
    before = pids()
    with pytest.raises(kind):
        decoders.clip(data)
    assert pids() == before


@pytest.mark.parametrize(
    ("deed", "kind", "said"),
    [
        (b"hang", DecodeTimeout, "1 s"),
        (b"sleep", DecodeTimeout, "1 s"),
        (b"be_stopped", DecodeTimeout, "1 s"),
        (b"crash", DecodeFailed, "SIGSEGV"),
        (b"be_killed", DecodeFailed, "SIGKILL"),
        (b"swell", DecodeFailed, "exit code 1"),
        (b"open_a_file", DecodeFailed, "exit code 1"),
        (b"open_a_socket", DecodeFailed, "exit code 1"),
    ],
)
def test_what_hostile_bytes_do_costs_one_process(
    attacked: Decoders, deed: bytes, kind: type[Exception], said: str
) -> None:
    """Each is a problem of those bytes alone, within its time, and the next upload is decoded by another process."""
    attacked.clip(wav(melody(1, 1.0)))
    before = pids()
    began = time.monotonic()
    with pytest.raises(kind, match=said):
        attacked.clip(deed)
    assert time.monotonic() - began < 8
    assert attacked.clip(wav(melody(1, 1.0))).duration_s == 1.0
    assert len(pids()) == len(before) and pids() != before


def test_every_deed_is_tried() -> None:
    """The stand-in can do nothing that the test above leaves out."""
    tried = test_what_hostile_bytes_do_costs_one_process.pytestmark[0].args[1]
    assert {deed for deed, *_ in tried} == set(hostile.DEEDS)


def test_a_process_killed_while_idle_is_nobodys_fault(attacked: Decoders) -> None:
    """The next upload is decoded as if nothing had been."""
    before = pids()
    attacked.clip(wav(melody(1, 1.0)))
    (pid,) = pids() - before
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: gone(pid))
    assert attacked.clip(wav(melody(1, 1.0))).duration_s == 1.0


def test_a_process_killed_while_it_decodes_real_bytes() -> None:
    """The upload that it had is `decode_failed`, and the one that waited behind it is decoded."""
    made = Decoders(bounds("bounds.decoders=1", "bounds.upload_s=1e6", "bounds.decode_s=60"))
    before = pids()
    made.clip(wav(melody(1, 1.0)))
    (pid,) = pids() - before
    try:
        with ThreadPoolExecutor(2) as threads:
            long = threads.submit(made.clip, long_silence(3 * 3600))
            time.sleep(0.5)
            waiting = threads.submit(made.clip, wav(melody(1, 1.0)))
            os.kill(pid, signal.SIGKILL)
            assert isinstance(long.exception(), DecodeFailed)
            assert waiting.result().duration_s == 1.0
    finally:
        made.close()


def test_no_more_processes_than_allowed(decoders: Decoders) -> None:
    """Eight uploads at once share `bounds.decoders` processes, and all are answered."""
    before = pids()
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(decoders.clip, [wav(melody(n, 2.0)) for n in range(8)]))
    assert len(found) == 8 and len(pids() | before) <= len(before) + bounds().decoders


def test_the_environment_holds_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords and tokens of the service are unknown to what parses the bytes of strangers."""
    monkeypatch.setenv("REFRAIN_MYSQL_PASSWORD", "x")
    monkeypatch.setenv("RAY_AUTH_TOKEN", "x")
    assert not {"REFRAIN_MYSQL_PASSWORD", "RAY_AUTH_TOKEN"} & set(environment())
    code = "import sys, serve.decoding.clip_worker; print(sorted({'torch', 'ray', 'scipy'} & set(sys.modules)))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment())
    assert told.stdout.strip() == "[]", "what a decode process imports is light"


def test_a_decoder_that_cannot_start_is_not_the_callers_fault() -> None:
    """With a worker that ends at once the answer is a 503 that may be asked again."""
    broken = Decoders(bounds(), clip_worker="serve.decoding.absent")
    with pytest.raises(DecoderAway):
        broken.clip(b"")
    assert DecoderAway.retry


def test_no_process_outlives_its_owner(tmp_path: Path) -> None:
    """When the owner is killed, an idle process ends at once and a hanging one with its alarm."""
    script = tmp_path / "owner.py"
    script.write_text(
        "import threading, time\n"
        "from serve.decoding.decoders import Decoders\n"
        "from tests.service.world import config\n"
        "bounds = config('bounds.decode_s=3').bounds\n"
        "made = Decoders(bounds, clip_worker='serve.decoding.hostile')\n"
        "made.warm(); made._idle[0].wait_ready(); idle = made._idle.pop()\n"
        "threading.Thread(target=made.clip, args=(b'hang',)).start()\n"
        "made_pid = idle.pid\n"
        "time.sleep(2); print('up', flush=True); time.sleep(60)\n"
    )
    owner = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, env=environment())
    assert owner.stdout and owner.stdout.readline() == b"up\n"
    left = below(owner.pid)
    assert len(left) == 2
    owner.kill()
    owner.wait()
    owner.stdout.close()
    wait_for(lambda: not any(process.alive for process in left), GONE_S)


def test_a_recording_comes_window_by_window() -> None:
    """The windows of another process are those of this one, and the file stays where it was."""
    made = Decoders(bounds("bounds.timeline_window_s=4"))
    data = wav(melody(3, 21.0))
    with TemporaryFile() as file:
        file.write(data)
        file.seek(7)
        recording = made.recording(file)
        windows = list(recording)
        recording.close()
        assert file.tell() == 7
    expected = list(Recording(io.BytesIO(data), window_s=4.0, max_s=60.0))
    assert len(windows) == len(expected) > 3
    assert all(np.array_equal(one, other) for one, other in zip(windows, expected, strict=True))
    assert (recording.duration_s, recording.share) == (21.0, 1.0)


def test_a_recording_that_is_given_up_leaves_nothing() -> None:
    """Closed in the middle, or before it began, its process is gone at once."""
    made, before = Decoders(bounds("bounds.timeline_window_s=1")), pids()
    with SpooledTemporaryFile() as file:
        file.write(wav(melody(3, 60.0)))
        recording = made.recording(file)
        assert len(next(iter(recording)))
        assert len(pids() - before) == 1
        recording.close()
        assert pids() <= before
        unborn = made.recording(file)
        unborn.close()
        with pytest.raises(DecodeFailed):
            next(iter(unborn))


def test_a_recording_is_bounded_as_a_clip_is() -> None:
    """A window that takes too long is `decode_timeout`, and bad input keeps its code."""
    with TemporaryFile() as file:
        file.write(wav(melody(3, 20.0)))
        slow = Decoders(bounds("bounds.decode_s=0.0001")).recording(file)
        with pytest.raises(DecodeTimeout):
            list(slow)
        long = Decoders(bounds("bounds.timeline_s=10")).recording(file)
        with pytest.raises(TooLong):
            list(long)
        long.close()


def test_what_a_worker_says_is_believed_only_where_it_makes_sense() -> None:
    """A worker that speaks nonsense is a failed decoder, and it is gone."""
    process = DecodeProcess("serve.decoding.hostile", (512,))
    process.wait_ready()
    process.ask({"decode_s": 5, "clip_s": 5, "upload_s": 5, "start_s": None}, wav(melody(1, 2.0)), 5)
    with pytest.raises(DecodeFailed):
        process.answer(lambda told, samples: samples, 10, 5)
    assert not process.alive


def test_the_service_goes_on() -> None:
    """Over HTTP: 422 with its code for hostile bytes, counted by it, and a clip sent meanwhile is answered."""
    world = World.with_songs()
    world.clip_worker = "serve.decoding.hostile"
    counted: list[str] = []

    class Counting(NoMeter):
        def request(self, route: str, status: int, code: str, elapsed_ms: float, key: str) -> None:
            counted.append(code)

    clip = wav(world.clip(2, 17.3, 8.0))
    with serving(world.api("bounds.decode_s=1", "bounds.wait_s=15", meter=Counting())) as client:

        def ask(body: bytes) -> httpx.Response:
            return client.post("/v1/identify", content=body)

        with ThreadPoolExecutor(3) as threads:
            hung, answered, crashed = threads.map(ask, (b"hang", clip, b"crash"))
        problem(hung, 422, "decode_timeout")
        problem(crashed, 422, "decode_failed")
        assert answered.json()["matches"][0]["track_id"] == 2
        assert ask(clip).json()["matches"][0]["track_id"] == 2
    assert sorted(counted) == ["decode_failed", "decode_timeout", "ok", "ok"]
