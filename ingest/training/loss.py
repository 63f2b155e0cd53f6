"""Normalised-temperature cross entropy (Sohn 2016; Chen et al. 2020, SimCLR; Chang et al. 2021 for audio).

With a memory of earlier steps (Wang et al. 2020, cross-batch memory).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

SAME_MOMENT = 0.97  # clean vectors closer than this may be a repeat of the same passage, not a negative
NEAR_S = 0.25  # moments of one recording closer than this are no negatives of each other across steps


def contrastive_loss(
    clean: Tensor, spoilt: Tensor, temperature: float, others: Tensor | None = None, same_moment: float = SAME_MOMENT
) -> Tensor:
    """Each spoilt vector must find its clean one among all of the batch and `others`, and the reverse in the batch.

    Shape: clean, spoilt [P, D] unit vectors, row i of one belonging to row i of the other; others [P, M] the
    likeness of each spoilt vector to clean ones of other moments, -inf where it does not count → scalar. Pairs whose
    clean vectors are (nearly) equal are loops of the same music and do not count against each other.
    """
    logits = spoilt @ clean.T / temperature
    repeats = _repeats(clean, same_moment)
    logits = logits.masked_fill(repeats, -torch.inf)
    target = torch.arange(len(clean), device=clean.device)
    # Spoilt vectors must also keep apart from each other: noise they share is no likeness.
    among = (spoilt @ spoilt.T / temperature).masked_fill(repeats, -torch.inf)
    among = among.masked_fill(torch.eye(len(spoilt), dtype=torch.bool, device=clean.device), -torch.inf)
    negatives = [among] if others is None else [among, others / temperature]
    forward = functional.cross_entropy(torch.cat([logits, *negatives], dim=1), target)
    return (forward + functional.cross_entropy(logits.T, target)) / 2


def margin_loss(
    clean: Tensor, spoilt: Tensor, margin: float, others: Tensor | None = None, same_moment: float = SAME_MOMENT
) -> Tensor:
    """Each spoilt vector must be nearer to its clean one, by `margin`, than to the likest of all others (Schroff 2015).

    Shapes, `others` and repeats as in `contrastive_loss`.
    """
    likeness = spoilt @ clean.T
    wrong = likeness.masked_fill(_repeats(clean, same_moment).fill_diagonal_(fill_value=True), -torch.inf)
    nearest = torch.maximum(wrong.max(dim=1).values, wrong.max(dim=0).values)
    if others is not None:
        nearest = torch.maximum(nearest, others.max(dim=1).values)
    return functional.relu(margin + nearest - likeness.diagonal()).mean()


def _repeats(clean: Tensor, same_moment: float) -> Tensor:
    with torch.no_grad():
        return (clean @ clean.T > same_moment).fill_diagonal_(fill_value=False)


class Memory:
    """The newest `rows` clean vectors, which the network has hardly moved since: negatives that cost no forward pass.

    Attributes: vectors float32 [M, D], moments float64 [M], seconds in the whole corpus.
    """

    def __init__(self, rows: int, dim: int, device: torch.device, same_moment: float = SAME_MOMENT) -> None:
        self.rows, self.same_moment = rows, same_moment
        self.vectors = torch.empty(0, dim, device=device)
        self.moments = torch.empty(0, dtype=torch.float64, device=device)

    def likeness(self, clean: Tensor, spoilt: Tensor, moments: Tensor) -> Tensor:
        """[P, M] of spoilt vectors to the remembered ones; -inf where that one is the same moment or a repeat of it."""
        with torch.no_grad():
            same = (clean @ self.vectors.T > self.same_moment) | ((moments[:, None] - self.moments).abs() < NEAR_S)
        return (spoilt @ self.vectors.T).masked_fill(same, -torch.inf)

    def remember(self, clean: Tensor, moments: Tensor) -> None:
        """Shape: clean [P, D], moments [P]. The oldest are forgotten."""
        self.vectors = torch.cat([self.vectors, clean.detach()])[-self.rows :]
        self.moments = torch.cat([self.moments, moments])[-self.rows :]
