"""`python -m scripts.evaluate music=CATALOG.csv noise=FOLDER out=DIR`: recognition of music the encoder never heard.

Two folds by source: each half of the held-out sources is once in the catalogue, beside all other music, and once
unknown. Threshold and calibration of a fold are those fitted on the other one. DIR/calibration.json, fitted on both,
is what ships.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from conf import compose
from ingest.errors import RefrainError
from ingest.fingerprint import Embedder, denoise
from scripts.document import write_section
from scripts.evaluation.questions import ask
from scripts.evaluation.tables import condition_rows
from scripts.evaluation.tracks import folds_by_source, read_tracks
from scripts.evaluation.trial import Outcome, calibrate, trial
from scripts.spoil import CONDITIONS, Condition, Noise, Room

TITLE = "Recognition of held-out music"


@dataclass
class EvaluateConfig:
    """See conf/evaluate.yaml."""

    music: str
    noise: str
    out: str
    weights: str | None
    noises: list[str]
    clips_a_track: int
    seed: int
    tolerance_s: float
    max_false_accepts: float
    conditions: Literal["full", "core"]
    denoise: Literal["none", "queries", "both"]
    write: bool


def main(arguments: Sequence[str]) -> int:
    try:
        config = compose("evaluate", arguments, EvaluateConfig)
    except RefrainError as error:
        print(f"evaluate: {error}", file=sys.stderr)
        return 2
    outcomes = evaluate(config)
    folds = {fold: [o for o in outcomes if o.fold != fold] for fold in (0, 1)}
    calibrations = {fold: calibrate(others, config.max_false_accepts) for fold, others in folds.items()}
    shipped = calibrate(outcomes, config.max_false_accepts)
    out = Path(config.out)
    (out / "calibration.json").write_text(json.dumps(shipped.to_dict(), indent=1))
    with (out / "outcomes.jsonl").open("w", encoding="utf-8") as lines:
        lines.writelines(json.dumps(asdict(outcome)) + "\n" for outcome in outcomes)
    report = "\n".join([*condition_rows(outcomes, calibrations), "", *_facts(config, outcomes)])
    print(report)
    if config.write:
        denoised = f" denoise={config.denoise}"
        title = TITLE if config.denoise == "none" else f"{TITLE}, {config.denoise} denoised"
        options = f"conditions={config.conditions}{'' if config.denoise == 'none' else denoised} write=true"
        write_section(title, f"python -m scripts.evaluate music=… noise=… out=… {options}", report)
    return 0


def evaluate(config: EvaluateConfig) -> list[Outcome]:
    """All questions in both folds, with a line of progress a condition."""
    out = Path(config.out)
    embedder = Embedder.load(Path(config.weights) if config.weights else None)
    tracks = read_tracks(Path(config.music), embedder, out, denoise if config.denoise == "both" else _as_it_is)
    treat = _as_it_is if config.denoise == "none" else denoise
    folds = folds_by_source(tracks)
    outcomes: list[Outcome] = []
    for condition, clip_s in conditions(config, out / "noise"):
        questions = ask(
            tracks, [(condition, clip_s)], config.clips_a_track, lambda clip: embedder.embed(treat(clip)), config.seed
        )
        found = list(trial(tracks, folds, questions, config.tolerance_s))
        right = sum(outcome.right_place for outcome in found)
        known = sum(outcome.known for outcome in found)
        print(f"{condition.name}, {clip_s:g} s: right place {right} of {known}", file=sys.stderr, flush=True)
        outcomes += found
    return outcomes


def _as_it_is(samples: np.ndarray) -> np.ndarray:
    return samples


def conditions(config: EvaluateConfig, noise_folder: Path) -> list[tuple[Condition, float]]:
    """(condition, seconds of the clip)."""
    noise = chosen_noises(Path(config.noise), config.noises, noise_folder)
    clean, even = CONDITIONS["clean"], Condition("real noise 0 dB", (Noise(noise, 0.0),))
    if config.conditions == "core":
        return [(clean, 10.0), (even, 10.0)]
    louder = Condition("real noise -5 dB", (Noise(noise, -5.0),))
    room = Condition("room, real noise 5 dB", (Room(0.5, 0.0), Noise(noise, 5.0)))
    changed = ["phone", "speed 1.05", "tempo 0.90", "tempo 1.10", "pitch +1", "pitch -1", "pitch +3", "pitch -3"]
    ten_seconds = [clean, even, louder, room, CONDITIONS["pink 0 dB"], *(CONDITIONS[name] for name in changed)]
    shorter = [(condition, clip_s) for clip_s in (5.0, 3.0, 2.0, 1.0) for condition in (clean, even)]
    return [(condition, 10.0) for condition in ten_seconds] + shorter


def chosen_noises(folder: Path, stems: Sequence[str], chosen: Path) -> Path:
    """A folder with links to the recordings of these stems; the folder itself if none are named."""
    if not stems:
        return folder
    chosen.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        link = chosen / path.name
        if path.stem in stems and not link.exists():
            link.symlink_to(path.resolve())
    return chosen


def _facts(config: EvaluateConfig, outcomes: Sequence[Outcome]) -> list[str]:
    spent = sorted(outcome.match_ms for outcome in outcomes)
    return [
        f"Shares with Wilson 95 % intervals; offsets within {config.tolerance_s:g} s or at an identical repeat of the "
        f"passage; {len({o.track for o in outcomes})} held-out tracks; thresholds set for "
        f"{config.max_false_accepts:.0%} false accepts on the other fold, over all conditions together.",
        "",
        f"Search in memory and matching: {spent[len(spent) // 2]:.0f} ms of CPU a clip (median).",
    ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
