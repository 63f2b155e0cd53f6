"""The trainer: it learns, and one that was stopped ends exactly where an unbroken one does."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ingest.errors import ConfigurationError
from ingest.fingerprint.architecture import EncoderConfig, NetworkConfig
from ingest.fingerprint.encoder import load_encoder, save_encoder
from ingest.training.pairs import PairBatch, PairConfig, PairDataset
from ingest.training.trainer import Trainer, TrainerConfig
from ingest.training.validate import SPOILINGS, ValidationSet
from tests.training.corpora import corpus, melodies, noises

TINY = EncoderConfig(network=NetworkConfig((4, 4, 8), width=12, dim=8, context_kernels=(2,)))
MUSIC = melodies(3, 8.0)
HELD_OUT = ValidationSet(melodies(2, 6.0), noises(), clip_s=1.0, clips=5, spoilings=SPOILINGS)
STEPS = 6


class Stopped(Exception):
    """As a signal or a lost machine would stop it."""


class StoppingPairs(PairDataset):
    """Breaks off before the batch of one step."""

    stop_at = 5

    def __getitem__(self, step: int) -> PairBatch:
        if step == self.stop_at:
            raise Stopped
        return super().__getitem__(step)


class OneBatch(PairDataset):
    """The same batch at every step."""

    def __getitem__(self, step: int) -> PairBatch:
        return super().__getitem__(0)


def pairs(kind: type[PairDataset] = PairDataset, seed: int = 1) -> PairDataset:
    config = PairConfig(seconds_a_step=10.0, clip_s=(1.0, 1.5))
    return kind(MUSIC, noises(), corpus(), config, padding=TINY.padding, seed=seed, steps=1_000)


def trainer(out: Path, dataset: PairDataset | None = None, lines: list[str] | None = None, **config: int) -> Trainer:
    every = {"log_every": 2, "validate_every": 3, "checkpoint_every": 2}
    settings: dict[str, Any] = {"steps": STEPS, "warmup_steps": 2, "workers": 0, **every, **config}
    return Trainer(
        out,
        dataset or pairs(),
        HELD_OUT,
        TrainerConfig(threads=1, amp=False, **settings),
        TINY,
        say=(lines if lines is not None else []).append,
    )


def state(run: Trainer) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in run.encoder.state_dict().items()}


def equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Trainer:
    run = trainer(tmp_path_factory.mktemp("unbroken"))
    run.run()
    return run


def test_a_resumed_run_ends_with_the_same_weights(unbroken: Trainer, tmp_path: Path) -> None:
    """Stopped in its fifth step and started again: weights and history equal the unbroken run's to the bit."""
    with pytest.raises(Stopped):
        trainer(tmp_path, pairs(StoppingPairs)).run()
    lines: list[str] = []
    resumed = trainer(tmp_path, lines=lines)
    assert resumed.step == 4 and lines == ["resumed at step 4"]
    resumed.run()
    assert equal(state(resumed), state(unbroken))
    assert resumed.history == unbroken.history
    assert (tmp_path / "encoder.safetensors").read_bytes() == (unbroken.out / "encoder.safetensors").read_bytes()


def test_a_run_with_a_memory_resumes_exactly(tmp_path: Path) -> None:
    """What is remembered is part of the checkpoint; and remembering changes what is learnt."""
    with pytest.raises(Stopped):
        trainer(tmp_path / "stopped", pairs(StoppingPairs), memory=64).run()
    resumed, whole = trainer(tmp_path / "stopped", memory=64), trainer(tmp_path / "whole", memory=64)
    for run in (resumed, whole):
        run.run()
    assert len(whole.memory.vectors) == 64
    assert equal(state(resumed), state(whole))
    forgetful = trainer(tmp_path / "forgetful")
    forgetful.run()
    assert not equal(state(forgetful), state(whole))


def test_a_run_begins_with_the_weights_of_another(unbroken: Trainer, tmp_path: Path) -> None:
    """The step count, the rate and the history are its own; another architecture is refused in a line."""
    start = unbroken.out / "checkpoint.pt"
    for kept in (start, unbroken.out / "encoder.safetensors"):
        begun = Trainer(tmp_path / "a", pairs(), HELD_OUT, TrainerConfig(threads=1, amp=False), TINY, start=kept)
        assert equal(state(begun), state(unbroken)) and begun.step == 0 and not begun.history
    other = replace(TINY, network=replace(TINY.network, dim=16))
    torn = tmp_path / "torn.safetensors"
    torn.write_bytes(b"no weights")
    for config, kept in ((other, start), (other, unbroken.out / "encoder.safetensors"), (TINY, torn)):
        with pytest.raises(ConfigurationError, match=f"{kept.name} is no checkpoint of a run of this architecture"):
            Trainer(tmp_path / "b", pairs(), HELD_OUT, TrainerConfig(threads=1), config, start=kept)


def test_a_run_begins_with_the_mean_of_several(unbroken: Trainer, tmp_path: Path) -> None:
    """A folder of checkpoints and encoders gives the mean of their weights; an empty one is refused."""
    other = trainer(tmp_path / "other")
    for value in other.encoder.state_dict().values():
        value.copy_(value + 2)
    save_encoder(other.encoder, tmp_path / "starts" / "b.safetensors")
    shutil.copy(unbroken.out / "checkpoint.pt", tmp_path / "starts" / "a.pt")
    (tmp_path / "starts" / "history.json").write_text("[]")
    begun = Trainer(
        tmp_path / "mean", pairs(), HELD_OUT, TrainerConfig(threads=1, amp=False), TINY, start=tmp_path / "starts"
    )
    halves = zip(state(unbroken).items(), state(other).values(), strict=True)
    for (name, one), another in halves:
        torch.testing.assert_close(state(begun)[name], ((one.double() + another) / 2).to(one.dtype), msg=name)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigurationError, match="holds no files"):
        Trainer(tmp_path / "c", pairs(), HELD_OUT, TrainerConfig(threads=1), TINY, start=tmp_path / "empty")


def test_a_finished_run_does_nothing_more(unbroken: Trainer) -> None:
    """Started again after its last step, a run returns the encoder it has."""
    again = trainer(unbroken.out)
    assert again.step == STEPS
    again.run()
    assert equal(state(again), state(unbroken))


def test_a_worker_process_changes_nothing(unbroken: Trainer, tmp_path: Path) -> None:
    """Batches made in another process give the same weights."""
    run = trainer(tmp_path, workers=1)
    run.run()
    assert equal(state(run), state(unbroken))


@pytest.mark.parametrize("what", ["pairs", "network"])
def test_seeds_matter(what: str, unbroken: Trainer, tmp_path: Path) -> None:
    """Another seed of the batches or of the network gives other weights."""
    other = trainer(tmp_path, pairs(seed=2)) if what == "pairs" else trainer(tmp_path, seed=2)
    other.run()
    assert not equal(state(other), state(unbroken))


def test_it_learns(tmp_path: Path) -> None:
    """Shown one batch again and again, the loss falls by a third and more."""
    run = trainer(tmp_path, pairs(OneBatch), steps=25, log_every=1, validate_every=100, checkpoint_every=100)
    losses: list[float] = []
    run.say = lambda line: losses.append(float(line.split("loss ")[1].split()[0])) if "loss" in line else None
    run.run()
    assert np.mean(losses[-3:]) < 0.67 * np.mean(losses[:3])


def test_what_a_run_leaves_behind(unbroken: Trainer) -> None:
    """A history of steps, losses and recalls, an encoder that loads and knows its steps, and no unfinished file."""
    history = json.loads((unbroken.out / "history.json").read_text())
    assert [point["step"] for point in history] == [3, 6]
    assert all(
        set(point) == {"step", "loss", *(spoiling.name for spoiling in SPOILINGS)} and point["loss"] > 0
        for point in history
    )
    loaded, _ = load_encoder(unbroken.out / "encoder.safetensors")
    samples = torch.from_numpy(np.random.default_rng(0).uniform(-0.3, 0.3, (1, 20_000)).astype(np.float32))
    with torch.inference_mode():
        assert torch.allclose(loaded(samples), unbroken.encoder.eval()(samples), atol=1e-5)
    assert {path.name for path in unbroken.out.iterdir()} == {"history.json", "encoder.safetensors", "checkpoint.pt"}


def test_progress_is_told(tmp_path: Path) -> None:
    """Every so many steps a line with loss, pace and the time that is left; recalls when they were measured."""
    lines: list[str] = []
    trainer(tmp_path, lines=lines, steps=4).run()
    assert [line.split()[1] for line in lines] == ["2/4", "3", "4/4", "4"]
    assert "s a step" in lines[0] and "min left" in lines[0]
    assert "clean" in lines[1] and "0 dB" in lines[1]


def test_the_rate_rises_then_falls_to_nothing(tmp_path: Path) -> None:
    """Linear warm-up, then a cosine down to zero at the last step."""
    run = trainer(tmp_path, steps=100)
    rates = [run._rate(step) for step in range(101)]
    assert rates[0] == pytest.approx(0.5, abs=0.01) and rates[1] == max(rates)
    assert all(np.diff(rates[1:]) < 0) and rates[100] == pytest.approx(0, abs=1e-9)
