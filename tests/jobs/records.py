"""Runs to report on."""

from pathlib import Path

from conf import compose
from ingest.config import IngestConfig
from ingest.runs import RejectLine, Run, Sample


def ingest_config(home: Path | str, *overrides: str) -> IngestConfig:
    return compose("ingest", [f"home={home}", *overrides], IngestConfig)


def a_run(home: Path | str, *overrides: str) -> Run:
    """A run of three tracks, one reject and 600 s of audio in 2 s, still running."""
    run = Run.start(home, ingest_config(home, *overrides))
    record = run.record
    record.counts.listed, record.counts.new, record.counts.done = 4, 4, 3
    record.counts.published, record.counts.segments = 3, 1170
    record.audio_s = 600.0
    record.model_checksum = "c0ffee" * 10
    record.samples = [Sample(0.0, 0, 0.0), Sample(1.0, 2, 400.0), Sample(2.0, 3, 600.0)]
    record.stages_s = {"embed": 1.5, "load": 0.5}
    for duration_s in (3.0, 200.0, 397.0):
        record.add_duration(duration_s)
    run.set_rejects([RejectLine("/music/<b>.mp3", "unreadable", "no decoder, and a\nnew line")])
    return run


def finished(run: Run) -> Run:
    """The run, done two seconds after its start."""
    run.finish("done")
    run.record.ended_at = run.record.started_at + 2.0
    run.save()
    return run


def directory(run: Run) -> Path:
    """Where a run of a local home lies."""
    return Path(run.files.place("report.json")).parent
