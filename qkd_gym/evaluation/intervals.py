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


def interval_over_both(differences: NDArray[np.float64]) -> Interval:
    """Mean and 95 % bootstrap interval over training seeds and episodes.

    Seeds and episodes are drawn with replacement, each from all of them, and every drawn seed
    meets every drawn episode.

    Args:
        differences: Of each training seed in each episode, shape (seeds, episodes).
    """
    rng = np.random.default_rng(0)
    seeds, episodes = differences.shape
    means = [
        differences[rng.integers(seeds, size=seeds)][
            :, rng.integers(episodes, size=episodes)
        ].mean()
        for _ in range(_RESAMPLES)
    ]
    low, high = np.quantile(means, [0.025, 0.975])
    return Interval(float(differences.mean()), float(low), float(high))
