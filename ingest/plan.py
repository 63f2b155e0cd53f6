"""What a run would do and cost, before it does anything."""

from dataclasses import dataclass

from ingest.catalog import Listing
from ingest.config import IngestConfig
from ingest.stores import PlanCounts


@dataclass(frozen=True)
class Plan:
    """A forecast; `tracks_to_do` are new, changed and left over from interrupted runs."""

    counts: PlanCounts
    unusable: int
    skipped: int
    tracks_to_do: int
    size_bytes: int  # of the listed files
    audio_hours: float  # to do, estimated
    sampled_files: int  # whose header gave the estimate
    lake_bytes: int
    index_bytes: int
    speed_x: float  # × real time that the time is reckoned with
    speed_source: str  # where that figure is from
    estimated_s: float

    def text(self) -> str:
        """The plan for people."""
        raise NotImplementedError


def make_plan(config: IngestConfig, listing: Listing, counts: PlanCounts, pending: int) -> Plan:
    """The forecast for a listing; `pending` are registered files that no run has finished."""
    raise NotImplementedError
