"""Policies compared on the episodes that they share."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from qkd_gym.errors import InvalidInput, require_choice
from qkd_gym.evaluation.intervals import Interval, bootstrap_interval
from qkd_gym.evaluation.result import OBJECTIVE, EvaluationResult

Name = TypeVar("Name")


class Comparison(NamedTuple):
    """One policy compared with the best baseline.

    Attributes:
        policy: Name of the policy.
        metrics: Mean and interval of every metric; an interval of fewer than two episodes is NaN.
        difference: Paired difference to the best baseline, None for that baseline itself or if
            there is no baseline.
        baseline: Name of the best baseline, None if there is none.
    """

    policy: str
    metrics: dict[str, Interval]
    difference: Interval | None
    baseline: str | None


def differences_to_best(
    values: Mapping[Name, NDArray[np.float64]], names: Collection[Name]
) -> tuple[Name | None, dict[Name, Interval]]:
    """The best of some policies, and the paired differences of all others to it.

    Args:
        values: A metric of every policy, larger is better, shape (n,) over the same episodes.
        names: Policies of which to find the one with the greatest mean, the first among equals.

    Returns:
        The best one's name and the mean of each other policy's differences to it with its interval;
        None and nothing if there are no names.
    """
    if not names:
        return None, {}
    best = max(names, key=lambda name: float(np.nanmean(values[name])))
    others = (name for name in values if name != best)
    return best, {name: bootstrap_interval(values[name] - values[best]) for name in others}


def compare(
    results: Mapping[str, EvaluationResult],
    metric: str = OBJECTIVE,
    baselines: Collection[str] | None = None,
) -> list[Comparison]:
    """Compares policies on paired episodes, best first.

    Args:
        results: Result of each policy, by the name to print.
        metric: Metric of the differences; larger is better.
        baselines: Names of the results that count as baselines; by default those that say so, see
            `EvaluationResult.is_baseline`.

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
                "settings and seeds, and who decides paths."
            )
    if baselines is None:
        baselines = [name for name, result in results.items() if result.is_baseline]
    for name in baselines:
        require_choice("baselines", name, tuple(results))
    values = {name: result.metrics[metric] for name, result in results.items()}
    best, differences = differences_to_best(values, baselines)
    rows = []
    for name in sorted(values, key=lambda name: float(np.nanmean(values[name])), reverse=True):
        intervals = {key: bootstrap_interval(v) for key, v in results[name].metrics.items()}
        rows.append(Comparison(name, intervals, differences.get(name), best))
    return rows
