"""Tracks as a person looks through them: page by page, by words, and beside others with the same audio."""

from sqlalchemy import ColumnElement, Connection, func, or_, select

from ingest.stores.metadata.schema import recordings, tracks
from ingest.stores.metadata.scope import CatalogScope
from ingest.stores.metadata.tracks import as_track, tracks_with
from ingest.stores.records import Track

_SHOWN = func.coalesce(tracks.c.published_recording_id, tracks.c.current_recording_id)
_SEARCHED = (
    func.coalesce(tracks.c.title, recordings.c.title),
    func.coalesce(tracks.c.artist, recordings.c.artist),
    func.coalesce(tracks.c.isrc, recordings.c.isrc),
    tracks.c.uri,
)


class BrowsingRows(CatalogScope):
    """The part of a CatalogStore that lists tracks, published or not; deleted ones are never among them."""

    def find_tracks(self, text: str = "", *, limit: int, after: int = 0) -> list[Track]:
        """At most `limit` tracks with an id above `after`, by id; the last one's id is where the next page begins.

        Each word of the text stands in title, artist, isrc or uri, in whatever case. A search reads the catalogue up
        to the end of its page: no index helps to find a word in the middle of a text.
        """
        query = (
            tracks_with(_SHOWN)
            .where(tracks.c.catalog_id == self.catalog_id, tracks.c.deleted_at.is_(None), tracks.c.track_id > after)
            .where(*(_holds(word) for word in text.split()))
            .order_by(tracks.c.track_id)
            .limit(limit)
        )
        return self._read(lambda connection: [as_track(row) for row in connection.execute(query)])

    def duplicates(self, track_id: int) -> list[Track] | None:
        """Other tracks whose recording has the same samples, by id; None for an unknown or deleted track."""
        mine = (tracks.c.catalog_id == self.catalog_id, tracks.c.deleted_at.is_(None))
        of_track = (
            select(recordings.c.content_hash)
            .select_from(tracks)
            .outerjoin(
                recordings,
                (recordings.c.catalog_id == tracks.c.catalog_id) & (recordings.c.recording_id == _SHOWN),
            )
            .where(*mine, tracks.c.track_id == track_id)
        )

        def work(connection: Connection) -> list[Track] | None:
            found = connection.execute(of_track).one_or_none()
            if found is None:
                return None
            if found.content_hash is None:  # not decoded yet
                return []
            same = tracks_with(_SHOWN).where(*mine, recordings.c.content_hash == found.content_hash)
            others = same.where(tracks.c.track_id != track_id).order_by(tracks.c.track_id)
            return [as_track(row) for row in connection.execute(others)]

        return self._read(work)


def _holds(word: str) -> ColumnElement[bool]:
    """Whether a word stands in one of the columns; `%`, `_` and `/` in it stand for themselves."""
    return or_(*(func.lower(column).contains(word.lower(), autoescape=True) for column in _SEARCHED))
