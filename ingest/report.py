"""The record of a run, for people: text, and one HTML file with its plots inside."""

import os
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from html import escape
from io import BytesIO
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from ingest.checks import READS_THE_SOURCE
from ingest.progress import clock_time
from ingest.runs import DURATION_EDGES_S, Run, RunRecord

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STATES = {
    "running": "is running",
    "done": "is done",
    "failed": "failed",
    "stopped": "was stopped; the same command goes on from there",
    "interrupted": "was interrupted; the same command goes on from there",
}


def write_reports(run: Run) -> None:
    """Write report.txt and report.html beside the record."""
    with TemporaryDirectory(prefix="refrain-report-") as folder:
        os.environ.setdefault("MPLCONFIGDIR", folder)  # a font cache of half a megabyte is nobody's report
        run.write("report.txt", report_text(run.record) + "\n")
        run.write("report.html", report_html(run.record))


def summary_line(record: RunRecord) -> str:
    """The last line of a job: what it did, how fast, and what is wrong."""
    counts = record.counts
    if record.state != "done":
        return f"run {record.run_id} {STATES[record.state]}" + (f": {record.message}" if record.message else "")
    if record.action not in READS_THE_SOURCE:
        return record.message or record.action
    if not counts.listed and not counts.rejected:
        return "the source lists no audio: 0 tracks" + (f"; {counts.removed:,} removed" if counts.removed else "")
    rejected = f"; {counts.rejected:,} rejected ({_codes(record)})" if counts.rejected else ""
    if not counts.done and not counts.published:
        removed = f"; {counts.removed:,} removed, still answering" if counts.removed else ""
        return f"nothing to do: {counts.listed:,} tracks listed, all of them seen before{removed}{rejected}"
    return (
        f"{counts.done:,} tracks, {record.audio_s / 3600:.1f} h of audio in {clock_time(record.elapsed_s)}"
        f" ({speed_x(record):,.0f}× real time)"
        f"; listed {counts.new:,} new, {counts.changed:,} changed, {counts.removed:,} removed{rejected}"
    )


def _verified(record: RunRecord) -> str:
    found = record.verified
    return (
        f"verified  {found['vectors']:,.0f} vectors stored, {found['self_recall']:.0%} of a sample find themselves,"
        f" {found['search_ms']:.1f} ms a vector searched"
    )


def speed_x(record: RunRecord) -> float:
    """Seconds of audio embedded in a second of the run, all stages counted."""
    return record.audio_s / record.elapsed_s if record.elapsed_s > 0 else 0.0


def report_text(record: RunRecord) -> str:
    """The whole record on one page."""
    counts = record.counts
    parts = [
        f"run {record.run_id} of catalogue {record.catalog} {STATES[record.state]}",
        *([f"  {record.message}"] if record.message else []),
        f"  started {_moment(record.started_at)}, took {clock_time(record.elapsed_s)}",
        "",
        f"listed    {counts.listed:,} ({counts.new:,} new, {counts.changed:,} changed,"
        f" {counts.unchanged:,} unchanged), {counts.removed:,} removed, {counts.skipped:,} not audio",
        *([f"removed   {counts.gone:,} tracks are no longer listed (removed.csv)"] if counts.gone else []),
        f"done      {counts.done:,} tracks, {record.audio_s / 3600:.2f} h of audio, {counts.segments:,} vectors,"
        f" {speed_x(record):,.0f}× real time",
        *([f"early     {counts.loaded_early:,} vectors loaded beside embedding"] if counts.loaded_early else []),
        f"published {counts.published:,}" + (f", deleted {counts.deleted:,}" if counts.deleted else ""),
        *(
            [f"same      {counts.same_audio:,} files hold the audio of another (same_audio.csv)"]
            if counts.same_audio
            else []
        ),
        *([_verified(record)] if record.verified else []),
        f"rejected  {counts.rejected:,}" + (f": {_codes(record)}" if counts.rejected else ""),
        *(f"  {line}" for line in reject_lines(record)),
        "",
        *_table("stages", {name: f"{spent:,.1f} s" for name, spent in record.stages_s.items()}),
        *_table("actors at work", {name: f"{share:.0%}" for name, share in record.utilisation().items()}),
        *_table("versions", record.versions),
        f"model     {record.model_checksum or 'none'}",
    ]
    return "\n".join(parts)


def reject_lines(record: RunRecord) -> list[str]:
    """The rejects, each with its reason on a line; of many the first ones."""
    lines = [f"{_one_line(reject.uri)}: {_one_line(reject.reason)} ({reject.code})" for reject in record.first_rejects]
    more = record.counts.rejected - len(lines)
    return [*lines, f"and {more:,} more in rejects.csv"] if more > 0 else lines


def report_html(record: RunRecord) -> str:
    """The text with plots of durations, rejects and throughput; nothing is loaded from elsewhere."""
    plots = [
        _plot("Tracks by duration", _draw_durations, record, bool(sum(record.durations))),
        _plot("Rejects by reason", _draw_rejects, record, bool(record.reject_codes)),
        _plot("Time by stage", _draw_stages, record, bool(record.stages_s)),
        _plot("Audio embedded over time", _draw_throughput, record, len(record.samples) > 1),
    ]
    title = escape(f"Run {record.run_id}")
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>\n'
        "<style>body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
        "pre{background:#f4f4f4;padding:1rem;overflow:auto}img{max-width:100%}</style></head>\n"
        f"<body><h1>{title}</h1>\n<pre>{escape(report_text(record))}</pre>\n{''.join(plots)}</body></html>\n"
    )


def _draw_durations(axes: "Axes", record: RunRecord) -> None:
    edges = [clock_time(edge) for edge in DURATION_EDGES_S]
    axes.bar([*(f"< {edge}" for edge in edges), f"≥ {edges[-1]}"], record.durations)
    axes.tick_params("x", rotation=60)
    axes.set_ylabel("tracks")


def _draw_rejects(axes: "Axes", record: RunRecord) -> None:
    codes = dict(reversed(record.reject_codes.items()))
    axes.barh(list(codes), list(codes.values()))
    axes.set_xlabel("files")


def _draw_stages(axes: "Axes", record: RunRecord) -> None:
    stages = dict(reversed(record.stages_s.items()))
    axes.barh(list(stages), list(stages.values()))
    axes.set_xlabel("seconds")


def _draw_throughput(axes: "Axes", record: RunRecord) -> None:
    axes.plot([s.elapsed_s / 60 for s in record.samples], [s.audio_s / 3600 for s in record.samples])
    axes.set_xlabel("minutes")
    axes.set_ylabel("hours of audio")


def _plot(title: str, draw: Callable[["Axes", RunRecord], None], record: RunRecord, worth: bool) -> str:
    if not worth:
        return ""
    from matplotlib.figure import Figure  # takes half a second, and only reports draw

    figure = Figure(figsize=(8, 3.2), layout="constrained")
    draw(figure.subplots(), record)
    image = BytesIO()
    figure.savefig(image, format="png", dpi=110)
    data = b64encode(image.getvalue()).decode("ascii")
    return f'<h2>{escape(title)}</h2><img alt="{escape(title)}" src="data:image/png;base64,{data}">\n'


def _one_line(text: str) -> str:
    return " ".join(text.splitlines())


def _table(title: str, entries: dict[str, str]) -> list[str]:
    if not entries:
        return []
    width = max(map(len, entries))
    return [title, *(f"  {name:<{width}}  {value}" for name, value in entries.items()), ""]


def _codes(record: RunRecord) -> str:
    return ", ".join(f"{number:,} {code}" for code, number in record.reject_codes.items())


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
