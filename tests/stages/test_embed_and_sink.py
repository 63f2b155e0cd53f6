"""Stages 2 and 3: what of a file ends in the lake is what embedding the whole file gives."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from ingest.embed import EmbedWindows
from ingest.fingerprint import NO_PEAK, PEAKS_A_SEGMENT, SEGMENT_BITS, Embedder, decode
from ingest.fingerprint.architecture import read_architecture
from ingest.fingerprint.pcm import to_int16
from ingest.receipts import Outcomes, Receipts
from ingest.rows import EMBEDDED_SCHEMA, RECEIPT_SCHEMA
from ingest.stores import LakeConfig, open_lake
from tests.stages.world import BAD, GOOD, batches, decoder, embedder, sink, work

NAMES = sorted([*GOOD, *BAD, "broken.flac", "silent.wav"])


@pytest.fixture(scope="module")
def embedded(music: Path, weights: Path) -> list[pa.Table]:
    windows = decoder()(work(music / name for name in NAMES))
    stage = embedder(weights)
    return [stage(batch) for batch in batches(windows, 3)]


def ingested(embedded: list[pa.Table], home: Path, weights: Path, sink_rows: int = 4) -> Outcomes:
    """Everything through the sink; what is finished."""
    stage, receipts, outcomes = sink(home, weights), Receipts(), Outcomes()
    for batch in batches(embedded, sink_rows):
        written = stage(batch)
        assert written.schema == RECEIPT_SCHEMA and len(written) == len(batch)
        found = receipts.add(written.to_pylist())
        outcomes.done.extend(found.done)
        outcomes.rejects.extend(found.rejects)
    assert receipts.unfinished() == []
    return outcomes


def test_rows_pass_in_order(embedded: list[pa.Table]) -> None:
    """One row out for each one in, in the schema; rejects pass as they came, without vectors."""
    rows = pa.concat_tables(embedded).to_pylist()
    assert all(batch.schema == EMBEDDED_SCHEMA for batch in embedded)
    assert [row["recording_id"] for row in rows] == sorted(row["recording_id"] for row in rows)
    rejects = [row for row in rows if row["code"]]
    assert {NAMES[row["recording_id"] - 1]: row["code"] for row in rejects} == BAD
    assert all(row[name] is None for row in rejects for name in ("segments", "vectors", "peaks"))
    windows = [row for row in rows if not row["code"]]
    assert all(len(row["vectors"]) == 2 * 16 * len(row["segments"]) for row in windows)
    assert all(len(row["peaks"]) == 2 * PEAKS_A_SEGMENT * len(row["segments"]) for row in windows)


def test_every_file_is_done_or_rejected(embedded: list[pa.Table], tmp_path: Path, weights: Path) -> None:
    """Good files are done with their durations and windows, bad and silent ones rejected, and nothing is left over."""
    outcomes = ingested(embedded, tmp_path, weights)
    done = {NAMES[done.recording_id - 1]: done for done in outcomes.done}
    rejected = {NAMES[reject.recording_id - 1]: reject.code for reject in outcomes.rejects}
    assert done.keys() == {*GOOD, "broken.flac"}
    assert rejected == {**BAD, "silent.wav": "silent"}
    assert all(done[name].duration_s == pytest.approx(seconds, abs=0.06) for name, seconds in GOOD.items())
    assert done["broken.flac"].truncated and not done["song.mp3"].truncated
    assert done["long.flac"].windows == 8 and len(done["long.flac"].lake_files) > 1


def test_the_lake_holds_what_the_whole_file_embeds_to(
    embedded: list[pa.Table], music: Path, tmp_path: Path, weights: Path
) -> None:
    """Cut, embedded in batches, written and read: keys and peaks of the whole file, and vectors to half precision."""
    outcomes = ingested(embedded, tmp_path, weights)
    lake, whole = open_lake(LakeConfig(uri=None), tmp_path, "default"), Embedder.load(weights, threads=1)
    for done in outcomes.done:
        parts = list(lake.read(read_architecture(weights)[1], {done.recording_id: done.lake_files}))
        keys = np.concatenate([part.keys for part in parts])
        order = np.argsort(keys)
        recordings, segments = keys[order] >> SEGMENT_BITS, keys[order] % (1 << SEGMENT_BITS)
        samples = decode(music / NAMES[done.recording_id - 1]).samples
        expected = whole.embed(to_int16(samples)).stored()
        assert set(recordings.tolist()) == {done.recording_id}
        assert np.array_equal(segments, expected.segments) and len(segments) == done.segments
        found = np.concatenate([part.vectors for part in parts])[order]
        assert (found * expected.vectors).sum(axis=1).min() > 0.999
        peaks = np.concatenate([part.peaks for part in parts])[order]
        assert (peaks == expected.peaks).mean() > 0.99 and (peaks != NO_PEAK).mean() > 0.1


def test_writing_again_gives_the_same_files(embedded: list[pa.Table], tmp_path: Path, weights: Path) -> None:
    """A batch that is written twice, as after a retry, gives the same receipts and no further file."""
    first, again = (ingested(embedded, tmp_path, weights) for _ in range(2))
    assert first.done == again.done
    named = {file for done in first.done for file in done.lake_files}
    assert {path.name for path in tmp_path.rglob("*.parquet")} >= named
    assert len(list(tmp_path.rglob("*.parquet"))) == len(list(batches(embedded, 4)))


def test_rejects_alone_write_nothing(embedded: list[pa.Table], tmp_path: Path, weights: Path) -> None:
    """A batch of nothing but rejects makes no file of the lake."""
    rejects = pa.concat_tables(embedded).filter(pa.compute.is_valid(pa.concat_tables(embedded)["code"]))
    receipts = sink(tmp_path, weights)(rejects).to_pylist()
    assert len(receipts) == len(BAD) and all(receipt["lake_file"] is None for receipt in receipts)
    assert list(tmp_path.rglob("*.parquet")) == []


def test_an_empty_batch_passes(embedded: list[pa.Table], tmp_path: Path, weights: Path) -> None:
    """No rows in, no rows out, at both stages."""
    windows = pa.Table.from_pylist([], schema=next(iter(decoder()(work([tmp_path / "gone"])))).schema)
    assert len(embedder(weights)(windows)) == 0
    assert len(sink(tmp_path, weights)(embedded[0].slice(0, 0))) == 0


def test_other_weights_than_the_drivers_are_refused(weights: Path) -> None:
    """A node whose weights differ must not fill the lake with vectors of another meaning."""
    with pytest.raises(RuntimeError, match="differ between this node and the driver"):
        EmbedWindows(str(weights), "0" * 64, "cpu", 1, -60.0)


def test_the_silence_threshold_is_the_configured_one(music: Path, weights: Path) -> None:
    """With a threshold above the music nothing is stored of it."""
    windows = pa.concat_tables(decoder()(work([music / "short.wav"])))
    deaf = EmbedWindows(str(weights), read_architecture(weights)[1], "cpu", 1, 0.0)
    assert deaf(windows).to_pylist()[0]["segments"] == []
    assert len(embedder(weights)(windows).to_pylist()[0]["segments"]) == 4
