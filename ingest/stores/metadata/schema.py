"""The tables. Migrations create them; this is what the queries are written with.

    catalogs     one row a catalogue: its pointer to the generation that answers, the next free ids, and the number
                 of the last publication
    tracks       uri → public id; which recording is current (listed) and which is published (answers)
    recordings   one content of a track, with the tags found inside
    ledger       what became of a recording under an encoder: the commit of its embeddings
    generations  collection, encoder, index and calibration that are served together
    loads        which recordings a generation's collection holds
    imports      files that a Milvus server was asked to import into a generation's collection
    listed       a source's listing while it is compared with the catalogue
    runs         the jobs

A uri can be longer than an index entry may be, so its SHA-256 stands in for it.
"""

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

REVISION = "0003"  # the migration that these tables correspond to

TABLES = MetaData()
MYSQL: dict[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}
SERIAL = BigInteger().with_variant(Integer, "sqlite")

VERSION_LENGTH = 255
ENCODER_LENGTH = 64
CONTENT_HASH_LENGTH = 32

catalogs = Table(
    "catalogs",
    TABLES,
    Column("catalog_id", SERIAL, primary_key=True, autoincrement=True),
    Column("name", String(64), nullable=False),
    Column("active_generation_id", BigInteger),
    Column("next_track_id", BigInteger, nullable=False),
    Column("next_recording_id", BigInteger, nullable=False),
    Column("publication", BigInteger, nullable=False, server_default="0"),  # raised by whatever changes what answers
    UniqueConstraint("name", name="catalogs_name"),
    **MYSQL,
)

tracks = Table(
    "tracks",
    TABLES,
    Column("catalog_id", BigInteger, primary_key=True, autoincrement=False),
    Column("track_id", BigInteger, primary_key=True, autoincrement=False),
    Column("uri", Text, nullable=False),
    Column("uri_hash", String(64), nullable=False),
    Column("title", Text),  # these four as the manifest gives them
    Column("artist", Text),
    Column("album", Text),
    Column("isrc", Text),
    Column("current_recording_id", BigInteger, nullable=False),
    Column("published_recording_id", BigInteger),
    Column("removed_at", Double),  # Unix seconds: no longer listed, still answering
    Column("deleted_at", Double),  # Unix seconds: tombstone
    Column("publication", BigInteger, nullable=False, server_default="0"),  # that changed what it answers with
    UniqueConstraint("catalog_id", "uri_hash", name="tracks_uri"),
    Index("tracks_publication", "catalog_id", "publication"),
    **MYSQL,
)

recordings = Table(
    "recordings",
    TABLES,
    Column("catalog_id", BigInteger, primary_key=True, autoincrement=False),
    Column("recording_id", BigInteger, primary_key=True, autoincrement=False),
    Column("track_id", BigInteger, nullable=False),
    Column("version", String(VERSION_LENGTH), nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("planned_run_id", String(64), nullable=False),
    Column("duration_s", Double),  # from here on: found by decoding
    Column("truncated", Boolean(create_constraint=False)),
    Column("title", Text),
    Column("artist", Text),
    Column("album", Text),
    Column("isrc", Text),
    Column("content_hash", String(CONTENT_HASH_LENGTH)),  # of the decoded samples: the same audio, whatever its file
    UniqueConstraint("catalog_id", "track_id", "version", name="recordings_version"),
    Index("recordings_content", "catalog_id", "content_hash"),
    **MYSQL,
)

ledger = Table(
    "ledger",
    TABLES,
    Column("catalog_id", BigInteger, primary_key=True, autoincrement=False),
    Column("encoder", String(ENCODER_LENGTH), primary_key=True),
    Column("recording_id", BigInteger, primary_key=True, autoincrement=False),
    Column("state", String(16), nullable=False),  # done | rejected | retry
    Column("segments", BigInteger, nullable=False),
    Column("windows", Integer, nullable=False),
    Column("lake_files", JSON, nullable=False),
    Column("code", String(32)),
    Column("reason", Text),
    Column("attempts", Integer, nullable=False),
    Column("run_id", String(64), nullable=False),
    Column("committed_at", Double, nullable=False),
    **MYSQL,
)

generations = Table(
    "generations",
    TABLES,
    Column("generation_id", SERIAL, primary_key=True, autoincrement=True),
    Column("catalog_id", BigInteger, nullable=False),
    Column("collection", String(255), nullable=False),
    Column("encoder", String(ENCODER_LENGTH), nullable=False),
    Column("dim", Integer, nullable=False),
    Column("index_type", String(32), nullable=False),
    Column("calibration", JSON(none_as_null=True)),
    Column("tuning", JSON(none_as_null=True)),  # what the service is told in place of its configuration
    Column("state", String(16), nullable=False),  # filling | ready | active | retired
    Column("created_at", Double, nullable=False),
    UniqueConstraint("collection", name="generations_collection"),
    **MYSQL,
)

loads = Table(
    "loads",
    TABLES,
    Column("generation_id", BigInteger, primary_key=True, autoincrement=False),
    Column("recording_id", BigInteger, primary_key=True, autoincrement=False),
    Column("segments", BigInteger, nullable=False),
    Column("stale", Boolean(create_constraint=False)),  # embedded again since
    **MYSQL,
)

imports = Table(
    "imports",
    TABLES,
    Column("generation_id", BigInteger, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("path", Text, nullable=False),  # as Milvus is told
    Column("segments", BigInteger, nullable=False),
    Column("recordings", JSON, nullable=False),  # [[recording_id, segments], …]
    Column("state", String(16), nullable=False),  # written | submitting | submitted | done
    Column("task", String(64)),
    Column("attempts", Integer, nullable=False),
    Column("changed_at", Double, nullable=False),
    **MYSQL,
)

listed = Table(
    "listed",
    TABLES,
    Column("catalog_id", BigInteger, primary_key=True, autoincrement=False),
    Column("stage", String(32), primary_key=True),  # when and by whom: several may list at once
    Column("uri_hash", String(64), primary_key=True),
    Column("uri", Text, nullable=False),
    Column("version", String(VERSION_LENGTH), nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("title", Text),
    Column("artist", Text),
    Column("album", Text),
    Column("isrc", Text),
    **MYSQL,
)

runs = Table(
    "runs",
    TABLES,
    Column("catalog_id", BigInteger, primary_key=True, autoincrement=False),
    Column("run_id", String(64), primary_key=True),
    Column("action", String(32), nullable=False),
    Column("state", String(16), nullable=False),
    Column("started_at", Double, nullable=False),
    Column("ended_at", Double),
    Column("counts", JSON, nullable=False),
    **MYSQL,
)
