"""`python -m scripts.calibrate catalog.path=FOLDER|CSV out=DIR`: a calibration for your music.

Asks what `python -m scripts.evaluate` asks (the same DIR shares its answers) and fits confidence and thresholds to all
of it: DIR/calibration.json. What that does to false accepts and hits is measured as always, fitted on one half of the
answers and told of the other. max_false_accepts=… is what the thresholds aim at, at each length.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from scripts.document import table
from scripts.entry import run_entry
from scripts.evaluation.folds import FOLDS
from scripts.evaluation.judging import Judged, cross_fitted, fitted, judge, too_few
from scripts.evaluation.options import CalibrateConfig, read_options
from scripts.evaluation.session import open_session
from scripts.evaluation.statistics import share
from serve.matching import Calibration

PUT_INTO_USE = """\
It belongs to the encoder {encoder}. `calibration={path}` measures it with scripts.evaluate;
`python -m serve.adopt home=DIR calibration={path}` lets it decide what a service answers."""


def main(arguments: Sequence[str]) -> int:
    return run_entry("calibrate", arguments, __doc__ or "", calibrate)


def calibrate(arguments: Sequence[str]) -> None:
    """Ask, fit, write, tell. Raises RefrainError."""
    config, matching = read_options("calibrate", arguments, CalibrateConfig)
    shipped = Calibration.shipped()
    session = open_session(config, matching, shipped)
    outcomes = session.outcomes()
    found = replace(fitted(outcomes, config.max_false_accepts), encoder=session.checksum)
    before = judge(outcomes, dict.fromkeys(FOLDS, shipped))
    after = judge(outcomes, cross_fitted(outcomes, config.max_false_accepts))
    path = config.out_path / "calibration.json"
    path.write_text(json.dumps(found.to_dict(), indent=1), encoding="utf-8")
    print("\n".join(_table(config.lengths, {"shipped": shipped, "fitted": found}, before, after)))
    if warning := too_few(outcomes, config.max_false_accepts):
        print(f"\n{warning}")
    print(f"\n{path}\n{PUT_INTO_USE.format(encoder=session.checksum[:12], path=path)}")


def _table(
    lengths: Sequence[float], calibrations: Mapping[str, Calibration], before: list[Judged], after: list[Judged]
) -> Iterator[str]:
    head = ["clip", "threshold", "unknown answered, %", "found, %"]
    rows = []
    for clip_s in sorted(lengths):
        told = [" → ".join(f"{one.threshold(clip_s):.3f}" for one in calibrations.values())]
        for measured in (_unknown_answered, _found):
            told.append(" → ".join(str(measured(judged, clip_s)) for judged in (before, after)))
        rows.append([f"{clip_s:g} s", *told])
    yield from table(head, iter(rows))


def _unknown_answered(judged: Sequence[Judged], clip_s: float) -> object:
    return share([one.accepted for one in judged if one.outcome.clip_s == clip_s and one.outcome.mistakable])


def _found(judged: Sequence[Judged], clip_s: float) -> object:
    known = [one for one in judged if one.outcome.clip_s == clip_s and one.outcome.known]
    return share([one.accepted and one.outcome.right_place for one in known])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
