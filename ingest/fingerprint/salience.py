"""Log-frequency bands → how far each moment and band rises above its neighbourhood; on CPU or GPU."""

from __future__ import annotations

from functools import cache

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
    """Beyond the edges there is nothing, and nothing counts.

    A product over bands and shifted sums over frames: a quarter of the time of pooling.
    """
    bands, frames = (size // 2 for size in NEIGHBOURHOOD)
    over_bands = functional.pad(_band_mean(x.shape[-2], bands).to(x.device) @ x, (frames, frames))
    count = x.shape[-1]
    total = over_bands[..., :count].clone()
    for shift in range(1, 2 * frames + 1):
        total += over_bands[..., shift : shift + count]
    number = torch.arange(count, device=x.device)
    inside = 1 + number.clamp(max=frames) + number.flip(0).clamp(max=frames)
    return total / inside


@cache
def _band_mean(size: int, reach: int) -> Tensor:
    """[size, size] that takes the mean of those within `reach` of each."""
    number = torch.arange(size)
    near = ((number[:, None] - number).abs() <= reach).float()
    return near / near.sum(dim=1, keepdim=True)
