"""What the audio files of a package are: music, or noise of one of three kinds.

Rules of conf/material.yaml look at the path; where none speaks, length tells music from sounds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from ingest.errors import ConfigurationError
from scripts.material.wave import digest, is_silent, joined, seconds

Kind = Literal["music", "sounds", "ambience", "speech"]

MUSIC_S = 30.0  # without a rule, a file of at least this is music
AMBIENCE_S = 20.0  # sounds of at least this
SHORTEST_MUSIC_S = 8.0
EACH_S: dict[Kind, float] = {"sounds": 8.0, "speech": 15.0, "ambience": 60.0}  # kept of one file


@dataclass(frozen=True)
class Rule:
    """Files whose `package/path`, in lower case, holds the regular expression `path` are of this kind."""

    kind: Kind
    path: str

    def __post_init__(self) -> None:
        try:
            re.compile(self.path)
        except re.error as error:
            raise ConfigurationError(f"rules: {self.path!r} is no regular expression: {error}") from error


@dataclass(frozen=True)
class Found:
    """One audio file, decoded. `samples` float32 [T]."""

    path: str
    kind: Kind
    samples: np.ndarray


def kind_of(path: str, length_s: float, rules: Sequence[Rule]) -> Kind:
    """The kind of the first rule that matches, else by length. Long sounds are ambience.

    >>> kind_of("naev-data/snd/music/Ambient1.ogg", 64.0, [Rule("music", "/music/"), Rule("ambience", "ambien")])
    'music'
    """
    ruled = next((rule.kind for rule in rules if re.search(rule.path, path.lower())), None)
    kind: Kind = ruled or ("music" if length_s >= MUSIC_S else "sounds")
    return "ambience" if kind == "sounds" and length_s >= AMBIENCE_S else kind


def why_not(found: Found, digests: set[str], music_left_s: float) -> str | None:
    """Why a file is left out, of a package of which `music_left_s` may still be taken; None: it is not."""
    if is_silent(found.samples):
        return "silent"
    if found.kind == "music" and seconds(found.samples) < SHORTEST_MUSIC_S:
        return "short music"
    if found.kind == "music" and seconds(found.samples) > music_left_s:
        return "more music than is taken of a package"
    return "duplicate" if digest(found.samples) in digests else None


def noises(found: Iterable[Found], total_s: float) -> Iterator[tuple[Kind, np.ndarray]]:
    """One recording a kind of noise, of at most `total_s`: its files one after the other, in their order."""
    everything = list(found)
    for kind, each_s in EACH_S.items():
        parts = [one.samples for one in everything if one.kind == kind]
        if parts:
            yield kind, joined(parts, each_s, total_s)


def files_below(folder: Path, suffixes: Iterable[str]) -> list[Path]:
    """Files below `folder` with one of the suffixes, sorted; links are left alone."""
    wanted = frozenset(suffixes)
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in wanted and p.is_file() and not p.is_symlink())
