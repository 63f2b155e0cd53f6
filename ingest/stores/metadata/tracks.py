"""Tracks and recordings: what the catalogue lists, and what is published of it."""

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, func, select, update

from ingest.stores.metadata.database import chunks
from ingest.stores.metadata.listing import TAGS, stage
from ingest.stores.metadata.publication import next_publication
from ingest.stores.metadata.schema import generations, loads, recordings, tracks
from ingest.stores.metadata.scope import CatalogScope
from ingest.stores.metadata.text import uri_hash
from ingest.stores.records import PlanCounts, SourceFile, Track

PAGE = 5_000  # removed tracks read at once


class TrackRows(CatalogScope):
    """The part of a CatalogStore that speaks of tracks."""

    def compare(self, files: Iterable[SourceFile]) -> PlanCounts:
        """What register would do; the catalogue stays as it is. Raises UnusableName for a uri that is not Unicode."""
        staged = stage(self._database, self.catalog_id, files)
        try:
            return self._read(staged.counts)
        finally:
            staged.drop()

    def register(self, files: Iterable[SourceFile], run_id: str) -> PlanCounts:
        """Make the catalogue equal to the listing, in one transaction.

        Ids are given in the order of sorted uris. A changed file gets a new recording (or the one that had
        this version before), a vanished one keeps answering, one that reappears is present again. Raises
        UnusableName for a uri that is not Unicode.
        """
        staged = stage(self._database, self.catalog_id, files)
        try:
            return self._write(lambda connection: staged.apply(connection, run_id))
        finally:
            staged.drop()

    def lookup(self, recording_ids: Iterable[int]) -> dict[int, Track]:
        """The published tracks among these recordings, by recording id."""
        wanted = sorted(set(recording_ids))
        published = tracks_with(tracks.c.published_recording_id).where(
            tracks.c.catalog_id == self.catalog_id, tracks.c.deleted_at.is_(None)
        )

        def work(connection: Connection) -> dict[int, Track]:
            found: dict[int, Track] = {}
            for part in chunks(wanted):
                rows = connection.execute(published.where(recordings.c.recording_id.in_(part)))
                found.update((row.recording_id, as_track(row)) for row in rows)
            return found

        return self._read(work)

    def track(self, track_id: int) -> Track | None:
        """A track by its public id, published or not; None when unknown or deleted."""
        shown = func.coalesce(tracks.c.published_recording_id, tracks.c.current_recording_id)
        query = tracks_with(shown).where(
            tracks.c.catalog_id == self.catalog_id,
            tracks.c.track_id == track_id,
            tracks.c.deleted_at.is_(None),
        )
        row = self._read(lambda connection: connection.execute(query).one_or_none())
        return None if row is None else as_track(row)

    def present_tracks(self) -> int:
        """How many tracks the source lists."""
        listed = and_(tracks.c.removed_at.is_(None), tracks.c.deleted_at.is_(None))
        query = select(func.count()).where(tracks.c.catalog_id == self.catalog_id, listed)
        return self._read(lambda connection: int(connection.scalar(query) or 0))

    def removed_tracks(self) -> Iterator[tuple[int, str]]:
        """(track id, uri) of tracks that the source no longer lists and that still answer, by id."""
        gone = and_(tracks.c.removed_at.is_not(None), tracks.c.deleted_at.is_(None))
        query = select(tracks.c.track_id, tracks.c.uri).where(tracks.c.catalog_id == self.catalog_id, gone)
        page = query.order_by(tracks.c.track_id).limit(PAGE)
        after = 0
        while rows := self._pairs(page.where(tracks.c.track_id > after)):
            yield from rows
            after = rows[-1][0]

    def tracks_of(self, uris: Sequence[str], *, deleted: bool = False) -> dict[str, int]:
        """Track ids by uri, of those that are not deleted, or of those that are; others are left out."""
        wanted = {uri_hash(uri): uri for uri in uris}
        query = select(tracks.c.uri_hash, tracks.c.track_id).where(
            tracks.c.catalog_id == self.catalog_id, tracks.c.deleted_at.is_not(None) == deleted
        )

        def work(connection: Connection) -> dict[str, int]:
            found: dict[str, int] = {}
            for part in chunks(list(wanted)):
                rows = connection.execute(query.where(tracks.c.uri_hash.in_(part)))
                found.update((wanted[row.uri_hash], row.track_id) for row in rows)
            return found

        return self._read(work)

    def known_tracks(self, track_ids: Sequence[int], *, deleted: bool = False) -> set[int]:
        """Those of the ids that are tracks and not deleted, or are deleted tracks."""
        query = select(tracks.c.track_id).where(
            tracks.c.catalog_id == self.catalog_id, tracks.c.deleted_at.is_not(None) == deleted
        )

        def work(connection: Connection) -> set[int]:
            parts = chunks(list(track_ids))
            return {found for part in parts for found in connection.scalars(query.where(tracks.c.track_id.in_(part)))}

        return self._read(work)

    def remove_tracks(self, track_ids: Sequence[int]) -> list[int]:
        """Tombstone tracks: unpublished at once and never ingested again.

        Comes back: the recordings whose vectors are to be deleted from the collections.
        """
        loaded = (
            select(loads.c.recording_id)
            .distinct()
            .join(generations, generations.c.generation_id == loads.c.generation_id)
            .join(
                recordings,
                and_(
                    recordings.c.catalog_id == generations.c.catalog_id,
                    recordings.c.recording_id == loads.c.recording_id,
                ),
            )
            .where(generations.c.catalog_id == self.catalog_id)
        )

        def work(connection: Connection) -> list[int]:
            gone: list[int] = []
            publication = next_publication(connection, self.catalog_id)
            for part in chunks(track_ids):
                self._set_deleted(connection, part, time.time(), publication)
                gone += connection.scalars(loaded.where(recordings.c.track_id.in_(part)))
            return sorted(gone)

        return self._write(work)

    def restore_tracks(self, track_ids: Sequence[int]) -> None:
        """Lift tombstones; the next run ingests and publishes the tracks again."""

        def work(connection: Connection) -> None:
            publication = next_publication(connection, self.catalog_id)
            for part in chunks(track_ids):
                self._set_deleted(connection, part, None, publication)

        self._write(work)

    def _pairs(self, query: Select[Any]) -> list[tuple[int, str]]:
        return self._read(lambda connection: [(row[0], row[1]) for row in connection.execute(query)])

    def _set_deleted(
        self, connection: Connection, track_ids: Sequence[int], at: float | None, publication: int
    ) -> None:
        mine = update(tracks).where(tracks.c.catalog_id == self.catalog_id, tracks.c.track_id.in_(track_ids))
        connection.execute(mine.values(deleted_at=at, published_recording_id=None, publication=publication))


def tracks_with(recording_id: ColumnElement[Any]) -> Select[Any]:
    """Tracks joined with one of their recordings."""
    return select(
        tracks.c.track_id,
        tracks.c.uri,
        recordings.c.recording_id,
        recordings.c.duration_s,
        *(func.coalesce(tracks.c[tag], recordings.c[tag]).label(tag) for tag in TAGS),
    ).join(
        recordings,
        and_(
            recordings.c.catalog_id == tracks.c.catalog_id,
            recordings.c.track_id == tracks.c.track_id,
            recordings.c.recording_id == recording_id,
        ),
    )


def as_track(row: Any) -> Track:
    return Track(**row._mapping)
