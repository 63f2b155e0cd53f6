"""The networks that embed queries, by checksum. Plain: no Ray; torch comes with the first one that is loaded."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Protocol, Self

import numpy as np
import numpy.typing as npt

from ingest.fingerprint import EMBEDDING_HOP, ConfigurationError, Embeddings

Pcm = npt.NDArray[np.int16]

MAX_TERM = 64  # of the fraction that a retuning is resampled by: keeps the filter bank small


@dataclass(frozen=True)
class EmbedJob:
    """samples: int16 [T] at 8 kHz. encoder: a checksum, None for the first. ratio: retuned so many times."""

    samples: Pcm
    encoder: str | None = None
    ratio: Fraction = Fraction(1)

    @property
    def embeddings(self) -> int:
        """What the job adds to a batch."""
        return max(1, int(len(self.samples) * self.ratio) // EMBEDDING_HOP)


def embeddings_in(jobs: Sequence[EmbedJob]) -> int:
    """The size of a batch: what it costs grows with the embeddings, not with the clips."""
    return sum(job.embeddings for job in jobs)


class ClipEmbedder(Protocol):
    """What a network must offer: `ingest.fingerprint.Embedder` does."""

    checksum: str
    before: int  # samples of surroundings that it wants in front of the first embedding
    after: int  # and behind the last

    def embed_windows(self, windows: Sequence[Pcm]) -> Sequence[Embeddings]: ...


class EncoderSet:
    """Several networks, so that a service can go over from one generation to the next."""

    def __init__(self, embedders: Sequence[ClipEmbedder]) -> None:
        self._first = embedders[0].checksum
        self._embedders = {embedder.checksum: embedder for embedder in embedders}

    @classmethod
    def load(cls, weights: Sequence[str | None], *, device: str, threads: int) -> Self:
        """Load networks from safetensors files; None stands for the shipped one."""
        from ingest.fingerprint import Embedder

        paths = [Path(path) if path else None for path in weights]
        return cls([Embedder.load(path, device=device, threads=threads) for path in paths])

    @property
    def checksums(self) -> frozenset[str]:
        return frozenset(self._embedders)

    def embed(self, jobs: Sequence[EmbedJob]) -> list[Embeddings]:
        """All jobs, those of one network in one call, in the order given. Raises KeyError for an unknown network."""
        found: dict[int, Embeddings] = {}
        names = [job.encoder or self._first for job in jobs]
        for name in dict.fromkeys(names):
            places = [n for n, other in enumerate(names) if other == name]
            embedder = self._embedders[name]
            windows = [with_surroundings(retune(jobs[n]), embedder) for n in places]
            for n, embedded in zip(places, embedder.embed_windows(windows), strict=True):
                found[n] = embedded
        return [found[n] for n in range(len(jobs))]


class LocalEncoder:
    """An EncoderSet in this process, called as the remote one is: for an API that embeds itself, scripts and tests."""

    def __init__(self, encoders: EncoderSet) -> None:
        self._encoders = encoders

    async def embed(self, job: EmbedJob) -> Embeddings:
        return (await self.embed_all([job]))[0]

    async def embed_all(self, jobs: Sequence[EmbedJob]) -> list[Embeddings]:
        return await asyncio.to_thread(self._encoders.embed, jobs)

    async def checksums(self) -> frozenset[str]:
        return self._encoders.checksums


def with_surroundings(samples: Pcm, embedder: ClipEmbedder) -> Pcm:
    """The clip between the silence that the network expects around a whole waveform; at least one embedding long."""
    missing = max(0, EMBEDDING_HOP - len(samples))
    padded: Pcm = np.pad(samples, (embedder.before, missing + embedder.after))
    return padded


def retune(job: EmbedJob) -> Pcm:
    """The clip resampled to `ratio` times its length: read at 8 kHz again it sounds that much lower and slower."""
    if job.ratio == 1:
        return job.samples
    import torch
    from torchaudio.functional import resample

    waveform = torch.from_numpy(job.samples.astype(np.float32))
    longer: Pcm = (
        resample(waveform, job.ratio.denominator, job.ratio.numerator).round().clip(-32768, 32767).short().numpy()
    )
    return longer


def ratio_of(semitones: float) -> Fraction:
    """The retuning that undoes a clip raised by so many semitones.

    >>> ratio_of(12)
    Fraction(2, 1)
    """
    return Fraction(2 ** (semitones / 12)).limit_denominator(MAX_TERM)


def check_weights(weights: str | None) -> None:
    """Raises ConfigurationError when the file is not there."""
    if weights and not Path(weights).is_file():
        raise ConfigurationError(f"encoder.weights={weights} is not a file")
