"""The report says what the record says."""

from html.parser import HTMLParser
from pathlib import Path

import pytest

from ingest.report import reject_lines, report_html, report_text, speed_x, summary_line, write_reports
from ingest.runs import RejectLine
from tests.jobs.records import a_run, directory, finished


class Page(HTMLParser):
    """What a page shows, and whether its elements are closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""
        self.images: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "img":
            self.images.append(dict(attrs)["alt"] or "")
        elif tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_summary_counts_and_measures(tmp_path: Path) -> None:
    """600 s of audio in 2 s are 300 × real time, and the rejects are named."""
    record = finished(a_run(tmp_path)).record
    assert speed_x(record) == pytest.approx(300.0)
    summary = summary_line(record)
    assert summary.startswith("3 tracks, 0.2 h of audio in 2 s (300× real time)")
    assert summary.endswith("; 1 rejected (1 unreadable)")


def test_what_was_loaded_beside_embedding_is_told(tmp_path: Path) -> None:
    """Where there is something to tell."""
    record = finished(a_run(tmp_path)).record
    assert "beside embedding" not in report_text(record)
    record.counts.loaded_early = 20_000
    assert "early     20,000 vectors loaded beside embedding\n" in report_text(record)


def test_nothing_to_do_is_said(tmp_path: Path) -> None:
    """A run that found everything done says so, and still names what stands rejected."""
    record = finished(a_run(tmp_path)).record
    record.counts.done = record.counts.published = record.counts.new = 0
    record.counts.unchanged = 4
    assert summary_line(record) == "nothing to do: 4 tracks listed, all of them seen before; 1 rejected (1 unreadable)"


def test_an_empty_source_is_said(tmp_path: Path) -> None:
    """A folder without audio is 0 tracks, in words."""
    record = finished(a_run(tmp_path)).record
    record.counts.listed = record.counts.rejected = 0
    record.counts.done = record.counts.published = 0
    assert summary_line(record) == "the source lists no audio: 0 tracks"


def test_a_failure_is_said_with_its_reason(tmp_path: Path) -> None:
    """The summary of a run that failed is its state and message."""
    run = a_run(tmp_path)
    run.finish("failed", "Milvus does not answer")
    assert summary_line(run.record).endswith("failed: Milvus does not answer")
    assert "Milvus does not answer" in report_text(run.record)


def test_rejects_are_listed_with_their_reasons(tmp_path: Path) -> None:
    """Each reject is a line of uri, reason and code, whatever they hold; of many the first twenty and how many more."""
    run = a_run(tmp_path)
    assert reject_lines(run.record) == ["/music/<b>.mp3: no decoder, and a new line (unreadable)"]
    assert reject_lines(run.record)[0] in report_text(run.record)
    run.set_rejects(RejectLine(f"{number}.mp3", "silent", "x") for number in range(1025))
    assert len(reject_lines(run.record)) == 21
    assert reject_lines(run.record)[-1] == "and 1,005 more in rejects.csv"
    assert len((directory(run) / "rejects.csv").read_text().splitlines()) == 1026


def test_what_is_no_longer_listed_is_said(tmp_path: Path) -> None:
    """The report counts the tracks that stand removed and says where they are named; without any it does not."""
    record = a_run(tmp_path).record
    assert "removed.csv" not in report_text(record)
    record.counts.removed, record.counts.gone = 2, 1_234
    assert "removed   1,234 tracks are no longer listed (removed.csv)" in report_text(record).splitlines()


def test_the_page_shows_the_text_and_its_plots(tmp_path: Path) -> None:
    """The HTML is well formed, carries the whole text and a picture of durations, rejects, stages and throughput."""
    run = finished(a_run(tmp_path))
    page = Page(report_html(run.record))
    assert page.open == []
    assert report_text(run.record) in page.text
    assert page.images == ["Tracks by duration", "Rejects by reason", "Time by stage", "Audio embedded over time"]
    assert "http" not in report_html(run.record)


def test_plots_without_data_are_left_out(tmp_path: Path) -> None:
    """A run that embedded and rejected nothing has a page without pictures."""
    record = finished(a_run(tmp_path)).record
    record.durations, record.reject_codes, record.samples, record.stages_s = [0], {}, [], {}
    assert Page(report_html(record)).images == []


def test_reports_lie_beside_the_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """report.txt and report.html are written into the run's directory, and caches stay below home."""
    monkeypatch.delenv("MPLCONFIGDIR", raising=False)
    run = finished(a_run(tmp_path / "home"))
    write_reports(run)
    assert (
        (directory(run) / "report.txt").read_text().startswith(f"run {run.record.run_id} of catalogue default is done")
    )
    assert (directory(run) / "report.html").read_text().startswith("<!doctype html>")
    assert [path.name for path in tmp_path.iterdir()] == ["home"]
