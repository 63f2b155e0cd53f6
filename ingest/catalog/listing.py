"""What a source comes back with."""

from dataclasses import dataclass, field

from ingest.stores import SourceFile


@dataclass(frozen=True, slots=True)
class Unusable:
    """An entry that never becomes a track; `uri` is printable, whatever the entry was."""

    uri: str
    code: str
    reason: str


@dataclass
class Listing:
    """files are sorted by uri, each uri once; `skipped` are entries that are not audio by their suffix."""

    files: list[SourceFile] = field(default_factory=list)
    unusable: list[Unusable] = field(default_factory=list)
    skipped: int = 0

    @property
    def size_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files)
