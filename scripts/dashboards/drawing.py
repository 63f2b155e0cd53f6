"""A dashboard as one picture: its panels where Grafana puts them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from scripts.dashboards.boards import Board, Panel
from scripts.dashboards.ranges import Curve, Span

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.ticker import Formatter

COLUMNS = 24
WIDTH, CELL, HEAD = 12.5, 0.33, 0.5  # inches: a picture wide, a cell high, the title above them
LEFT, RIGHT, ABOVE, BELOW = 0.62, 0.2, 0.3, 0.62  # inches around the axes of a panel, for its texts
DPI = 90
SMALL, TINY = 8, 7  # points
LEGEND_ROWS, LEGEND_COLUMNS, LEGEND_CHARACTERS = 3, 3, 30
CELL_CHARACTERS = 9  # of a legend, below each cell of a panel's width
HANDLE_CHARACTERS = 5  # what a curve's stroke before its legend takes
HEADROOM = 1.03  # above an axis' upper bound, so that a curve at the bound is seen
BYTES = ("B", "KiB", "MiB", "GiB", "TiB")
UNITS = {"ms": "{x:,g} ms", "reqps": "{x:,g}/s", "short": "{x:,g}"}


def draw(board: Board, curves: Mapping[str, Sequence[Curve]], span: Span, path: Path) -> None:
    """A PNG of the dashboard; `curves` by a panel's title."""
    picture(board, curves, span).savefig(path, dpi=DPI)


def picture(board: Board, curves: Mapping[str, Sequence[Curve]], span: Span) -> Figure:
    """Every panel has axes, in the order of the dashboard."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    height = HEAD + CELL * max(panel.y + panel.height for panel in board.panels)
    figure = Figure(figsize=(WIDTH, height))
    FigureCanvasAgg(figure)
    title = f"{board.title} · {_moment(span.start_s)} to {_moment(span.end_s)} UTC"
    figure.text(0.01, 1 - 0.5 * HEAD / height, title, va="center", fontsize=12)
    for panel in board.panels:
        axes = figure.add_axes(_place(panel, height))
        _paint(axes, panel, curves[panel.title], span.moments_s())
    return figure


def _place(panel: Panel, height: float) -> tuple[float, float, float, float]:
    """Left, bottom, width and height of the axes, as shares of the picture."""
    cell = WIDTH / COLUMNS
    bottom = height - HEAD - CELL * (panel.y + panel.height) + BELOW
    return (
        (cell * panel.x + LEFT) / WIDTH,
        bottom / height,
        (cell * panel.width - LEFT - RIGHT) / WIDTH,
        (CELL * panel.height - ABOVE - BELOW) / height,
    )


def _paint(axes: Axes, panel: Panel, curves: Sequence[Curve], moments_s: np.ndarray) -> None:
    moments = np.round(1000 * moments_s).astype("datetime64[ms]")
    for curve, (low, high) in zip(curves, _areas(panel, curves), strict=True):
        (line,) = axes.plot(moments, high, linewidth=1.2, label=shortened(curve.legend))
        axes.fill_between(moments, low, high, color=line.get_color(), alpha=0.3 if panel.stacked else 0.08, linewidth=0)
    if panel.threshold is not None:
        axes.axhline(panel.threshold, color="tab:red", linestyle="--", linewidth=0.8)
    axes.set_title(panel.title, fontsize=SMALL, loc="left", pad=4)
    axes.grid(alpha=0.3)
    axes.tick_params(labelsize=TINY)
    axes.set_xlim(moments[0], moments[-1])
    axes.set_ylim(panel.low, None if panel.high is None else panel.high * HEADROOM)
    axes.yaxis.set_major_formatter(_formatter(panel.unit))
    _tell_time(axes)
    if curves:
        _tell_curves(axes, panel.width, len(curves))
    else:
        axes.text(0.5, 0.5, "no data", transform=axes.transAxes, ha="center", va="center", color="0.5")


def _areas(panel: Panel, curves: Sequence[Curve]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """From where to where each curve is filled; stacked ones stand on those before."""
    below = np.zeros_like(curves[0].values) if curves else np.zeros(0)
    for curve in curves:
        yield below, below + curve.values
        if panel.stacked:
            below = below + np.nan_to_num(curve.values)


def _tell_time(axes: Axes) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(minticks=3, maxticks=7)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, show_offset=False))  # type: ignore[no-untyped-call]


def _tell_curves(axes: Axes, cells: int, count: int) -> None:
    """Below the axes, as many as there is room for, the first ones."""
    curves = axes.get_lines()[:count]
    longest = max(len(str(line.get_label())) for line in curves)
    columns = min(LEGEND_COLUMNS, max(1, cells * CELL_CHARACTERS // (longest + HANDLE_CHARACTERS)))
    axes.legend(
        handles=curves[: LEGEND_ROWS * columns],
        loc="upper left",
        bbox_to_anchor=(-0.02, -0.13),
        ncols=columns,
        fontsize=TINY - 0.5,
        frameon=False,
        handlelength=1.0,
        labelspacing=0.15,
        columnspacing=1.0,
        borderaxespad=0.0,
    )


def _formatter(unit: str) -> Formatter:
    from matplotlib.ticker import FuncFormatter, PercentFormatter, StrMethodFormatter

    if unit in ("percent", "percentunit"):
        return PercentFormatter(1 if unit == "percentunit" else 100)
    return FuncFormatter(in_bytes) if unit == "bytes" else StrMethodFormatter(UNITS[unit])


def in_bytes(value: float, _position: int | None = None) -> str:
    """
    >>> in_bytes(3 * 2**20)
    '3 MiB'
    """
    power = min(int(np.log2(value) // 10), len(BYTES) - 1) if value >= 1 else 0
    return f"{round(value / 1024**power, 1):g} {BYTES[power]}"


def shortened(legend: str) -> str:
    """
    >>> shortened("embed")
    'embed'
    """
    return legend if len(legend) <= LEGEND_CHARACTERS else f"{legend[: LEGEND_CHARACTERS - 1]}…"


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")
