"""Services that cannot be had are named."""

from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.services import ServiceError, find_chromium, find_mariadb, find_promtool, free_ports, milvus


@pytest.mark.parametrize(
    ("find", "package"),
    [(find_mariadb, "mariadb-server"), (find_chromium, "chromium"), (find_promtool, "prometheus")],
)
def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, find: Callable[[], object], package: str) -> None:
    """Without the programs and without a way to install them the error names Debian's package."""
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ServiceError, match=f"install the package {package}"):
        find()


def test_a_missing_milvus_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without its program the error names the PyPI package."""
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    with pytest.raises(ServiceError, match=r"milvus==2\.3\.5"), milvus(tmp_path):
        pass


def test_free_ports_differ() -> None:
    """Ports asked for together are different."""
    assert len(set(free_ports(20))) == 20
