"""Waveforms in, embeddings out: the one path of ingest, serve, training and evaluation."""

from __future__ import annotations

from collections.abc import Sequence
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
        cells = [max(0, (len(w) - self.before - self.after) // EMBEDDING_HOP) for w in windows]
        span = min(CHUNK_CELLS, max(cells, default=0))
        chunks = [
            _stretch(window, start * EMBEDDING_HOP, span * EMBEDDING_HOP + self.before + self.after)
            for window, count in zip(windows, cells, strict=True)
            for start in range(0, count, span or 1)
        ]
        vectors = iter(self._encode(chunks))
        found = []
        for window, count in zip(windows, cells, strict=True):
            parts = [next(vectors) for _ in range(0, count, span or 1)]
            joined = np.concatenate(parts)[:count] if parts else np.empty((0, self.dim), np.float32)
            audible = audible_cells(window, count, self.before + EMBEDDING_HOP + self.after, self.silence_dbfs)
            found.append(Embeddings(joined, audible))
        return found

    def _encode(self, chunks: Sequence[np.ndarray]) -> list[np.ndarray]:
        found: list[np.ndarray] = []
        on_gpu = self.device.type != "cpu"
        with torch.inference_mode(), torch.autocast(self.device.type, torch.bfloat16, enabled=on_gpu):
            for start in range(0, len(chunks), self.chunks_a_batch):
                batch = torch.from_numpy(np.stack(chunks[start : start + self.chunks_a_batch])).to(self.device)
                found.extend(self.encoder(batch).float().cpu().numpy())
        return found


def _stretch(samples: np.ndarray, start: int, length: int) -> np.ndarray:
    """float32 [length] from `start`, zeros beyond the end."""
    part = to_float(samples[start : start + length])
    return part if len(part) == length else np.pad(part, (0, length - len(part)))
