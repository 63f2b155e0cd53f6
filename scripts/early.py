"""`python -m scripts.early catalog.path=FOLDER|CSV out=DIR`: how soon a clip that is still growing is answered.

Clips are heard as they would arrive, `look_s` of sound at a time, until `serve.matching.Listening` says that the
evidence suffices; each once of the half that holds its recording and once of the other, where every answer is wrong.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np

from ingest.fingerprint import SAMPLE_RATE
from scripts.document import table, write_section
from scripts.entry import run_entry
from scripts.evaluation.asking import Asker
from scripts.evaluation.folds import FOLDS
from scripts.evaluation.options import AskConfig, as_command, read_options
from scripts.evaluation.questions import Question
from scripts.evaluation.session import open_session, say
from scripts.evaluation.statistics import share
from scripts.evaluation.truth import verdict
from serve.matching import Calibration, Listening


@dataclass
class EarlyConfig(AskConfig):
    """See conf/early.yaml."""

    look_s: float
    section: str
    write: bool


@dataclass(frozen=True)
class Heard:
    """What came of one clip in one half: how much was heard until an answer, None without one."""

    condition: str
    clip_s: float
    known: bool
    answered_s: float | None
    right: bool


def main(arguments: Sequence[str]) -> int:
    return run_entry("early", arguments, __doc__ or "", measure)


def measure(arguments: Sequence[str]) -> None:
    """Listen and tell. Raises RefrainError."""
    config, matching = read_options("early", arguments, EarlyConfig)
    session = open_session(config, matching, Calibration.shipped())
    found: list[Heard] = []
    with session.asking() as asking, closing(Asker(asking)) as asker:
        for unit in session.units():
            for question in asker.questions(unit):
                found += [listen(asker, question, fold, config) for fold in FOLDS]
            say(f"{unit}: heard")
    body = "\n".join(_lines(config, found))
    print(body)
    if config.write:
        write_section(config.section, as_command("scripts.early", arguments), body)


def listen(asker: Asker, question: Question, fold: int, config: EarlyConfig) -> Heard:
    """Until there is an answer, or the clip has ended."""
    catalogue, collection = asker.catalogue(fold, asker.vectors), asker.collection
    listening = Listening(catalogue, calibration=asker.asking.calibration, settings=asker.settings)
    known = question.track in collection.indexed(fold)
    step = round(config.look_s * SAMPLE_RATE)
    for end in range(step, len(question.samples) + 1, step):
        said = listening.hear(asker.embed(question.samples[:end]))
        if said.enough:
            right = verdict(question, said.matches[0], collection, config.tolerance_s).place
            return Heard(question.condition.name, question.clip_s, known, said.heard_s, right)
    return Heard(question.condition.name, question.clip_s, known, None, right=False)


def _lines(config: EarlyConfig, found: Sequence[Heard]) -> Iterator[str]:
    yield (
        f"A look every {config.look_s:g} s of sound; an answer counts when two looks running are decisive and agree. "
        "Answered wrongly: known clips with another recording or place; unknown clips with anything."
    )
    yield ""
    head = ["condition", "clip", "answered early, %", "after s: median", "90 %", "wrongly, %", "unknown answered, %"]
    yield from table(head, _rows(config, found))


def _rows(config: EarlyConfig, found: Sequence[Heard]) -> Iterator[list[str]]:
    for condition in config.conditions:
        for clip_s in config.lengths:
            known, unknown = (
                [one for one in found if (one.condition, one.clip_s, one.known) == (condition, clip_s, kind)]
                for kind in (True, False)
            )
            after_s = [one.answered_s for one in known if one.answered_s is not None]
            times = [f"{np.quantile(after_s, level):.1f}" if after_s else "–" for level in (0.5, 0.9)]
            yield [
                condition,
                f"{clip_s:g} s",
                str(share([one.answered_s is not None for one in known])),
                *times,
                str(share([one.answered_s is not None and not one.right for one in known])),
                str(share([one.answered_s is not None for one in unknown])),
            ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
