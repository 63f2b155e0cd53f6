"""The loss against a naive one, and what it rewards."""

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from ingest.training.loss import NEAR_S, SAME_MOMENT, Memory, contrastive_loss, margin_loss


def unit(rng: np.random.Generator, rows: int, dim: int = 8) -> Tensor:
    return functional.normalize(torch.from_numpy(rng.standard_normal((rows, dim))), dim=1)


def naive(clean: np.ndarray, spoilt: np.ndarray, temperature: float) -> float:
    """The definition, pair by pair."""
    rows = range(len(clean))
    repeat = {(i, j) for i in rows for j in rows if i != j and clean[i] @ clean[j] > SAME_MOMENT}
    there, back = [], []
    for i in rows:
        others = [j for j in rows if (i, j) not in repeat]
        found = np.exp(spoilt[i] @ clean[i] / temperature)
        to_clean = sum(np.exp(spoilt[i] @ clean[j] / temperature) for j in others)
        to_spoilt = sum(np.exp(spoilt[i] @ spoilt[j] / temperature) for j in others if j != i)
        from_clean = sum(np.exp(clean[i] @ spoilt[j] / temperature) for j in others)
        there.append(-np.log(found / (to_clean + to_spoilt)))
        back.append(-np.log(found / from_clean))
    return float((np.mean(there) + np.mean(back)) / 2)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("temperature", [0.05, 0.5])
def test_it_is_the_definition(seed: int, temperature: float) -> None:
    """Equal to the sum written out pair by pair, repeats of a passage left out."""
    rng = np.random.default_rng(seed)
    clean, spoilt = unit(rng, 12), unit(rng, 12)
    clean[5], clean[9] = clean[2], functional.normalize(clean[3] + 0.01, dim=0)
    found = contrastive_loss(clean, spoilt, temperature)
    assert float(found) == pytest.approx(naive(clean.numpy(), spoilt.numpy(), temperature), rel=1e-5)


def test_true_pairs_cost_nothing_and_false_ones_much() -> None:
    """Orthogonal moments found perfectly: next to no loss. Each taken for its neighbour: a great one."""
    moments = torch.eye(8)
    assert float(contrastive_loss(moments, moments, 0.05)) < 1e-6
    assert float(contrastive_loss(moments, moments.roll(1, 0), 0.05)) > 10


def test_loops_do_not_count_against_each_other() -> None:
    """A passage that returns note for note is no negative: the loss stays as small as without it."""
    moments = torch.eye(4)
    repeated = torch.cat([moments, moments])
    assert float(contrastive_loss(repeated, repeated, 0.05)) < 1e-6


def test_shared_noise_is_no_likeness() -> None:
    """Spoilt vectors that lean towards each other cost more than ones that lean as far elsewhere."""
    clean, hum = torch.eye(8)[:4], torch.eye(8)[7]
    apart = torch.stack([functional.normalize(clean[i] + torch.eye(8)[4 + i % 3] * 0.8, dim=0) for i in range(4)])
    together = functional.normalize(clean + 0.8 * hum, dim=1)
    assert contrastive_loss(clean, together, 0.05) > contrastive_loss(clean, apart, 0.05)


def test_gradients_are_finite_at_the_extremes() -> None:
    """All vectors equal, or a batch of one: nothing becomes infinite."""
    for rows in (torch.ones(6, 4), torch.eye(4)[:1]):
        clean = functional.normalize(rows, dim=1).requires_grad_()
        loss = contrastive_loss(clean, functional.normalize(rows, dim=1), 0.05)
        loss.backward()  # type: ignore[no-untyped-call]  # torch has no type for it
        assert clean.grad is not None and torch.isfinite(clean.grad).all() and torch.isfinite(loss)


def test_others_are_negatives_of_the_spoilt() -> None:
    """Likeness to other moments adds to what each spoilt vector may be taken for, to the letter; -inf adds nothing."""
    rng = np.random.default_rng(3)
    clean, spoilt, others = unit(rng, 6), unit(rng, 6), unit(rng, 4)
    likeness = spoilt @ others.T
    likeness[2] = -torch.inf
    found = contrastive_loss(clean, spoilt, 0.2, likeness)
    there = []
    for i in range(6):
        among = [spoilt[i] @ clean[j] for j in range(6)] + [spoilt[i] @ spoilt[j] for j in range(6) if j != i]
        together = torch.stack([*among, *([] if i == 2 else likeness[i])]) / 0.2
        there.append(torch.logsumexp(together, 0) - spoilt[i] @ clean[i] / 0.2)
    back = functional.cross_entropy(clean @ spoilt.T / 0.2, torch.arange(6))
    assert float(found) == pytest.approx(float((torch.stack(there).mean() + back) / 2), rel=1e-6)
    assert found > contrastive_loss(clean, spoilt, 0.2)


def test_a_margin_is_kept_to_the_likest_negative() -> None:
    """The mean lack of margin, to the letter, over negatives of the batch both ways and the memory; repeats none."""
    rng = np.random.default_rng(6)
    clean, spoilt, others = unit(rng, 5), unit(rng, 5), unit(rng, 3)
    likeness = spoilt @ others.T
    lacks = []
    for i in range(5):
        wrong = [float(spoilt[i] @ clean[j]) for j in range(5) if j != i]
        wrong += [float(spoilt[j] @ clean[i]) for j in range(5) if j != i]
        wrong += likeness[i].tolist()
        lacks.append(max(0.0, 0.3 + max(wrong) - float(spoilt[i] @ clean[i])))
    assert float(margin_loss(clean, spoilt, 0.3, likeness)) == pytest.approx(float(np.mean(lacks)), rel=1e-6)
    repeated = torch.eye(4).repeat(2, 1)
    assert float(margin_loss(repeated, repeated, 0.9)) == 0
    assert float(margin_loss(torch.eye(4), torch.eye(4), 1.5)) == pytest.approx(0.5)


def test_what_counts_as_the_same_can_be_narrowed() -> None:
    """Nearly equal clean vectors become negatives of each other once `same_moment` is above their likeness."""
    clean = functional.normalize(torch.tensor([[1.0, 0.0], [1.0, 0.2]]), dim=1)
    assert float(contrastive_loss(clean, clean, 0.05)) < 1e-6
    assert float(contrastive_loss(clean, clean, 0.05, same_moment=0.99)) > 0.1


def test_the_memory_keeps_the_newest_and_knows_the_same_moment() -> None:
    """So many rows stay; what lies within NEAR_S of a moment, or sounds the same, does not count against it."""
    rng = np.random.default_rng(4)
    memory = Memory(5, 8, torch.device("cpu"))
    old, new = unit(rng, 4).float(), unit(rng, 3).float()
    memory.remember(old, torch.arange(4).double())
    memory.remember(new, torch.tensor([10.0, 10.0 + 0.9 * NEAR_S, 12.0]).double())
    assert memory.moments.tolist()[:2] == [2.0, 3.0] and len(memory.vectors) == 5
    assert torch.equal(memory.vectors[2:], new)
    spoilt = unit(rng, 2).float()
    clean = torch.stack([unit(rng, 1)[0].float(), old[3]])
    likeness = memory.likeness(clean, spoilt, torch.tensor([10.0, 50.0]).double())
    masked = torch.isinf(likeness)
    assert masked.tolist() == [[False, False, True, True, False], [False, True, False, False, False]]
    assert torch.equal(likeness[~masked], (spoilt @ memory.vectors.T)[~masked])
