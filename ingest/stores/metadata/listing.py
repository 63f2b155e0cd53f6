"""What a listing changes in a catalogue: found out first, written afterwards."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, and_, bindparam, insert, select, update

from ingest.stores.metadata.database import chunks
from ingest.stores.metadata.schema import catalogs, recordings, tracks
from ingest.stores.metadata.text import check_uri, clean, fit_version, uri_hash
from ingest.stores.records import PlanCounts, SourceFile

TAGS = ("title", "artist", "album", "isrc")


@dataclass
class Difference:
    """A listing against the stored tracks; rows are those of `tracks`, joined with the current version."""

    counts: PlanCounts
    new: list[SourceFile] = field(default_factory=list)  # by uri
    changed: list[tuple[Any, SourceFile]] = field(default_factory=list)  # by uri
    retagged: list[tuple[Any, SourceFile]] = field(default_factory=list)
    reappeared: list[int] = field(default_factory=list)
    vanished: list[int] = field(default_factory=list)


def find_difference(connection: Connection, catalog_id: int, files: Iterable[SourceFile]) -> Difference:
    """What register has to do. Raises UnusableName for a uri that cannot be stored."""
    listed, duplicates = _by_uri(files)
    difference = Difference(PlanCounts())
    unchanged = 0
    for row in _stored_tracks(connection, catalog_id):
        file = listed.pop(row.uri, None)
        if file is None:
            if row.removed_at is None and row.deleted_at is None:
                difference.vanished.append(row.track_id)
            continue
        changed = row.deleted_at is None and fit_version(file.version) != row.version
        unchanged += not changed
        if changed:
            difference.changed.append((row, file))
        if row.removed_at is not None:
            difference.reappeared.append(row.track_id)
        if any(clean(getattr(file, tag)) != getattr(row, tag) for tag in TAGS):
            difference.retagged.append((row, file))
    difference.new = sorted(listed.values(), key=lambda file: file.uri)
    difference.changed.sort(key=lambda pair: pair[0].uri)
    difference.counts = PlanCounts(
        listed=len(difference.new) + len(difference.changed) + unchanged + duplicates,
        new=len(difference.new),
        changed=len(difference.changed),
        unchanged=unchanged,
        removed=len(difference.vanished),
        duplicates=duplicates,
    )
    return difference


def apply_difference(connection: Connection, catalog_id: int, difference: Difference, run_id: str, now: float) -> None:
    """Write it; ids follow the order of new uris, then of changed ones."""
    _insert_new(connection, catalog_id, difference.new, run_id)
    _point_to_changed(connection, catalog_id, difference.changed, run_id)
    _retag(connection, catalog_id, difference.retagged)
    _set_removed(connection, catalog_id, difference.vanished, now)
    _set_removed(connection, catalog_id, difference.reappeared, None)


def _by_uri(files: Iterable[SourceFile]) -> tuple[dict[str, SourceFile], int]:
    """The first file of every uri, and how many repeats there were."""
    listed: dict[str, SourceFile] = {}
    count = 0
    for file in files:
        check_uri(file.uri)
        listed.setdefault(file.uri, file)
        count += 1
    return listed, count - len(listed)


def _stored_tracks(connection: Connection, catalog_id: int) -> Iterable[Any]:
    current = and_(
        recordings.c.catalog_id == tracks.c.catalog_id,
        recordings.c.recording_id == tracks.c.current_recording_id,
    )
    columns = [tracks.c[name] for name in ("track_id", "uri", "removed_at", "deleted_at", *TAGS)]
    query = select(*columns, recordings.c.version).join_from(tracks, recordings, current)
    return connection.execute(query.where(tracks.c.catalog_id == catalog_id))


def _take_ids(connection: Connection, catalog_id: int, track_count: int, recording_count: int) -> tuple[int, int]:
    """The first of so many free track ids and recording ids."""
    mine = catalogs.c.catalog_id == catalog_id
    free = select(catalogs.c.next_track_id, catalogs.c.next_recording_id).where(mine).with_for_update()
    track_id, recording_id = connection.execute(free).one()
    taken = {"next_track_id": track_id + track_count, "next_recording_id": recording_id + recording_count}
    connection.execute(update(catalogs).where(mine).values(taken))
    return track_id, recording_id


def _insert_new(connection: Connection, catalog_id: int, files: list[SourceFile], run_id: str) -> None:
    if not files:
        return
    first_track, first_recording = _take_ids(connection, catalog_id, len(files), len(files))
    connection.execute(
        insert(tracks),
        [
            {
                "catalog_id": catalog_id,
                "track_id": first_track + i,
                "uri": file.uri,
                "uri_hash": uri_hash(file.uri),
                "current_recording_id": first_recording + i,
                **{tag: clean(getattr(file, tag)) for tag in TAGS},
            }
            for i, file in enumerate(files)
        ],
    )
    numbered = [(first_recording + i, first_track + i, file) for i, file in enumerate(files)]
    _insert_recordings(connection, catalog_id, numbered, run_id)


def _insert_recordings(
    connection: Connection, catalog_id: int, numbered: list[tuple[int, int, SourceFile]], run_id: str
) -> None:
    rows = [
        {
            "catalog_id": catalog_id,
            "recording_id": recording_id,
            "track_id": track_id,
            "version": fit_version(file.version),
            "size_bytes": file.size_bytes,
            "planned_run_id": run_id,
        }
        for recording_id, track_id, file in numbered
    ]
    if rows:
        connection.execute(insert(recordings), rows)


def _point_to_changed(
    connection: Connection, catalog_id: int, changed: list[tuple[Any, SourceFile]], run_id: str
) -> None:
    """Every changed track's current recording: one that had this version before, or a new one."""
    if not changed:
        return
    known = _known_versions(connection, catalog_id, [row.track_id for row, _ in changed])
    fresh = [pair for pair in changed if (pair[0].track_id, fit_version(pair[1].version)) not in known]
    _, first = _take_ids(connection, catalog_id, 0, len(fresh))
    numbered = [(first + i, row.track_id, file) for i, (row, file) in enumerate(fresh)]
    _insert_recordings(connection, catalog_id, numbered, run_id)
    known.update({(track_id, fit_version(file.version)): number for number, track_id, file in numbered})
    statement = update(tracks).where(tracks.c.catalog_id == catalog_id, tracks.c.track_id == bindparam("track"))
    connection.execute(
        statement.values(current_recording_id=bindparam("recording")),
        [{"track": row.track_id, "recording": known[row.track_id, fit_version(file.version)]} for row, file in changed],
    )


def _known_versions(connection: Connection, catalog_id: int, track_ids: list[int]) -> dict[tuple[int, str], int]:
    known: dict[tuple[int, str], int] = {}
    query = select(recordings.c.track_id, recordings.c.version, recordings.c.recording_id)
    for part in chunks(track_ids):
        mine = query.where(recordings.c.catalog_id == catalog_id, recordings.c.track_id.in_(part))
        known.update(
            {(track_id, version): recording_id for track_id, version, recording_id in connection.execute(mine)}
        )
    return known


def _retag(connection: Connection, catalog_id: int, retagged: list[tuple[Any, SourceFile]]) -> None:
    if retagged:
        statement = update(tracks).where(tracks.c.catalog_id == catalog_id, tracks.c.track_id == bindparam("track"))
        connection.execute(
            statement.values({tag: bindparam(f"new_{tag}") for tag in TAGS}),
            [
                {"track": row.track_id, **{f"new_{tag}": clean(getattr(file, tag)) for tag in TAGS}}
                for row, file in retagged
            ],
        )


def _set_removed(connection: Connection, catalog_id: int, track_ids: list[int], at: float | None) -> None:
    for part in chunks(track_ids):
        mine = update(tracks).where(tracks.c.catalog_id == catalog_id, tracks.c.track_id.in_(part))
        connection.execute(mine.values(removed_at=at))
