"""From what is known about a candidate to the probability that it is the right answer."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

SHIPPED = Path(__file__).with_name("calibration.json")  # fitted for the encoder that comes with the package
MONOTONE = ("score", "contrast", "agreement", "lead", "evidence", "peak_evidence")  # more never lowers the confidence
MAX_LOG_ODDS = 30.0  # keeps every confidence below 1, so that a threshold can lie above it
LENGTHS_AN_OCTAVE = 2  # clips whose lengths round to the same half octave are fitted together


@dataclass(frozen=True)
class Features:
    """What the confidence is a function of."""

    score: float  # mean cosine along the line
    contrast: float  # the same above what the clip's embeddings have with just anything
    agreement: float  # of the clip with the recording's spectral peaks
    lead: float  # of the strength (of contrast and agreement) over the next different recording
    evidence: float  # contrast · √pairs
    peak_evidence: float  # agreement · √peaks
    log_pairs: float  # ln of the stored embeddings aligned with the clip, and one
    coverage: float  # share of the clip's audible length that they cover
    audible: float  # share of the clip
    hurried: float  # |ln speed|
    detuned: float  # semitones from the recording's pitch, or from what the speed makes of it
    log_clip_s: float  # ln of the clip's seconds
    retuned: float  # 1 if a retuned reading of the clip matched, else 0


NAMES = tuple(f.name for f in fields(Features))


@dataclass(frozen=True)
class LengthModel:
    """A logistic regression on `Features` for clips of one length, and the confidence from which on it answers.

    `weights` by feature name; those left out are 0. Raises ValueError for a name that is no feature, a number
    that is not finite, a length that is not positive, or a negative weight where more must not lower the confidence.
    """

    clip_s: float
    weights: Mapping[str, float]
    bias: float
    threshold: float = 0.5

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", {name: float(w) for name, w in self.weights.items()})
        if unknown := sorted(set(self.weights) - set(NAMES)):
            raise ValueError(f"calibration: no such feature: {', '.join(unknown)}")
        if not np.isfinite([*self.weights.values(), self.bias, self.threshold, self.clip_s]).all():
            raise ValueError("calibration: a number is not finite")
        if self.clip_s <= 0:
            raise ValueError(f"calibration: clips of {self.clip_s} s")
        if falling := [name for name in MONOTONE if self.weights.get(name, 0.0) < 0]:
            raise ValueError(f"calibration: confidence would fall with {', '.join(falling)}")

    def log_odds(self, values: Mapping[str, float]) -> float:
        """Of features by name."""
        return float(self.bias + sum(weight * values[name] for name, weight in self.weights.items()))


@dataclass(frozen=True)
class Calibration:
    """Models of several lengths, shortest first; between two lengths their log odds and thresholds are interpolated.

    `encoder` is the checksum of the one whose scores these are, where that is known. Raises ValueError where there is
    no model, or two of one length.
    """

    models: tuple[LengthModel, ...]
    encoder: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "models", tuple(sorted(self.models, key=lambda model: model.clip_s)))
        if len({model.clip_s for model in self.models}) < max(1, len(self.models)):
            raise ValueError("calibration: one model for each of some lengths is needed")

    @classmethod
    def shipped(cls) -> Calibration:
        """The one that belongs to the shipped encoder."""
        return _shipped()

    def confidence(self, features: Features) -> float:
        """Probability in (0, 1) that the candidate is the right answer."""
        values = vars(features)
        after = sum(np.log(model.clip_s) < features.log_clip_s for model in self.models)
        near = self.models[max(0, after - 1) : after + 1]
        log_odds = _between(features.log_clip_s, near, [model.log_odds(values) for model in near])
        return float(1.0 / (1.0 + np.exp(-np.clip(log_odds, -MAX_LOG_ODDS, MAX_LOG_ODDS))))

    def threshold(self, clip_s: float) -> float:
        """The confidence from which on a clip of this length is answered."""
        return _between(np.log(clip_s), self.models, [model.threshold for model in self.models])

    def with_thresholds(self, unknown: Iterable[Features], max_false_accepts: float) -> Calibration:
        """The same, with thresholds at which of each length at most that share of the best candidates of `unknown`
        clips is accepted. A model that no clip is near to keeps its threshold."""
        clips = list(unknown)
        nearest = np.array([self._nearest(features.log_clip_s) for features in clips], np.int64)
        confidences = np.array([self.confidence(features) for features in clips])
        models = [
            replace(model, threshold=choose_threshold(confidences[nearest == number].tolist(), max_false_accepts))
            if (nearest == number).any()
            else model
            for number, model in enumerate(self.models)
        ]
        return replace(self, models=tuple(models))

    def _nearest(self, log_clip_s: float) -> int:
        return int(np.argmin([abs(np.log(model.clip_s) - log_clip_s) for model in self.models]))

    def to_dict(self) -> dict[str, Any]:
        """As JSON can hold it; `from_dict` reads it back."""
        models = [{**asdict(model), "weights": dict(model.weights)} for model in self.models]
        return {"encoder": self.encoder, "models": models}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Calibration:
        """Raises ValueError if it is not what `to_dict` writes."""
        try:
            encoder = values.get("encoder")
            return cls(tuple(_model(model) for model in values["models"]), None if encoder is None else str(encoder))
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"calibration: {type(error).__name__}: {error}") from error

    @classmethod
    def fit(cls, features: Sequence[Features], labels: Sequence[bool], *, regularisation: float = 1e-3) -> Calibration:
        """A logistic regression of `labels` (is the candidate right?) for every length of clips that occurs,
        monotone where `MONOTONE` says so.

        `regularisation` is the ridge penalty on the weights of the standardised features, beside the mean log
        loss. Raises ValueError unless both kinds of label occur, one a candidate; a length at which only one does is
        left out.
        """
        if len(features) != len(labels) or len(set(labels)) < 2:
            raise ValueError("calibration: right and wrong candidates are needed, one label each")
        x = np.array([[getattr(f, name) for name in NAMES] for f in features], np.float64)
        y = np.asarray(labels, np.float64)
        log_clip_s = x[:, NAMES.index("log_clip_s")]
        length = np.round(log_clip_s / np.log(2) * LENGTHS_AN_OCTAVE)
        groups = [length == value for value in np.unique(length)]
        fitted = [group for group in groups if 0 < y[group].sum() < group.sum()] or [np.ones(len(y), np.bool_)]
        return cls(tuple(_fit(x[group], y[group], log_clip_s[group], regularisation) for group in fitted))


@cache
def _shipped() -> Calibration:
    return read_calibration(SHIPPED)


def read_calibration(path: Path) -> Calibration:
    """What scripts.calibrate wrote. Raises OSError, and ValueError if the file holds anything else."""
    values = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(values, dict):
        raise ValueError("calibration: no JSON object")
    return Calibration.from_dict(values)


def _model(values: Mapping[str, Any]) -> LengthModel:
    weights = {str(name): float(weight) for name, weight in values["weights"].items()}
    return LengthModel(float(values["clip_s"]), weights, float(values["bias"]), float(values["threshold"]))


def _fit(
    x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], log_clip_s: npt.NDArray[np.float64], regularisation: float
) -> LengthModel:
    centre, scale = x.mean(axis=0), np.maximum(x.std(axis=0), 1e-6)
    solution = _regress((x - centre) / scale, y, regularisation)
    weights = solution[:-1] / scale
    named = dict(zip(NAMES, weights.tolist(), strict=True))
    return LengthModel(float(np.exp(log_clip_s.mean())), named, float(solution[-1] - weights @ centre))


def _regress(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], regularisation: float) -> npt.NDArray[np.float64]:
    """Weights of the columns of x, then the bias."""

    def loss(parameters: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        weights, log_odds = parameters[:-1], x @ parameters[:-1] + parameters[-1]
        mean_loss = np.mean(np.logaddexp(0.0, log_odds) - y * log_odds)
        residual = (1.0 / (1.0 + np.exp(-np.clip(log_odds, -500, 500))) - y) / len(y)
        gradient = np.append(x.T @ residual + 2 * regularisation * weights, residual.sum())
        return float(mean_loss + regularisation * weights @ weights), gradient

    bounds = [(0.0 if name in MONOTONE else None, None) for name in NAMES] + [(None, None)]
    result = minimize(loss, np.zeros(x.shape[1] + 1), jac=True, method="L-BFGS-B", bounds=bounds)
    return np.asarray(result.x, np.float64)


def choose_threshold(unknown: Sequence[float], max_false_accepts: float) -> float:
    """The lowest threshold at which at most that share of the `unknown` clips' confidences is accepted.

    >>> choose_threshold([0.1, 0.2, 0.9, 0.3], 0.25) > 0.3
    True
    """
    if not 0.0 <= max_false_accepts <= 1.0:
        raise ValueError(f"max_false_accepts {max_false_accepts} is no share")
    falling = np.sort(np.asarray(unknown, np.float64))[::-1]
    allowed = int(max_false_accepts * len(falling) + 1e-9)
    return float(np.nextafter(falling[allowed], np.inf)) if allowed < len(falling) else 0.0


def _between(log_clip_s: float, models: Sequence[LengthModel], values: Sequence[float]) -> float:
    """A value of each model, at a length; beyond the shortest and the longest it stays what it is there."""
    return float(np.interp(log_clip_s, [np.log(model.clip_s) for model in models], values))
