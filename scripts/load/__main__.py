"""`python -m scripts.load catalog.path=FOLDER|CSV home=DIR`: what the query service bears.

A Milvus server and a MariaDB filled as a job fills them, `python -m serve` on them, and callers over HTTP with spoilt
clips of known and unknown recordings. The highest rate that is answered in time is searched for; at half of it every
process and stage is looked at; then far more is asked than can be answered, and at last half of it for long.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from scripts.document import write_section
from scripts.entry import run_entry
from scripts.evaluation.options import as_command
from scripts.load.filling import filled, loading_of
from scripts.load.material import Clip, make_clips, read_material
from scripts.load.options import LoadConfig, read_options
from scripts.load.parts import FIRST_SHARE, Site, at_half, highest, overloaded
from scripts.load.report import Found, lines
from scripts.load.stack import NOOP, running, servers
from scripts.load.trials import Trial, idle, settle

WARM_UP_S = 5.0


def main(arguments: Sequence[str]) -> int:
    return run_entry("load", arguments, __doc__ or "", measure)


def measure(arguments: Sequence[str]) -> None:
    """Fill, ask, tell. Raises RefrainError."""
    config = read_options(arguments)
    material = read_material(config)
    clips = make_clips(config, material.collection)
    folder = filled(config, material)
    with servers(folder) as options:
        options += config.serve
        found = _of_service(config, folder, options, clips)
        if config.noop:
            with running(folder, options, NOOP) as url:
                found.noop = _of_noop(Site(config, url, clips), found.half.trial.rate)
    body = "\n".join(lines(config, found))
    print(body)
    if config.write:
        write_section(config.section, as_command("scripts.load", arguments), body)


def _of_service(config: LoadConfig, folder: Path, options: Sequence[str], clips: list[Clip]) -> Found:
    with running(folder, options) as url:
        site = Site(config, url, clips)
        settle()
        site.in_turn(1, WARM_UP_S)
        quiet = idle(config.idle_s)
        callers = {number: site.in_turn(number, config.rate_s) for number in config.callers}
        reached = max(trial.answered_a_second for trial in callers.values())
        best, attempts = highest(
            lambda rate: site.at(rate, config.rate_s), FIRST_SHARE * reached, config.precision, config.max_p99_ms
        )
        found = Found(loading_of(folder), quiet, callers, attempts, best, at_half(site, best.rate / 2, config.rate_s))
        if config.overload_s:
            found.overload = overloaded(site, best.rate)
        if config.soak_s:
            found.soak = site.watched(best.rate / 2, config.soak_s)
    return found


def _of_noop(site: Site, rate: float) -> dict[str, Trial]:
    """One caller in turn, and as many as the service was asked at half its highest rate."""
    site.in_turn(1, WARM_UP_S)
    return {
        "1 in turn": site.in_turn(1, site.config.rate_s),
        f"{rate:.1f} a second": site.at(rate, site.config.rate_s),
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
