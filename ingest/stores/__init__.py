"""The three stores: one owner of each schema.

    vectors    Milvus          embeddings, searchable, peaks   key = recording_id << 20 | segment
    metadata   SQL             tracks, ledger, generations     every string lives here alone
    lake       Parquet         embeddings and peaks, durable   a file counts when a ledger row names it

Nothing here imports Ray or hydra; the service uses these modules as the jobs do.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ingest.errors import (
    CatalogLocked,
    ConfigurationError,
    InfrastructureError,
    LakeError,
    MetadataError,
    NotLoaded,
    UnusableName,
    VectorStoreError,
)
from ingest.stores.config import LakeConfig, MetadataConfig, VectorsConfig
from ingest.stores.lake import Lake, LakeReceipt, LakeUnit, LakeVectors, open_lake
from ingest.stores.records import (
    CatalogCounts,
    Done,
    Generation,
    Import,
    Load,
    PlanCounts,
    Publication,
    PublishedChanges,
    Reject,
    Rejected,
    Run,
    SourceFile,
    Track,
    Work,
    new_run_id,
)

if TYPE_CHECKING:
    from ingest.stores.columns import SearchHits, StoredRows
    from ingest.stores.metadata import CatalogLock, CatalogStore, Metadata, open_catalog, open_metadata
    from ingest.stores.vectors import Vectors, open_vectors

# Imported on first use: pymilvus and SQLAlchemy take seconds, and a decoder needs neither.
LATER = {
    "CatalogLock": "ingest.stores.metadata",
    "CatalogStore": "ingest.stores.metadata",
    "Metadata": "ingest.stores.metadata",
    "open_catalog": "ingest.stores.metadata",
    "open_metadata": "ingest.stores.metadata",
    "SearchHits": "ingest.stores.columns",
    "StoredRows": "ingest.stores.columns",
    "Vectors": "ingest.stores.vectors",
    "open_vectors": "ingest.stores.vectors",
}

__all__ = [
    "CatalogCounts",
    "CatalogLock",
    "CatalogLocked",
    "CatalogStore",
    "ConfigurationError",
    "Done",
    "Generation",
    "Import",
    "InfrastructureError",
    "Lake",
    "LakeConfig",
    "LakeError",
    "LakeReceipt",
    "LakeUnit",
    "LakeVectors",
    "Load",
    "Metadata",
    "MetadataConfig",
    "MetadataError",
    "NotLoaded",
    "PlanCounts",
    "Publication",
    "PublishedChanges",
    "Reject",
    "Rejected",
    "Run",
    "SearchHits",
    "SourceFile",
    "StoredRows",
    "Track",
    "UnusableName",
    "VectorStoreError",
    "Vectors",
    "VectorsConfig",
    "Work",
    "new_run_id",
    "open_catalog",
    "open_lake",
    "open_metadata",
    "open_vectors",
]


def __getattr__(name: str) -> Any:
    if name in LATER:
        return getattr(import_module(LATER[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
