"""What is published is numbered, so that a reader asks only for what changed; a generation may be tuned."""

from typing import Any

from alembic import op
from sqlalchemy import JSON, BigInteger, Column, inspect

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    _add("catalogs", Column("publication", BigInteger, nullable=False, server_default="0"))
    _add("tracks", Column("publication", BigInteger, nullable=False, server_default="0"))
    _index("tracks_publication", "tracks", ["catalog_id", "publication"])
    _add("generations", Column("tuning", JSON(none_as_null=True)))


def _add(table: str, column: Column[Any]) -> None:
    """MySQL commits each statement: one that was cut off between two goes on here."""
    if column.name not in {known["name"] for known in inspect(op.get_bind()).get_columns(table)}:
        op.add_column(table, column)


def _index(name: str, table: str, columns: list[str]) -> None:
    if name not in {known["name"] for known in inspect(op.get_bind()).get_indexes(table)}:
        op.create_index(name, table, columns)
