"""The forecast: counted, measured on a few files, and reckoned in the open."""

import math
import wave
from pathlib import Path

import numpy as np
import pytest

from conf import compose
from ingest.catalog import Listing, Skipped, Unusable
from ingest.census import SAMPLED, Census
from ingest.config import IngestConfig
from ingest.measure import Measured, Rate, bytes_per_second, header_duration_s, measure
from ingest.plan import Plan, expected_speed, index_bytes_per_vector, make_plan, suggested_pools
from ingest.stores import PlanCounts, SourceFile
from tests.jobs.records import a_run, finished, ingest_config
from tests.jobs.sources import catalog_config, listing, write

MINUTE = Rate(files=1, size_bytes=960_000, duration_s=60.0)


def wav(path: Path, duration_s: float, sample_rate: int = 8000) -> Path:
    """Noise as 16-bit mono PCM."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(1).integers(-9_000, 9_000, round(duration_s * sample_rate), dtype=np.int16)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        file.writeframes(noise.tobytes())
    return path


def census_of(files: list[SourceFile]) -> tuple[Listing, Census]:
    """A listing that has been read."""
    read = Listing(files)
    census = Census(read)
    assert list(census) == files
    return read, census


def planned(config: IngestConfig, files: list[SourceFile], counts: PlanCounts, left: int = 0) -> Plan:
    read, census = census_of(files)
    return make_plan(config, read, census, counts, left, bytes_per_second(config.catalog, census.kinds))


@pytest.fixture
def config(tmp_path: Path) -> IngestConfig:
    more = ("compute.num_cpus=1", "compute.plan_speed_x=90")
    return ingest_config(tmp_path / "home", f"catalog.path={tmp_path / 'music'}", *more)


def test_the_forecast_follows_from_the_headers(tmp_path: Path, config: IngestConfig) -> None:
    """Three of four files to do, 60 s each: 180 s of audio, its segments every 0.512 s, and the time at the speed."""
    for name in "abcd":
        wav(tmp_path / "music" / f"{name}.wav", 60.0)
    files = listing("folder", tmp_path / "music").files
    plan = planned(config, files, PlanCounts(listed=4, new=2, unchanged=2), left=1)
    assert plan.tracks_to_do == 3
    assert plan.audio_hours * 3600 == pytest.approx(180.0, rel=0.01)
    segments = math.floor(180.0 / 0.512)
    assert plan.lake_bytes == pytest.approx(segments * (128 * 2 + 32 + 16), rel=0.01)
    assert plan.index_bytes == pytest.approx(segments * (128 * 4 + 32 + 8), rel=0.01)
    assert plan.estimated_s == pytest.approx(2.0, rel=0.01)
    text = plan.text()
    assert "2 new · 0 changed · 2 unchanged · 0 removed" in text
    assert "about 2 s at 90× real time (90× a core, 1 cores; nothing was measured here yet)" in text


def test_nothing_to_do_is_said(tmp_path: Path, config: IngestConfig) -> None:
    """A catalogue that is complete has a plan without estimates."""
    wav(tmp_path / "music" / "a.wav", 5.0)
    plan = planned(config, listing("folder", tmp_path / "music").files, PlanCounts(listed=1, unchanged=1))
    assert plan.text().splitlines()[-1] == "to do        nothing"
    assert plan.estimated_s == 0


def test_an_empty_catalogue_has_a_plan(config: IngestConfig) -> None:
    """No files, no audio, no division by nothing; there is nothing to measure either."""
    plan = planned(config, [], PlanCounts())
    assert (plan.tracks_to_do, plan.audio_hours) == (0, 0.0)
    assert measure(config, {}) is None


def test_what_cannot_be_used_is_told(config: IngestConfig) -> None:
    """Entries that are rejected, skipped or listed again stand in the plan."""
    entries = [SourceFile("a.mp3", "1", 10), Unusable("b", "bad_row", "?"), Skipped("c"), Skipped("d")]
    read = Listing(entries)
    census = Census(read)
    assert [file.uri for file in census] == ["a.mp3"]
    plan = make_plan(config, read, census, PlanCounts(listed=2, new=1, duplicates=1), 0, {".mp3": MINUTE})
    assert (plan.unusable, plan.skipped, plan.size_bytes) == (1, 2, 10)
    for told in ("1 entries will be rejected", "2 others are not audio", "1 listed again"):
        assert told in plan.text()


def test_few_headers_are_opened(tmp_path: Path) -> None:
    """Of a hundred files of one suffix and one of another, at most 64 headers are read, both suffixes among them."""
    for number in range(100):
        wav(tmp_path / f"{number:03}.wav", 1.0)
    wav(tmp_path / "x.wave", 1.0, sample_rate=16_000)
    _, census = census_of(listing("folder", tmp_path).files)
    rates = bytes_per_second(catalog_config("folder", tmp_path), census.kinds)
    assert (rates[".wav"].files, rates[".wave"].files) == (32, 1)
    assert rates[".wav"].size_bytes / rates[".wav"].duration_s == pytest.approx(16_000, rel=0.01)
    assert rates[".wave"].size_bytes / rates[".wave"].duration_s == pytest.approx(32_000, rel=0.01)


def test_a_census_of_many_keeps_few() -> None:
    """All are counted; the sample has its size, comes from everywhere, and is the same each time."""
    files = [SourceFile(f"{n:06}.MP3", "1", n) for n in range(10_000)]
    kinds = [census_of(files)[1].kinds[".mp3"] for _ in range(2)]
    assert (kinds[0].files, kinds[0].size_bytes) == (10_000, sum(range(10_000)))
    assert len(kinds[0].sample) == SAMPLED and kinds[0].sample == kinds[1].sample
    assert 3_500 < np.mean([file.size_bytes for file in kinds[0].sample]) < 6_500


def test_files_without_a_header_count_by_their_size(tmp_path: Path, config: IngestConfig) -> None:
    """What cannot be opened is reckoned at 128 kbit/s and stops nothing, the measuring neither."""
    write(tmp_path / "music" / "noise.mp3", bytes(16_000 * 36))
    files = listing("folder", tmp_path / "music").files
    assert header_duration_s(config.catalog, files[0].uri) is None
    plan = planned(config, files, PlanCounts(listed=1, new=1))
    assert plan.headers_read == 0
    assert plan.audio_hours == pytest.approx(0.01)
    assert measure(config, census_of(files)[1].kinds) is None


def test_the_stages_are_measured_on_a_few_files(tmp_path: Path, config: IngestConfig) -> None:
    """The beginnings of some files are decoded and embedded; a missing file is left out; the plan says the figures."""
    for name in "abc":
        wav(tmp_path / "music" / f"{name}.wav", 70.0)
    files = listing("folder", tmp_path / "music").files
    files.append(SourceFile(str(tmp_path / "gone.wav"), "1", 10))
    read, census = census_of(files)
    found = measure(config, census.kinds)
    assert found is not None and found.files == 3
    assert 180 <= found.audio_s < 200 and found.decode_s_per_s > 0 and found.embed_s_per_s > 0
    plan = make_plan(config, read, census, PlanCounts(listed=4, new=4), 0, {}, found)
    assert plan.speed.x_real_time == pytest.approx(1 / (found.decode_s_per_s + found.embed_s_per_s))
    assert "measured     on 3 files" in plan.text() and "compute.decode_actors=1" in plan.text()


def test_pools_share_the_cores_as_the_stages_need_them(tmp_path: Path) -> None:
    """Decoding that takes three times as long gets three quarters of the cores; a GPU gets decoders to keep up with."""
    measured = Measured(files=1, audio_s=1.0, decode_s_per_s=0.003, embed_s_per_s=0.001)
    pools = suggested_pools(ingest_config(tmp_path, "compute.num_cpus=8").compute, measured)
    assert (pools.decode_actors, pools.embed_actors) == (6, 2)
    on_gpu = ("compute=cluster", "compute.embed_gpus=1", "compute.embed_actors=2", "compute.plan_gpu_speed_x=10000")
    config = ingest_config(tmp_path, *on_gpu)
    assert suggested_pools(config.compute, measured).decode_actors == 60
    read, census = census_of([SourceFile("a.mp3", "1", 960_000 * 60)])
    plan = make_plan(config, read, census, PlanCounts(listed=1, new=1), 0, {".mp3": MINUTE}, measured)
    assert plan.gpu_hours == pytest.approx(1 / 10_000) and "GPU-hours" in plan.text()


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
    assert index_bytes_per_vector(flat) == 128 * 4 + 32 + 8
    assert index_bytes_per_vector(graph) - index_bytes_per_vector(flat) == 2 * 16 * 4
