"""Clips as vectors, for machines that keep them: embedded without being matched, and matched without being heard."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Protocol

from ingest.fingerprint import EMBEDDING_HOP_S, Embeddings, SilentAudio
from serve.clip import Clip
from serve.config import BoundsConfig
from serve.directory import nameless
from serve.encoders import EmbedJob
from serve.problems import OtherEncoder
from serve.recogniser import STAGES, Recogniser, TrackMatch
from serve.schema import Identification, Query
from serve.stopwatch import Stopwatch
from serve.turns import Turns
from serve.vector_schema import Embedded, VectorEncoding, VectorQuery
from serve.vector_wire import embeddings_of, parsed, salience_to_wire, vectors_to_wire
from serve.wire import match_of, query_of


class VectorEncoder(Protocol):
    """Who embeds."""

    async def embed(self, job: EmbedJob) -> Embeddings: ...

    async def checksums(self) -> frozenset[str]: ...


class VectorDesk:
    """Takes its turns among the clips."""

    def __init__(
        self,
        bounds: BoundsConfig,
        encoder: VectorEncoder,
        serving: Callable[[], Recogniser | None],
        turns: Turns,
        read: Callable[[bytes, float | None], Clip],
        degraded: Callable[[], bool],
    ) -> None:
        self._bounds, self._encoder, self._serving = bounds, encoder, serving
        self._turns, self._read, self._degraded = turns, read, degraded

    async def embed(self, data: bytes, start_s: float | None, encoding: VectorEncoding) -> Embedded:
        """The embeddings of an upload, by the encoder of the active generation.

        Raises what `serve.problems` makes responses of.
        """
        async with self._turns.taken(self._bounds.wait_s):
            watch = Stopwatch()
            encoder = await self._active_encoder()
            with watch.stage("decode"):
                clip = await self._turns.in_thread(partial(self._read, data, start_s))
            with watch.stage("embed"):
                found = await self._encoder.embed(EmbedJob(clip.samples, encoder))
            return Embedded(
                query=query_of(clip),
                encoder=encoder,
                dimension=found.vectors.shape[1],
                hop_s=EMBEDDING_HOP_S,
                start_s=clip.start_s,
                audible=found.audible.tolist(),
                encoding=encoding,
                vectors=vectors_to_wire(found.vectors, encoding),
                salience=salience_to_wire(found.salience),
                timings_ms=watch.timings_ms("decode", "embed"),
            )

    async def search(self, body: bytes, limit: int, min_confidence: float | None = None) -> Identification:
        """The answer to embeddings. Raises BadVectors, OtherEncoder and what `serve.problems` makes responses of."""
        async with self._turns.taken(self._bounds.wait_s):
            watch = Stopwatch()
            recogniser = self._serving()
            work = partial(self._searched, body, recogniser, limit, min_confidence, watch)
            told, found, duration_s = await self._turns.in_thread(work)
            return Identification(
                query=Query(duration_s=round(duration_s, 3)),
                matches=[match_of(match, told.start_s) for match in found],
                degraded=self._degraded() or nameless(match.track for match in found),
                timings_ms=watch.timings_ms(*STAGES),
            )

    def _searched(
        self,
        body: bytes,
        recogniser: Recogniser | None,
        limit: int,
        min_confidence: float | None,
        watch: Stopwatch,
    ) -> tuple[VectorQuery, list[TrackMatch], float]:
        told = parsed(body)
        if recogniser is None:
            return told, [], 0.0
        generation = recogniser.generation
        if told.encoder != generation.encoder:
            raise OtherEncoder(f"the catalogue was made by the encoder {generation.encoder}; embed the audio again")
        query = embeddings_of(told, generation.dim, most_vectors(self._bounds))
        if not query.audible.any():
            raise SilentAudio("none of the vectors is audible")
        found = recogniser.recognise(query, limit=limit, min_confidence=min_confidence, watch=watch)
        return told, found, len(query) * EMBEDDING_HOP_S

    async def _active_encoder(self) -> str:
        recogniser = self._serving()
        return recogniser.generation.encoder if recogniser else min(await self._encoder.checksums())


def most_vectors(bounds: BoundsConfig) -> int:
    """That a search may hold: those of the longest clip."""
    return int(bounds.clip_s / EMBEDDING_HOP_S) + 1
