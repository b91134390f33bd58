"""How good predicted probabilities are, with intervals over networks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, log_loss, roc_auc_score

F64 = NDArray[np.float64]


def calibration_curve(chance: F64, label: F64, bins: int = 10) -> tuple[F64, F64, F64]:
    """Mean prediction, share of positives and number of links per bin of equal width."""
    place = np.minimum((chance * bins).astype(int), bins - 1)
    count = np.bincount(place, minlength=bins).astype(np.float64)
    safe = np.maximum(count, 1.0)
    return (
        np.bincount(place, chance, bins) / safe,
        np.bincount(place, label, bins) / safe,
        count,
    )


def scores(chance: F64, label: F64) -> dict[str, float]:
    """AUC, average precision, Brier score, log loss and expected calibration error (10 bins)."""
    mean, share, count = calibration_curve(chance, label)
    return {
        "auc": float(roc_auc_score(label, chance)),
        "average_precision": float(average_precision_score(label, chance)),
        "brier": float(np.mean((chance - label) ** 2)),
        "log_loss": float(log_loss(label, np.clip(chance, 1e-7, 1.0 - 1e-7), labels=[0, 1])),
        "calibration_error": float(np.sum(count * np.abs(mean - share)) / np.sum(count)),
    }


def auc_difference(
    first: Sequence[F64], second: Sequence[F64], labels: Sequence[F64], resamples: int = 300
) -> tuple[float, float, float]:
    """AUC of the first predictor less that of the second, with its 95 % interval.

    Whole networks are resampled, for the links of one share their sites.

    Args:
        first: Predictions per network.
        second: Those of the other predictor.
        labels: Labels per network.
        resamples: Bootstrap samples.
    """
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(resamples):
        rows = rng.integers(len(labels), size=len(labels))
        label = np.concatenate([labels[i] for i in rows])
        a, b = (np.concatenate([part[i] for i in rows]) for part in (first, second))
        if 0.0 < label.mean() < 1.0:
            drawn.append(roc_auc_score(label, a) - roc_auc_score(label, b))
    label = np.concatenate(labels)
    whole = roc_auc_score(label, np.concatenate(first)) - roc_auc_score(
        label, np.concatenate(second)
    )
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(whole), float(low), float(high)
