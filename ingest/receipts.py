"""From windows that are durable to files that are done: what the ledger records."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ingest.errors import SilentAudio
from ingest.stores import Done, Reject

STAGES = ("decode", "embed")
DESCRIBED = ("duration_s", "truncated", "title", "artist", "album", "isrc", "content_hash")


@dataclass
class _Seen:
    windows: set[int] = field(default_factory=set)
    lake_files: set[str] = field(default_factory=set)
    stored: int = 0
    last: dict[str, Any] | None = None

    def add(self, receipt: dict[str, Any]) -> None:
        if receipt["window"] in self.windows:
            return  # a retried task gives its receipts twice
        self.windows.add(receipt["window"])
        self.lake_files.add(receipt["lake_file"])
        self.stored += receipt["stored"]
        if receipt["last"]:
            self.last = receipt

    def complete(self) -> bool:
        return self.last is not None and len(self.windows) == self.last["window"] + 1


@dataclass
class Outcomes:
    """Files that are finished, one way or the other, and what the stages spent on the windows that came in."""

    done: list[Done] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    busy_s: dict[str, float] = field(default_factory=dict)  # by stage
    asked_again: dict[int, int] = field(default_factory=dict)  # recordings whose source failed at first, and how often

    @property
    def files(self) -> int:
        return len(self.done) + len(self.rejects)

    @property
    def audio_s(self) -> float:
        return sum(done.duration_s for done in self.done)


class Receipts:
    """Collects receipts in any order. A file is done when its last window and all before it are in the lake."""

    def __init__(self) -> None:
        self._open: dict[int, _Seen] = {}
        self._closed: set[int] = set()

    def add(self, receipts: Iterable[dict[str, Any]]) -> Outcomes:
        """Take rows of RECEIPT_SCHEMA; what is finished by them."""
        outcomes = Outcomes()
        for receipt in receipts:
            recording_id = receipt["recording_id"]
            for stage in STAGES:
                outcomes.busy_s[stage] = outcomes.busy_s.get(stage, 0.0) + (receipt[f"{stage}_s"] or 0.0)
            if recording_id in self._closed:
                continue
            if receipt["attempt"] > 1 and (receipt["last"] or receipt["code"]):
                outcomes.asked_again[recording_id] = receipt["attempt"] - 1
            if receipt["code"]:
                outcomes.rejects.append(Reject(recording_id, receipt["code"], receipt["reason"]))
                self._close(recording_id)
                continue
            seen = self._open.setdefault(recording_id, _Seen())
            seen.add(receipt)
            if seen.complete():
                self._settle(recording_id, seen, outcomes)
                self._close(recording_id)
        return outcomes

    def unfinished(self) -> list[int]:
        """Recordings of which some windows came and others did not."""
        return sorted(self._open)

    def _close(self, recording_id: int) -> None:
        self._open.pop(recording_id, None)
        self._closed.add(recording_id)

    def _settle(self, recording_id: int, seen: _Seen, outcomes: Outcomes) -> None:
        last = seen.last
        assert last is not None
        if seen.stored == 0:
            outcomes.rejects.append(Reject(recording_id, SilentAudio.code, "there is nothing but silence in it"))
            return
        outcomes.done.append(
            Done(
                recording_id,
                segments=seen.stored,
                windows=len(seen.windows),
                lake_files=tuple(sorted(seen.lake_files)),
                **{name: last[name] for name in DESCRIBED},
            )
        )
