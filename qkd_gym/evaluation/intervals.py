"""Means with their bootstrap intervals."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_RESAMPLES = 4000


class Interval(NamedTuple):
    """A mean with its 95 % interval, whose ends are NaN where there is none."""

    mean: float
    low: float
    high: float


def bootstrap_interval(values: NDArray[np.floating]) -> Interval:
    """Mean of independent values and its 95 % percentile bootstrap interval.

    One value says nothing about how far others lie from it: there is no interval then.

    Args:
        values: Shape (n,); NaN, where a metric does not exist in an episode, is left out.
    """
    values = np.asarray(values, dtype=np.float64)
    values = values[np.isfinite(values)]
    if len(values) < 2:
        return Interval(float(values.mean()) if len(values) else np.nan, np.nan, np.nan)
    rng = np.random.default_rng(0)
    means = values[rng.integers(len(values), size=(_RESAMPLES, len(values)))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return Interval(float(values.mean()), float(low), float(high))
