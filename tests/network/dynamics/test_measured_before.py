"""Measurements from before the start: their number, their age, and what they say about now."""

import numpy as np
import pytest
from scipy import stats

from qkd_gym.envs.core import Core
from qkd_gym.envs.tasks import LINK_ACTIVATION

ALPHA = 1e-4
EPISODES = 150
MEAN, STD, MEMORY_S, AGE_S, SHARE = 0.05, 0.005, 3000.0, 6000.0, 0.3


@pytest.fixture(scope="module")
def start():
    settings = {
        "bank_size": 1, "misalignment": MEAN, "drift_std": STD, "drift_memory_s": MEMORY_S,
        "measured_age_s": AGE_S, "measured_share": SHARE, "site_misalignment": 0.0,
        "link_excess_loss_db": 0.0, "clear_s": 1e9, "fog_s": 1.0,
        "outages_per_link_minute": 0.0, "attacks_per_link_minute": 0.0,
        "initial_fill": 0.25, "pool_capacity_bits": 1_000_001,
    }  # fmt: skip
    core = Core("metro", settings, EPISODES, LINK_ACTIVATION)
    core.generators = [np.random.default_rng([11, b]) for b in range(EPISODES)]
    core.start()
    return core


def columns(core, *names):
    """Columns of the real links, each (episodes, links)."""
    n_links = int(core.simulator.bank.networks["n_links"][0])
    return [core.simulator.state.links[name][:, :n_links].astype(np.float64) for name in names]


def test_share_and_age_of_measurements(start):
    active, freshness = columns(start, "active", "freshness")
    assert (freshness[active == 1.0] == 1.0).all()
    idle = freshness[active == 0.0]
    assert stats.binomtest(int((idle > 0).sum()), idle.size, SHARE).pvalue > ALPHA
    age_s = -3600.0 * np.log(idle[idle > 0])
    assert stats.kstest(age_s / AGE_S, "uniform").pvalue > ALPHA


def test_an_old_measurement_is_as_far_from_now_as_the_drift_has_moved(start):
    """The drift then is normal around exp(-age / memory) times the drift now."""
    active, freshness, qber, drift = columns(start, "active", "freshness", "observed_qber", "drift")
    facts = start.simulator.bank.links[0, : active.shape[1]]
    measured = (active == 0.0) & (freshness > 0.0) & (facts["loss_db"] < 8.0)
    # The QBER is linear in the misalignment: two values of it give the drift at the measurement.
    links = start.simulator.state.links
    kept, ends = links["drift"].copy(), []
    for value in (-0.01, 0.01):
        links["drift"][:] = value
        ends.append(start.simulator.true_links()[1][:, : active.shape[1]])
    links["drift"][:] = kept
    slope = (ends[1] - ends[0]) / 0.02
    then = (qber * facts["qber_threshold"] - ends[0]) / slope - 0.01
    memory = np.exp(3600.0 * np.log(np.where(measured, freshness, 0.5)) / MEMORY_S)
    deviation = (then - memory * drift) / (STD * np.sqrt(1.0 - memory**2))
    sample = deviation[measured & (memory < 0.99)]
    assert len(sample) > 500
    assert stats.kstest(sample, "norm").pvalue > ALPHA
    correlation = stats.pearsonr(then[measured], drift[measured])
    low, high = correlation.confidence_interval(1 - ALPHA)
    assert low < memory[measured].mean() < high


def test_links_of_the_plan_start_with_the_initial_fill_and_the_nominal_qber(start):
    active, pool, ever, qber, running_s = columns(
        start, "active", "pool", "stored_ever", "pool_qber", "running_time_s"
    )
    facts = start.simulator.bank.links[0, : active.shape[1]]
    runs = facts["plan"] == 1
    np.testing.assert_array_equal(active, np.broadcast_to(runs, active.shape))
    assert (pool[:, runs] == 250_000).all()  # a whole number of bits
    np.testing.assert_array_equal(ever, pool)
    np.testing.assert_array_equal(qber[0, runs], facts["nominal_qber"][runs])
    assert (pool[:, ~runs] == 0).all()
    config = start.simulator.config
    assert (running_s[:, runs] == config.calibration_s + config.dwell_s).all()
    state = start.simulator.state
    assert (state.episodes["stored"] == pool.sum(axis=1)).all()
