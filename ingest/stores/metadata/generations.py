"""Generations, what is loaded into them, and the pointer that says which one answers."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    delete,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    true,
    update,
)

from ingest.errors import MetadataError
from ingest.stores.metadata.database import chunks
from ingest.stores.metadata.publication import next_publication
from ingest.stores.metadata.schema import catalogs, generations, ledger, loads, recordings, tracks
from ingest.stores.metadata.scope import CatalogScope
from ingest.stores.records import Generation, Load

PAGE = 5_000  # loads read at once


class GenerationRows(CatalogScope):
    """The part of a CatalogStore that speaks of serving."""

    def create_generation(self, collection: str, encoder: str, dim: int, index: str) -> Generation:
        """A new generation, filling; the collection's name must be new in the whole database."""
        values = {"collection": collection, "encoder": encoder, "dim": dim, "index_type": index}
        row = values | {"catalog_id": self.catalog_id, "state": "filling", "created_at": time.time()}

        def work(connection: Connection) -> Generation:
            connection.execute(insert(generations).values(row))
            return one_generation(connection, self, generations.c.collection == collection)

        return self._write(work)

    def generation(self, encoder: str) -> Generation | None:
        """The newest generation of an encoder."""
        mine = [one for one in self.generations() if one.encoder == encoder]
        return mine[-1] if mine else None

    def generations(self) -> list[Generation]:
        """All generations, oldest first."""
        query = _GENERATIONS.where(generations.c.catalog_id == self.catalog_id)
        rows = self._read(lambda connection: connection.execute(query).all())
        return [_generation(row) for row in rows]

    def active_generation(self) -> Generation | None:
        """The one that answers; one cheap query: a service may ask every second."""
        query = _GENERATIONS.join(catalogs, catalogs.c.active_generation_id == generations.c.generation_id).where(
            catalogs.c.catalog_id == self.catalog_id
        )
        row = self._read(lambda connection: connection.execute(query).one_or_none())
        return None if row is None else _generation(row)

    def set_calibration(self, generation_id: int, calibration: Mapping[str, Any] | None) -> None:
        """Keep how scores become confidences in this generation; None: by the shipped calibration."""
        self._change(generation_id, {"calibration": None if calibration is None else dict(calibration)})

    def set_tuning(self, generation_id: int, tuning: Mapping[str, Any] | None) -> None:
        """Keep what the service is told in place of its configuration; None: nothing."""
        self._change(generation_id, {"tuning": None if tuning is None else dict(tuning)})

    def mark_ready(self, generation_id: int) -> None:
        """filling → ready: loaded and verified, not yet answering."""
        self._change(generation_id, {"state": "ready"})

    def activate(self, generation_id: int) -> None:
        """Publish what is loaded and move the pointer, in one transaction; the previous one is retired."""
        mine = generations.c.catalog_id == self.catalog_id

        def work(connection: Connection) -> None:
            one_generation(connection, self, generations.c.generation_id == generation_id)
            _publish(connection, self.catalog_id, generation_id)
            was_active = and_(mine, generations.c.state == "active")
            connection.execute(update(generations).where(was_active).values(state="retired"))
            is_chosen = and_(mine, generations.c.generation_id == generation_id)
            connection.execute(update(generations).where(is_chosen).values(state="active"))
            pointer = update(catalogs).where(catalogs.c.catalog_id == self.catalog_id)
            connection.execute(pointer.values(active_generation_id=generation_id))

        self._write(work)

    def to_load(self, generation_id: int, but_of: str | None = None) -> Iterator[Load]:
        """Recordings that are done and current or published, but not loaded as they are now, by recording id.

        Without those that the run `but_of` committed.
        """
        after, by_others = 0, true() if but_of is None else ledger.c.run_id != but_of
        while page := self._loads(generation_id, and_(ledger.c.recording_id > after, by_others), limit=PAGE):
            yield from page
            after = page[-1].recording_id

    def to_load_among(self, generation_id: int, recording_ids: Sequence[int]) -> Iterator[Load]:
        """Those of these few recordings, wherever they stand; nothing else is looked at."""
        for part in chunks(recording_ids):
            yield from self._loads(generation_id, ledger.c.recording_id.in_(part))

    def segments_to_load(self, generation_id: int) -> int:
        """How many vectors those have."""
        waiting = self._to_load(generation_id, func.coalesce(func.sum(ledger.c.segments), 0))
        return self._read(lambda connection: int(connection.scalar(waiting) or 0))

    def _loads(self, generation_id: int, which: ColumnElement[bool], limit: int | None = None) -> list[Load]:
        columns = (ledger.c.recording_id, ledger.c.segments, ledger.c.lake_files, loads.c.stale)
        query = self._to_load(generation_id, *columns).where(which).order_by(ledger.c.recording_id).limit(limit)
        rows = self._read(lambda connection: connection.execute(query).all())
        return [Load(row.recording_id, row.segments, tuple(row.lake_files), bool(row.stale)) for row in rows]

    def _to_load(self, generation_id: int, *columns: Any) -> Select[Any]:
        encoder = select(generations.c.encoder).where(generations.c.generation_id == generation_id).scalar_subquery()
        held = and_(loads.c.generation_id == generation_id, loads.c.recording_id == ledger.c.recording_id)
        return (
            select(*columns)
            .select_from(ledger)
            .join(recordings, _same_recording(ledger))
            .join(tracks, _track_of_recording())
            .outerjoin(loads, held)
            .where(ledger.c.catalog_id == self.catalog_id, ledger.c.encoder == encoder)
            .where(ledger.c.state == "done", _is_wanted())
            .where(or_(loads.c.recording_id.is_(None), loads.c.stale.is_(True)))
        )

    def mark_loaded(self, generation_id: int, segments: Mapping[int, int]) -> None:
        """Record the stored segments of each recording; repeating it changes nothing."""
        rows = [
            {"generation_id": generation_id, "recording_id": recording_id, "segments": count, "stale": False}
            for recording_id, count in segments.items()
        ]

        def work(connection: Connection) -> None:
            _forget(connection, generation_id, list(segments))
            if rows:
                connection.execute(insert(loads), rows)

        self._write(work)

    def loaded_segments(self, generation_id: int) -> int:
        """The vectors that the collection must hold."""
        query = select(func.coalesce(func.sum(loads.c.segments), 0)).where(loads.c.generation_id == generation_id)
        return self._read(lambda connection: int(connection.scalar(query) or 0))

    def loaded_recordings(self, generation_id: int) -> list[int]:
        """Ids of the recordings that the collection must hold, ascending."""
        query = select(loads.c.recording_id).where(loads.c.generation_id == generation_id)
        return self._read(lambda connection: sorted(connection.scalars(query)))

    def publish(self, generation_id: int) -> int:
        """Publish the current recording of every track where the generation holds it; how many changed."""
        return self._write(lambda connection: _publish(connection, self.catalog_id, generation_id))

    def superseded(self, generation_id: int) -> list[int]:
        """Loaded recordings that no track publishes or is about to: their vectors may go."""
        query = (
            select(loads.c.recording_id)
            .join(
                recordings,
                and_(
                    recordings.c.catalog_id == self.catalog_id,
                    recordings.c.recording_id == loads.c.recording_id,
                ),
            )
            .join(tracks, _track_of_recording())
            .where(loads.c.generation_id == generation_id, ~_is_wanted())
            .order_by(loads.c.recording_id)
        )
        return self._read(lambda connection: list(connection.scalars(query)))

    def forget_loads(self, generation_id: int, recording_ids: Iterable[int]) -> None:
        """To be called after the vectors are deleted."""
        gone = list(recording_ids)
        self._write(lambda connection: _forget(connection, generation_id, gone))

    def _change(self, generation_id: int, values: dict[str, Any]) -> None:
        def work(connection: Connection) -> None:
            one_generation(connection, self, generations.c.generation_id == generation_id)
            is_chosen = generations.c.generation_id == generation_id
            connection.execute(update(generations).where(is_chosen).values(values))

        self._write(work)


_GENERATIONS = select(
    *(generations.c[name] for name in ("generation_id", "collection", "encoder", "dim")),
    generations.c.index_type.label("index"),
    *(generations.c[name] for name in ("calibration", "state", "created_at", "tuning")),
).order_by(generations.c.generation_id)


def one_generation(connection: Connection, scope: CatalogScope, condition: ColumnElement[bool]) -> Generation:
    """The one generation of a catalogue that the condition holds for. Raises MetadataError."""
    query = _GENERATIONS.where(generations.c.catalog_id == scope.catalog_id, condition)
    row = connection.execute(query).one_or_none()
    if row is None:
        raise MetadataError(f"catalogue {scope.name} has no such generation")
    return _generation(row)


def _generation(row: Any) -> Generation:
    fields = dict(row._mapping)
    return Generation(**fields)


def _same_recording(table: Any) -> ColumnElement[bool]:
    return and_(recordings.c.catalog_id == table.c.catalog_id, recordings.c.recording_id == table.c.recording_id)


def _track_of_recording() -> ColumnElement[bool]:
    return and_(tracks.c.catalog_id == recordings.c.catalog_id, tracks.c.track_id == recordings.c.track_id)


def _is_wanted() -> ColumnElement[bool]:
    """Whether a track needs this recording in a collection: it answers with it, or is to."""
    is_published = func.coalesce(tracks.c.published_recording_id, literal(-1)) == recordings.c.recording_id
    is_current = tracks.c.current_recording_id == recordings.c.recording_id
    return and_(tracks.c.deleted_at.is_(None), or_(is_published, is_current))


def _publish(connection: Connection, catalog_id: int, generation_id: int) -> int:
    is_loaded = exists().where(
        loads.c.generation_id == generation_id, loads.c.recording_id == tracks.c.current_recording_id
    )
    differs = func.coalesce(tracks.c.published_recording_id, literal(-1)) != tracks.c.current_recording_id
    of_mine = and_(tracks.c.catalog_id == catalog_id, tracks.c.deleted_at.is_(None))
    number = next_publication(connection, catalog_id)
    changed = {"published_recording_id": tracks.c.current_recording_id, "publication": number}
    return connection.execute(update(tracks).where(of_mine, differs, is_loaded).values(changed)).rowcount


def _forget(connection: Connection, generation_id: int, recording_ids: list[int]) -> None:
    for part in chunks(recording_ids):
        connection.execute(delete(loads).where(loads.c.generation_id == generation_id, loads.c.recording_id.in_(part)))
