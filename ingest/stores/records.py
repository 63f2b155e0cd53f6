"""The rows that cross the border of the metadata store."""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file that a source lists; `version` is its etag, or size and mtime: it changes with the content."""

    uri: str
    version: str
    size_bytes: int
    title: str | None = None
    artist: str | None = None
    album: str | None = None
    isrc: str | None = None


@dataclass(frozen=True, slots=True)
class PlanCounts:
    """What registering a listing does (or would do); listed = new + changed + unchanged + duplicates."""

    listed: int = 0  # entries of the listing, repeats included
    new: int = 0
    changed: int = 0  # known uri, other content
    unchanged: int = 0  # known uri, same content; includes files that reappear and files that were deleted here
    removed: int = 0  # vanished since the last listing; they still answer
    duplicates: int = 0  # repeats of a uri within the listing: the first one counts


@dataclass(frozen=True, slots=True)
class Work:
    """One recording that an encoder has not seen."""

    recording_id: int
    track_id: int
    uri: str
    version: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Done:
    """A recording whose segments all lie in the lake; title … isrc are the file's own tags."""

    recording_id: int
    segments: int  # embeddings stored
    windows: int
    lake_files: tuple[str, ...]
    duration_s: float
    truncated: bool = False
    title: str | None = None
    artist: str | None = None
    album: str | None = None
    isrc: str | None = None
    content_hash: str | None = None  # of the decoded samples


@dataclass(frozen=True, slots=True)
class Reject:
    """A recording that cannot be ingested, and why; `code` is that of a BadInput."""

    recording_id: int
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """A stored reject, by the uri that the user knows."""

    uri: str
    code: str
    reason: str
    attempts: int


@dataclass(frozen=True, slots=True)
class Load:
    """A recording to be copied from the lake into a collection."""

    recording_id: int
    segments: int
    lake_files: tuple[str, ...]
    replaces: bool = False  # the collection holds vectors of it that were embedded before


@dataclass(frozen=True, slots=True)
class Import:
    """A file that a vector store's server imports."""

    number: int
    path: str  # as the server is told
    segments: int  # rows in it
    state: str  # written | submitting | submitted | done
    task: str | None
    attempts: int


@dataclass(frozen=True, slots=True)
class Generation:
    """One way of serving a catalogue: a collection filled by one encoder, its index and calibration."""

    generation_id: int
    collection: str
    encoder: str  # checksum
    dim: int
    index: str
    calibration: dict[str, Any] | None
    state: str  # filling | ready | active | retired
    created_at: float  # Unix seconds
    tuning: dict[str, Any] | None = None  # what the service is told in place of its configuration


@dataclass(frozen=True, slots=True)
class Track:
    """One track as answers show it; what the manifest says wins over the file's tags."""

    track_id: int
    recording_id: int  # the published one; of track(): the current one if none is published yet
    uri: str
    title: str | None
    artist: str | None
    album: str | None
    isrc: str | None
    duration_s: float | None


@dataclass(frozen=True, slots=True)
class Publication:
    """How often it was changed what a catalogue answers with, and how many tracks that can be about."""

    number: int
    tracks: int  # at most


@dataclass(frozen=True, slots=True)
class PublishedChanges:
    """The tracks whose published recording changed up to a publication, and what it is now.

    Shape: track_ids int64 [N]; recording_ids int64 [N], −1 where nothing is published any more.
    """

    number: int
    track_ids: npt.NDArray[np.int64]
    recording_ids: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class CatalogCounts:
    """How far an encoder has come with a catalogue; tracks = done + rejected + pending, of those present."""

    tracks: int
    removed: int
    published: int
    done: int
    rejected: int
    pending: int
    segments: int
    hours: float


@dataclass(frozen=True, slots=True)
class Run:
    """One job as the metadata store remembers it; times are Unix seconds."""

    run_id: str
    action: str
    state: str  # running | done | failed | stopped …
    started_at: float
    ended_at: float | None
    counts: dict[str, Any]


def new_run_id(started_at: float) -> str:
    """An id for a run that began then, in seconds since 1970; ids sort by their beginning."""
    stamp = datetime.fromtimestamp(started_at, UTC).strftime("%Y%m%dT%H%M%S.%f")[:-3]
    return f"{stamp}Z-{secrets.token_hex(3)}"
