"""The rows of a manifest, one after the other: never more than a piece of it in memory."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from ingest.errors import ConfigurationError

COLUMNS = ("uri", "title", "artist", "album", "isrc")
BATCH_ROWS = 16_384


@dataclass(frozen=True, slots=True)
class Row:
    """`number` is the line of a text, or the row of a Parquet file, counted from 1."""

    number: int
    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class BadRow:
    number: int
    reason: str


Reader = Callable[[BinaryIO, str], Iterator[Row | BadRow]]


def reader_of(path: str) -> Reader:
    """The reader for a manifest's suffix. Raises ConfigurationError for one that is not known."""
    suffix = PurePosixPath(path).suffix.lower()
    if suffix not in READERS:
        raise ConfigurationError(f"catalog.path {path!r}: a manifest ends in {', '.join(READERS)}")
    return READERS[suffix]


def parquet_rows(file: BinaryIO, path: str) -> Iterator[Row | BadRow]:
    """Rows of a Parquet file. Raises ConfigurationError if it is none, or has no string column `uri`."""
    try:
        table = pq.ParquetFile(file)
        schema = table.schema_arrow
        _require_uri(schema.names, path)
        _require_strings(schema.field("uri").type, path)
        wanted = [name for name in COLUMNS if name in schema.names]
        number = 0
        for batch in table.iter_batches(BATCH_ROWS, columns=wanted):
            yield from _batch_rows(batch, number)
            number += batch.num_rows
    except pa.ArrowException as error:
        raise ConfigurationError(f"{path} is not a readable Parquet file: {_line(error)}") from None


def csv_rows(file: BinaryIO, path: str) -> Iterator[Row | BadRow]:
    """Rows of a CSV with a header. Raises ConfigurationError without a column `uri`."""
    delimiter = "\t" if path.lower().endswith(".tsv") else ","
    with _text(file, newline="") as text:
        lines = _each(csv.reader(text, delimiter=delimiter, strict=True))
        header = next(lines, None)
        if not isinstance(header, Row):
            raise ConfigurationError(f"{path} is empty or has no readable header: a manifest has a column uri")
        names: list[str] = header.values["cells"]
        _require_uri(names, path)
        for row in lines:
            if isinstance(row, BadRow):
                yield row
            elif row.values["cells"]:
                yield _named(row.number, names, row.values["cells"])


def jsonl_rows(file: BinaryIO, path: str) -> Iterator[Row | BadRow]:
    """Rows of a JSONL file. Raises ConfigurationError if it has lines, but none with a `uri`."""
    usable = rows = 0
    with _text(file) as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                row = _object(number, line)
                rows += 1
                usable += isinstance(row, Row) and "uri" in row.values
                yield row
    if rows and not usable:
        raise ConfigurationError(f"{path}: no line is a JSON object with a uri")


def _batch_rows(batch: pa.RecordBatch, before: int) -> Iterator[Row | BadRow]:
    try:
        rows = batch.to_pylist()
    except UnicodeDecodeError:
        yield from (_decoded(batch.slice(i, 1), before + i + 1) for i in range(batch.num_rows))
    else:
        yield from (Row(number, values) for number, values in enumerate(rows, before + 1))


def _decoded(batch: pa.RecordBatch, number: int) -> Row | BadRow:
    try:
        return Row(number, batch.to_pylist()[0])
    except UnicodeDecodeError:
        return BadRow(number, "not valid UTF-8")


def _each(lines: Any) -> Iterator[Row | BadRow]:
    """The cells of each line of a csv.reader, and the lines that it cannot read."""
    while True:
        try:
            cells = next(lines)
        except StopIteration:
            return
        except csv.Error as error:
            yield BadRow(lines.line_num, f"not readable as CSV: {error}")
        else:
            yield Row(lines.line_num, {"cells": cells})


def _named(number: int, names: list[str], cells: list[str]) -> Row | BadRow:
    if len(cells) != len(names):
        return BadRow(number, f"{len(cells)} cells where the header has {len(names)}")
    return Row(number, {name: cell or None for name, cell in zip(names, cells, strict=True)})


def _object(number: int, line: str) -> Row | BadRow:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        return BadRow(number, f"not JSON: {_line(error)}")
    return Row(number, found) if isinstance(found, dict) else BadRow(number, "not a JSON object")


def _text(file: BinaryIO, newline: str | None = None) -> io.TextIOWrapper:
    """UTF-8 with or without a byte order mark; bytes that are neither become lone surrogates, found later."""
    return io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline=newline)


def _require_uri(names: list[str], path: str) -> None:
    if names.count("uri") != 1:
        found = ", ".join(map(repr, names[:10]))
        raise ConfigurationError(f"{path} must have one column uri; its columns are {found}")


def _require_strings(kind: pa.DataType, path: str) -> None:
    values = kind.value_type if pa.types.is_dictionary(kind) else kind
    if not (pa.types.is_string(values) or pa.types.is_large_string(values)):
        raise ConfigurationError(f"{path}: the column uri holds {kind}, not strings")


def _line(error: Exception) -> str:
    return " ".join(str(error).split())


READERS: dict[str, Reader] = {
    ".parquet": parquet_rows,
    ".pq": parquet_rows,
    ".csv": csv_rows,
    ".tsv": csv_rows,
    ".jsonl": jsonl_rows,
    ".ndjson": jsonl_rows,
}
