"""Services that cannot be had are named."""

from pathlib import Path

import pytest

from scripts.services import ServiceError, find_mariadb, free_ports, milvus


def test_a_missing_mariadb_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the programs and without a way to install them the error names Debian's package."""
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ServiceError, match="install the package mariadb-server"):
        find_mariadb()


def test_a_missing_milvus_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without its program the error names the PyPI package."""
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    with pytest.raises(ServiceError, match=r"milvus==2\.3\.5"), milvus(tmp_path):
        pass


def test_free_ports_differ() -> None:
    """Ports asked for together are different."""
    assert len(set(free_ports(20))) == 20
