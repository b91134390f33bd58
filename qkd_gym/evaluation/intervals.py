"""Bootstrap intervals, and policies compared on the episodes that they share."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qkd_gym.baselines import available_policies
from qkd_gym.errors import InvalidInput, require_choice
from qkd_gym.evaluation.result import EvaluationResult

_RESAMPLES = 4000


class Interval(NamedTuple):
    """A mean with its 95 % interval."""

    mean: float
    low: float
    high: float


class Comparison(NamedTuple):
    """One policy beside the best baseline.

    Attributes:
        policy: Name of the policy.
        metrics: Mean and interval of every metric.
        difference: Paired difference to the best baseline, None for that baseline itself or if
            there is no baseline.
        baseline: Name of the best baseline, None if there is none.
    """

    policy: str
    metrics: dict[str, Interval]
    difference: Interval | None
    baseline: str | None


def bootstrap_interval(values: NDArray[np.floating]) -> Interval:
    """Mean of independent values and its 95 % percentile bootstrap interval.

    Args:
        values: Shape (n,); NaN, where a metric does not exist in an episode, is left out.
    """
    values = np.asarray(values, dtype=np.float64)
    values = values[np.isfinite(values)]
    if len(values) == 0:
        return Interval(np.nan, np.nan, np.nan)
    rng = np.random.default_rng(0)
    means = values[rng.integers(len(values), size=(_RESAMPLES, len(values)))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return Interval(float(values.mean()), float(low), float(high))


def compare(
    results: Mapping[str, EvaluationResult],
    metric: str = "delivered_share",
    baselines: Collection[str] | None = None,
) -> list[Comparison]:
    """Compares policies on paired episodes, best first.

    Args:
        results: Result of each policy, by the name to print.
        metric: Metric of the differences; larger is better.
        baselines: Names of the results that count as baselines; by default those of policies
            that were evaluated by name.

    Returns:
        One row per policy, in falling order of the metric's mean.

    Raises:
        InvalidInput: If the results are not of the same episodes, or a baseline is not there.
    """
    if not results:
        raise InvalidInput("results is empty, but must hold at least one result.")
    reference = next(iter(results.values()))
    for name, result in results.items():
        require_choice("metric", metric, tuple(result.metrics))
        if result.episodes_key() != reference.episodes_key():
            raise InvalidInput(
                f"results[{name!r}] is of other episodes than the first result, but all must share "
                "environment, settings and seeds."
            )
    if baselines is None:
        rules = available_policies()
        baselines = [
            name
            for name, r in results.items()
            if all(part in rules for part in r.policy.split("+"))
        ]
    for name in baselines:
        require_choice("baselines", name, tuple(results))
    means = {name: float(np.nanmean(r.metrics[metric])) for name, r in results.items()}
    best = max(baselines, key=means.__getitem__) if baselines else None
    rows = []
    for name in sorted(results, key=means.__getitem__, reverse=True):
        difference = None
        if best is not None and name != best:
            gap = results[name].metrics[metric] - results[best].metrics[metric]
            difference = bootstrap_interval(gap)
        intervals = {key: bootstrap_interval(v) for key, v in results[name].metrics.items()}
        rows.append(Comparison(name, intervals, difference, best))
    return rows
