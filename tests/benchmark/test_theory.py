"""What theory and earlier measurement say about the heuristics, on held-out episodes."""

from __future__ import annotations

import numpy as np
import pytest

from qkd_gym.baselines import make_policy
from qkd_gym.evaluation import bootstrap_interval, evaluate

HELD_OUT = {"seed": 1_000_000, "split": "test"}


def shares(name, episodes, scenario, **settings):
    policy = make_policy(name, scenario=scenario)
    result = evaluate(policy, episodes=episodes, scenario=scenario, **HELD_OUT, **settings)
    return result.metrics["delivered_share"]


def test_max_weight_serves_everything_without_calibration_and_stationary_demand():
    # No bound is above all that is offered, so 99 % of that is 99 % of any bound.
    assert shares("max-weight", 4, "control-instant", n_sites=10).mean() >= 0.99


@pytest.mark.slow
def test_max_weight_serves_everything_on_large_networks_too():
    assert shares("max-weight", 16, "control-instant").mean() >= 0.99


def test_knowing_demand_beats_thresholds_and_shortfalls_by_several_points():
    settings = {"episodes": 24, "scenario": "metro", "bank_size": 12}
    best = shares("demand-deficit", **settings)
    for plain in ("threshold", "shortfall"):
        gap = bootstrap_interval(best - shares(plain, **settings))
        assert gap.low > 0.02, plain


@pytest.mark.parametrize("scenario", ["control-tree", "control-all-links"])
def test_where_every_link_may_run_no_rule_gains(scenario):
    idle = shares("static-plan", 4, scenario)
    for name in ("max-weight", "demand-deficit", "lowest-pool-first", "max-weight-matching"):
        np.testing.assert_allclose(shares(name, 4, scenario), idle, atol=0.005)
