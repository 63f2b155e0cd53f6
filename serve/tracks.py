"""What the service does with single tracks: tell of them, list them, and take one out of the catalogue."""

import asyncio
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

from ingest.stores import Track, new_run_id
from ingest.stores.removal import RemovableTracks, drop_removed
from serve.generation import Generations
from serve.problems import UnknownTrack
from serve.schema import Duplicates, TrackAnswer, TrackPage, track_fields


class BrowsedCatalog(RemovableTracks, Protocol):
    """The metadata store as it is looked through: `ingest.stores.CatalogStore` is one."""

    @property
    def name(self) -> str: ...

    def track(self, track_id: int) -> Track | None: ...

    def find_tracks(self, text: str = "", *, limit: int, after: int = 0) -> list[Track]: ...

    def duplicates(self, track_id: int) -> list[Track] | None: ...

    def known_tracks(self, track_ids: list[int], *, deleted: bool = False) -> set[int]: ...

    def lock(self) -> AbstractContextManager[Any]: ...

    def start_run(self, run_id: str, action: str) -> None: ...

    def finish_run(self, run_id: str, state: str, counts: Mapping[str, Any]) -> None: ...


class Tracks:
    """The tracks of one catalogue. Nothing of them is kept between two requests, so what is deleted is gone at once."""

    def __init__(self, catalog: BrowsedCatalog, generations: Generations) -> None:
        self._catalog = catalog
        self._generations = generations

    async def one(self, track_id: int) -> TrackAnswer:
        """Raises UnknownTrack, MetadataError."""
        track = await asyncio.to_thread(self._catalog.track, track_id)
        if track is None:
            raise self._unknown(track_id)
        return answer(track)

    async def page(self, text: str, limit: int, after: int) -> TrackPage:
        """The tracks after an id, and where the next page begins. Raises MetadataError."""
        found = await asyncio.to_thread(self._catalog.find_tracks, text, limit=limit + 1, after=after)
        shown = [answer(track) for track in found[:limit]]
        return TrackPage(tracks=shown, next=shown[-1].track_id if len(found) > limit else None)

    async def duplicates(self, track_id: int) -> Duplicates:
        """Raises UnknownTrack, MetadataError."""
        found = await asyncio.to_thread(self._catalog.duplicates, track_id)
        if found is None:
            raise self._unknown(track_id)
        return Duplicates(track_id=track_id, duplicates=[answer(track) for track in found])

    async def delete(self, track_id: int) -> None:
        """Take a track out; one that was deleted before is looked after again.

        Raises UnknownTrack, CatalogLocked while somebody else writes, MetadataError, VectorStoreError. After the last
        the track answers no more, and its vectors are left to be deleted by the same call or the next job.
        """
        await asyncio.to_thread(self._delete, track_id)

    def _delete(self, track_id: int) -> None:
        catalog = self._catalog
        present = catalog.known_tracks([track_id])
        if not (present or catalog.known_tracks([track_id], deleted=True)):
            raise self._unknown(track_id)
        with catalog.lock(), recorded(catalog, deleted=len(present)):
            catalog.remove_tracks([track_id])
            self._generations.directory.withdraw(track_id)
            drop_removed(catalog, self._generations.vectors())

    def _unknown(self, track_id: int) -> UnknownTrack:
        return UnknownTrack(f"there is no track {track_id} in the catalogue {self._catalog.name!r}")


@contextmanager
def recorded(catalog: BrowsedCatalog, deleted: int) -> Iterator[None]:
    """A deletion stands among the runs of the catalogue, as one of a job does, however it ends."""
    run_id = new_run_id(time.time())
    catalog.start_run(run_id, "delete")
    state = "failed"
    try:
        yield
        state = "done"
    finally:
        catalog.finish_run(run_id, state, {"deleted": deleted})


def answer(track: Track) -> TrackAnswer:
    """What goes over the wire."""
    return TrackAnswer(**track_fields(track), duration_s=track.duration_s)
