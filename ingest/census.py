"""What a listing consists of, learned while it passes: sizes by suffix and a few files of each to look into."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from ingest.stores import SourceFile

SAMPLED = 64  # files of each suffix
SEED = 1


@dataclass
class Kind:
    """The files of one suffix: how many, how large, and a fair sample of them (Vitter 1985, algorithm R)."""

    files: int = 0
    size_bytes: int = 0
    sample: list[SourceFile] = field(default_factory=list)


class Census(Iterable[SourceFile]):
    """Passes the files on and keeps `kinds` by suffix."""

    def __init__(self, files: Iterable[SourceFile]) -> None:
        self._files = files
        self._random = random.Random(SEED)
        self.kinds: dict[str, Kind] = defaultdict(Kind)

    def __iter__(self) -> Iterator[SourceFile]:
        for file in self._files:
            self._count(file)
            yield file

    def _count(self, file: SourceFile) -> None:
        kind = self.kinds[suffix(file)]
        kind.files += 1
        kind.size_bytes += file.size_bytes
        if len(kind.sample) < SAMPLED:
            kind.sample.append(file)
        elif (place := self._random.randrange(kind.files)) < SAMPLED:
            kind.sample[place] = file


def suffix(file: SourceFile) -> str:
    """Of its name, in lower case."""
    return PurePosixPath(file.uri).suffix.lower()
