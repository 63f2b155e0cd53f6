"""Normalised-temperature cross entropy (Sohn 2016; Chen et al. 2020, SimCLR; Chang et al. 2021 for audio)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

SAME_MOMENT = 0.97  # clean vectors closer than this are a repeat of the same passage, not a negative


def contrastive_loss(clean: Tensor, spoilt: Tensor, temperature: float) -> Tensor:
    """Each spoilt vector must find its clean one among all of the batch, and the reverse.

    Shape: clean, spoilt [P, D] unit vectors, row i of one belonging to row i of the other → scalar. Pairs whose clean
    vectors are (nearly) equal are loops of the same music and do not count against each other.
    """
    logits = spoilt @ clean.T / temperature
    with torch.no_grad():
        repeats = (clean @ clean.T > SAME_MOMENT).fill_diagonal_(fill_value=False)
    logits = logits.masked_fill(repeats, -torch.inf)
    target = torch.arange(len(clean), device=clean.device)
    # Spoilt vectors must also keep apart from each other: noise they share is no likeness.
    among = (spoilt @ spoilt.T / temperature).masked_fill(repeats, -torch.inf)
    among = among.masked_fill(torch.eye(len(spoilt), dtype=torch.bool, device=clean.device), -torch.inf)
    forward = functional.cross_entropy(torch.cat([logits, among], dim=1), target)
    return (forward + functional.cross_entropy(logits.T, target)) / 2
