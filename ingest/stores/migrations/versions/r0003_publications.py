"""What is published is numbered, so that a reader asks only for what changed; a generation may be tuned."""

from sqlalchemy import JSON, BigInteger, Column

from ingest.stores.migrations.resumable import add_column, add_index

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    add_column("catalogs", Column("publication", BigInteger, nullable=False, server_default="0"))
    add_column("tracks", Column("publication", BigInteger, nullable=False, server_default="0"))
    add_index("tracks_publication", "tracks", ["catalog_id", "publication"])
    add_column("generations", Column("tuning", JSON(none_as_null=True)))
