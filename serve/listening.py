"""One caller who is heard live: samples as they come → what is known so far. The event loop only waits."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import av
import numpy as np
import numpy.typing as npt
from av.audio.resampler import AudioResampler

from ingest.fingerprint import SAMPLE_RATE, Embeddings
from serve.config import BoundsConfig
from serve.directory import nameless
from serve.draining import Drain
from serve.encoders import EmbedJob
from serve.gate import Gate
from serve.recogniser import Recogniser
from serve.schema import Heard
from serve.turns import Turns
from serve.wire import match_of

Pcm = npt.NDArray[np.int16]


class ClipEncoder(Protocol):
    """Who embeds."""

    async def embed(self, job: EmbedJob) -> Embeddings: ...


@dataclass(frozen=True)
class Wish:
    """What may be said beside live sound, as of a clip."""

    limit: int = 5
    min_confidence: float | None = None
    evidence: bool = False


class Resampler:
    """16-bit mono samples of one rate → the same at SAMPLE_RATE, piece by piece."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._resampler = AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)

    def __call__(self, samples: Pcm) -> Pcm:
        """Shape: [T] → about [T · SAMPLE_RATE / rate]; a few samples come with the next piece."""
        if self._rate == SAMPLE_RATE or not len(samples):
            return samples
        frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        frame.sample_rate = self._rate
        pieces = [one.to_ndarray()[0] for one in self._resampler.resample(frame)]
        return np.concatenate(pieces) if pieces else samples[:0]


class Listeners:
    """Callers who are heard at once, at most `bounds.listeners`; every look takes its turn among the clips."""

    def __init__(
        self,
        bounds: BoundsConfig,
        encoder: ClipEncoder,
        serving: Callable[[], Recogniser | None],
        turns: Turns,
        drain: Drain,
    ) -> None:
        self.drain = drain
        self._bounds, self._encoder, self._serving, self._turns = bounds, encoder, serving, turns
        self._places = Gate(bounds.listeners, 0)

    @asynccontextmanager
    async def admitted(self, rate: int, wish: Wish = Wish()) -> AsyncIterator[Listener]:
        """One caller. Raises TooManyRequests, NotReady."""
        async with self._places.admitted():
            yield Listener(rate, self._bounds, self._encoder, self._serving(), self._turns, wish)


class Listener:
    """What was heard so far of one caller, from the first sample on, in the generation that was served then."""

    def __init__(
        self,
        rate: int,
        bounds: BoundsConfig,
        encoder: ClipEncoder,
        recogniser: Recogniser | None,
        turns: Turns,
        wish: Wish,
    ) -> None:
        self._bounds, self._encoder, self._turns = bounds, encoder, turns
        self._wish = wish
        self._resampled = Resampler(rate)
        self._name = recogniser.generation.encoder if recogniser else None
        self._listening = recogniser.listening(wish.min_confidence) if recogniser else None
        self._samples: Pcm = np.empty(0, np.int16)
        self._looked = 0

    @property
    def full(self) -> bool:
        """Whether as much was heard as may be."""
        return len(self._samples) >= round(self._bounds.listen_s * SAMPLE_RATE)

    async def hear(self, samples: Pcm) -> Heard | None:
        """What is known after these samples [T] of the caller's rate; None before there is enough new for a look.

        Raises what `serve.problems` makes responses of.
        """
        limit = round(self._bounds.listen_s * SAMPLE_RATE)
        self._samples = np.concatenate([self._samples, self._resampled(samples)])[:limit]
        new = len(self._samples) - self._looked
        if new < self._bounds.listen_look_s * SAMPLE_RATE and not (self.full and new):
            return None
        self._looked = len(self._samples)
        return await self._look()

    async def _look(self) -> Heard:
        heard_s = round(len(self._samples) / SAMPLE_RATE, 3)
        async with self._turns.taken():
            query = await self._encoder.embed(EmbedJob(self._samples, self._name))
            if self._listening is None:
                return Heard(heard_s=heard_s, matches=[], enough=False)
            found, enough = await self._turns.in_thread(partial(self._listening.hear, query, self._wish.limit))
        degraded = nameless(match.track for match in found)
        matches = [match_of(match, 0.0, self._wish.evidence) for match in found]
        return Heard(heard_s=heard_s, matches=matches, enough=enough, degraded=degraded)
