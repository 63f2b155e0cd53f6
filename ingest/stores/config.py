"""What the three stores need to be opened: plain dataclasses, filled from `conf/` or by hand."""

import re
from dataclasses import dataclass, field
from typing import Any

from ingest.errors import ConfigurationError

_CATALOG_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


@dataclass
class VectorsConfig:
    """Where the vectors live: `milvus_lite` (one server per home, started on demand) or a `milvus` server."""

    kind: str = "milvus_lite"
    uri: str | None = None  # milvus: http://host:port
    token: str | None = None  # milvus: "user:password" or an API key; never printed
    index: str = "FLAT"  # the index of new collections: FLAT, HNSW, IVF_FLAT, …
    index_params: dict[str, Any] = field(default_factory=dict)
    search_params: dict[str, Any] = field(default_factory=dict)
    mmap: bool = False  # new collections: rows on the server's disk, the index in its memory; Milvus 2.4 or later
    consistency: str = "Bounded"  # of searches, and of what a service counts; what a job counts is strong
    timeout_s: float = 30.0
    load: str = "auto"  # upsert | import | auto: import where import_uri is given and much is to be loaded
    import_uri: str | None = None  # milvus: a place in the server's own storage, where imports are left for it
    import_rows: int = 1_000_000  # in one file
    import_from_rows: int = 200_000  # to load, from which `auto` imports
    import_timeout_s: float = 3_600.0  # for a file that does not get on


@dataclass
class MetadataConfig:
    """Where the metadata lives: `sqlite` (a file in home) or `mysql`."""

    kind: str = "sqlite"
    url: str | None = None  # mysql: mysql+pymysql://user@host:port/database
    password: str | None = None  # wins over the one in the URL; never printed
    pool_size: int = 5  # connections kept open
    pool_overflow: int = 5  # more of them, while they are needed
    timeout_s: float = 30.0  # to connect, for a free connection, for a lock of another transaction
    answer_s: float = 600.0  # mysql: without a byte of an answer, after which the server is taken to be gone


@dataclass
class LakeConfig:
    """Where the embeddings lake lies: any fsspec path; None is `home/lake`."""

    uri: str | None = None


def check_catalog_name(name: str) -> str:
    """`name` if it can stand in a path, a lock and a table; raises ConfigurationError."""
    if not _CATALOG_NAME.fullmatch(name):
        raise ConfigurationError(
            f"catalog.name {name!r} must be 1 to 64 of A-Z a-z 0-9 _ . - and begin with a letter or digit"
        )
    return name
