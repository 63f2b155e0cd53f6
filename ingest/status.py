"""What a catalogue holds, and what its last runs did."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from ingest.config import IngestConfig
from ingest.errors import ConfigurationError
from ingest.runs import latest_runs, read_run, runs_of
from ingest.stores import CatalogStore, Metadata, Run

SHOWN_RUNS = 5


def known_encoder(store: CatalogStore, home: Path | str) -> str | None:
    """The checksum that the ledger is asked about without loading a network: the answering one, or the last run's."""
    active = store.active_generation()
    if active:
        return active.encoder
    checksums = (run.record.model_checksum for run in latest_runs(home, store.name, 20))
    return next((checksum for checksum in checksums if checksum), None)


def status_text(config: IngestConfig, metadata: Metadata) -> str:
    """The catalogue on a screen. Raises ConfigurationError if there is none of that name."""
    name = config.catalog.name
    names = metadata.catalog_names()
    if name not in names:
        raise ConfigurationError(f"there is no catalogue {name!r} yet; there are: {', '.join(names) or 'none'}")
    store = metadata.catalog(name)
    encoder = known_encoder(store, config.home_root)
    lines = [f"catalogue {name}", *_counts(store, encoder), *_generations(store)]
    return "\n".join([*lines, *_rejects(store, encoder), *_runs(store, config.home_root)])


def _counts(store: CatalogStore, encoder: str | None) -> Iterator[str]:
    if encoder is None:
        yield "  no run has embedded anything yet"
        return
    counts = store.counts(encoder)
    yield f"  tracks     {counts.tracks:,} present, {counts.published:,} answering, {counts.removed:,} removed"
    yield f"  embedded   {counts.done:,} done, {counts.rejected:,} rejected, {counts.pending:,} to do"
    yield f"  audio      {counts.hours:,.1f} h, {counts.segments:,} vectors"


def _generations(store: CatalogStore) -> Iterator[str]:
    for generation in store.generations():
        yield (
            f"  {generation.state:<10} generation {generation.generation_id}: {generation.collection},"
            f" encoder {generation.encoder[:12]}, index {generation.index}"
        )


def _rejects(store: CatalogStore, encoder: str | None) -> Iterator[str]:
    codes = Counter(reject.code for reject in store.rejects(encoder)) if encoder else Counter()
    for code, number in codes.most_common():
        yield f"  reject     {number:,} {code}"


def _runs(store: CatalogStore, home: Path | str) -> Iterator[str]:
    for run in store.runs(SHOWN_RUNS):
        started = datetime.fromtimestamp(run.started_at, UTC).strftime("%Y-%m-%d %H:%M UTC")
        figures = ", ".join(f"{run.counts[name]:,} {name}" for name in ("done", "rejected") if name in run.counts)
        yield f"  run        {run.run_id}  {run.action}, {started}, {_state(run, home)}" + (
            f": {figures}" if figures else ""
        )


def _state(run: Run, home: Path | str) -> str:
    """A run that was killed could not say so in the store; its directory knows the process."""
    if run.state == "running":
        files = runs_of(home).below(run.run_id)
        if files.exists("report.json"):
            return read_run(files).record.state
    return run.state
