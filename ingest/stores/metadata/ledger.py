"""The ledger: a row here is the commit of a recording's embeddings."""

from collections.abc import Iterator, Sequence

from ingest.stores.records import CatalogCounts, Done, Reject, Rejected, Work


class LedgerRows:
    """The part of a CatalogStore that speaks of work done and to do, per encoder."""

    def pending(self, encoder: str) -> Iterator[Work]:
        """Current recordings of present tracks that have no row yet, by recording id."""
        raise NotImplementedError

    def commit(self, encoder: str, done: Sequence[Done], rejects: Sequence[Reject], run_id: str) -> None:
        """Record outcomes in one transaction; idempotent, and a reject never undoes a done."""
        raise NotImplementedError

    def rejects(self, encoder: str) -> list[Rejected]:
        """The rejects among the current recordings of present tracks, by uri."""
        raise NotImplementedError

    def forget_rejects(self, encoder: str) -> int:
        """Make all rejects pending again; how many."""
        raise NotImplementedError

    def named_lake_files(self, encoder: str) -> set[str]:
        """Every lake file that a row names."""
        raise NotImplementedError

    def counts(self, encoder: str) -> CatalogCounts:
        raise NotImplementedError
