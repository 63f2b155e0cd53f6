"""Real services for the tests that ask for them, started once a session; one that cannot be had is an error."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from scripts.services import mariadb, milvus

_numbers = itertools.count(1)

# The same examples every time, so that a change is green or red for what it changes; the long tests draw anew.
settings.register_profile("same", derandomize=True, deadline=None)
settings.load_profile("same")


@pytest.fixture(scope="session")
def mariadb_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a database on a private MariaDB; the database is created by whoever opens it first."""
    with mariadb(tmp_path_factory.mktemp("mariadb")) as server:
        yield f"{server}/refrain"


@pytest.fixture
def fresh_mysql_url(mariadb_url: str) -> str:
    """URL of a database that nobody has used."""
    return f"{mariadb_url}_{next(_numbers)}"


@pytest.fixture(scope="session")
def milvus_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a private Milvus server."""
    with milvus(tmp_path_factory.mktemp("milvus")) as uri:
        yield uri


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An empty home."""
    return tmp_path / "home"
