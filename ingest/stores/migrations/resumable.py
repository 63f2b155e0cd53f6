"""Steps of a migration that may be repeated: MySQL commits each statement, and one that was cut off goes on here."""

from typing import Any

from alembic import op
from sqlalchemy import Column, inspect


def add_column(table: str, column: Column[Any]) -> None:
    """Unless it is there."""
    if column.name not in {known["name"] for known in inspect(op.get_bind()).get_columns(table)}:
        op.add_column(table, column)


def add_index(name: str, table: str, columns: list[str]) -> None:
    """Unless it is there."""
    if name not in {known["name"] for known in inspect(op.get_bind()).get_indexes(table)}:
        op.create_index(name, table, columns)
