"""What an evaluation returns: one number per episode and metric."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qkd_gym.envs.tasks import get_task
from qkd_gym.evaluation.intervals import bootstrap_interval

OBJECTIVE = "value_share"
"""What policies are compared by; without service classes it is the delivered share."""


@dataclass(frozen=True)
class EvaluationResult:
    """Metrics of one policy on a list of seeded episodes.

    Attributes:
        policy: Name of the policy.
        env_id: Environment.
        settings: Keyword arguments of the environment, as plain values.
        seeds: Seed of each episode, shape (n,).
        metrics: One array of shape (n,) per name in `qkd_gym.envs.metrics.METRICS`.
        decision_s: Mean wall time of a decision in seconds. It is not reproducible, and so is not
            part of `to_dict`.
        totals: Sums over each episode that the metrics are made of, arrays of shape (n,).
        actions: Actions of each episode, if they were recorded.
        is_baseline: Whether the policy is one of the package's baselines. It decides what a
            comparison is made with, and is not part of `to_dict`.
    """

    policy: str
    env_id: str
    settings: dict[str, Any]
    seeds: NDArray[np.int64]
    metrics: dict[str, NDArray[np.float64]]
    decision_s: float
    totals: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    actions: list[NDArray[np.int64]] = field(default_factory=list)
    is_baseline: bool = False

    def mean(self, metric: str = "delivered_share") -> float:
        """Mean over the episodes in which the metric exists."""
        values = self.metrics[metric]
        return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")

    def interval(self, metric: str = "delivered_share") -> tuple[float, float]:
        """95 % bootstrap interval of the mean over episodes; NaN for fewer than two."""
        return bootstrap_interval(self.metrics[metric])[1:]

    def rows(self) -> list[dict[str, Any]]:
        """One dictionary per episode."""
        return [
            {"seed": int(seed), **{name: float(v[i]) for name, v in self.metrics.items()}}
            for i, seed in enumerate(self.seeds)
        ]

    def to_dict(self) -> dict[str, Any]:
        """Everything that a second run reproduces, as plain values."""
        summary = {
            name: {"mean": self.mean(name), "interval_95": list(self.interval(name))}
            for name in self.metrics
        }
        return {
            "policy": self.policy,
            "env_id": self.env_id,
            "settings": self.settings,
            "summary": summary,
            "episodes": self.rows(),
        }

    def episodes_key(self) -> tuple[bool, str, tuple[int, ...]]:
        """Equal for results that were measured on the same episodes.

        What happens in an episode hangs on its seed alone, so environments share them in which the
        same decides paths.
        """
        settings = json.dumps(self.settings, sort_keys=True, default=_as_json)
        decides_paths = get_task(self.env_id).decides_paths
        return decides_paths, settings, tuple(self.seeds.tolist())


def _as_json(value: Any) -> Any:
    """Arrays whole, since their text leaves out the middle of large ones; all else as text."""
    return value.tolist() if isinstance(value, np.ndarray) else str(value)
