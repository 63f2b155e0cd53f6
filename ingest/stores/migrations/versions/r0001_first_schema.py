"""The first schema."""

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
    UniqueConstraint,
)

revision = "0001"
down_revision = None

SERIAL = BigInteger().with_variant(Integer, "sqlite")


def upgrade() -> None:
    _create_catalogs()
    _create_tracks()
    _create_recordings()
    _create_ledger()
    _create_generations()
    _create_runs()


def _create(name: str, *columns: Any) -> None:
    op.create_table(
        name,
        *columns,
        if_not_exists=True,
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
    )


def _id(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False, autoincrement=False)


def _tags() -> list[Column[str]]:
    return [Column(name, Text) for name in ("title", "artist", "album", "isrc")]


def _create_catalogs() -> None:
    _create(
        "catalogs",
        Column("catalog_id", SERIAL, primary_key=True, autoincrement=True),
        Column("name", String(64), nullable=False),
        Column("active_generation_id", BigInteger),
        Column("next_track_id", BigInteger, nullable=False),
        Column("next_recording_id", BigInteger, nullable=False),
        UniqueConstraint("name", name="catalogs_name"),
    )


def _create_tracks() -> None:
    _create(
        "tracks",
        _id("catalog_id"),
        _id("track_id"),
        Column("uri", Text, nullable=False),
        Column("uri_hash", String(64), nullable=False),
        *_tags(),
        Column("current_recording_id", BigInteger, nullable=False),
        Column("published_recording_id", BigInteger),
        Column("removed_at", Double),
        Column("deleted_at", Double),
        PrimaryKeyConstraint("catalog_id", "track_id"),
        UniqueConstraint("catalog_id", "uri_hash", name="tracks_uri"),
    )


def _create_recordings() -> None:
    _create(
        "recordings",
        _id("catalog_id"),
        _id("recording_id"),
        Column("track_id", BigInteger, nullable=False),
        Column("version", String(255), nullable=False),
        Column("size_bytes", BigInteger, nullable=False),
        Column("planned_run_id", String(64), nullable=False),
        Column("duration_s", Double),
        Column("truncated", Boolean(create_constraint=False)),
        *_tags(),
        PrimaryKeyConstraint("catalog_id", "recording_id"),
        UniqueConstraint("catalog_id", "track_id", "version", name="recordings_version"),
    )


def _create_ledger() -> None:
    _create(
        "ledger",
        _id("catalog_id"),
        Column("encoder", String(64), nullable=False),
        _id("recording_id"),
        Column("state", String(16), nullable=False),
        Column("segments", BigInteger, nullable=False),
        Column("windows", Integer, nullable=False),
        Column("lake_files", JSON, nullable=False),
        Column("code", String(32)),
        Column("reason", Text),
        Column("attempts", Integer, nullable=False),
        Column("run_id", String(64), nullable=False),
        Column("committed_at", Double, nullable=False),
        PrimaryKeyConstraint("catalog_id", "encoder", "recording_id"),
    )


def _create_generations() -> None:
    _create(
        "generations",
        Column("generation_id", SERIAL, primary_key=True, autoincrement=True),
        Column("catalog_id", BigInteger, nullable=False),
        Column("collection", String(255), nullable=False),
        Column("encoder", String(64), nullable=False),
        Column("dim", Integer, nullable=False),
        Column("index_type", String(32), nullable=False),
        Column("calibration", JSON),
        Column("state", String(16), nullable=False),
        Column("created_at", Double, nullable=False),
        UniqueConstraint("collection", name="generations_collection"),
    )
    _create(
        "loads",
        _id("generation_id"),
        _id("recording_id"),
        Column("segments", BigInteger, nullable=False),
        PrimaryKeyConstraint("generation_id", "recording_id"),
    )


def _create_runs() -> None:
    _create(
        "runs",
        _id("catalog_id"),
        Column("run_id", String(64), nullable=False),
        Column("action", String(32), nullable=False),
        Column("state", String(16), nullable=False),
        Column("started_at", Double, nullable=False),
        Column("ended_at", Double),
        Column("counts", JSON, nullable=False),
        PrimaryKeyConstraint("catalog_id", "run_id"),
    )
