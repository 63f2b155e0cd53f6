"""What a listing changes in a catalogue: staged in a table of its own, found out and written by the database.

So a listing of millions of files costs the driver no memory, and every change is a statement over sets.
"""

import secrets
import time
from collections.abc import Iterable
from functools import partial
from itertools import islice
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    LargeBinary,
    Select,
    and_,
    cast,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)

from ingest.stores.metadata.database import Database
from ingest.stores.metadata.schema import catalogs, listed, recordings, tracks
from ingest.stores.metadata.text import clean, fit_version, uri_hash
from ingest.stores.records import PlanCounts, SourceFile

TAGS = ("title", "artist", "album", "isrc")
STAGED_AT_ONCE = 500  # files; SQLite allows 999 variables in older builds
ABANDONED_S = 86_400  # what a killed process staged is dropped after so long
SORTED_BYTES = 1_024  # of a uri: MySQL sorts by no more of a text


class StagedListing:
    """A listing in the database, beside the catalogue and not yet part of it; `drop` it afterwards."""

    def __init__(self, database: Database, catalog_id: int) -> None:
        self._database = database
        self.catalog_id = catalog_id
        self.stage = f"{int(time.time()):012d}-{secrets.token_hex(6)}"
        self.files = self.duplicates = 0

    def fill(self, files: Iterable[SourceFile]) -> None:
        """Stage the files, the first of each uri. Raises UnusableName for a uri that cannot be stored."""
        remaining = iter(files)
        while chunk := list(islice(remaining, STAGED_AT_ONCE)):
            rows: dict[str, dict[str, Any]] = {}
            for file in chunk:
                row = self._row(file)
                rows.setdefault(row["uri_hash"], row)
            new = self._database.write(partial(self._insert, rows=rows))
            self.files += len(chunk)
            self.duplicates += len(chunk) - new

    def drop(self) -> None:
        """Forget the listing, and those that processes left behind long ago."""
        mine = listed.c.catalog_id == self.catalog_id
        before = f"{int(time.time() - ABANDONED_S):012d}"
        query = select(listed.c.stage).distinct().where(mine, listed.c.stage < before)
        abandoned = self._database.read(lambda connection: list(connection.scalars(query)))
        for left in (self.stage, *abandoned):
            for digit in "0123456789abcdef":  # no transaction of millions of rows
                part = and_(mine, listed.c.stage == left, listed.c.uri_hash.startswith(digit))
                self._database.write(partial(_delete, which=part))

    def _row(self, file: SourceFile) -> dict[str, Any]:
        return {
            "catalog_id": self.catalog_id,
            "stage": self.stage,
            "uri_hash": uri_hash(file.uri),
            "uri": file.uri,
            "version": fit_version(file.version),
            "size_bytes": file.size_bytes,
            **{tag: clean(getattr(file, tag)) for tag in TAGS},
        }

    def _insert(self, connection: Connection, rows: dict[str, dict[str, Any]]) -> int:
        staged = select(listed.c.uri_hash).where(self.mine, listed.c.uri_hash.in_(list(rows)))
        known = set(connection.scalars(staged))
        new = [row for key, row in rows.items() if key not in known]
        if new:
            connection.execute(insert(listed), new)
        return len(new)

    @property
    def mine(self) -> ColumnElement[bool]:
        return and_(listed.c.catalog_id == self.catalog_id, listed.c.stage == self.stage)

    def counts(self, connection: Connection) -> PlanCounts:
        """What `apply` does, or would do."""
        new = _number(connection, self._new(listed.c.uri_hash))
        changed = _number(connection, self._changed(listed.c.uri_hash))
        return PlanCounts(
            listed=self.files,
            new=new,
            changed=changed,
            unchanged=self.files - self.duplicates - new - changed,
            removed=_number(connection, select(tracks.c.track_id).where(self._vanished())),
            duplicates=self.duplicates,
        )

    def apply(self, connection: Connection, run_id: str) -> PlanCounts:
        """Make the catalogue equal to the listing; ids follow the order of new uris, then of changed ones."""
        counts = self.counts(connection)
        self._set_removed(connection, self._vanished(), time.time())
        self._set_removed(connection, and_(self._of_catalog(), tracks.c.removed_at.is_not(None), self._is_listed()))
        self._retag(connection)
        added = counts.new
        fresh = _number(connection, self._unseen_versions(listed.c.uri_hash))
        track_id, recording_id = self._take_ids(connection, added, added + fresh)
        self._insert_new(connection, track_id, recording_id, run_id)
        self._insert_recordings(connection, self._unseen_versions, tracks.c.track_id, recording_id + added, run_id)
        self._point_to_changed(connection)
        return counts

    def _insert_new(self, connection: Connection, track_id: int, recording_id: int, run_id: str) -> None:
        number = func.row_number().over(order_by=_ORDER) - 1
        self._insert_recordings(connection, self._new, track_id + number, recording_id, run_id)
        values = {
            "catalog_id": literal(self.catalog_id),
            "track_id": track_id + number,
            "uri": listed.c.uri,
            "uri_hash": listed.c.uri_hash,
            "current_recording_id": recording_id + number,
            **{tag: listed.c[tag] for tag in TAGS},
        }
        connection.execute(insert(tracks).from_select(list(values), self._new(*values.values())))

    def _insert_recordings(
        self, connection: Connection, which: Any, track_id: ColumnElement[Any], first: int, run_id: str
    ) -> None:
        values = {
            "catalog_id": literal(self.catalog_id),
            "recording_id": first + func.row_number().over(order_by=_ORDER) - 1,
            "track_id": track_id,
            "version": listed.c.version,
            "size_bytes": listed.c.size_bytes,
            "planned_run_id": literal(run_id),
        }
        connection.execute(insert(recordings).from_select(list(values), which(*values.values())))

    def _point_to_changed(self, connection: Connection) -> None:
        """Every listed track's current recording becomes the one of the listed version."""
        of_version = (
            select(recordings.c.recording_id)
            .join(listed, and_(self.mine, listed.c.version == recordings.c.version))
            .where(
                recordings.c.catalog_id == tracks.c.catalog_id,
                recordings.c.track_id == tracks.c.track_id,
                listed.c.uri_hash == tracks.c.uri_hash,
            )
        )
        wanted = of_version.correlate(tracks).scalar_subquery()
        stale = of_version.where(recordings.c.recording_id != tracks.c.current_recording_id).correlate(tracks).exists()
        changed = update(tracks).where(self._of_catalog(), tracks.c.deleted_at.is_(None), stale)
        connection.execute(changed.values(current_recording_id=wanted))

    def _retag(self, connection: Connection) -> None:
        same = and_(self.mine, listed.c.uri_hash == tracks.c.uri_hash)
        differs = or_(*(listed.c[tag].is_distinct_from(tracks.c[tag]) for tag in TAGS))
        said = {tag: select(listed.c[tag]).where(same).correlate(tracks).scalar_subquery() for tag in TAGS}
        otherwise = select(literal(1)).where(same, differs).correlate(tracks).exists()
        connection.execute(update(tracks).where(self._of_catalog(), otherwise).values(said))

    def _new(self, *columns: Any) -> Select[Any]:
        known = and_(tracks.c.catalog_id == listed.c.catalog_id, tracks.c.uri_hash == listed.c.uri_hash)
        joined = listed.outerjoin(tracks, known)
        return select(*columns).select_from(joined).where(self.mine, tracks.c.track_id.is_(None))

    def _changed(self, *columns: Any) -> Select[Any]:
        known = and_(tracks.c.catalog_id == listed.c.catalog_id, tracks.c.uri_hash == listed.c.uri_hash)
        current = and_(
            recordings.c.catalog_id == tracks.c.catalog_id, recordings.c.recording_id == tracks.c.current_recording_id
        )
        joined = listed.join(tracks, known).join(recordings, current)
        differs = and_(tracks.c.deleted_at.is_(None), recordings.c.version != listed.c.version)
        return select(*columns).select_from(joined).where(self.mine, differs)

    def _unseen_versions(self, *columns: Any) -> Select[Any]:
        """Changed files whose version their track never had."""
        seen = recordings.alias("seen")
        before = and_(
            seen.c.catalog_id == listed.c.catalog_id,
            seen.c.track_id == tracks.c.track_id,
            seen.c.version == listed.c.version,
        )
        return self._changed(*columns).where(~select(literal(1)).where(before).exists())

    def _vanished(self) -> ColumnElement[bool]:
        present = and_(tracks.c.removed_at.is_(None), tracks.c.deleted_at.is_(None))
        return and_(self._of_catalog(), present, ~self._is_listed())

    def _is_listed(self) -> ColumnElement[bool]:
        same = and_(self.mine, listed.c.uri_hash == tracks.c.uri_hash)
        return select(literal(1)).select_from(listed).where(same).correlate(tracks).exists()

    def _of_catalog(self) -> ColumnElement[bool]:
        return tracks.c.catalog_id == self.catalog_id

    def _set_removed(self, connection: Connection, which: ColumnElement[bool], at: float | None = None) -> None:
        connection.execute(update(tracks).where(which).values(removed_at=at))

    def _take_ids(self, connection: Connection, track_count: int, recording_count: int) -> tuple[int, int]:
        """The first of so many free track ids and recording ids."""
        mine = catalogs.c.catalog_id == self.catalog_id
        free = select(catalogs.c.next_track_id, catalogs.c.next_recording_id).where(mine).with_for_update()
        track_id, recording_id = connection.execute(free).one()
        taken = {"next_track_id": track_id + track_count, "next_recording_id": recording_id + recording_count}
        connection.execute(update(catalogs).where(mine).values(taken))
        return int(track_id), int(recording_id)


def stage(database: Database, catalog_id: int, files: Iterable[SourceFile]) -> StagedListing:
    """The files as a staged listing; nothing stays behind if they cannot be staged."""
    listing = StagedListing(database, catalog_id)
    try:
        listing.fill(files)
    except BaseException:
        listing.drop()
        raise
    return listing


def _delete(connection: Connection, which: ColumnElement[bool]) -> None:
    connection.execute(delete(listed).where(which))


def _number(connection: Connection, query: Select[Any]) -> int:
    return int(connection.scalar(select(func.count()).select_from(query.subquery())) or 0)


# What ids are given by: the first bytes of the uri, alike in every database, and its hash beyond.
_ORDER = (func.substr(cast(listed.c.uri, LargeBinary), 1, SORTED_BYTES), listed.c.uri_hash)
