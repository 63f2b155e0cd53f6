"""A small catalogue in memory with the real service around it."""

import functools
from dataclasses import dataclass, field

import numpy as np

from conf import compose
from ingest.fingerprint import Embeddings
from ingest.fingerprint.pcm import to_int16
from serve.access import KeyRing
from serve.api import build_api
from serve.config import ServeConfig
from serve.decoding.decoders import CLIP_WORKER, Decoders
from serve.directory import Directory
from serve.edge import Edge
from serve.encoders import EncoderSet, LocalEncoder
from serve.fakes import MemoryCatalog, MemoryVectors, SpectralEmbedder
from serve.generation import Generations
from serve.meter import Meter
from serve.recogniser import Recogniser
from serve.service import QueryService
from tests.service.sounds import Samples, melody

COLLECTION = "songs"
TRACK_S = 40.0


def config(*options: str) -> ServeConfig:
    return compose("serve", ["home=/nonexistent", *options], ServeConfig)


@functools.cache
def embedded_melody(seed: int) -> tuple[Samples, Embeddings]:
    song = melody(seed, TRACK_S)
    return song, SpectralEmbedder().embed(to_int16(song))


@dataclass
class World:
    """Three melodies, published as tracks 1 to 3, and the pointer on their collection."""

    vectors: MemoryVectors = field(default_factory=MemoryVectors)
    catalog: MemoryCatalog = field(default_factory=MemoryCatalog)
    embedder: SpectralEmbedder = field(default_factory=SpectralEmbedder)
    songs: dict[int, Samples] = field(default_factory=dict)
    clip_worker: str = CLIP_WORKER
    ending: bool = False  # its replica

    @classmethod
    def with_songs(cls) -> "World":
        world = cls()
        for number in (1, 2, 3):
            song, embeddings = embedded_melody(number)
            world.songs[number] = song
            world.store(number, embeddings)
            world.catalog.add(number, f"song {number}.flac")
        world.catalog.activate(COLLECTION)
        return world

    def add(self, number: int, song: Samples, publish: bool = True) -> None:
        self.songs[number] = song
        self.store(number, self.embedder.embed(to_int16(song)))
        if publish:
            self.catalog.add(number, f"song {number}.flac")

    def store(self, number: int, embeddings: Embeddings) -> None:
        """As a job does: the vectors, then the ledger's row."""
        self.vectors.add(COLLECTION, number, embeddings)
        self.catalog.loads[number] = len(embeddings.stored().segments)

    def clip(self, number: int, start_s: float, duration_s: float) -> Samples:
        return self.songs[number][round(start_s * 8000) : round((start_s + duration_s) * 8000)]

    def recogniser(self) -> Recogniser:
        assert self.catalog.active is not None
        return Recogniser(self.vectors, self.directory(), self.catalog.active)

    def directory(self) -> Directory:
        """What is known of the tracks, looked at once."""
        directory = Directory(self.catalog, config().lookups)
        directory.look()
        return directory

    def generations(self, *options: str) -> Generations:
        return self._generations(config(*options))

    def service(self, *options: str, meter: Meter | None = None) -> QueryService:
        made = config("poll_s=0.02", *options)
        return QueryService(
            made,
            self.catalog,
            self._encoder(),
            self._generations(made),
            Decoders(made.bounds, clip_worker=self.clip_worker),
            ending=lambda: self.ending,
            meter=meter,
        )

    def _encoder(self) -> LocalEncoder:
        return LocalEncoder(EncoderSet([self.embedder]))

    def _generations(self, made: ServeConfig) -> Generations:
        settings = made.matching.settings()
        return Generations(self.catalog, lambda: self.vectors, self._encoder(), settings, made.lookups, made.health)

    def api(self, *options: str, meter: Meter | None = None, ring: KeyRing | None = None, origins: str = "") -> Edge:
        return build_api(self.service(*options, meter=meter), meter, ring=ring, origins=origins.split())


def noisy(samples: Samples, ratio: float = 0.1) -> Samples:
    """With white noise at a share of the signal's level."""
    noise = np.random.default_rng(9).standard_normal(len(samples))
    return (samples + ratio * samples.std() * noise).astype(np.float32)
