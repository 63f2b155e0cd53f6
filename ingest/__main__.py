"""`python -m ingest home=DIR catalog=folder catalog.path=MUSIC`: arguments in, one of the exit codes out."""

import io
import signal
import sys
from collections.abc import Callable, Sequence

from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from conf import as_yaml, asked_to_show, compose, describe
from conf.events import events, writing_events
from conf.traces import tracing
from ingest import ray_environment
from ingest.catalog import list_catalog
from ingest.census import Census
from ingest.checks import EMBEDS, check
from ingest.config import IngestConfig
from ingest.errors import ConfigurationError, RefrainError
from ingest.file_traces import SERVICE
from ingest.measure import bytes_per_second, measure
from ingest.plan import Plan, make_plan
from ingest.report import reject_lines, report_text, summary_line, write_reports
from ingest.runs import RunRecord, latest_runs, runs_of
from ingest.status import known_encoder, status_text
from ingest.stop import ExitCode, Stopped, StopSignal
from ingest.stores import open_metadata
from ingest.supervisor import supervised

USAGE = """\
Recognise music: bring a catalogue into the index.

  python -m ingest home=DIR catalog=folder   catalog.path=MUSIC          every audio file below a folder
  python -m ingest home=DIR catalog=manifest catalog.path=tracks.csv     Parquet, CSV or JSONL with a column uri
  python -m ingest home=DIR catalog=s3       catalog.path=s3://b/music   every audio object below a prefix

Everything is written below home. The same command again goes on where the last one ended, and does nothing
when there is nothing to do. Values are taken literally: quote them for your shell, not for this program.

action=run            list, embed, load, publish (default)
action=plan           what a run would do, and what that takes
action=status         what the catalogue holds, and its last runs
action=report         the report of the last run
action=retry_failed   forget the rejects, then run
action=reindex        fill another collection from the lake, beside the one that answers: for another index, or where
                      Milvus lost vectors
action=promote        let the newest generation that is ready answer (another encoder's, say)
action=rollback       let the one before answer again
action=prune          drop the collections of generations that answered before
action=delete         take tracks out: delete.track_ids=[1,2], delete.uris=[…], or delete.removed=true for those that
                      the source no longer lists
action=restore        let deleted tracks come back with the next run: delete.track_ids=[1,2] or delete.uris=[…]

--cfg job             print the configuration that these arguments make, and do nothing

Exit codes: 0 done · 1 infrastructure failed, run it again · 2 configuration · 3 cannot start, or another job
holds the catalogue · 4 too many rejects (error_budget) · 5 done, but files of the listing stand rejected, from
this run or an earlier one (0 with on_rejects=exit0) · 143 stopped by SIGTERM or Ctrl-C, run it again

Secrets come from the environment: REFRAIN_MYSQL_PASSWORD, REFRAIN_MILVUS_TOKEN, and AWS_… for S3.
"""

Job = Callable[[IngestConfig, StopSignal], RunRecord]

log = events(__name__)


def main(arguments: Sequence[str], job: Job | None = None) -> int:
    """Run one action; the job is `ingest.job.run` unless another is given."""
    if not arguments or {"-h", "--help"} & set(arguments):
        print(f"{USAGE}\n{describe('ingest')}", file=sys.stdout if arguments else sys.stderr)
        return ExitCode.DONE if arguments else ExitCode.CONFIGURATION
    with StopSignal() as stop:
        return exit_code(lambda: act(arguments, stop, job))


def exit_code(action: Callable[[], int]) -> int:
    """What comes of it, with a line on stderr where that is no result."""
    try:
        return action()
    except RefrainError as error:
        print(f"ingest: {' '.join(str(error).splitlines())}", file=sys.stderr)
        return ExitCode.of_error(error)
    except Stopped:
        return _stopped()
    except SystemExit as error:
        if error.code == signal.SIGTERM:  # Ray's handler, which replaces ours while it connects
            return _stopped()
        raise


def act(arguments: Sequence[str], stop: StopSignal, job: Job | None) -> int:
    """Read the configuration and do what its action says: with Ray, in a process of its own."""
    shown = asked_to_show(arguments)
    config = compose("ingest", arguments if shown is None else shown, IngestConfig)
    if shown is not None:
        print(as_yaml(config))
        return ExitCode.DONE
    check(config)
    if job is None and config.action in EMBEDS:
        return supervised(lambda: exit_code(lambda: do(config, stop, None)), config.restarts)
    return do(config, stop, job)


def do(config: IngestConfig, stop: StopSignal, job: Job | None) -> int:
    """What the action says, in log lines and traces as well."""
    # A run is always traced as a whole; of its files the sampler of the environment chooses.
    with writing_events(config.logs, service=SERVICE, catalog=config.catalog.name), tracing(SERVICE, ALWAYS_ON):
        try:
            return _do(config, stop, job)
        except RefrainError as error:
            if not config.logs.for_people:  # who read it on the last line
                log.error("failed", code=error.code, error=str(error), exit_code=int(ExitCode.of_error(error)))
            raise


def _do(config: IngestConfig, stop: StopSignal, job: Job | None) -> int:
    match config.action:
        case "plan":
            print(plan(config).text())
        case "status":
            with open_metadata(config.metadata, config.home_dir) as metadata:
                print(status_text(config, metadata))
        case "report":
            report(config)
        case _:
            return run(config, stop, job)
    return ExitCode.DONE


def plan(config: IngestConfig) -> Plan:
    """What a run would do; writes nothing but an empty metadata store where there is none."""
    listing = list_catalog(config.catalog, config.home_dir)
    census = Census(listing)
    with open_metadata(config.metadata, config.home_dir) as metadata:
        store = metadata.catalog(config.catalog.name)
        counts = store.compare(census)
        encoder = known_encoder(store, config.home_root)
        left = store.counts(encoder).pending if encoder else counts.unchanged
    rates = bytes_per_second(config.catalog, census.kinds)
    return make_plan(config, listing, census, counts, left, rates, measure(config, census.kinds))


def report(config: IngestConfig) -> None:
    """Write the report of the last run again, and print it."""
    runs = latest_runs(config.home_root, config.catalog.name, 1)
    if not runs:
        raise ConfigurationError(f"there is no run of catalogue {config.catalog.name!r} in {config.home!r}")
    write_reports(runs[0])
    print(report_text(runs[0].record))
    print(f"\n{runs[0].files.place('report.html')}")


def run(config: IngestConfig, stop: StopSignal, job: Job | None) -> int:
    """Do the job and say what came of it."""
    record = (job or _ray_job(config))(config, stop)
    for line in reject_lines(record):
        print(f"rejected: {line}")
    print(summary_line(record))
    print(f"report: {runs_of(config.home_root).place(f'{record.run_id}/report.html')}")
    rejected = record.counts.rejected > 0 and config.on_rejects == "exit5"
    return ExitCode.REJECTS if rejected else ExitCode.DONE


def _ray_job(config: IngestConfig) -> Job:
    if config.compute.address == "local":
        ray_environment.prepare()
    from ingest.job import run as run_job  # brings Ray, which the other actions do not wait for

    return run_job


def _stopped() -> int:
    print("ingest: stopped; the same command goes on from here", file=sys.stderr)
    return ExitCode.STOPPED


if __name__ == "__main__":
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal without × is no reason to fail
    sys.exit(main(sys.argv[1:]))
