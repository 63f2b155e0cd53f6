"""The same tests on both of each store."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.stores import (
    CatalogStore,
    Metadata,
    MetadataConfig,
    Vectors,
    VectorsConfig,
    open_metadata,
    open_vectors,
)

integration = pytest.mark.integration
VECTOR_KINDS = ["milvus_lite", pytest.param("milvus", marks=integration)]
METADATA_KINDS = ["sqlite", pytest.param("mysql", marks=integration)]


@pytest.fixture(params=METADATA_KINDS)
def metadata_config(request: pytest.FixtureRequest) -> MetadataConfig:
    """An unused database of each kind."""
    if request.param == "sqlite":
        return MetadataConfig()
    return MetadataConfig(kind="mysql", url=request.getfixturevalue("fresh_mysql_url"))


@pytest.fixture
def metadata(metadata_config: MetadataConfig, home: Path) -> Iterator[Metadata]:
    with open_metadata(metadata_config, home) as opened:
        yield opened


@pytest.fixture
def catalog(metadata: Metadata) -> CatalogStore:
    return metadata.catalog()


@pytest.fixture(scope="session", params=VECTOR_KINDS)
def vectors(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vectors]:
    """An open store of each kind, shared by the session: collections keep tests apart."""
    config = VectorsConfig()
    if request.param == "milvus":
        config = VectorsConfig(kind="milvus", uri=request.getfixturevalue("milvus_uri"))
    with open_vectors(config, tmp_path_factory.mktemp("vectors")) as opened:
        yield opened
