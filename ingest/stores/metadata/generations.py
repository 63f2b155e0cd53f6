"""Generations, what is loaded into them, and the pointer that says which one answers."""

from collections.abc import Iterable, Mapping
from typing import Any

from ingest.stores.records import Generation, Load


class GenerationRows:
    """The part of a CatalogStore that speaks of serving."""

    def create_generation(self, collection: str, encoder: str, dim: int, index: str) -> Generation:
        """A new generation, filling; the collection's name must be new."""
        raise NotImplementedError

    def generation(self, encoder: str) -> Generation | None:
        """The newest generation of an encoder."""
        raise NotImplementedError

    def generations(self) -> list[Generation]:
        """All generations, oldest first."""
        raise NotImplementedError

    def active_generation(self) -> Generation | None:
        """The one that answers; one cheap query: a service may ask every second."""
        raise NotImplementedError

    def set_calibration(self, generation_id: int, calibration: Mapping[str, Any]) -> None:
        raise NotImplementedError

    def mark_ready(self, generation_id: int) -> None:
        """filling → ready: loaded and verified, not yet answering."""
        raise NotImplementedError

    def activate(self, generation_id: int) -> None:
        """Publish what is loaded and move the pointer, in one transaction; the previous one is retired."""
        raise NotImplementedError

    def to_load(self, generation_id: int) -> list[Load]:
        """Recordings that are done and current or published, but not yet loaded, by recording id."""
        raise NotImplementedError

    def mark_loaded(self, generation_id: int, segments: Mapping[int, int]) -> None:
        """Record the stored segments of each recording; repeating it changes nothing."""
        raise NotImplementedError

    def loaded_segments(self, generation_id: int) -> int:
        """The vectors that the collection must hold."""
        raise NotImplementedError

    def publish(self, generation_id: int) -> int:
        """Publish the current recording of every track where the generation holds it; how many changed."""
        raise NotImplementedError

    def superseded(self, generation_id: int) -> list[int]:
        """Loaded recordings that no track publishes or is about to: their vectors may go."""
        raise NotImplementedError

    def forget_loads(self, generation_id: int, recording_ids: Iterable[int]) -> None:
        """To be called after the vectors are deleted."""
        raise NotImplementedError
