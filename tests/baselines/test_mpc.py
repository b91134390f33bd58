"""Predictive controllers: what they expect, and what they switch."""

from __future__ import annotations

import numpy as np
import pytest
from observations import links_observation

from qkd_gym.baselines import make_policy
from qkd_gym.baselines.mpc import BeliefControl, PredictiveControl


@pytest.mark.parametrize("name", ["mpc", "mpc-belief"])
def test_switches_to_the_link_that_is_asked_for(name):
    obs = links_observation(pool_fill=[1.0, 0.0, 0.0], demand_average=[0.0, 0.0, 0.8])
    assert make_policy(name).predict(obs)[0] == 2
    # Nothing is gained by leaving the only link with demand.
    obs = links_observation(pool_fill=[0.0, 1.0, 1.0], demand_average=[0.8, 0.0, 0.0])
    assert make_policy(name).predict(obs)[0] == 3


def test_a_calibration_longer_than_the_horizon_is_not_started():
    obs = links_observation(pool_fill=[0.2, 0.0, 0.0], demand_average=[0.1, 0.2, 0.2])
    policy = make_policy("mpc", calibration_s=3600.0)
    assert policy.predict(obs)[0] == 3


def test_certainty_equivalence_fades_to_nominal():
    obs = links_observation(observed_rate=[0.5, 0.5, 0.0], freshness=[1.0, 0.5, 0.0])
    batch = {name: array[None] for name, array in obs.items()}
    np.testing.assert_allclose(PredictiveControl().expected_rate(batch)[0], [0.5, 0.75, 1.0])


def test_beliefs_carry_over_to_links_of_the_same_sites():
    rule = BeliefControl(site_spread=0.3, link_spread=0.02, drift_spread=0.02)

    def expected(rate, freshness):
        obs = links_observation(observed_rate=rate, freshness=freshness)
        return rule.expected_rate({name: array[None] for name, array in obs.items()})[0]

    bad = expected([0.5, 0.0, 0.0], [1.0, 0.0, 0.0])
    assert bad[0] == pytest.approx(0.5, abs=0.02)
    # Half of the loss is either site's: the links that share one are expected at sqrt(0.5).
    assert bad[1:] == pytest.approx(np.sqrt(0.5), abs=0.02)
    # A failure is no evidence about the sites, and passes.
    failed = expected([0.0, 0.0, 0.0], [1.0, 0.0, 0.0])
    np.testing.assert_allclose(failed, [0.0, 1.0, 1.0])
    assert expected([0.0, 0.0, 0.0], [0.5, 0.0, 0.0])[0] == pytest.approx(1.0 - 0.5**1.5)
