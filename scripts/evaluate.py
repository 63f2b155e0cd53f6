"""`python -m scripts.evaluate catalog.path=FOLDER|CSV out=DIR`: how well Refrain recognises your music.

Clips are cut from your recordings, spoilt in named ways and asked about through what serves: the encoder, a vector
store, the matcher with the settings of the service. Every clip is asked twice: of a catalogue that holds its recording,
where the right track and place is a hit, and of one that does not, where any answer is a false accept.

  catalog.path=FOLDER        every audio file below it is asked about
  catalog.path=LIST.csv      a column file (or uri) and, if you like, split (`train`: in the catalogue, never asked
                             about) and source (recordings that are known or unknown together)
  noise=FOLDER rooms=FOLDER  what clips are spoilt with; synthesised where there is none
  vectors=flat               exact, in memory (default); milvus_lite or milvus vectors.uri=… ask the real store, in
                             collections that are dropped at the end
  calibration=shipped        what the service would answer; by default threshold and calibration are fitted on one
                             half of the answers and measured on the other

DIR/report.md is for people, DIR/results.json holds all figures, DIR/outcomes.jsonl every answer. Started again, the
command asks only what it has not asked yet. Exit codes: 0 done · 1 the vector store failed · 2 configuration.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any

from conf import masked
from ingest.fingerprint.architecture import read_architecture
from scripts.document import write_section
from scripts.entry import run_entry
from scripts.evaluation import report
from scripts.evaluation.crowding import Crowding, crowd
from scripts.evaluation.figures import Cell, Figures, cell_dict, cells, figures
from scripts.evaluation.folds import FOLDS
from scripts.evaluation.judging import Judged, chosen_calibration, cross_fitted, judge, too_few
from scripts.evaluation.options import EvaluateConfig, as_command, read_options
from scripts.evaluation.outcomes import write_lines
from scripts.evaluation.plots import draw
from scripts.evaluation.session import Session, open_session
from serve.matching import Calibration


@dataclass(frozen=True)
class Measured:
    """An evaluation, done."""

    config: EvaluateConfig
    session: Session
    calibrations: Mapping[int, Calibration]  # by fold
    judged: list[Judged]
    figures: Figures
    crowding: Crowding | None
    crowded: tuple[Cell, ...]


def main(arguments: Sequence[str]) -> int:
    return run_entry("evaluate", arguments, __doc__ or "", evaluate)


def evaluate(arguments: Sequence[str]) -> None:
    """Ask, measure, write. Raises RefrainError."""
    config, matching = read_options("evaluate", arguments, EvaluateConfig)
    given = chosen_calibration(config.calibration, read_architecture(config.weights)[1])
    session = open_session(config, matching, given or Calibration.shipped())
    measured = measure(config, session, given)
    command, out = as_command("scripts.evaluate", arguments), config.out_path
    plots = draw(measured.figures, config.section, out)
    body = "\n".join(_lines(measured, plots))
    (out / "report.md").write_text(
        "\n".join([f"# {config.section}\n", f"`{command}`\n", body, *report.suspects(measured.figures)]),
        encoding="utf-8",
    )
    (out / "results.json").write_text(json.dumps(_results(measured, command), indent=1), encoding="utf-8")
    write_lines(out / "outcomes.jsonl", (one.to_dict() for one in measured.judged))
    print(body)
    print(f"report, results and outcomes: {out}")
    if config.write:
        write_section(config.section, command, body, plots=[out / plot for plot in plots.values()])


def measure(config: EvaluateConfig, session: Session, given: Calibration | None) -> Measured:
    """Everything that the documents show."""
    outcomes = session.outcomes()
    calibrations = dict.fromkeys(FOLDS, given) if given else cross_fitted(outcomes, config.max_false_accepts)
    judged = judge(outcomes, calibrations)
    crowding = crowd(session, config) if config.distractors else None
    crowded = cells(judge(crowding.outcomes, calibrations)) if crowding else ()
    return Measured(config, session, calibrations, judged, figures(judged), crowding, crowded)


def _lines(measured: Measured, plots: Mapping[str, PurePosixPath]) -> Iterator[str]:
    """The report, without what names files of the user."""
    shown = measured.figures
    yield from _facts(measured)
    yield from report.images(plots)
    yield from report.condition_tables(shown)
    yield from report.ranks(shown)
    yield from report.false_accepts(shown)
    yield from report.reliability(shown)
    yield from report.times(shown, measured.config.store != "flat")
    if measured.crowding:
        yield from report.crowded(measured.crowded, measured.crowding.check)


def _facts(measured: Measured) -> Iterator[str]:
    config, collection = measured.config, measured.session.collection
    asked, hours = collection.asked_about(), sum(track.duration_s for track in collection.tracks) / 3600
    left_out = f"; files left out: {len(collection.skipped)}" if collection.skipped else ""
    if config.calibration:
        by = f"calibration and thresholds: {'as shipped' if config.calibration == 'shipped' else 'as given'}"
    else:
        by = f"calibration, and thresholds for {config.max_false_accepts:.1%} false accepts, fitted on the other fold"
    yield (
        f"{len(asked)} of {len(collection.tracks)} recordings ({hours:.1f} h) asked about, known to one fold's "
        f"catalogue and unknown to the other's{left_out}. {config.clips} clips of each condition and length in either. "
        f"Shares in %, with Wilson 95 % intervals; a place is right within {config.tolerance_s:g} s, or where the "
        f"same passage is heard to the sample; {by}. Encoder {measured.session.checksum[:12]}, index {_index(config)}. "
        f"{report.thresholds(measured.calibrations, config.lengths)}\n"
    )
    outcomes = [one.outcome for one in measured.judged]
    if not config.calibration and (warning := too_few(outcomes, config.max_false_accepts)):
        yield f"**{warning}**\n"


def _index(config: EvaluateConfig) -> str:
    return "exact, in memory" if config.store == "flat" else f"{config.vectors.index} of {config.vectors.kind}"


def _results(measured: Measured, command: str) -> dict[str, Any]:
    session = measured.session
    skipped = (*session.collection.skipped, *session.heard.skipped)
    found: dict[str, Any] = {
        "command": command,
        "options": masked(asdict(measured.config)),
        "matching": asdict(session.matching),
        "encoder": session.checksum,
        "recordings": len(session.collection.tracks),
        "asked_about": len(session.collection.asked_about()),
        "skipped": [asdict(one) for one in skipped],
        "calibrations": {fold: one.to_dict() for fold, one in measured.calibrations.items()},
        **measured.figures.to_dict(),
    }
    if measured.crowding:
        found["distractors"] = {"cells": [cell_dict(one) for one in measured.crowded], **measured.crowding.check}
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
