"""The exogenous processes have the distributions that the configuration states.

Statistics over many episodes; each test rejects a correct simulator with probability below 1e-4.
Seeds are fixed.
"""

import numpy as np
import pytest
from scipy import stats

from qkd_gym.envs.core import Core
from qkd_gym.envs.tasks import LINK_ACTIVATION
from qkd_gym.network.accounts import ACCOUNT
from qkd_gym.network.traffic import gravity

ALPHA = 1e-4
EPISODES = 400
PLAIN = {"diurnal_amplitude": 0.0, "hot_spot_share": 0.0, "burst_share": 0.0}
CALM = {"outages_per_link_minute": 0.0, "attacks_per_link_minute": 0.0}


def start(**overrides):
    settings = {"network_index": 0, "bank_size": 1, **overrides}
    core = Core("metro", settings, EPISODES, LINK_ACTIVATION)
    core.generators = [np.random.default_rng([7, i]) for i in range(EPISODES)]
    core.start()
    return core


def advance(core, steps=1):
    hold = np.full(EPISODES, core.simulator.max_links)
    for _ in range(steps):
        core.step(hold)


def links_of(core, field):
    n_links = core.simulator.bank.networks["n_links"][0]
    return core.simulator.state.links[field][:, :n_links]


def test_drift_is_stationary_with_its_memory():
    core = start(drift_std=0.01, drift_memory_s=600.0)
    first = links_of(core, "drift").copy()
    advance(core, 10)
    later = links_of(core, "drift")
    for sample in (first, later):
        assert stats.kstest(sample.ravel() / 0.01, "norm").pvalue > ALPHA
    expected = np.exp(-10 * 30.0 / 600.0)
    got = stats.pearsonr(first.ravel(), later.ravel())
    low, high = got.confidence_interval(1 - ALPHA)
    assert low < expected < high


def test_hidden_quality():
    core = start(site_misalignment=0.02, link_excess_loss_db=1.0)
    sites = core.simulator.state.sites["misalignment"]
    assert stats.kstest(sites.ravel(), stats.halfnorm(scale=0.02).cdf).pvalue > ALPHA
    assert stats.kstest(links_of(core, "excess_loss_db").ravel(), "expon").pvalue > ALPHA


def test_weather_is_foggy_for_its_share_of_the_time():
    core = start(clear_s=1200.0, fog_s=300.0)
    districts = core.simulator.bank.networks["n_districts"][0]
    for _ in range(2):
        fog = core.simulator.state.sites["fog"][:, :districts]
        assert stats.binomtest(int(fog.sum()), fog.size, 0.2).pvalue > ALPHA
        advance(core, 60)


def test_outages_strike_at_their_rate():
    core = start(outages_per_link_minute=1 / 100, outage_min_s=6000.0, attacks_per_link_minute=0.0)
    whole = links_of(core, "outage_until_s") == 0.0
    advance(core, 20)
    down = whole & (links_of(core, "outage_until_s") > 20 * 30.0)
    expected = -np.expm1(-20 * 0.5 / 100)
    assert stats.binomtest(int(down.sum()), int(whole.sum()), expected).pvalue > ALPHA


def test_an_attacked_link_makes_no_key_and_raises_its_qber():
    core = start(**CALM)
    rate, qber = core.simulator.true_links()
    state = core.simulator.state
    working = links_of(core, "active").astype(bool) & (
        rate[:, : links_of(core, "pool").shape[1]] > 0
    )
    state.links["attack_until_s"][:] = 60.0
    state.links["attack_fraction"][:] = 0.5
    attacked_rate, attacked_qber = core.simulator.true_links()
    n_links = working.shape[1]
    assert (attacked_rate[:, :n_links][working] == 0).all()
    expected = qber[:, :n_links][working] * 0.75 + 0.125
    np.testing.assert_allclose(attacked_qber[:, :n_links][working], expected, atol=3e-4)


def pair_counts(core, steps):
    n = core.simulator.n_sites
    counts = np.zeros((EPISODES, n, n))
    offered = np.zeros(EPISODES)
    for _ in range(steps):
        advance(core)
        state = core.simulator.state
        offered += state.accounts[:, ACCOUNT.offered_bits]
        for b in range(EPISODES):
            made = state.requests[b, : state.episodes["n_requests"][b]]
            np.add.at(counts[b], (made["first"], made["second"]), 1)
    return counts, offered


def test_plain_demand_is_a_poisson_gravity_model():
    core = start(**PLAIN)
    counts, offered = pair_counts(core, 20)
    topology = core.simulator.networks.topology(0)
    weight = np.triu(gravity(topology, core.config.gravity_distance_km), 1).ravel()
    observed = counts.sum(axis=0).ravel()[weight > 0]
    expected = weight[weight > 0] / weight.sum() * observed.sum()
    assert stats.chisquare(observed, expected).pvalue > ALPHA
    mean = 20 * 30.0 * core.simulator.n_sites * 15.0 / 3600.0
    total, of_all = counts.sum(), stats.poisson(EPISODES * mean)
    assert 2.0 * min(of_all.cdf(total), of_all.sf(total - 1)) > ALPHA
    target = core.simulator.bank.networks["mean_offered_bps"][0] * 600.0
    assert stats.ttest_1samp(offered, target).pvalue > ALPHA


@pytest.mark.parametrize(
    "parts",
    [
        {"diurnal_amplitude": 0.8},
        {"hot_spot_share": 0.5},
        {"burst_share": 0.5},
        {"diurnal_amplitude": 0.6, "hot_spot_share": 0.25, "burst_share": 0.2},
    ],
)
def test_cycles_hot_spots_and_bursts_leave_the_mean_demand_alone(parts):
    core = start(**{**PLAIN, **parts})
    _, offered = pair_counts(core, 20)
    target = core.simulator.bank.networks["mean_offered_bps"][0] * 600.0
    assert stats.ttest_1samp(offered, target).pvalue > ALPHA


def test_interpolated_rates_follow_the_protocol():
    from qkd_gym.network.tables import rate_table
    from qkd_gym.physics import preset

    loss = np.linspace(0.1, 20.0, 57)
    rate, _, qber = rate_table("reference").look_up(loss, 0.021)
    exact = preset("reference").evaluate(10 ** (-loss / 10), misalignment=0.021)
    np.testing.assert_allclose(rate, exact.key_rate_bps, rtol=5e-3)
    np.testing.assert_allclose(qber, exact.qber, rtol=1e-4)


def test_plan_fits_the_modules_and_load_is_what_it_carries():
    core = start(modules_per_site=2)
    bank = core.simulator.bank
    runs = bank.links["plan"][0].astype(bool)
    used = np.bincount(bank.link_endpoints[0][runs].ravel(), minlength=core.simulator.n_sites)
    assert used.max() <= 2
    double = start(modules_per_site=2, load=2.0)
    ratio = double.simulator.bank.networks["mean_offered_bps"][0]
    assert ratio == pytest.approx(2 * bank.networks["mean_offered_bps"][0])
