"""`python -m scripts.real_music music=FOLDER noise=FOLDER home=DIR`: the main job on real input.

The real ingest command over a folder, the real service, and spoilt clips of the same recordings over HTTP.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from conf import compose
from ingest.errors import RefrainError
from ingest.fingerprint import SAMPLE_RATE, decode
from ingest.training.corpus import folder_audio
from scripts.demo.processes import free_port, ingest_command, service
from scripts.document import write_section
from scripts.evaluation.truth import identical
from scripts.music.files import FORMATS, encode
from scripts.spoil import CONDITIONS, Condition, Noise, Room
from serve.answers import Identification
from serve.client import Client

TITLE = "The main job on real music"
TOLERANCE_S = 0.25


@dataclass
class RealMusicConfig:
    """See conf/real_music.yaml."""

    music: str
    noise: str
    home: str
    clips: int
    clip_s: float
    seed: int
    write: bool


@dataclass(frozen=True)
class Asked:
    """One clip and what came back; `ms` is the round trip, `right` the track, `placed` also the offset."""

    condition: str
    right: bool
    placed: bool
    answered: bool
    ms: float
    stages_ms: dict[str, float]


def main(arguments: Sequence[str]) -> int:
    try:
        config = compose("real_music", arguments, RealMusicConfig)
    except RefrainError as error:
        print(f"real_music: {error}", file=sys.stderr)
        return 2
    ingested = _ingest(config)
    with service(Path(config.home), free_port()) as url, Client(url) as client:
        asked = list(_ask(config, client))
    report = "\n".join([ingested, "", *_table(asked)])
    print(report)
    if config.write:
        write_section(TITLE, "python -m scripts.real_music music=… noise=… home=… write=true", report)
    return 0


def _ingest(config: RealMusicConfig) -> str:
    started = time.monotonic()
    command = ingest_command(Path(config.home), Path(config.music))
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    said, taken_s = done.stdout.splitlines()[-2], time.monotonic() - started
    return f"Ingest: {said}. {taken_s:.0f} s with start and end, {os.cpu_count()} cores."


def conditions(noise: Path) -> list[Condition]:
    return [
        CONDITIONS["clean"],
        Condition("real noise 5 dB", (Noise(noise, 5.0),)),
        Condition("real noise 0 dB", (Noise(noise, 0.0),)),
        Condition("room, real noise 5 dB", (Room(0.5, 0.0), Noise(noise, 5.0))),
        *(
            CONDITIONS[name]
            for name in ("phone", "speed 1.05", "tempo 0.90", "pitch +1", "mp3 32 kbit/s", "opus 12 kbit/s")
        ),
    ]


def _ask(config: RealMusicConfig, client: Client) -> Iterator[Asked]:
    rng = np.random.default_rng(config.seed)
    paths = folder_audio(Path(config.music))
    kinds = conditions(Path(config.noise))
    for number in range(config.clips):
        path, condition = paths[int(rng.integers(len(paths)))], kinds[number % len(kinds)]
        samples = decode(path).samples
        spare_s = len(samples) / SAMPLE_RATE - condition.source_s(config.clip_s) - 0.01
        offset_s = float(rng.uniform(0, max(0.0, spare_s)))
        clip_s = min(config.clip_s, len(samples) / SAMPLE_RATE / condition.speed - 0.01)
        clip = condition.clip(samples, offset_s, clip_s, rng)
        data = encode(np.clip(clip, -1, 1)[None], SAMPLE_RATE, FORMATS["wav"])
        started = time.perf_counter()
        reply = client.identify(data)
        ms = 1000 * (time.perf_counter() - started)
        yield _judged(condition, path, samples, offset_s, clip_s, reply, ms)


def _judged(
    condition: Condition,
    path: Path,
    samples: np.ndarray,
    offset_s: float,
    clip_s: float,
    reply: Identification,
    ms: float,
) -> Asked:
    best = next(iter(reply["matches"]), None)
    if best is None or best["uri"] != str(path.absolute()):
        return Asked(condition.name, False, False, best is not None, ms, reply["timings_ms"])
    found_s, length_s = float(best["offset_s"]), condition.source_s(clip_s)
    placed = abs(found_s - offset_s) <= TOLERANCE_S or identical(samples, offset_s, found_s, length_s, TOLERANCE_S)
    return Asked(condition.name, True, placed, True, ms, reply["timings_ms"])


def _table(asked: Sequence[Asked]) -> list[str]:
    lines = [
        "| condition | clips | right track | right place | wrong | no answer | ms, median |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in [*dict.fromkeys(one.condition for one in asked), "all"]:
        part = [one for one in asked if name in (one.condition, "all")]
        counts = [
            sum(one.right for one in part),
            sum(one.placed for one in part),
            sum(one.answered and not one.right for one in part),
            sum(not one.answered for one in part),
        ]
        lines.append(
            f"| {name} | {len(part)} | {' | '.join(map(str, counts))} | {median(one.ms for one in part):.0f} |"
        )
    stages = {name: median(one.stages_ms[name] for one in asked) for name in asked[0].stages_ms}
    slowest = sorted(one.ms for one in asked)[int(0.95 * len(asked))]
    return [
        *lines,
        "",
        f"Place within {TOLERANCE_S:g} s, or at a repeat of the passage to the sample. Milliseconds are of one client "
        f"asking one clip after the other; 95th percentile {slowest:.0f} ms. Medians by stage: "
        + ", ".join(f"{name} {ms:.0f}" for name, ms in stages.items())
        + " ms.",
    ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
