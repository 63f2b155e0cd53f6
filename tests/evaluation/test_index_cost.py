"""`python -m scripts.index_cost` on a real Milvus server: what is told of every index."""

from pathlib import Path

import pytest

from scripts import index_cost
from scripts.index_cost import Index

SMALL = ["clips=4", "lengths=[3]", "conditions=[clean]", "size=1500", "settle_s=1", "loads=2", "store=vectors"]


def test_indexes_have_names_of_their_own() -> None:
    """Parameters tell them apart, in tables and as collections."""
    assert len({index.collection for index in index_cost.INDEXES}) == len(index_cost.INDEXES)
    one = Index("IVF_PQ", {"m": 64}, {"nprobe": 32})
    assert (one.name, one.collection) == ("IVF_PQ m 64 nprobe 32", "cost_ivf_pq_m_64_nprobe_32")


@pytest.mark.integration
@pytest.mark.long
@pytest.mark.timeout(1_200)  # it waits until the server rests, eight times
def test_a_server_is_measured(
    music: Path, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every index gets a row; clean clips are found on all of them; a second run fills again only what was lost."""
    indexes = (Index("FLAT"), Index("IVF_PQ", {"nlist": 16, "m": 8}, {"nprobe": 16}))
    monkeypatch.setattr(index_cost, "INDEXES", indexes)
    options = [f"catalog.path={music}", f"encoder.weights={weights}", f"out={tmp_path / 'out'}", *SMALL]
    assert index_cost.main(options) == 0
    told = capsys.readouterr()
    rows = [line.split(" | ") for line in told.out.splitlines() if line.startswith(("| FLAT", "| IVF_PQ"))]
    assert [row[0] for row in rows] == ["| FLAT", "| IVF_PQ nlist 16 m 8 nprobe 16"]
    assert rows[0][4] == "100.0" and rows[0][5] == "0.0" and " + " in rows[1][6]
    assert rows[0][1] == "0.00" and float(rows[1][1]) > 0 and all(" – " in row[2] and " – " in row[3] for row in rows)
    assert "FLAT: 1,500 vectors in" in told.err
    assert index_cost.main(options) == 0
    filled = [line for line in capsys.readouterr().err.splitlines() if "vectors in" in line]
    assert len(filled) == 1 and filled[0].startswith("IVF_PQ")
