"""Which recordings are published and what their tracks are called: from memory where that can be, from the metadata
store where it must be.

The published ids of the whole catalogue lie in memory and follow the store look by look. Names are asked for those
that are answered alone, and kept for seconds; asking for them proves as well that they are still published. When the
store is away, the ids alone are left: as of the last look, and for `lookups.degraded_s` at most.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from cachetools import TTLCache

from ingest.stores import MetadataError, Publication, PublishedChanges, Track
from serve.config import LookupConfig
from serve.published import Published


class PublishingCatalog(Protocol):
    """What is asked of the metadata store: `ingest.stores.CatalogStore` is one."""

    def lookup(self, recording_ids: Iterable[int]) -> dict[int, Track]: ...

    def publication(self) -> Publication: ...

    def published_since(self, number: int | None) -> PublishedChanges: ...


@dataclass(frozen=True, slots=True)
class Nameless:
    """A track of which nothing but its id is known now; otherwise as `ingest.stores.Track`."""

    track_id: int
    uri: None = None
    title: None = None
    artist: None = None
    album: None = None
    isrc: None = None


def nameless(tracks: Iterable[Track | Nameless]) -> bool:
    """Whether one of them is."""
    return any(isinstance(track, Nameless) for track in tracks)


class Directory:
    """The tracks of one catalogue as the requests of one replica see them; threads share it."""

    def __init__(
        self, catalog: PublishingCatalog, config: LookupConfig, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._catalog, self._config, self._clock = catalog, config, clock
        self._published: Published | None = None
        self._number: int | None = None  # of the last publication seen
        self._looking = threading.Lock()
        self._names: TTLCache[int, Track | None] = TTLCache(config.cached_tracks, config.cache_s, clock)
        self._naming = threading.Lock()
        self._forgotten = 0  # how often: what was asked for before is not kept after it
        self._lost: MetadataError | None = None  # until the next look
        self._seen_at = clock()

    @property
    def degraded(self) -> bool:
        """Whether the metadata store was away when it was last asked."""
        return self._lost is not None

    @property
    def stands_in(self) -> bool:
        """Whether ids can be told without the metadata store."""
        return self._published is not None and self._clock() - self._seen_at <= self._config.degraded_s

    def look(self) -> bool:
        """Follow what is published; whether it changed, and names are to be asked for again. Raises MetadataError."""
        with self._looking:
            try:
                publication = self._catalog.publication()
                changed = publication.number != self._number
                if changed:
                    self._follow(publication)
            except MetadataError as error:
                self._lost = error
                raise
            self._lost, self._seen_at = None, self._clock()
            return changed

    def changed(self) -> bool:
        """Whether something changed since the last look; False while the store is away."""
        if self._lost is None:
            with suppress(MetadataError):
                return self.look()
        return False

    def published(self, recording_ids: Sequence[int]) -> dict[int, int]:
        """recording id: track id, of those that may be answered with. Raises MetadataError."""
        known = self._published
        if known is None:
            return {number: track.track_id for number, track in self._tracks(recording_ids).items()}
        if self._lost is not None and not self.stands_in:
            raise MetadataError(str(self._lost))
        return known.among(recording_ids)

    def named(self, recording_ids: Iterable[int]) -> dict[int, Track] | None:
        """The tracks of those that are still published, in one query at most; None: ids are all that is known now.

        Raises MetadataError.
        """
        try:
            return self._tracks(recording_ids)
        except MetadataError:
            if self.stands_in:
                return None
            raise

    def withdraw(self, track_id: int) -> None:
        """A track that was just deleted answers no more, whether the store can be looked at or not."""
        with self._looking:
            if self._published:
                gone = PublishedChanges(self._published.number, np.array([track_id]), np.array([-1]))
                self._published = self._published.after(gone)
        self.forget()

    def forget(self) -> None:
        """Ask for every name again."""
        with self._naming:
            self._names.clear()
            self._forgotten += 1

    def _follow(self, publication: Publication) -> None:
        before = self._published
        if before and publication.number < before.number:  # the store was set back
            before = None
        if publication.tracks <= self._config.published_tracks:
            changes = self._catalog.published_since(before.number if before else None)
            self._published = (before or Published.nothing()).after(changes)
        else:
            self._published = None
        self._number = publication.number
        self.forget()

    def _tracks(self, recording_ids: Iterable[int]) -> dict[int, Track]:
        wanted = set(recording_ids)
        known: dict[int, Track | None] = {}
        with self._naming:
            forgotten = self._forgotten
            for number in wanted:
                with suppress(KeyError):
                    known[number] = self._names[number]
        if missing := wanted - known.keys():
            found = self._asked(missing)
            asked = {number: found.get(number) for number in missing}
            known |= asked
            with self._naming:
                if self._forgotten == forgotten:
                    self._names.update(asked)
        return {number: track for number, track in known.items() if track}

    def _asked(self, recording_ids: Iterable[int]) -> dict[int, Track]:
        if self._lost is not None:
            raise MetadataError(str(self._lost))
        try:
            return self._catalog.lookup(recording_ids)
        except MetadataError as error:
            self._lost = error
            raise
