"""Differences between predictors, with intervals over networks."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

F64 = NDArray[np.float64]


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
        first: Probabilities by the first predictor, one array (E,) per network.
        second: Probabilities by the second predictor, one array (E,) per network.
        labels: 1 for a viable link, else 0, one array (E,) per network.
        resamples: Bootstrap samples of networks.

    Returns:
        The difference over all networks, and the lower and upper end of its interval.
    """

    def difference(rows: NDArray[np.int64]) -> float:
        label, a, b = (np.concatenate([part[i] for i in rows]) for part in (labels, first, second))
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
    """Brier score of the first predictor over that of the second, less one, with its interval.

    Args:
        first: Probabilities by the first predictor, one array (E,) per network.
        second: Probabilities by the second predictor, one array (E,) per network.
        labels: 1 for a viable link, else 0, one array (E,) per network.
        resamples: Bootstrap samples of networks.

    Returns:
        The change over all networks, -0.2 for a fifth lower, and the lower and upper end of its
        95 % interval.
    """
    a, b = (
        np.array([np.sum((c - y) ** 2) for c, y in zip(part, labels, strict=True)])
        for part in (first, second)
    )
    return bootstrap(
        lambda rows: float(a[rows].sum() / b[rows].sum() - 1.0), len(labels), resamples
    )
