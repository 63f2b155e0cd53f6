"""The forecast: counted, measured on headers, and reckoned in the open."""

import math
import wave
from pathlib import Path

import pytest

from conf import compose
from ingest.config import IngestConfig
from ingest.plan import Speed, bytes_per_second, expected_speed, header_duration_s, index_bytes_per_vector, make_plan
from ingest.stores import PlanCounts
from tests.jobs.records import a_run, finished, ingest_config
from tests.jobs.sources import catalog_config, listing, write


def wav(path: Path, duration_s: float, sample_rate: int = 8000) -> Path:
    """Silence as 16-bit mono PCM."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        file.writeframes(bytes(2 * round(duration_s * sample_rate)))
    return path


@pytest.fixture
def config(tmp_path: Path) -> IngestConfig:
    return ingest_config(tmp_path / "home", f"catalog.path={tmp_path / 'music'}")


def test_the_forecast_follows_from_the_headers(tmp_path: Path, config: IngestConfig) -> None:
    """Three of four files to do, 60 s each: 180 s of audio, its segments every 0.512 s, and the time at the speed."""
    for name in "abcd":
        wav(tmp_path / "music" / f"{name}.wav", 60.0)
    found = listing("folder", tmp_path / "music")
    counts = PlanCounts(listed=4, new=2, unchanged=2)
    plan = make_plan(config, found, counts, left=1, speed=Speed(90.0, "a guess"))
    assert plan.tracks_to_do == 3
    assert plan.audio_hours * 3600 == pytest.approx(180.0, rel=0.01)
    segments = math.floor(180.0 / 0.512)
    assert plan.lake_bytes == pytest.approx(segments * 128 * 2, rel=0.1)
    assert plan.index_bytes == pytest.approx(segments * 128 * 4, rel=0.1)
    assert plan.estimated_s == pytest.approx(2.0, rel=0.01)
    text = plan.text()
    assert "2 new · 0 changed · 2 unchanged · 0 removed" in text
    assert "about 2 s at 90× real time (a guess)" in text


def test_nothing_to_do_is_said(tmp_path: Path, config: IngestConfig) -> None:
    """A catalogue that is complete has a plan without estimates."""
    wav(tmp_path / "music" / "a.wav", 5.0)
    found = listing("folder", tmp_path / "music")
    plan = make_plan(config, found, PlanCounts(listed=1, unchanged=1), left=0, speed=Speed(90.0, "a guess"))
    assert plan.text().splitlines()[-1] == "to do        nothing"
    assert plan.estimated_s == 0


def test_an_empty_catalogue_has_a_plan(tmp_path: Path, config: IngestConfig) -> None:
    """No files, no audio, no division by nothing."""
    (tmp_path / "music").mkdir()
    plan = make_plan(config, listing("folder", tmp_path / "music"), PlanCounts(), left=0, speed=Speed(1.0, "x"))
    assert (plan.tracks_to_do, plan.audio_hours) == (0, 0.0)


def test_few_headers_are_opened(tmp_path: Path) -> None:
    """Of a hundred files of one suffix and one of another, at most 64 headers are read, both suffixes among them."""
    for number in range(100):
        wav(tmp_path / f"{number:03}.wav", 1.0)
    wav(tmp_path / "x.wave", 1.0, sample_rate=16_000)
    rates = bytes_per_second(catalog_config("folder", tmp_path), listing("folder", tmp_path).files)
    assert (rates[".wav"].files, rates[".wave"].files) == (32, 1)
    assert rates[".wav"].size_bytes / rates[".wav"].duration_s == pytest.approx(16_000, rel=0.01)
    assert rates[".wave"].size_bytes / rates[".wave"].duration_s == pytest.approx(32_000, rel=0.01)


def test_files_without_a_header_count_by_their_size(tmp_path: Path, config: IngestConfig) -> None:
    """What cannot be opened is reckoned at 128 kbit/s and stops nothing."""
    write(tmp_path / "music" / "noise.mp3", bytes(16_000 * 36))
    found = listing("folder", tmp_path / "music")
    assert header_duration_s(config.catalog, found.files[0].uri) is None
    plan = make_plan(config, found, PlanCounts(listed=1, new=1), left=0, speed=Speed(1.0, "x"))
    assert plan.headers_read == 0
    assert plan.audio_hours == pytest.approx(0.01)


def test_the_speed_is_that_of_the_last_run(tmp_path: Path) -> None:
    """A finished run with enough audio gives the speed; before there is one, the option times the cores."""
    config = ingest_config(tmp_path, "compute.num_cpus=2", "compute.plan_speed_x=100")
    assert expected_speed(config).x_real_time == 200
    a_run(tmp_path).finish("failed")
    short = finished(a_run(tmp_path))
    assert expected_speed(config).x_real_time == 200
    short.record.audio_s = 3600.0
    short.save()
    speed = expected_speed(config)
    assert speed.x_real_time == pytest.approx(1800.0)
    assert short.record.run_id in speed.source


def test_a_graph_index_takes_more_than_its_vectors() -> None:
    """HNSW adds 2·M links of 4 bytes; a flat index is vectors and keys."""
    flat, graph = (compose("ingest", ["home=h", *more], IngestConfig).vectors for more in ([], ["vectors=milvus"]))
    assert index_bytes_per_vector(flat) == 128 * 4 + 8
    assert index_bytes_per_vector(graph) - index_bytes_per_vector(flat) == 2 * 16 * 4
