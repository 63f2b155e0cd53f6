"""What a run measured while it trained, read and drawn."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ingest.errors import ConfigurationError


def read_history(path: Path) -> list[dict[str, Any]]:
    """What a run measured. Raises ConfigurationError."""
    try:
        history = json.loads(path.read_text(encoding="utf-8"))
        if history and all("step" in point and "loss" in point for point in history):
            return list(history)
    except (OSError, ValueError, TypeError) as error:
        raise ConfigurationError(f"plot={path} cannot be read: {error}") from error
    raise ConfigurationError(f"plot={path} is no history of a training run")


def plot_history(history: Sequence[Mapping[str, Any]], path: Path) -> None:
    """The validation curve as a PNG: recall of every condition, and the loss, over steps."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    recall, loss = figure.subplots(1, 2)
    steps = [point["step"] for point in history]
    for name in [name for name in history[-1] if name not in ("step", "loss")]:
        recall.plot(steps, [100 * point.get(name, np.nan) for point in history], marker="o", label=name)
    recall.set(xlabel="step", ylabel="recall of single vectors, %", ylim=(0, 100), title="held-out music and noise")
    recall.legend()
    loss.plot(steps, [point["loss"] for point in history], marker="o", color="0.3")
    loss.set(xlabel="step", ylabel="loss, running mean", ylim=(0, None), title="training")
    for axes in (recall, loss):
        axes.grid(alpha=0.3)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
