"""Waveform to log-frequency spectrogram: the fixed part of the encoder.

Shape: samples float32 [B, T] → log-compressed band powers float32 [B, F, frames], one frame every FRAME_HOP samples.
Nothing is padded here: frame i covers samples [i · FRAME_HOP, i · FRAME_HOP + FFT_SIZE).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from ingest.fingerprint.architecture import FFT_SIZE, FrontEndConfig
from ingest.fingerprint.grid import FRAME_HOP, SAMPLE_RATE


def log_frequency_filters(config: FrontEndConfig) -> np.ndarray:
    """Triangular filters of unit gain at their centre, each at least two FFT bins wide.

    Shape: float32 [FFT_SIZE // 2 + 1, F].
    """
    centres = np.geomspace(config.min_hz, config.max_hz, config.bands)
    step = centres[1] / centres[0]
    bin_hz = SAMPLE_RATE / FFT_SIZE
    frequencies = np.arange(FFT_SIZE // 2 + 1)[:, None] * bin_hz
    lower = np.minimum(centres / step, centres - bin_hz)
    upper = np.maximum(centres * step, centres + bin_hz)
    rising = (frequencies - lower) / (centres - lower)
    falling = (upper - frequencies) / (upper - centres)
    return np.asarray(np.clip(np.minimum(rising, falling), 0.0, None), np.float32)


class FrontEnd(nn.Module):
    """Short-time power spectrum in log-frequency bands, log(1 + power / floor).

    Digital silence is exactly zero; well above the floor a change of gain adds one constant to every value,
    which the zero-mean first layer of the network removes.
    """

    window: Tensor
    filters: Tensor

    def __init__(self, config: FrontEndConfig) -> None:
        super().__init__()
        window = torch.hann_window(FFT_SIZE)
        # A full-scale sine in the middle of a band then has power 1 there.
        window = window * (2.0 / window.sum())
        floor = 10.0 ** (config.floor_dbfs / 10.0)
        self.register_buffer("window", window, persistent=False)
        self.register_buffer("filters", torch.from_numpy(log_frequency_filters(config)) / floor, persistent=False)

    def forward(self, samples: Tensor) -> Tensor:
        frames = samples.unfold(-1, FFT_SIZE, FRAME_HOP) * self.window
        spectrum = torch.view_as_real(torch.fft.rfft(frames))
        power = spectrum.square().sum(-1)
        return torch.log1p(power @ self.filters).transpose(-1, -2)
