"""Listings are staged, content is hashed, loads can be stale, and bulk imports are remembered."""

from typing import Any

from alembic import op
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Double,
    Integer,
    PrimaryKeyConstraint,
    String,
    Text,
)

from ingest.stores.migrations.resumable import add_column, add_index

revision = "0002"
down_revision = "0001"

MYSQL: dict[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}


def upgrade() -> None:
    add_column("recordings", Column("content_hash", String(32)))
    add_index("recordings_content", "recordings", ["catalog_id", "content_hash"])
    add_column("loads", Column("stale", Boolean(create_constraint=False)))
    _create_imports()
    _create_listed()


def _create_imports() -> None:
    op.create_table(
        "imports",
        Column("generation_id", BigInteger, nullable=False, autoincrement=False),
        Column("number", Integer, nullable=False, autoincrement=False),
        Column("path", Text, nullable=False),
        Column("segments", BigInteger, nullable=False),
        Column("recordings", JSON, nullable=False),
        Column("state", String(16), nullable=False),
        Column("task", String(64)),
        Column("attempts", Integer, nullable=False),
        Column("changed_at", Double, nullable=False),
        PrimaryKeyConstraint("generation_id", "number"),
        if_not_exists=True,
        **MYSQL,
    )


def _create_listed() -> None:
    op.create_table(
        "listed",
        Column("catalog_id", BigInteger, nullable=False, autoincrement=False),
        Column("stage", String(32), nullable=False),
        Column("uri_hash", String(64), nullable=False),
        Column("uri", Text, nullable=False),
        Column("version", String(255), nullable=False),
        Column("size_bytes", BigInteger, nullable=False),
        *(Column(name, Text) for name in ("title", "artist", "album", "isrc")),
        PrimaryKeyConstraint("catalog_id", "stage", "uri_hash"),
        if_not_exists=True,
        **MYSQL,
    )
