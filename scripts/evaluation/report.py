"""The figures for people: Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from scripts.document import table
from scripts.evaluation.figures import FALSE_ACCEPTS, RANKS, Cell, Figures
from scripts.evaluation.judging import Judged
from scripts.evaluation.statistics import Share
from serve.matching import Calibration

TABLES: Mapping[str, Callable[[Cell], Share]] = {
    "Found: answered, with the right track and place": lambda cell: cell.hits,
    "Right track, were everything answered": lambda cell: cell.right_track,
    "Right, but refused": lambda cell: cell.refused,
    "Answered with another track": lambda cell: cell.wrong,
    "Unknown recording, answered": lambda cell: cell.unknown_answered,
}


def condition_tables(figures: Figures) -> Iterator[str]:
    """One table a share: conditions in rows, lengths in columns."""
    for title, share in TABLES.items():
        yield f"### {title}\n"
        yield from _by_condition(figures.cells, lambda cell, share=share: str(share(cell)))  # type: ignore[misc]
        yield ""


def _by_condition(cells: Sequence[Cell], text: Callable[[Cell], str]) -> Iterator[str]:
    lengths = sorted({cell.clip_s for cell in cells})
    found = {(cell.condition, cell.clip_s): text(cell) for cell in cells}
    yield from table(
        ["condition", *(f"{length:g} s" for length in lengths)],
        (
            [condition, *(found.get((condition, length), "–") for length in lengths)]
            for condition in dict.fromkeys(cell.condition for cell in cells)
        ),
    )


def ranks(figures: Figures) -> Iterator[str]:
    """Where the right track stood where it was not first."""
    yield f"### Where the right track stood when it was not first ({' / '.join(RANKS)})\n"
    yield from _by_condition(figures.cells, lambda cell: " / ".join(str(cell.ranks[name]) for name in RANKS))
    yield ""


def false_accepts(figures: Figures) -> Iterator[str]:
    """Hit rates of all conditions together at several shares of false accepts."""
    yield "### Hit rate, %, over all conditions, by the share of unknown clips that is answered\n"
    yield from table(
        ["clip", *(f"{share:.1%}" for share in FALSE_ACCEPTS)],
        (
            [f"{clip_s:g} s", *(f"{100 * curve.hit_rate(share):.1f}" for share in FALSE_ACCEPTS)]
            for clip_s, curve in figures.curves.items()
        ),
    )
    yield ""


def reliability(figures: Figures) -> Iterator[str]:
    yield f"### Confidence and truth: expected calibration error {figures.calibration_error:.3f}\n"
    yield from table(
        ["confidence", "answers", "mean confidence", "right track, %"],
        (
            [f"{one.low:.1f}–{one.high:.1f}", str(one.right.n), f"{one.confidence:.3f}", str(one.right)]
            for one in figures.bins
        ),
    )
    yield ""


def times(figures: Figures, remote: bool) -> Iterator[str]:
    kind = "Milliseconds on the clock" if remote else "Milliseconds of CPU"
    yield f"### {kind}, clips of {figures.clip_s:g} s\n"
    rows = ([stage, *(f"{ms:.1f}" for ms in medians)] for stage, medians in figures.ms.items())
    yield from table(["stage", "known clips, median", "unknown clips, median"], rows)
    yield ""


def thresholds(calibrations: Mapping[int, Calibration], lengths: Sequence[float]) -> str:
    """One line: the threshold of every length, of each fold where they differ."""
    told = []
    for length in sorted(lengths):
        of_folds = dict.fromkeys(f"{calibration.threshold(length):.3f}" for calibration in calibrations.values())
        told.append(f"{length:g} s {' and '.join(of_folds)}")
    return f"Thresholds: {', '.join(told)}."


def suspects(figures: Figures) -> Iterator[str]:
    """Wrong answers that were sure: what they name may be the same recording after all."""
    if not figures.suspects:
        return
    yield "### The surest wrong answers: listen to both\n"
    yield from table(["clip of", "at", "answer", "at", "condition", "confidence"], map(_suspect, figures.suspects))
    yield ""


def _suspect(one: Judged) -> list[str]:
    outcome = one.outcome
    return [
        outcome.track.replace("|", "\\|"),
        f"{outcome.offset_s:.1f} s",
        outcome.answer.replace("|", "\\|"),
        f"{outcome.answer_offset_s:.1f} s",
        f"{outcome.condition}, {outcome.clip_s:g} s",
        f"{one.confidence:.3f}",
    ]


def crowded(cells: Sequence[Cell], check: Mapping[str, Any]) -> Iterator[str]:
    """Hit rates beside the number of simulated vectors, and how like real ones these are."""
    yield "### With simulated vectors in the index\n"
    yield from table(
        ["condition", "clip", "more vectors", "found, %", "right track, %", "unknown answered, %"],
        (
            [
                cell.condition,
                f"{cell.clip_s:g} s",
                f"{cell.distractors:,}",
                *map(str, (cell.hits, cell.right_track, cell.unknown_answered)),
            ]
            for cell in sorted(cells, key=lambda cell: (cell.condition, cell.clip_s, cell.distractors))
        ),
    )
    yield ""
    yield from _likeness(check)


def _likeness(check: Mapping[str, Any]) -> Iterator[str]:
    tuned = min(check["tuning"], key=lambda one: one["ks"])
    rows = [tuned, *check["checks"]]
    quantiles = list(rows[0]["real"])
    head = ["real / simulated", *(f"{float(name):.0%}" for name in quantiles), "KS distance", "vectors"]
    yield from table(
        head,
        (
            [
                one["of"],
                *(f"{one['real'][name]:.3f} / {one['simulated'][name]:.3f}" for name in quantiles),
                f"{one['ks']:.3f}",
                f"{one['vectors']:,}",
            ]
            for one in rows
        ),
    )
    alike = check["coherence"]
    yield f"\nNeighbouring vectors correlate at {alike['real']:.2f}, simulated ones at {alike['simulated']:.2f}."
    yield ""


def images(plots: Mapping[str, PurePosixPath]) -> Iterator[str]:
    """Plots by caption, as links relative to the document."""
    for caption, path in plots.items():
        yield f"![{caption}]({path})"
    yield ""
