"""What filling a Milvus server costs: measured through the job's own steps, by imports and by upserts."""

from pathlib import Path

import numpy as np
import pytest

from conf import compose
from ingest.config import IngestConfig
from ingest.fingerprint import vector_key
from ingest.stores import open_lake, open_metadata
from scripts import bulk_cost
from scripts.bulk_cost import SEGMENTS, BulkCostConfig, Cost, Loading, fill_lake, main
from scripts.footprint import Peak
from scripts.scale import ENCODER

LOADING = Loading(rows_s=90.0, index_s=59.0, verify_s=1.25, activate_s=0.05, cpu_s=75.0, vectors=7, self_recall=0.995)


def test_a_row_a_measure_and_a_column_a_way() -> None:
    """Every figure stands where its name says, in minutes from a minute on."""
    config = BulkCostConfig(7, "HNSW", "sqlite", [1_000, 2_000], upsert=True, write=False)
    peaks = (Peak(3 * 10**8, 10**8), Peak(5 * 10**9, 4 * 10**9), Peak(2 * 10**8, 10**8))
    lines = list(bulk_cost.lines(config, [Cost(way, LOADING, 600.0, *peaks) for way in config.ways]))
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")]
    assert cells[0] == ["", "import, 1,000 rows a file", "import, 2,000 rows a file", "upsert"]
    assert [row[1] for row in cells[1:7]] == ["1.5 min", "59 s", "1.2 s", "0.05 s", "10.0 min", "1.2 min"]
    assert [row[3] for row in cells[7:]] == ["5,000 MB", "4,000 MB", "200 MB", "100 MB", "7", "99.5%"]
    assert "the server held 300 MB" in lines[0]


def test_the_lake_holds_what_the_ledger_says(tmp_path: Path) -> None:
    """So many unit vectors in recordings of one length, the last of the rest, with peaks that differ."""
    config = compose("ingest", [f"home={tmp_path}", "catalog.path=synthetic"], IngestConfig)
    fill_lake(config, 2 * SEGMENTS + 10)
    with open_metadata(config.metadata, tmp_path) as metadata:
        assert metadata.catalog().counts(ENCODER).segments == 2 * SEGMENTS + 10
        (file,) = metadata.catalog().named_lake_files(ENCODER)
    (held,) = open_lake(config.lake, tmp_path).read(ENCODER, {1: [file], 2: [file], 3: [file]})
    assert held.keys[-1] == vector_key(3, 9) and len(held.keys) == 2 * SEGMENTS + 10
    assert np.allclose(np.linalg.norm(held.vectors, axis=1), 1, atol=1e-3)
    assert len(np.unique(held.peaks, axis=0)) == len(held.keys)


def test_a_wrong_option_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is started for it."""
    assert main(["metadata=postgres"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.integration
@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("metadata", ["sqlite", "mysql"])
def test_both_ways_are_measured(metadata: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Either way ends with all vectors, and a sample of them finds itself."""
    assert main(["vectors=3000", "import_rows=[2000]", f"metadata={metadata}"]) == 0
    told = capsys.readouterr().out
    assert "|  | import, 2,000 rows a file | upsert |" in told
    assert "| vectors held | 3,000 | 3,000 |" in told
    assert "| self-recall | 100.0% | 100.0% |" in told
