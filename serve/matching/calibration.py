"""From what is known about a candidate to the probability that it is the right answer."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

MONOTONE = ("score", "contrast", "lead", "evidence")  # more of these never lowers the confidence
MAX_LOG_ODDS = 30.0  # keeps every confidence below 1, so that a threshold can lie above it


@dataclass(frozen=True)
class Features:
    """What the confidence is a function of."""

    score: float  # mean cosine along the line
    contrast: float  # the same above what the clip's embeddings have with just anything
    lead: float  # of the strength (the contrast, shrunk for few pairs) over the next different recording
    evidence: float  # contrast · √pairs
    log_pairs: float  # ln of the stored embeddings aligned with the clip
    coverage: float  # share of the clip's audible length that they cover
    audible: float  # share of the clip
    log_clip_s: float  # ln of the clip's seconds
    retuned: float  # 1 if a retuned reading of the clip matched, else 0


NAMES = tuple(f.name for f in fields(Features))


@dataclass(frozen=True)
class Calibration:
    """A logistic regression on `Features`, and the confidence from which on an answer is given.

    `weights` by feature name; those left out are 0. Raises ValueError for a name that is no feature, a number
    that is not finite, or a negative weight where more must not lower the confidence.
    """

    weights: Mapping[str, float] = field(
        default_factory=lambda: {
            "score": 13.81,
            "contrast": 12.69,
            "lead": 19.55,
            "evidence": 2.632,
            "log_pairs": 1.079,
            "coverage": 6.894,
            "audible": 1.594,
            "log_clip_s": -0.05666,
        }
    )
    bias: float = -26.368
    threshold: float = 0.514

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", {name: float(w) for name, w in self.weights.items()})
        if unknown := sorted(set(self.weights) - set(NAMES)):
            raise ValueError(f"calibration: no such feature: {', '.join(unknown)}")
        if not np.isfinite([*self.weights.values(), self.bias, self.threshold]).all():
            raise ValueError("calibration: a number is not finite")
        if falling := [name for name in MONOTONE if self.weights.get(name, 0.0) < 0]:
            raise ValueError(f"calibration: confidence would fall with {', '.join(falling)}")

    def confidence(self, features: Features) -> float:
        """Probability in (0, 1) that the candidate is the right answer."""
        values = asdict(features)
        log_odds = self.bias + sum(weight * values[name] for name, weight in self.weights.items())
        return float(1.0 / (1.0 + np.exp(-np.clip(log_odds, -MAX_LOG_ODDS, MAX_LOG_ODDS))))

    def to_dict(self) -> dict[str, Any]:
        """As JSON can hold it; `from_dict` reads it back."""
        return {"weights": dict(self.weights), "bias": self.bias, "threshold": self.threshold}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Calibration":
        """Raises ValueError if it is not what `to_dict` writes."""
        try:
            weights = {str(name): float(weight) for name, weight in values["weights"].items()}
            return cls(weights, float(values["bias"]), float(values["threshold"]))
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"calibration: {type(error).__name__}: {error}") from error

    @classmethod
    def fit(
        cls,
        features: Sequence[Features],
        labels: Sequence[bool],
        *,
        threshold: float = 0.5,
        regularisation: float = 1e-3,
    ) -> "Calibration":
        """Logistic regression of `labels` (is the candidate right?), monotone where `MONOTONE` says so.

        `regularisation` is the ridge penalty on the weights of the standardised features, beside the mean log
        loss. Raises ValueError unless both kinds of label occur.
        """
        x = np.array([[getattr(f, name) for name in NAMES] for f in features], np.float64)
        y = np.asarray(labels, np.float64)
        if len(x) != len(y) or not 0 < y.sum() < len(y):
            raise ValueError("calibration: right and wrong candidates are needed, one label each")
        centre, scale = x.mean(axis=0), np.maximum(x.std(axis=0), 1e-6)
        solution = _regress((x - centre) / scale, y, regularisation)
        weights = solution[:-1] / scale
        return cls(dict(zip(NAMES, weights.tolist(), strict=True)), float(solution[-1] - weights @ centre), threshold)


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
