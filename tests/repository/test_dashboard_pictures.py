"""`python -m scripts.dashboards` draws what a Prometheus answers; the one here answers with made-up series."""

import doctest
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest

from scripts.dashboards.__main__ import main
from scripts.dashboards.boards import Board, Panel, Target, read_boards
from scripts.dashboards.drawing import draw, picture
from scripts.dashboards.ranges import Curve, Ranges, Span
from tests.repository.test_dashboards import panels, with_values

PNG = b"\x89PNG\r\n"
SPAN = Span(1_800_000_000.0, 1_800_000_040.0, 10.0)
VALUES = ([[1_800_000_000, "1"], [1_800_000_010, "NaN"], [1_800_000_030, "+Inf"], [1_800_000_040, "3.5"]], [])
PANEL = Panel("Rejects", 0, 0, 24, 8, "short", 0.0, None, True, 2.0, (Target("a", "{{code}}"),))


@dataclass
class FakePrometheus:
    """Two series for each expression, one without a number; none of GPUs. It keeps what it was asked."""

    refuses: bool = False
    asked: list[dict[str, str]] = field(default_factory=list)

    def answer(self, query: dict[str, str]) -> dict[str, Any]:
        self.asked.append(query)
        if self.refuses:
            return {"status": "error", "error": "out of memory"}
        labels = ({"code": "unreadable"}, {"code": "silent"}) if "gpus" not in query["query"] else ()
        times = [float(query["start"]), float(query["end"])]
        found = [
            {"metric": each, "values": [[time, text] for time in times]}
            for each, text in zip(labels, ("0.5", "NaN"), strict=False)
        ]
        return {"status": "success", "data": {"resultType": "matrix", "result": found}}


@contextmanager
def serving(fake: FakePrometheus) -> Iterator[str]:
    """The URL under which it is asked."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            assert url.path == "/api/v1/query_range"
            self.send_response(422 if fake.refuses else 200)
            self.end_headers()
            query = {name: values[0] for name, values in parse_qs(url.query).items()}
            self.wfile.write(json.dumps(fake.answer(query)).encode())

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_the_examples_hold() -> None:
    """Expressions are read and filled in, legends and bytes written, as the docstrings show."""
    for name in (
        *(f"scripts.dashboards.{each}" for each in ("boards", "ranges", "drawing")),
        "tests.repository.figures",
    ):
        found = doctest.testmod(import_module(name))
        assert found.attempted and not found.failed, name


def test_every_dashboard_becomes_a_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every expression of every panel is asked as Grafana would ask it, and what has no series is told."""
    fake = FakePrometheus()
    with serving(fake) as url:
        options = [f"out={tmp_path / 'out'}", "catalog=default", "rate_s=300", "last_s=600", "until_s=1800000000"]
        assert main([f"url={url}/", *options, "step_s=30"]) == 0
    written = [with_values(target["expr"]) for _, panel in panels() for target in panel["targets"]]
    assert sorted(query["query"] for query in fake.asked) == sorted(each.replace("[5m]", "[300s]") for each in written)
    assert {(float(q["start"]), float(q["end"]), float(q["step"])) for q in fake.asked} == {(1.8e9 - 600, 1.8e9, 30)}
    for name in ("ingest", "serve", "stores"):
        assert (tmp_path / "out" / f"dashboard-{name}.png").read_bytes().startswith(PNG)
    assert "dashboard-ingest.png: 11 of 12 panels; no data: GPUs\n" in capsys.readouterr().out


def test_values_lie_at_their_moments() -> None:
    """What Prometheus leaves out, and what is no finite number, is a gap; a series of gaps is left out."""
    ranges = Ranges("http://nobody", SPAN, {})
    assert ranges.placed(VALUES[0]).tolist() == pytest.approx([1, *3 * [np.nan], 3.5], nan_ok=True)
    assert np.isnan(ranges.placed(VALUES[1])).all()
    with serving(FakePrometheus()) as url:
        (curve,) = replace(ranges, url=url).curves(PANEL)
    assert curve.legend == "unreadable" and np.nansum(curve.values) == 1.0


def test_stacked_curves_stand_on_each_other() -> None:
    """Each curve is drawn at the sum of those up to it; a gap adds nothing to those above it."""
    curves = [Curve("a", np.array([1, 2, np.nan, 4, 5])), Curve("b", np.ones(5))]
    (axes,) = picture(Board("x", "X", (PANEL,)), {"Rejects": curves}, SPAN).axes
    first, second, _threshold = (np.asarray(line.get_ydata(), float) for line in axes.get_lines())
    assert first.tolist() == pytest.approx(curves[0].values.tolist(), nan_ok=True)
    assert second.tolist() == [2, 3, 1, 5, 6]
    plain = Board("x", "X", (replace(PANEL, stacked=False),))
    (axes,) = picture(plain, {"Rejects": curves}, SPAN).axes
    assert np.asarray(axes.get_lines()[1].get_ydata()).tolist() == [1] * 5


def test_pictures_tell_what_grafana_does() -> None:
    """Title, legend, threshold and bounds of the axis stand in the picture; a panel without a series says so."""
    board = Board("x", "X", (PANEL, replace(PANEL, title="Empty", y=8)))
    full, empty = picture(board, {"Rejects": [Curve("silent", np.ones(5))], "Empty": []}, SPAN).axes
    legend = full.get_legend()
    assert legend is not None and [text.get_text() for text in legend.get_texts()] == ["silent"]
    assert np.asarray(full.get_lines()[1].get_ydata()).tolist() == [2.0, 2.0] and full.get_ylim()[0] == 0
    assert [text.get_text() for text in empty.texts] == ["no data"]
    assert full.get_position().y0 > empty.get_position().y1


@pytest.mark.parametrize("last_s", [40, 100, 160, 170, 600, 9_900, 21_600, 220_000, 2_600_000])
def test_every_span_has_its_moments(last_s: int, tmp_path: Path) -> None:
    """Seconds to a month: the axis of time has some ticks, and not a crowd."""
    span = Span(SPAN.start_s, SPAN.start_s + last_s, last_s / 4)
    (axes,) = (made := picture(Board("x", "X", (PANEL,)), {"Rejects": [Curve("silent", np.ones(5))]}, span)).axes
    made.savefig(tmp_path / "x.png")
    first, last = axes.get_xlim()
    assert 3 <= sum(first <= tick <= last for tick in axes.get_xticks()) <= 8


def test_every_unit_can_be_written(tmp_path: Path) -> None:
    """Every unit of the dashboards is drawn, with values large and small."""
    span = Span(0.0, 40.0, 10.0)
    curves = [Curve(f"curve {number}", 10.0**number * np.arange(5)) for number in range(-3, 12)]
    for unit in {panel.unit for board in read_boards() for panel in board.panels}:
        draw(Board("x", "X", (replace(PANEL, unit=unit),)), {"Rejects": curves}, span, tmp_path / f"{unit}.png")
        assert (tmp_path / f"{unit}.png").read_bytes().startswith(PNG)


def test_what_goes_wrong_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No Prometheus, one that refuses, and options that make no sense end with a line and an exit code."""
    with serving(FakePrometheus(refuses=True)) as url:
        assert main([f"url={url}", f"out={tmp_path}"]) == 1
        assert "out of memory" in capsys.readouterr().err
    assert main([f"url={url}", f"out={tmp_path}"]) == 1
    assert "no Prometheus answers at" in capsys.readouterr().err
    for wrong in ("url=prometheus:9090", "last_s=0", "rate_s=0", "step_s=0"):
        assert main([f"url={url}", f"out={tmp_path}", wrong]) == 2
        assert len(capsys.readouterr().err.splitlines()) == 1
