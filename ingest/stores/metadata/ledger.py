"""The ledger: a row here is the commit of a recording's embeddings."""

import time
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Select, and_, bindparam, case, delete, func, insert, select, update

from ingest.stores.metadata.database import chunks
from ingest.stores.metadata.listing import TAGS
from ingest.stores.metadata.schema import generations, ledger, loads, recordings, tracks
from ingest.stores.metadata.scope import CatalogScope
from ingest.stores.metadata.text import clean
from ingest.stores.records import CatalogCounts, Done, Reject, Rejected, Work

PAGE = 5_000  # rows of pending work read at once


class LedgerRows(CatalogScope):
    """The part of a CatalogStore that speaks of work done and to do, per encoder."""

    def pending(self, encoder: str) -> Iterator[Work]:
        """Current recordings of present tracks that have no row yet, by recording id."""
        open_states = ledger.c.state.is_(None) | (ledger.c.state == "retry")
        columns = (
            recordings.c.recording_id,
            recordings.c.track_id,
            tracks.c.uri,
            recordings.c.version,
            recordings.c.size_bytes,
        )
        query = _present(select(*columns), self.catalog_id, encoder).where(open_states)
        page = query.order_by(recordings.c.recording_id).limit(PAGE)
        after = 0
        while works := self._works(page.where(recordings.c.recording_id > after)):
            yield from works
            after = works[-1].recording_id

    def commit(self, encoder: str, done: Sequence[Done], rejects: Sequence[Reject], run_id: str) -> None:
        """Record outcomes in one transaction; idempotent, and a reject never undoes a done."""
        if not done and not rejects:
            return

        ids = [row.recording_id for row in done] + [row.recording_id for row in rejects]

        def work(connection: Connection) -> None:
            before = self._rows_before(connection, encoder, ids)
            finished = {number for number, row in before.items() if row.state == "done"}
            finished |= {row.recording_id for row in done}
            outcomes = [_done_row(row) for row in done]
            outcomes += [_reject_row(row) for row in rejects if row.recording_id not in finished]
            self._replace(connection, encoder, outcomes, before, run_id)
            again = [row.recording_id for row in done if row.recording_id in before]
            _mark_stale(connection, self.catalog_id, encoder, again)
            _describe(connection, self.catalog_id, done)

        self._write(work)

    def rejects(self, encoder: str) -> list[Rejected]:
        """The rejects among the current recordings of present tracks, by uri."""
        columns = (tracks.c.uri, ledger.c.code, ledger.c.reason, ledger.c.attempts)
        query = _present(select(*columns), self.catalog_id, encoder).where(ledger.c.state == "rejected")
        rows = self._read(lambda connection: connection.execute(query).all())
        return sorted((Rejected(**row._mapping) for row in rows), key=lambda reject: reject.uri)

    def same_audio(self, encoder: str) -> Iterator[tuple[str, str]]:
        """(content hash, uri) of present files that hold the same samples as another one, by hash and uri."""
        of_mine = _present(select(recordings.c.content_hash), self.catalog_id, encoder)
        shared = of_mine.group_by(recordings.c.content_hash).having(func.count() > 1).subquery()
        query = (
            _present(select(recordings.c.content_hash, tracks.c.uri), self.catalog_id, encoder)
            .where(recordings.c.content_hash.in_(select(shared.c.content_hash)))
            .order_by(recordings.c.content_hash, tracks.c.track_id)
        )
        rows = self._read(lambda connection: connection.execute(query).all())
        yield from ((row.content_hash, row.uri) for row in rows)

    def forget_done(self, encoder: str) -> int:
        """Make everything that is listed pending again; it keeps answering as it is until then. How many."""
        mine = _present(select(recordings.c.recording_id), self.catalog_id, encoder).subquery()
        listed = ledger.c.recording_id.in_(select(mine.c.recording_id))
        query = update(ledger).where(*self._mine(encoder), ledger.c.state != "retry", listed).values(state="retry")
        return self._write(lambda connection: connection.execute(query).rowcount)

    def forget_rejects(self, encoder: str) -> int:
        """Make all rejects pending again; how many."""
        query = update(ledger).where(*self._mine(encoder), ledger.c.state == "rejected").values(state="retry")
        return self._write(lambda connection: connection.execute(query).rowcount)

    def named_lake_files(self, encoder: str) -> set[str]:
        """Every lake file that a row names."""
        query = select(ledger.c.lake_files).where(*self._mine(encoder))
        rows = self._read(lambda connection: connection.scalars(query).all())
        return {name for names in rows for name in names}

    def counts(self, encoder: str) -> CatalogCounts:
        """How far the encoder has come."""

        def total(condition: Any, value: Any) -> Any:
            return func.coalesce(func.sum(case((condition, value), else_=0)), 0)

        is_done = ledger.c.state == "done"
        of_present = _present(
            select(
                func.count(),
                total(is_done, 1),
                total(ledger.c.state == "rejected", 1),
                total(is_done, ledger.c.segments),
                total(is_done, func.coalesce(recordings.c.duration_s, 0.0)),
            ),
            self.catalog_id,
            encoder,
        )
        of_all = select(
            total(tracks.c.removed_at.is_not(None), 1), total(tracks.c.published_recording_id.is_not(None), 1)
        ).where(tracks.c.catalog_id == self.catalog_id, tracks.c.deleted_at.is_(None))
        present, all_ = self._read(
            lambda connection: (connection.execute(of_present).one(), connection.execute(of_all).one())
        )
        listed, done, rejected, segments = (int(value) for value in present[:4])
        return CatalogCounts(
            tracks=listed,
            removed=int(all_[0]),
            published=int(all_[1]),
            done=done,
            rejected=rejected,
            pending=listed - done - rejected,
            segments=segments,
            hours=float(present[4]) / 3600,
        )

    def _works(self, query: Select[Any]) -> list[Work]:
        rows = self._read(lambda connection: connection.execute(query).all())
        return [Work(**row._mapping) for row in rows]

    def _mine(self, encoder: str) -> tuple[Any, ...]:
        return ledger.c.catalog_id == self.catalog_id, ledger.c.encoder == encoder

    def _rows_before(self, connection: Connection, encoder: str, ids: Sequence[int]) -> dict[int, Any]:
        query = select(ledger.c.recording_id, ledger.c.state, ledger.c.attempts).where(*self._mine(encoder))
        rows: dict[int, Any] = {}
        for part in chunks(ids):
            for row in connection.execute(query.where(ledger.c.recording_id.in_(part))):
                rows[row.recording_id] = row
        return rows

    def _replace(
        self,
        connection: Connection,
        encoder: str,
        outcomes: list[dict[str, Any]],
        before: dict[int, Any],
        run_id: str,
    ) -> None:
        """Put the outcomes in the place of what was recorded before."""
        for part in chunks([outcome["recording_id"] for outcome in outcomes if outcome["recording_id"] in before]):
            connection.execute(delete(ledger).where(*self._mine(encoder), ledger.c.recording_id.in_(part)))
        of_all = {
            "catalog_id": self.catalog_id,
            "encoder": encoder,
            "run_id": run_id,
            "committed_at": time.time(),
        }
        rows = [of_all | outcome | {"attempts": _attempts(before.get(outcome["recording_id"]))} for outcome in outcomes]
        if rows:
            connection.execute(insert(ledger), rows)


def _mark_stale(connection: Connection, catalog_id: int, encoder: str, recording_ids: Sequence[int]) -> None:
    """What collections hold of recordings that were embedded again is to be loaded anew."""
    mine = select(generations.c.generation_id).where(
        generations.c.catalog_id == catalog_id, generations.c.encoder == encoder
    )
    for part in chunks(recording_ids):
        held = loads.c.generation_id.in_(mine), loads.c.recording_id.in_(part)
        connection.execute(update(loads).where(*held).values(stale=True))


def _present(query: Select[Any], catalog_id: int, encoder: str) -> Select[Any]:
    """The query over tracks that are listed, their current recordings, and the ledger rows these may have."""
    is_current = and_(
        recordings.c.catalog_id == tracks.c.catalog_id,
        recordings.c.track_id == tracks.c.track_id,
        recordings.c.recording_id == tracks.c.current_recording_id,
    )
    has_row = and_(
        ledger.c.catalog_id == recordings.c.catalog_id,
        ledger.c.encoder == encoder,
        ledger.c.recording_id == recordings.c.recording_id,
    )
    return (
        query.select_from(tracks.join(recordings, is_current).outerjoin(ledger, has_row))
        .where(tracks.c.catalog_id == catalog_id)
        .where(tracks.c.removed_at.is_(None), tracks.c.deleted_at.is_(None))
    )


def _attempts(before: Any) -> int:
    """Which attempt this is: a repeated commit of the same attempt does not count."""
    if before is None:
        return 1
    return int(before.attempts) + int(before.state == "retry")


def _done_row(done: Done) -> dict[str, Any]:
    return {
        "recording_id": done.recording_id,
        "state": "done",
        "segments": done.segments,
        "windows": done.windows,
        "lake_files": list(done.lake_files),
        "code": None,
        "reason": None,
    }


def _reject_row(reject: Reject) -> dict[str, Any]:
    return {
        "recording_id": reject.recording_id,
        "state": "rejected",
        "segments": 0,
        "windows": 0,
        "lake_files": [],
        "code": reject.code,
        "reason": clean(reject.reason),
    }


def _describe(connection: Connection, catalog_id: int, done: Sequence[Done]) -> None:
    """Keep what decoding found out about the recordings."""
    if done:
        statement = update(recordings).where(
            recordings.c.catalog_id == catalog_id, recordings.c.recording_id == bindparam("recording")
        )
        found = ("duration_s", "truncated", "content_hash", *TAGS)
        connection.execute(
            statement.values({name: bindparam(f"new_{name}") for name in found}),
            [
                {
                    "recording": row.recording_id,
                    "new_duration_s": row.duration_s,
                    "new_truncated": row.truncated,
                    "new_content_hash": row.content_hash,
                    **{f"new_{tag}": clean(getattr(row, tag)) for tag in TAGS},
                }
                for row in done
            ],
        )
