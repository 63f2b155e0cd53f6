"""The encoder as a deployment of its own: batched, and the only process with torch in it."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from ray import serve
from ray.exceptions import RayActorError, RayError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError
from ray.serve.handle import DeploymentHandle

from ingest.fingerprint import Embeddings
from serve.config import ResourcesConfig
from serve.encoders import EmbedJob, EncoderSet, embeddings_in
from serve.problems import EncoderAway, Overloaded


class EncoderReplica:
    """A shell around an EncoderSet: gathers what arrives together into one call of the network."""

    def __init__(self, weights: Sequence[str | None], resources: ResourcesConfig) -> None:
        device = "cuda" if resources.embed_gpus > 0 else "cpu"
        self._encoders = EncoderSet.load(weights, device=device, threads=resources.embed_threads)
        batch: Any = self._embed_batch
        batch.set_max_batch_size(resources.batch_embeddings)
        batch.set_batch_wait_timeout_s(resources.batch_wait_ms / 1000)

    @serve.batch(max_batch_size=1024, batch_wait_timeout_s=0.002, batch_size_fn=embeddings_in)
    async def _embed_batch(self, jobs: list[EmbedJob]) -> list[Embeddings]:
        return await asyncio.to_thread(self._encoders.embed, jobs)

    async def embed(self, job: EmbedJob) -> Embeddings:
        return await self._embed_batch(job)

    async def embed_all(self, jobs: Sequence[EmbedJob]) -> list[Embeddings]:
        return await asyncio.gather(*(self._embed_batch(job) for job in jobs))

    def checksums(self) -> frozenset[str]:
        return self._encoders.checksums


ENCODER = serve.deployment(name="encoder")(EncoderReplica)


class RemoteEncoder:
    """The deployment as the service calls it; Ray's errors become ours."""

    def __init__(self, handle: DeploymentHandle[Any]) -> None:
        self._handle = handle

    async def embed(self, job: EmbedJob) -> Embeddings:
        """Raises Overloaded, EncoderAway."""
        embedded: Embeddings = await self._call("embed", job)
        return embedded

    async def embed_all(self, jobs: Sequence[EmbedJob]) -> list[Embeddings]:
        """All in one call, in the order given. Raises Overloaded, EncoderAway."""
        embedded: list[Embeddings] = await self._call("embed_all", jobs)
        return embedded

    async def checksums(self) -> frozenset[str]:
        """Raises Overloaded, EncoderAway."""
        try:
            checksums: frozenset[str] = await self._call("checksums")
        except RayError as error:
            raise EncoderAway(f"the encoder cannot be asked: {type(error).__name__}") from error
        return checksums

    async def _call(self, method: str, *arguments: EmbedJob | Sequence[EmbedJob]) -> Any:
        """What a replica that ends meanwhile was asked is asked once more: there may be others."""
        try:
            with suppress(RayActorError):
                return await getattr(self._handle, method).remote(*arguments)
            return await getattr(self._handle, method).remote(*arguments)
        except BackPressureError as error:
            raise Overloaded("the encoder's queue is full") from error
        except (DeploymentUnavailableError, RayActorError) as error:
            raise EncoderAway("the encoder does not answer; it is being restarted") from error
