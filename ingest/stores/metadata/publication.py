"""What is published, numbered: every change of it has a number, and a reader asks only for what changed since.

Whoever changes what a track answers with takes the next number in the same transaction and writes it into the track's
row. Taking it locks the catalogue's row, so numbers become visible in their order, each with all of its tracks.
"""

from typing import Any

import numpy as np
from sqlalchemy import Connection, Select, case, select, update

from ingest.stores.metadata.schema import catalogs, tracks
from ingest.stores.metadata.scope import CatalogScope
from ingest.stores.records import Publication, PublishedChanges

PAGE = 50_000  # tracks read at once
NOTHING = -1


class PublicationRows(CatalogScope):
    """The part of a CatalogStore that tells what answers."""

    def publication(self) -> Publication:
        """The last one; one cheap query: a service may ask every second."""
        query = select(catalogs.c.publication, catalogs.c.next_track_id).where(catalogs.c.catalog_id == self.catalog_id)
        number, next_track_id = self._read(lambda connection: connection.execute(query).one())
        return Publication(number, next_track_id - 1)

    def published_since(self, number: int | None) -> PublishedChanges:
        """The changes after that publication; None: all that is published. Changes may be told twice, never missed."""
        last = select(catalogs.c.publication).where(catalogs.c.catalog_id == self.catalog_id)
        is_published = tracks.c.deleted_at.is_(None) & tracks.c.published_recording_id.is_not(None)
        shown = case((is_published, tracks.c.published_recording_id), else_=NOTHING)
        query = select(tracks.c.track_id, shown).where(tracks.c.catalog_id == self.catalog_id)
        wanted = is_published if number is None else tracks.c.publication > number

        def work(connection: Connection) -> PublishedChanges:
            upto = int(connection.scalar(last) or 0)
            return _changes(connection, upto, query.where(wanted))

        return self._read(work)


def next_publication(connection: Connection, catalog_id: int) -> int:
    """The number of a change that this transaction makes."""
    mine = catalogs.c.catalog_id == catalog_id
    connection.execute(update(catalogs).where(mine).values(publication=catalogs.c.publication + 1))
    return int(connection.execute(select(catalogs.c.publication).where(mine)).scalar_one())


def _changes(connection: Connection, number: int, query: Select[Any]) -> PublishedChanges:
    rows = connection.execute(query, execution_options={"yield_per": PAGE})
    pages = [np.array([tuple(row) for row in page], np.int64) for page in rows.partitions()]
    found = np.concatenate(pages) if pages else np.empty((0, 2), np.int64)
    return PublishedChanges(number, found[:, 0].copy(), found[:, 1].copy())
