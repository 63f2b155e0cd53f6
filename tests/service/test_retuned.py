"""A clip that nothing matches is heard retuned, all retunings in one call of the encoder."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from ingest.fingerprint import Embeddings
from serve.fakes import SpectralEmbedder
from tests.service.live import serving
from tests.service.sounds import melody, wav
from tests.service.world import World

pytestmark = pytest.mark.filterwarnings("ignore:Using extra keyword arguments")  # of Ray's own models


@dataclass
class Counting(SpectralEmbedder):
    """Notes how many clips each call of the network embeds."""

    calls: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def embed_windows(self, windows: Sequence[npt.NDArray[np.int16]]) -> list[Embeddings]:
        self.calls.append(len(windows))
        return super().embed_windows(windows)


@pytest.mark.parametrize(
    ("known", "retunings", "calls"),
    [(True, "[-2,2]", [1]), (False, "[-2,2]", [1, 2]), (False, "[-3,-1,1]", [1, 3]), (False, "[]", [1])],
)
def test_retuned_readings_are_embedded_together(known: bool, retunings: str, calls: list[int]) -> None:
    """Only of an undecided clip, and in one call however many there are."""
    world = World.with_songs()
    counting = Counting()
    world.embedder = counting
    clip = world.clip(2, 17.3, 8.0) if known else melody(99, 8.0)
    with serving(world.api(f"matching.retunings_semitones={retunings}")) as client:
        answer = client.post("/v1/identify", content=wav(clip))
    assert answer.status_code == 200
    assert bool(answer.json()["matches"]) is known
    assert counting.calls == calls


def test_jobs_cross_the_handle_in_one_call() -> None:
    """And their embeddings come back in the order of the jobs."""
    from serve.embedder import RemoteEncoder
    from serve.encoders import EmbedJob

    class Handle:
        asked = 0

        async def remote(self, jobs: Sequence[EmbedJob]) -> list[int]:
            self.asked += 1
            return [len(job.samples) for job in jobs]

    handle: Any = Handle()
    handle.embed_all = handle
    jobs = [EmbedJob(np.zeros(length, np.int16)) for length in (900, 700, 800)]
    assert asyncio.run(RemoteEncoder(handle).embed_all(jobs)) == [900, 700, 800]
    assert handle.asked == 1
