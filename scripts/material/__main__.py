"""`python -m scripts.material out=DIR [scores=MIDI_FOLDER]`: more audio to train the encoder with.

Needs a Debian with the packages espeak-ng, fluidsynth, fluid-soundfont-gm and timgm6mb-soundfont, each for its part.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from conf import compose, describe
from ingest.errors import ConfigurationError
from scripts.entry import exit_code
from scripts.material.debian import add_packages
from scripts.material.scores import add_scores
from scripts.material.shelf import Shelf
from scripts.material.sorting import Rule
from scripts.material.tools import Say
from scripts.material.voices import add_voices


@dataclass
class MaterialConfig:
    """See conf/material.yaml."""

    out: str
    parts: list[Literal["voices", "debian", "scores"]]
    work: str | None
    seed: int
    voices: int
    voice_s: float
    packages: list[str]
    held_out: list[str]
    rules: list[Rule]
    scores: str | None
    variants: int
    soundfonts: list[str]


def main(arguments: Sequence[str]) -> int:
    if "--help" in arguments:
        print(__doc__, describe("material"), sep="\n")
        return 0
    return exit_code("material", lambda: gather(compose("material", arguments, MaterialConfig), _say), "goes on")


def gather(config: MaterialConfig, say: Say) -> None:
    """Fill the folder. Raises ConfigurationError, InfrastructureError."""
    if measuring := sorted(set(config.packages) & set(config.held_out)):
        raise ConfigurationError(f"packages: {', '.join(measuring)} is held out to measure the encoder with")
    shelf = Shelf(Path(config.out))
    work = Path(config.work) if config.work else shelf.folder / ".work"
    for part in config.parts:
        if part == "voices":
            add_voices(shelf, config.voices, config.voice_s, config.seed, say)
        elif part == "debian":
            add_packages(shelf, work, config.packages, config.rules, say)
        elif config.scores:
            soundfonts = [Path(name) for name in config.soundfonts]
            add_scores(shelf, Path(config.scores), config.variants, soundfonts, config.seed, say)
        else:
            say("scores is not given: none are rendered")


def _say(line: str) -> None:
    print(time.strftime("%H:%M:%S"), line, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
