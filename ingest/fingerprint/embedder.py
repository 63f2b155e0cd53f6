"""Waveforms in, embeddings out: the one path of ingest, serve, training and evaluation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from ingest.fingerprint.embeddings import Embeddings
from ingest.fingerprint.encoder import Encoder, load_encoder
from ingest.fingerprint.grid import EMBEDDING_HOP
from ingest.fingerprint.pcm import to_float
from ingest.fingerprint.silence import SILENCE_DBFS, audible_cells

CHUNK_CELLS = 234  # about 30 s: the activations of one chunk stay in a core's cache


class Embedder:
    """Runs an encoder over whole waveforms, on a CPU or a GPU (there in bf16)."""

    def __init__(
        self, encoder: Encoder, checksum: str, *, device: str = "cpu", silence_dbfs: float = SILENCE_DBFS
    ) -> None:
        self.encoder = encoder.to(device).eval()
        self.checksum = checksum
        self.device = torch.device(device)
        self.silence_dbfs = silence_dbfs
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
        vectors = iter(self._encode(chunks))
        found = []
        for window, count in zip(windows, cells, strict=True):
            parts = [next(vectors) for _ in range(0, count, CHUNK_CELLS)]
            joined = np.concatenate(parts) if parts else np.empty((0, self.dim), np.float32)
            audible = audible_cells(window, count, self.before + EMBEDDING_HOP + self.after, self.silence_dbfs)
            found.append(Embeddings(joined, audible))
        return found

    def _chunks(self, window: np.ndarray, cells: int) -> Iterator[np.ndarray]:
        """Overlapping float32 stretches of a window, CHUNK_CELLS cells each, the last one what is left."""
        for first in range(0, cells, CHUNK_CELLS):
            count = min(CHUNK_CELLS, cells - first)
            end = (first + count) * EMBEDDING_HOP + self.before + self.after
            yield to_float(window[first * EMBEDDING_HOP : end])

    def _encode(self, chunks: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Vectors of each chunk; those of a batch are padded to the longest and cut back."""
        found: list[np.ndarray] = []
        on_gpu = self.device.type != "cpu"
        with torch.inference_mode(), torch.autocast(self.device.type, torch.bfloat16, enabled=on_gpu):
            for start in range(0, len(chunks), self.chunks_a_batch):
                batch = chunks[start : start + self.chunks_a_batch]
                longest = max(map(len, batch))
                stacked = np.stack([np.pad(chunk, (0, longest - len(chunk))) for chunk in batch])
                vectors = self.encoder(torch.from_numpy(stacked).to(self.device)).float().cpu().numpy()
                found += [own[: self._cells(chunk)] for own, chunk in zip(vectors, batch, strict=True)]
        return found

    def _cells(self, window: np.ndarray) -> int:
        return max(0, (len(window) - self.before - self.after) // EMBEDDING_HOP)
