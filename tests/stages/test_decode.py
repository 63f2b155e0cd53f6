"""Stage 1: windows of good files, a code and a reason for bad ones, and nothing of one in the other."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from mutagen.flac import FLAC

from ingest.decode import RETRY_AFTER_S, DecodeFiles
from ingest.errors import InfrastructureError
from ingest.fingerprint import SEGMENT_HOP
from ingest.fingerprint.pcm import to_float
from ingest.rows import WINDOW_SCHEMA
from tests.fingerprint.encoders import NARROW
from tests.fingerprint.signals import Form, encode, melody, pcm_wav
from tests.stages.world import BAD, GOOD, decoder, work

CORE = 8 * SEGMENT_HOP  # 4 s in whole segments


@pytest.mark.parametrize("name", GOOD)
def test_a_good_file_becomes_windows(name: str, music: Path) -> None:
    """In order and closed by one last window that tells the duration; the segments go on from window to window."""
    rows = list(decoder().rows(7, str(music / name)))
    assert [row["window"] for row in rows] == list(range(len(rows)))
    assert [row["first_segment"] for row in rows] == [8 * i for i in range(len(rows))]
    assert [row["last"] for row in rows] == [False] * (len(rows) - 1) + [True]
    assert rows[-1]["duration_s"] == pytest.approx(GOOD[name], abs=0.06)
    assert len(rows) == {"long.flac": 8, "song.mp3": 3, "short.wav": 1}[name]  # of 4.1 s, the last up to 0.6 s longer
    assert all(row["recording_id"] == 7 and "code" not in row for row in rows)


def test_windows_hold_the_samples_of_the_file(music: Path) -> None:
    """Put together without what they overlap by, the windows are the music."""
    before, after = NARROW.padding
    rows = list(decoder().rows(1, str(music / "long.flac")))
    samples = [to_float(np.frombuffer(row["samples"], np.int16))[before:] for row in rows]
    joined = np.concatenate([part[:CORE] for part in samples[:-1]] + [samples[-1][:-after]])
    expected = melody(GOOD["long.flac"], seed=0)
    assert np.allclose(joined[: len(expected)], expected[: len(joined)], atol=2e-4)


@pytest.mark.parametrize(("name", "code"), BAD.items())
def test_a_bad_file_becomes_one_reject(name: str, code: str, music: Path) -> None:
    """One row with the code of what is wrong and a reason a person can read."""
    *windows, reject = decoder().rows(3, str(music / name))
    assert windows == []
    assert (reject["recording_id"], reject["window"], reject["code"]) == (3, -1, code)
    assert 10 < len(reject["reason"]) < 200 and "\n" not in reject["reason"]


def test_a_file_that_breaks_off_is_kept_and_flagged(music: Path) -> None:
    """Truncated audio is ingested up to the break; the last row tells."""
    *_, last = decoder().rows(1, str(music / "broken.flac"))
    assert last["truncated"] and 4.0 < last["duration_s"] < 8.0


def test_a_file_too_long_ends_in_a_reject(music: Path) -> None:
    """Windows may have gone out before the limit was met: the reject behind them says so."""
    *windows, reject = decoder(max_hours=10 / 3_600).rows(1, str(music / "long.flac"))
    assert reject["code"] == "too_long" and len(windows) < 4
    assert not any(window["last"] for window in windows)


def test_a_batch_of_files_yields_windows_one_by_one(music: Path) -> None:
    """Called as by Ray: tables of one row in the schema, rejects among them, the next file after a bad one."""
    stage = decoder()
    tables = stage(work(music / name for name in ("short.wav", "text.mp3", "song.mp3")))
    assert isinstance(tables, Iterator)
    found = list(tables)
    assert all(found_table.schema == WINDOW_SCHEMA and len(found_table) == 1 for found_table in found)
    rows = pa.concat_tables(found).to_pylist()
    assert [row["recording_id"] for row in rows] == [1, 2, 3, 3, 3]
    assert [row["code"] for row in rows] == [None, "unreadable", None, None, None]


class Clock:
    """Time that passes only when it is told to."""

    def __init__(self, step_s: float) -> None:
        self.now_s, self.step_s = 0.0, step_s

    def __call__(self) -> float:
        self.now_s += self.step_s
        return self.now_s


def test_decoding_has_a_time_limit(music: Path) -> None:
    """A file that takes too long to decode is rejected."""
    *_, reject = decoder(Clock(1.0), 30.0).rows(1, str(music / "long.flac"))
    assert reject["code"] == "timeout" and "30 s" in reject["reason"]


def test_waiting_for_later_stages_is_no_time_of_decoding(music: Path) -> None:
    """However long the next stage holds up the windows, the file is not to blame."""
    clock = Clock(0.0)
    rows = decoder(clock, 30.0).rows(1, str(music / "long.flac"))
    for row in rows:
        clock.now_s += 1_000.0
        assert row.get("code") is None
    assert clock.now_s > 6_000.0


def test_tags_come_with_the_last_window(music: Path, tmp_path: Path) -> None:
    """What the file says of itself is told once, when it is known to be whole."""
    path = tmp_path / "tagged.flac"
    path.write_bytes((music / "long.flac").read_bytes())
    file = FLAC(path)  # type: ignore[no-untyped-call]  # mutagen has few types
    file["title"], file["artist"], file["isrc"] = "A title", "An artist", "DEA123456789"
    file.save()
    *windows, last = decoder().rows(1, str(path))
    assert (last["title"], last["artist"], last["album"], last["isrc"]) == (
        "A title",
        "An artist",
        None,
        "DEA123456789",
    )
    assert not any("title" in window for window in windows)


def test_a_reading_error_is_no_reject(music: Path) -> None:
    """Only bad input is caught: a fault of ours or of the disk stops the stage."""
    stage = decoder()
    stage.audio.window_s = "ten"  # type: ignore[assignment]  # a fault of ours
    with pytest.raises(TypeError):
        list(stage.rows(1, str(music / "short.wav")))


@pytest.mark.integration
def test_denoising_is_an_option(tmp_path: Path) -> None:
    """Switched on, steady noise goes down before anything is embedded; the grid stays."""
    noisy = np.random.default_rng(0).normal(0, 500, 64_000) + 8_000 * np.pad(melody(4.0), (0, 32_000))
    (tmp_path / "noisy.wav").write_bytes(pcm_wav(np.clip(noisy, -32_000, 32_000).astype(np.int16)))

    def ending(stage: DecodeFiles) -> np.ndarray:
        *_, last = stage.rows(1, str(tmp_path / "noisy.wav"))
        assert last["duration_s"] == 8.0
        return to_float(np.frombuffer(last["samples"], np.int16))[-16_000:-8_000]

    assert np.std(ending(decoder(denoise=True))) < 0.5 * np.std(ending(decoder()))


def test_the_content_is_known_by_its_samples(music: Path, tmp_path: Path) -> None:
    """The same samples in another container, with other tags, have one hash; other samples have another."""
    samples = melody(9.0, seed=4)
    copies = [tmp_path / "a.wav", tmp_path / "b.flac"]
    copies[0].write_bytes(encode(samples[None], Form("wav", "pcm_s16le", 8_000)))
    copies[1].write_bytes(encode(samples[None], Form("flac", "flac", 8_000)))
    tags = FLAC(copies[1])
    tags["title"] = "Another name"
    tags.save()
    hashes = [list(decoder().rows(1, str(path)))[-1]["content_hash"] for path in (*copies, music / "song.mp3")]
    assert hashes[0] == hashes[1] != hashes[2] and len(hashes[0]) == 32


class Failing(DecodeFiles):
    """A source that fails so many times before it gives its files."""

    failures = 0

    def _windows(self, uri: str) -> Iterator[dict[str, Any]]:
        rows = super()._windows(uri)
        yield next(rows)
        if self.failures:
            self.failures -= 1
            raise InfrastructureError("S3 does not give it")
        yield from rows


def test_a_source_that_fails_is_asked_again(music: Path) -> None:
    """The whole file comes after a failure or two, with pauses that grow; one that stays away ends the job."""
    whole = list(decoder().rows(1, str(music / "song.mp3")))
    waited: list[float] = []
    made = decoder()
    failing = Failing(made.catalog, made.audio, made.padding, 60.0, pause=waited.append)
    failing.failures = 2
    rows = list(failing.rows(1, str(music / "song.mp3")))
    assert [row["window"] for row in rows] == [0, 0, *(row["window"] for row in whole)] and rows[-1]["last"]
    assert waited == list(RETRY_AFTER_S[:2])
    failing.failures = 9
    with pytest.raises(InfrastructureError):
        list(failing.rows(1, str(music / "song.mp3")))
