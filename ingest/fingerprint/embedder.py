"""Waveforms in, embeddings out: the one path of ingest, serve, training and evaluation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch

from ingest.fingerprint.architecture import FFT_SIZE
from ingest.fingerprint.embeddings import Embeddings
from ingest.fingerprint.encoder import Encoder, load_encoder
from ingest.fingerprint.frontend import semitone_bands
from ingest.fingerprint.grid import EMBEDDING_HOP, SAMPLE_RATE
from ingest.fingerprint.pcm import to_float
from ingest.fingerprint.peaks import MARGIN_FRAMES, Salience
from ingest.fingerprint.salience import salience
from ingest.fingerprint.silence import SILENCE_DBFS, audible_cells

BF16_INSTRUCTIONS = frozenset({"avx512_bf16", "amx_bf16"})
CHUNK_CELLS = 234  # about 30 s: the activations of one chunk stay in a core's cache


@dataclass(frozen=True)
class Chunk:
    """What the encoder finds in one chunk: vectors float32 [n, D], and the salience int8 [frames, F] of its cells."""

    vectors: np.ndarray
    levels: np.ndarray


class Embedder:
    """Runs an encoder over whole waveforms, on a CPU or a GPU; its network in bf16 where the device computes in it.

    Vectors in bf16 and in fp32 agree to a cosine of 0.999: a catalogue may hold both.
    """

    def __init__(
        self,
        encoder: Encoder,
        checksum: str,
        *,
        device: str = "cpu",
        silence_dbfs: float = SILENCE_DBFS,
        bf16: bool | None = None,
    ) -> None:
        self.encoder = encoder.to(device).eval()
        self.checksum = checksum
        self.device = torch.device(device)
        self.silence_dbfs = silence_dbfs
        self.bf16 = computes_bf16(self.device.type) if bf16 is None else bf16
        self.before, self.after = encoder.config.padding
        self.dim = encoder.config.network.dim
        self.chunks_a_batch = 1 if self.device.type == "cpu" else 64

    @classmethod
    def load(
        cls,
        path: Path | None = None,
        *,
        device: str = "cpu",
        threads: int | None = None,
        silence_dbfs: float = SILENCE_DBFS,
    ) -> Embedder:
        """The shipped encoder, or the one at `path`; `threads` bounds this process' torch threads."""
        if threads:
            torch.set_num_threads(threads)
        encoder, checksum = load_encoder(path)
        return cls(encoder, checksum, device=device, silence_dbfs=silence_dbfs)

    def embed(self, samples: np.ndarray) -> Embeddings:
        """All embeddings of a clip or track [T], N = max(1, T // EMBEDDING_HOP); outside of it there is silence."""
        cells = max(1, len(samples) // EMBEDDING_HOP)
        tail = max(0, cells * EMBEDDING_HOP - len(samples)) + self.after
        return self.embed_windows([np.pad(samples, (self.before, tail))])[0]

    def embed_windows(self, windows: Sequence[np.ndarray]) -> list[Embeddings]:
        """Embeddings of waveforms [T] that carry their surroundings: `before` samples in front, `after` behind."""
        cells = [self._cells(window) for window in windows]
        chunks = [chunk for window, count in zip(windows, cells, strict=True) for chunk in self._chunks(window, count)]
        encoded = iter(self._encode(chunks))
        return [
            self._joined(window, count, [next(encoded) for _ in range(0, count, CHUNK_CELLS)])
            for window, count in zip(windows, cells, strict=True)
        ]

    def _joined(self, window: np.ndarray, cells: int, chunks: Sequence[Chunk]) -> Embeddings:
        """The embeddings of one window from those of its chunks, whose salience overlaps by two margins."""
        crop = self.before + EMBEDDING_HOP + self.after
        audible = audible_cells(window, cells, crop, self.silence_dbfs)
        front_end = self.encoder.config.front_end
        own = slice(MARGIN_FRAMES, -MARGIN_FRAMES)
        edge = np.zeros((MARGIN_FRAMES, front_end.bands), np.int8)
        levels = [chunk.levels[own] for chunk in chunks]
        first, last = (chunks[0].levels[:MARGIN_FRAMES], chunks[-1].levels[own.stop :]) if chunks else (edge, edge)
        return Embeddings(
            np.concatenate([np.empty((0, self.dim), np.float32), *(chunk.vectors for chunk in chunks)]),
            audible,
            Salience(np.concatenate([first, *levels, last]), front_end.hop / SAMPLE_RATE, semitone_bands(front_end)),
        )

    def _chunks(self, window: np.ndarray, cells: int) -> Iterator[np.ndarray]:
        """Overlapping float32 stretches of a window, CHUNK_CELLS cells each, the last one what is left."""
        for first in range(0, cells, CHUNK_CELLS):
            count = min(CHUNK_CELLS, cells - first)
            end = (first + count) * EMBEDDING_HOP + self.before + self.after
            yield to_float(window[first * EMBEDDING_HOP : end])

    def _encode(self, chunks: Sequence[np.ndarray]) -> list[Chunk]:
        """What is found in each chunk; those of a batch are padded to the longest and cut back."""
        found: list[Chunk] = []
        with torch.inference_mode():
            for start in range(0, len(chunks), self.chunks_a_batch):
                batch = chunks[start : start + self.chunks_a_batch]
                longest = max(map(len, batch))
                stacked = np.stack([np.pad(chunk, (0, longest - len(chunk))) for chunk in batch])
                bands = self.encoder.front_end(torch.from_numpy(stacked).to(self.device))
                with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
                    vectors = self.encoder.network(bands).float().transpose(1, 2).cpu().numpy()
                levels = salience(bands).transpose(1, 2).cpu().numpy()
                for n, chunk in enumerate(batch):
                    cells = self._cells(chunk)
                    found.append(Chunk(vectors[n, :cells], levels[n, self._frames(cells)]))
        return found

    def _frames(self, cells: int) -> slice:
        """The frames of a chunk that are its cells' own, and the margins around them."""
        hop = self.encoder.config.front_end.hop
        first = (self.before + hop // 2 - FFT_SIZE // 2) // hop
        return slice(first - MARGIN_FRAMES, first + cells * (EMBEDDING_HOP // hop) + MARGIN_FRAMES)

    def _cells(self, window: np.ndarray) -> int:
        return max(0, (len(window) - self.before - self.after) // EMBEDDING_HOP)


@cache
def computes_bf16(device: str) -> bool:
    """Whether bf16 is faster than fp32 there: every GPU that we run on, and processors with instructions for it."""
    flags = Path("/proc/cpuinfo")
    if device != "cpu" or not flags.exists():
        return device != "cpu"
    return not BF16_INSTRUCTIONS.isdisjoint(flags.read_text(encoding="utf-8").split())
