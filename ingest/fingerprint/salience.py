"""Log-frequency bands → how far each moment and band rises above its neighbourhood; on CPU or GPU."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from ingest.fingerprint.peaks import STEP

NEIGHBOURHOOD = (17, 9)  # bands and frames: nine semitones, 0.3 s
LEAST_LEVEL = 0.5  # of log(1 + power / floor): what is quieter is no peak
LEAST_VARIANCE = 0.05


def salience(bands: Tensor) -> Tensor:
    """(level − mean) / standard deviation of the neighbourhood, in STEPs, int8, at most ±4 deviations.

    Shape: [B, F, frames] → [B, F, frames]. Within NEIGHBOURHOOD of the first and last frame it depends on where
    the stretch was cut.
    """
    mean = _neighbourhood_mean(bands)
    variance = _neighbourhood_mean(bands.square()) - mean.square()
    deviations = (bands - mean) / variance.clamp(min=LEAST_VARIANCE).sqrt()
    deviations = torch.where(bands > LEAST_LEVEL, deviations, deviations.clamp(max=0.0))
    return (deviations / STEP).round().clamp(-127, 127).to(torch.int8)


def _neighbourhood_mean(x: Tensor) -> Tensor:
    """Beyond the edges there is nothing, and nothing counts."""
    bands, frames = NEIGHBOURHOOD
    over_bands = functional.avg_pool2d(x[:, None], (bands, 1), 1, (bands // 2, 0), count_include_pad=False)
    return functional.avg_pool2d(over_bands, (1, frames), 1, (0, frames // 2), count_include_pad=False)[:, 0]
