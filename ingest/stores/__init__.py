"""The three stores: one owner of each schema.

    vectors    Milvus          embeddings, searchable          key = recording_id << 20 | segment
    metadata   SQL             tracks, ledger, generations     every string lives here alone
    lake       Parquet         embeddings, durable             a file counts when a ledger row names it

Nothing here imports Ray or hydra; the service uses these modules as the jobs do.
"""

from ingest.errors import (
    CatalogLocked,
    ConfigurationError,
    InfrastructureError,
    LakeError,
    MetadataError,
    UnusableName,
    VectorStoreError,
)
from ingest.stores.config import LakeConfig, MetadataConfig, VectorsConfig
from ingest.stores.lake import Lake, LakeReceipt, LakeUnit, LakeVectors, open_lake
from ingest.stores.metadata import CatalogLock, CatalogStore, Metadata, open_metadata
from ingest.stores.records import (
    CatalogCounts,
    Done,
    Generation,
    Load,
    PlanCounts,
    Reject,
    Rejected,
    Run,
    SourceFile,
    Track,
    Work,
)
from ingest.stores.vectors import SearchHits, Vectors, open_vectors

__all__ = [
    "CatalogCounts",
    "CatalogLock",
    "CatalogLocked",
    "CatalogStore",
    "ConfigurationError",
    "Done",
    "Generation",
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
    "PlanCounts",
    "Reject",
    "Rejected",
    "Run",
    "SearchHits",
    "SourceFile",
    "Track",
    "UnusableName",
    "VectorStoreError",
    "Vectors",
    "VectorsConfig",
    "Work",
    "open_lake",
    "open_metadata",
    "open_vectors",
]
