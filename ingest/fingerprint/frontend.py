"""Waveform to log-frequency spectrogram: the fixed part of the encoder.

Shape: samples float32 [B, T] → log-compressed band powers float32 [B, F, frames], one frame every `hop` samples.
Nothing is padded here: frame i covers samples [i · hop, i · hop + FFT_SIZE).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from ingest.fingerprint.architecture import FFT_SIZE, FrontEndConfig
from ingest.fingerprint.grid import SAMPLE_RATE

MEL_CORNER_HZ = 700.0  # the mel scale of HTK is linear below, logarithmic above


def band_filters(config: FrontEndConfig) -> np.ndarray:
    """Triangular filters of unit gain at their centre, each at least two FFT bins wide.

    Shape: float32 [FFT_SIZE // 2 + 1, F].
    """
    edges = band_edges_hz(config)
    bin_hz = SAMPLE_RATE / FFT_SIZE
    frequencies = np.arange(FFT_SIZE // 2 + 1)[:, None] * bin_hz
    centres = edges[1:-1]
    lower = np.minimum(edges[:-2], centres - bin_hz)
    upper = np.maximum(edges[2:], centres + bin_hz)
    rising = (frequencies - lower) / (centres - lower)
    falling = (upper - frequencies) / (upper - centres)
    return np.asarray(np.clip(np.minimum(rising, falling), 0.0, None), np.float32)


def band_edges_hz(config: FrontEndConfig) -> np.ndarray:
    """Centres [F + 2] of the bands, and of those that would follow below and above."""
    if config.scale == "log":
        step = (config.max_hz / config.min_hz) ** (1 / (config.bands - 1))
        return np.asarray(config.min_hz * step ** np.arange(-1.0, config.bands + 1))
    low, high = (np.log1p(hz / MEL_CORNER_HZ) for hz in (config.min_hz, config.max_hz))
    step = (high - low) / (config.bands - 1)
    return np.asarray(MEL_CORNER_HZ * np.expm1(low + step * np.arange(-1.0, config.bands + 1)))


def semitone_bands(config: FrontEndConfig) -> float:
    """Bands that a semitone spans; 0 on the mel scale, where it is not the same everywhere."""
    if config.scale != "log":
        return 0.0
    return float((config.bands - 1) / (12 * np.log2(config.max_hz / config.min_hz)))


class FrontEnd(nn.Module):
    """Short-time power spectrum in log-frequency bands, log(1 + power / floor).

    Digital silence is exactly zero; well above the floor a change of gain adds one constant to every value,
    which the zero-mean first layer of the network removes.
    """

    window: Tensor
    filters: Tensor

    def __init__(self, config: FrontEndConfig) -> None:
        super().__init__()
        self.hop = config.hop
        window = torch.hann_window(FFT_SIZE)
        # A full-scale sine in the middle of a band then has power 1 there.
        window = window * (2.0 / window.sum())
        floor = 10.0 ** (config.floor_dbfs / 10.0)
        self.register_buffer("window", window, persistent=False)
        self.register_buffer("filters", torch.from_numpy(band_filters(config)) / floor, persistent=False)

    def forward(self, samples: Tensor) -> Tensor:
        spectrum = torch.fft.rfft(samples.unfold(-1, FFT_SIZE, self.hop) * self.window)
        power = spectrum.real.square() + spectrum.imag.square()
        levels: Tensor = torch.log(1 + power @ self.filters)  # a third of the whole quicker than log1p, and as good
        return levels.transpose(-1, -2)
