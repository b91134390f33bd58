"""From the numbers of every episode to what is reported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qkd_gym.benchmark.policies import counts_as_baseline
from qkd_gym.benchmark.replay import finite
from qkd_gym.benchmark.suites import Suite
from qkd_gym.benchmark.worker import BOUND, REFERENCE, Unit
from qkd_gym.envs.metrics import METRICS
from qkd_gym.errors import InvalidInput
from qkd_gym.evaluation.comparison import differences_to_best
from qkd_gym.evaluation.intervals import Interval, bootstrap_interval
from qkd_gym.evaluation.result import OBJECTIVE
from qkd_gym.network.scenarios import as_mapping, resolve

F64 = NDArray[np.float64]
# The bound is exact up to the solver's tolerance.
_TOLERANCE = 1e-6


def interquartile_mean(values: F64) -> float:
    """Mean of the middle half of the values, with the values at its edges counted in part.

    Args:
        values: Shape (n,); NaN is left out.
    """
    ordered = np.sort(values[np.isfinite(values)])
    n = len(ordered)
    if n == 0:
        return float("nan")
    # Value i covers the interval [i, i + 1] of [0, n], of which the middle half counts.
    low = np.maximum(np.arange(n), n / 4.0)
    high = np.minimum(np.arange(n) + 1.0, 3.0 * n / 4.0)
    weight = np.maximum(high - low, 0.0)
    return float((weight * ordered).sum() / weight.sum())


def summarise(
    run: dict[str, Any], suite: Suite, played: Sequence[tuple[Unit, dict[str, float]]]
) -> dict[str, Any]:
    """The content of ``results.json``.

    Args:
        run: What the run was asked for.
        suite: The suite.
        played: Every unit with its numbers, in the order of the units.

    Raises:
        InvalidInput: If a policy delivered more than the bound allows, which means that the bound
            or the simulator is wrong.
    """
    columns: dict[str, dict[str, dict[str, list[float]]]] = {}
    policies: dict[str, str] = {}
    env_ids: dict[str, str] = {}
    for unit, numbers in played:
        of_policy = columns.setdefault(unit.scenario, {}).setdefault(unit.label, {})
        policies[unit.label], env_ids[unit.label] = unit.policy, unit.env_id
        for name, value in numbers.items():
            of_policy.setdefault(name, []).append(value)
    baselines = [label for label, policy in policies.items() if counts_as_baseline(policy)]
    return {
        **run,
        "purpose": suite.purpose,
        "env_id": suite.env_id,
        "metrics": METRICS,
        "baselines": baselines,
        "scenarios": {
            name: _scenario(name, parts, baselines, env_ids, played[0][0].split)
            for name, parts in columns.items()
        },
    }


def describe(values: F64) -> dict[str, Any]:
    """Mean, its interval and interquartile mean of a metric as ``results.json`` has them.

    Args:
        values: One per episode, shape (n,); NaN is left out.
    """
    interval = _plain(bootstrap_interval(values))
    return {**interval, "interquartile_mean": finite(interquartile_mean(values))}


def interval_of(numbers: Mapping[str, Any]) -> Interval:
    """A mean and its interval as ``results.json`` has them, where null is NaN."""
    return Interval(*np.array([numbers["mean"], *numbers["interval_95"]], np.float64))


def _scenario(
    scenario: str,
    parts: dict[str, dict[str, list[float]]],
    baselines: list[str],
    env_ids: Mapping[str, str],
    split: str,
) -> dict[str, Any]:
    bound = parts.pop(BOUND, None)
    if bound is not None:
        _check_bound(scenario, parts, bound)
    shares = {label: np.asarray(part[OBJECTIVE]) for label, part in parts.items()}
    means = {label: float(np.nanmean(share)) for label, share in shares.items()}
    # The reference has played the first episodes only.
    whole = {label: share for label, share in shares.items() if label != REFERENCE}
    best, differences = differences_to_best(whole, baselines)
    result: dict[str, Any] = {
        "config": as_mapping(resolve(scenario, {"split": split})),
        "best_baseline": best,
        "policies": {},
    }
    if bound is not None:
        offered = parts[REFERENCE]["offered_bits"]
        share = np.divide(bound["delivered_bits"], offered)
        result["bound_share"] = _plain(bootstrap_interval(share))
    for label in sorted(parts, key=lambda name: (-means[name], name)):
        part = parts[label]
        facts: dict[str, Any] = {
            "env_id": env_ids[label],
            "metrics": {name: describe(np.asarray(part[name], np.float64)) for name in METRICS},
        }
        if label in differences:
            facts["difference_to_best_baseline"] = _plain(differences[label])
        if best is not None and REFERENCE in parts:
            count = len(shares[REFERENCE])
            facts["to_reference"] = _to_reference(
                shares[label][:count], shares[best][:count], shares[REFERENCE]
            )
        facts["episodes"] = {
            name: [finite(value) if name != "seed" else int(value) for value in values]
            for name, values in part.items()
        }
        result["policies"][label] = facts
    return result


def _check_bound(
    scenario: str, parts: dict[str, dict[str, list[float]]], bound: dict[str, list[float]]
) -> None:
    for label, part in parts.items():
        delivered = dict(zip(part["seed"], part["delivered_bits"], strict=True))
        for seed, limit in zip(bound["seed"], bound["delivered_bits"], strict=True):
            if delivered[seed] > limit * (1.0 + _TOLERANCE):
                raise InvalidInput(
                    f"policy {label!r} delivered {delivered[seed]:.0f} bits in {scenario!r} with "
                    f"seed {seed:.0f}, but the bound allows at most {limit:.0f}."
                )


def _to_reference(policy: F64, best: F64, reference: F64) -> dict[str, float | None]:
    """The distance between the best baseline and what foresight achieves, and how much is closed.

    On the episodes that the reference has played; the share is a ratio of means, None where the
    reference is not above the best baseline.
    """
    distance = float(np.mean(reference - best))
    closed = float(np.mean(policy - best)) / distance if distance > 0.0 else float("nan")
    served = float(np.mean(policy) / np.mean(reference))
    return {"distance": distance, "closed": finite(closed), "share_of_reference": served}


def _plain(interval: Interval) -> dict[str, Any]:
    mean, low, high = map(finite, interval)
    return {"mean": mean, "interval_95": [low, high]}
