"""What is to leave a catalogue, by id, by uri, or because its source no longer lists it; and what may come back.

A deleted track is a tombstone: it stops answering at once, and a run does not bring it back. How it leaves the stores
is in `ingest.stores.removal`.
"""

from __future__ import annotations

from ingest.config import DeleteConfig
from ingest.errors import ConfigurationError, PreflightError
from ingest.stores import CatalogStore

NAMED = 5  # unknown tracks that an error names


def to_delete(wanted: DeleteConfig, catalog: CatalogStore) -> list[int]:
    """Track ids, ascending. Raises ConfigurationError for one that the catalogue does not have, or if none is named."""
    if not (wanted.track_ids or wanted.uris or wanted.removed):
        raise ConfigurationError("action=delete needs delete.track_ids=[…], delete.uris=[…] or delete.removed=true")
    return sorted({*_named(wanted, catalog), *(vanished(wanted, catalog) if wanted.removed else ())})


def to_restore(wanted: DeleteConfig, catalog: CatalogStore) -> list[int]:
    """Ids of deleted tracks, ascending. Raises ConfigurationError for one that is not deleted, or if none is named."""
    if not (wanted.track_ids or wanted.uris) or wanted.removed:
        raise ConfigurationError("action=restore needs delete.track_ids=[…] or delete.uris=[…], and nothing else")
    return sorted(_named(wanted, catalog, deleted=True))


def _named(wanted: DeleteConfig, catalog: CatalogStore, *, deleted: bool = False) -> set[int]:
    """The tracks that are named by id or uri, all of them deleted or none."""
    by_uri = catalog.tracks_of(wanted.uris, deleted=deleted)
    known = catalog.known_tracks(wanted.track_ids, deleted=deleted)
    unknown = [str(number) for number in wanted.track_ids if number not in known]
    unknown += [uri for uri in wanted.uris if uri not in by_uri]
    if unknown:
        more = f" and {len(unknown) - NAMED} more" if len(unknown) > NAMED else ""
        kind = "deleted track" if deleted else "track"
        raise ConfigurationError(f"catalogue {catalog.name} has no {kind} {', '.join(unknown[:NAMED])}{more}")
    return {*known, *by_uri.values()}


def vanished(wanted: DeleteConfig, catalog: CatalogStore) -> list[int]:
    """The tracks that the source no longer lists; PreflightError if they are too many to be believed."""
    gone = [track_id for track_id, _ in catalog.removed_tracks()]
    present = catalog.present_tracks()
    share = len(gone) / max(1, len(gone) + present)
    if share > wanted.at_most:
        raise PreflightError(
            f"{len(gone)} of {len(gone) + present} tracks are no longer listed, more than"
            f" delete.at_most={wanted.at_most:g} allows: is the source complete? Nothing was deleted"
        )
    return gone
