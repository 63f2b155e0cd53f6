"""The training loop: seeded step by step, resumable at any checkpoint, on a CPU or a GPU."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader

from ingest.errors import ConfigurationError
from ingest.fingerprint.architecture import FFT_SIZE, EncoderConfig
from ingest.fingerprint.embedder import Embedder
from ingest.fingerprint.encoder import Encoder, load_encoder, save_encoder, seeded_encoder
from ingest.fingerprint.frontend import FrontEnd
from ingest.training.loss import SAME_MOMENT, Memory, contrastive_loss, margin_loss
from ingest.training.pairs import PairBatch, PairDataset
from ingest.training.validate import ValidationSet, recall_at_one

WEIGHTS = (".pt", ".safetensors")  # of a checkpoint, of a finished encoder
LOSS_SHARE = 0.02  # of the newest step in the running mean: batches of short clips are easier than those of long ones


@dataclass
class TrainerConfig:
    """Loss, optimiser and schedule. Times are per step; `amp` runs the network in bf16.

    After the warm-up, `memory` vectors of earlier steps are negatives too. With a `margin` the loss is that of the
    likest negative, not NT-Xent. Clean vectors whose cosine is above `same_moment` are not held against each other.
    """

    steps: int = 4_000
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    warmup_steps: int = 200
    temperature: float = 0.05
    margin: float = 0.0
    same_moment: float = SAME_MOMENT
    memory: int = 0
    seed: int = 1
    device: str = "cpu"
    threads: int = 2
    workers: int = 1
    amp: bool = True
    log_every: int = 20
    validate_every: int = 500
    checkpoint_every: int = 250


@dataclass
class Trainer:
    """`run` trains up to `config.steps`, continuing from `out`/checkpoint.pt where one lies.

    A new run begins with the weights of `start`, a checkpoint or an encoder of the same architecture or a folder of
    such, or with seeded ones.
    Raises ConfigurationError where `start` is none.
    """

    out: Path
    pairs: PairDataset
    held_out: ValidationSet
    config: TrainerConfig
    encoder_config: EncoderConfig = field(default_factory=EncoderConfig)
    say: Callable[[str], None] = lambda line: None
    start: Path | None = None

    def __post_init__(self) -> None:
        torch.set_num_threads(self.config.threads)
        self.device = torch.device(self.config.device)
        self.encoder = seeded_encoder(self.encoder_config, self.config.seed).to(self.device)
        if self.start:
            load_weights(self.encoder, self.start)
        self.optimiser = torch.optim.AdamW(
            self.encoder.parameters(), lr=self.config.learning_rate, weight_decay=self.config.weight_decay
        )
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimiser, self._rate)
        dim = self.encoder_config.network.dim
        self.memory = Memory(self.config.memory, dim, self.device, self.config.same_moment)
        self.step, self.mean_loss = 0, 0.0
        self.history: list[dict[str, Any]] = []
        self._resume()

    def run(self) -> Encoder:
        started, first = time.monotonic(), self.step
        for batch in self._batches():
            loss = self._learn(batch)
            self.mean_loss = (1 - LOSS_SHARE) * self.mean_loss + LOSS_SHARE * loss if self.step else loss
            self.step += 1
            if self.step % self.config.log_every == 0:
                pace = (time.monotonic() - started) / (self.step - first)
                left_min = pace * (self.config.steps - self.step) / 60
                self.say(
                    f"step {self.step}/{self.config.steps} loss {loss:.3f} {pace:.2f} s a step, {left_min:.0f} min left"
                )
            last = self.step == self.config.steps
            if last or self.step % self.config.validate_every == 0:
                self._validate(self.mean_loss)
            if last or self.step % self.config.checkpoint_every == 0:
                self._checkpoint()
        return self.encoder

    def _rate(self, step: int) -> float:
        warm = min(1.0, (step + 1) / self.config.warmup_steps)
        return float(warm * 0.5 * (1 + np.cos(np.pi * min(1.0, step / self.config.steps))))

    def _batches(self) -> Iterator[PairBatch]:
        todo = range(self.step, self.config.steps)
        return iter(DataLoader(
            self.pairs, batch_size=None, sampler=todo, num_workers=self.config.workers, collate_fn=_as_is,
            prefetch_factor=4 if self.config.workers else None,
        ))  # fmt: skip

    def _learn(self, batch: PairBatch) -> float:
        self.encoder.train()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.amp):
            clean, spoilt = self._vectors(batch)
        clean, spoilt, others = clean.float(), spoilt.float(), None
        if self.config.memory:
            moments = torch.from_numpy(batch.moments).to(self.device).flatten()
            if self.step >= self.config.warmup_steps:
                others = self.memory.likeness(clean, spoilt, moments)
            self.memory.remember(clean, moments)
        loss = self._loss(clean, spoilt, others)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.encoder.parameters(), 1.0)
        self.optimiser.step()
        self.schedule.step()
        return loss.item()

    def _loss(self, clean: Tensor, spoilt: Tensor, others: Tensor | None) -> Tensor:
        if self.config.margin:
            return margin_loss(clean, spoilt, self.config.margin, others, self.config.same_moment)
        return contrastive_loss(clean, spoilt, self.config.temperature, others, self.config.same_moment)

    def _vectors(self, batch: PairBatch) -> tuple[Tensor, Tensor]:
        """Unit vectors [P, D] of the same moments, clean and spoilt; normalised together, as they are searched."""
        clean_bands, spoilt_bands = bands_of(batch, self.encoder.front_end, self.device)
        both = functional.pad(clean_bands, (0, max(0, spoilt_bands.shape[-1] - clean_bands.shape[-1])))
        spoilt_bands = functional.pad(spoilt_bands, (0, both.shape[-1] - spoilt_bands.shape[-1]))
        vectors = self.encoder.network(torch.cat([both, spoilt_bands])).transpose(1, 2)
        half = len(batch.clean)
        rows = torch.arange(half, device=self.device)[:, None]
        clean = vectors[:half][rows, torch.from_numpy(batch.clean_cells).to(self.device)]
        spoilt = vectors[half:][:, torch.from_numpy(batch.cells).to(self.device)]
        return clean.flatten(0, 1), spoilt.flatten(0, 1)

    def _validate(self, loss: float) -> None:
        weights = self.out / "encoder.safetensors"
        save_encoder(self.encoder, weights, {"steps": str(self.step), "seed": str(self.config.seed)})
        recall = recall_at_one(Embedder(*load_encoder(weights), device=self.config.device), self.held_out)
        self.history.append({"step": self.step, "loss": loss, **recall})
        self.say(f"step {self.step} " + ", ".join(f"{name} {value:.1%}" for name, value in recall.items()))
        (self.out / "history.json").write_text(json.dumps(self.history, indent=1))

    def _checkpoint(self) -> None:
        state = {
            "step": self.step, "mean_loss": self.mean_loss, "history": self.history,
            "encoder": self.encoder.state_dict(),
            "memory": (self.memory.vectors, self.memory.moments),
            "optimiser": self.optimiser.state_dict(), "schedule": self.schedule.state_dict(),
        }  # fmt: skip
        unfinished = self.out / "checkpoint.tmp"
        torch.save(state, unfinished)
        unfinished.replace(self.out / "checkpoint.pt")

    def _resume(self) -> None:
        self.out.mkdir(parents=True, exist_ok=True)
        stored = self.out / "checkpoint.pt"
        if not stored.exists():
            return
        state = torch.load(stored, map_location=self.device, weights_only=True)
        self.encoder.load_state_dict(state["encoder"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        self.memory.vectors, self.memory.moments = state["memory"]
        self.step, self.mean_loss, self.history = state["step"], state["mean_loss"], state["history"]
        self.say(f"resumed at step {self.step}")


def load_weights(encoder: Encoder, start: Path) -> None:
    """Of an earlier run's checkpoint.pt, or of a finished encoder.safetensors, into an encoder of that architecture.

    Of a folder of such files the mean (a "model soup", Wortsman et al., 2022), worth something where their runs
    began with the same weights. Raises ConfigurationError.
    """
    files = start_files(start)
    mean = {name: torch.zeros_like(value, dtype=torch.float64) for name, value in encoder.state_dict().items()}
    for file in files:
        try:
            encoder.load_state_dict(_weights(file))
        except (OSError, UnpicklingError, SafetensorError, KeyError, TypeError, RuntimeError) as error:
            reason = str(error).splitlines()[0]
            raise ConfigurationError(f"{file} is no checkpoint of a run of this architecture: {reason}") from error
        for name, value in encoder.state_dict().items():
            mean[name] += value / len(files)
    encoder.load_state_dict(mean)


def start_files(start: Path) -> list[Path]:
    """The file, or those of a folder. Raises ConfigurationError where it holds none."""
    if not start.is_dir():
        return [start]
    files = sorted(path for path in start.iterdir() if path.suffix in WEIGHTS)
    if not files:
        raise ConfigurationError(f"start={start} holds no files that end in {' or '.join(WEIGHTS)}")
    return files


def _weights(file: Path) -> dict[str, Tensor]:
    if file.suffix == ".safetensors":
        return load_file(file)
    weights: dict[str, Tensor] = torch.load(file, map_location="cpu", weights_only=True)["encoder"]
    return weights


def bands_of(batch: PairBatch, front_end: FrontEnd, device: torch.device) -> tuple[Tensor, Tensor]:
    """Bands [B, F, frames] of the clean stretches, and of the spoilt clips read at the batch's tempo."""
    with torch.no_grad(), torch.autocast(device.type, enabled=False):
        clean = front_end(torch.from_numpy(batch.clean).to(device))
        spoilt = front_end(torch.from_numpy(batch.spoilt).to(device))
        if batch.tempo != 1.0:
            frames = round(spoilt.shape[-1] / batch.tempo)
            due = (round(batch.spoilt.shape[-1] / batch.tempo) - FFT_SIZE) // front_end.hop + 1
            spoilt = functional.interpolate(spoilt, size=frames, mode="linear")
            # Rounding may leave a frame less than the last embedding needs.
            spoilt = functional.pad(spoilt, (0, max(0, due - frames)), mode="replicate")
    return clean, spoilt


def _as_is(batch: Any) -> Any:
    return batch
