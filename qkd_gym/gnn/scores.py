"""How good predicted probabilities are, with intervals over networks."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata
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


def bootstrap(
    statistic: Callable[[NDArray[np.int64]], float], networks: int, resamples: int = 300
) -> tuple[float, float, float]:
    """A statistic of all networks with its 95 % percentile interval.

    Whole networks are resampled, for the links of one share their sites.

    Args:
        statistic: Takes the numbers of the networks to use, with repetitions; NaN if undefined.
        networks: Number of networks.
        resamples: Bootstrap samples.

    Returns:
        The statistic of all networks, and the lower and upper end.
    """
    rng = np.random.default_rng(0)
    drawn = [statistic(rng.integers(networks, size=networks)) for _ in range(resamples)]
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    return float(statistic(np.arange(networks))), float(low), float(high)


def auc_difference(
    first: Sequence[F64], second: Sequence[F64], labels: Sequence[F64], resamples: int = 300
) -> tuple[float, float, float]:
    """AUC of the first predictor less that of the second, with its 95 % interval.

    Args:
        first: Predictions per network.
        second: Those of the other predictor.
        labels: Labels per network.
        resamples: Bootstrap samples of networks, see `bootstrap`.
    """

    def difference(rows: NDArray[np.int64]) -> float:
        label, a, b = (_pooled(part, rows) for part in (labels, first, second))
        if label.min() == label.max():
            return np.nan
        return _auc(label, a) - _auc(label, b)

    return bootstrap(difference, len(labels), resamples)


def _auc(label: F64, chance: F64) -> float:
    """Area under the ROC curve by ranks, faster than scikit-learn's for many resamples."""
    rank = rankdata(chance)
    ones = label.sum()
    return float((rank[label > 0.5].sum() / ones - 0.5 * (ones + 1.0)) / (len(label) - ones))


def brier_change(
    first: Sequence[F64], second: Sequence[F64], labels: Sequence[F64], resamples: int = 300
) -> tuple[float, float, float]:
    """Brier score of the first predictor over that of the second less one, with its interval.

    Args as `auc_difference`; -0.2 is a fifth lower.
    """
    squares = [
        np.array([np.sum((c - y) ** 2) for c, y in zip(part, labels, strict=True)])
        for part in (first, second)
    ]
    return bootstrap(
        lambda rows: float(squares[0][rows].sum() / squares[1][rows].sum() - 1.0),
        len(labels),
        resamples,
    )


def _pooled(parts: Sequence[F64], rows: NDArray[np.int64]) -> F64:
    return np.concatenate([parts[i] for i in rows])
