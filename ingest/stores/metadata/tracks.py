"""Tracks and recordings: what the catalogue lists, and what is published of it."""

from collections.abc import Iterable, Sequence

from ingest.stores.records import PlanCounts, SourceFile, Track


class TrackRows:
    """The part of a CatalogStore that speaks of tracks."""

    def compare(self, files: Iterable[SourceFile]) -> PlanCounts:
        """What register would do; writes nothing. Raises UnusableName for a uri that is not Unicode."""
        raise NotImplementedError

    def register(self, files: Iterable[SourceFile], run_id: str) -> PlanCounts:
        """Make the catalogue equal to the listing, in one transaction.

        Ids are given in the order of sorted uris. A changed file gets a new recording (or the one that had
        this version before), a vanished one keeps answering, one that reappears is present again. Raises
        UnusableName for a uri that is not Unicode.
        """
        raise NotImplementedError

    def lookup(self, recording_ids: Iterable[int]) -> dict[int, Track]:
        """The published tracks among these recordings, by recording id."""
        raise NotImplementedError

    def track(self, track_id: int) -> Track | None:
        """A track by its public id, published or not; None when unknown or deleted."""
        raise NotImplementedError

    def removed_tracks(self) -> list[int]:
        """Ids of tracks that the source no longer lists and that still answer."""
        raise NotImplementedError

    def remove_tracks(self, track_ids: Sequence[int]) -> list[int]:
        """Tombstone tracks: unpublished at once and never ingested again.

        Comes back: the recordings whose vectors are to be deleted from the collections.
        """
        raise NotImplementedError

    def restore_tracks(self, track_ids: Sequence[int]) -> None:
        """Lift tombstones; the next run ingests and publishes the tracks again."""
        raise NotImplementedError
