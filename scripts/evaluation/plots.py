"""The figures as pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from scripts.document import slug
from scripts.evaluation.figures import Figures

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FOLDER = "plots"  # beside the document that shows them


def draw(figures: Figures, name: str, folder: Path) -> dict[str, PurePosixPath]:
    """PNG files in folder/plots; their paths in `folder`, by caption. `name` tells sections of a document apart."""
    pictures: Mapping[str, tuple[str, Callable[[Any, Figures], None]]] = {
        "hit-rate": ("Hit rate by length", _hit_rates),
        "false-accepts": ("Hit rate by false accepts", _curves),
        "reliability": ("Confidence and truth", _reliability),
    }
    found = {}
    for kind, (caption, paint) in pictures.items():
        place = PurePosixPath(FOLDER) / f"{slug(name)}-{kind}.png"
        _save(folder / place, lambda axes, paint=paint: paint(axes, figures))  # type: ignore[misc]
        found[caption] = place
    return found


def _save(path: Path, paint: Callable[[Any], None]) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    paint(axes)
    axes.grid(alpha=0.3)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def _hit_rates(axes: Axes, figures: Figures) -> None:
    lengths = sorted({cell.clip_s for cell in figures.cells})
    for number, condition in enumerate(dict.fromkeys(cell.condition for cell in figures.cells)):
        own = [cell for cell in figures.cells if cell.condition == condition and cell.hits.n]
        own.sort(key=lambda cell: cell.clip_s)
        values = [100 * cell.hits.value for cell in own]
        lines = ["-", "--", ":"][number // 10 % 3]
        axes.plot([cell.clip_s for cell in own], values, lines, marker="o", markersize=4, label=condition)
    axes.set(xlabel="clip, s", ylabel="found at the threshold, %", ylim=(0, 101), xscale="log")
    axes.set_xticks(lengths, [f"{length:g}" for length in lengths], minor=False)
    axes.minorticks_off()
    axes.legend(fontsize=7, ncols=2)


def _curves(axes: Axes, figures: Figures) -> None:
    for clip_s, curve in figures.curves.items():
        points = curve.points()
        axes.step(
            [100 * false for false, _ in points], [100 * hit for _, hit in points], where="post", label=f"{clip_s:g} s"
        )
    axes.set(xlabel="unknown clips answered, %", ylabel="found, all conditions, %", xlim=(0, 10), ylim=(0, 101))
    axes.legend()


def _reliability(axes: Axes, figures: Figures) -> None:
    axes.plot([0, 1], [0, 1], color="0.6", linewidth=1)
    shares = [one.right for one in figures.bins]
    spread = [
        [max(0.0, share.value - share.interval()[0]) for share in shares],
        [max(0.0, share.interval()[1] - share.value) for share in shares],
    ]
    axes.errorbar(
        [one.confidence for one in figures.bins], [share.value for share in shares], yerr=spread, marker="o", capsize=3
    )
    axes.set(xlabel="mean confidence", ylabel="share with the right track", xlim=(0, 1), ylim=(0, 1.02))
