"""Networks with hidden quality, and what their observations say if the distribution is known."""

import dataclasses

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("sklearn")

from qkd_gym.errors import InvalidInput
from qkd_gym.features import LINK
from qkd_gym.gnn import HiddenQuality, draw
from qkd_gym.gnn.hidden import REFERENCE
from qkd_gym.gnn.settings import DRIFT_STD, LINK_EXCESS_LOSS_DB, SITE_MISALIGNMENT
from qkd_gym.gnn.study import exact_posterior, site_posterior
from qkd_gym.gnn.study.inference import measurements, nominal_loss_db
from qkd_gym.network.tables import rate_table
from qkd_gym.topology import Topology, clustered, load

NOTHING_HIDDEN = HiddenQuality(
    site_misalignment=0.0, link_excess_loss_db=0.0, drift_std=0.0, integration_s=1e9
)


def pair(length_km=10.0):
    """Two sites and one link."""
    return Topology(
        name="pair",
        site_names=("a", "b"),
        positions_km=np.array([[0.0, 0.0], [length_km, 0.0]]),
        link_endpoints=np.array([[0, 1]]),
        length_km=np.array([length_km]),
        loss_db=np.array([0.2 * length_km]),
        free_space=np.array([False]),
        district=np.zeros(2, dtype=np.int64),
        site_weight=np.ones(2),
    )


def many(setting=REFERENCE, count=60, seed=0):
    rng = np.random.default_rng(seed)
    return [draw(clustered(20, rng), rng, setting) for _ in range(count)]


def test_draws_repeat_and_differ():
    topology = clustered(20, 3)
    first, again, other = (draw(topology, np.random.default_rng(s)) for s in (1, 1, 2))
    np.testing.assert_array_equal(first.links, again.links)
    np.testing.assert_array_equal(first.viable, again.viable)
    assert (first.links != other.links).any()


def test_what_is_measured():
    links = np.concatenate([graph.links for graph in many()])
    seen = links[:, LINK.freshness] > 0
    # Four standard errors.
    assert abs(seen.mean() - 0.4) < 4 * np.sqrt(0.24 / len(links))
    age_s = -3600 * np.log(links[seen, LINK.freshness])
    assert abs(age_s.mean() - 3600) < 4 * 7200 / np.sqrt(12 * seen.sum())
    assert age_s.max() <= 7200 * 1.001
    assert not links[~seen][:, [LINK.observed_rate, LINK.observed_qber]].any()
    assert not links[:, LINK.active].any()


def test_hidden_parts_have_the_stated_means():
    """Half-normal parts of two sites, each with mean 2 % * sqrt(2 / pi), and exponential loss."""
    found = [measurements(graph) for graph in many(dataclasses.replace(REFERENCE, drift_std=0.001))]
    seen = np.concatenate([part[0] for part in found])
    error = np.concatenate([part[2] for part in found])[seen]
    assert error.min() > 0.005
    # Sites of a network are shared by its links: about 60 * 20 independent parts.
    spread = 0.02 * np.sqrt(1 - 2 / np.pi) / np.sqrt(1200)
    assert abs(error.mean() - 0.01 - 0.04 * np.sqrt(2 / np.pi)) < 5 * 2 * spread
    excess = np.concatenate([part[4] for part in found])[seen]
    keyed = np.isfinite(excess) & (error < 0.04)
    assert abs(excess[keyed].mean() - 1.0) < 5 / np.sqrt(keyed.sum()) + 0.02


def test_without_anything_hidden_all_links_are_as_promised():
    for graph in many(NOTHING_HIDDEN, 5):
        seen, _, error, _, excess_db = measurements(graph, NOTHING_HIDDEN)
        np.testing.assert_allclose(error[seen], NOTHING_HIDDEN.misalignment, atol=1e-4)
        np.testing.assert_allclose(excess_db[seen], 0.0, atol=0.01)
        np.testing.assert_allclose(graph.rate_bps, graph.nominal_rate_bps)
        assert graph.viable.all()


def test_nominal_loss_comes_from_the_nominal_rate():
    topology = clustered(30, 5)
    graph = draw(topology, np.random.default_rng(0))
    np.testing.assert_allclose(nominal_loss_db(graph), topology.loss_db, atol=0.02)


def test_site_posterior_without_drift_is_what_was_measured():
    setting = dataclasses.replace(REFERENCE, drift_std=1e-5, measured_share=1.0)
    graph = draw(load("madrid"), np.random.default_rng(1), setting)
    _, _, error, _, _ = measurements(graph, setting)
    mean, spread, pair_mean, _ = site_posterior(graph, setting).T
    np.testing.assert_allclose(mean, error - setting.misalignment, atol=2e-3)
    np.testing.assert_allclose(pair_mean, mean, atol=2e-3)
    assert (spread < 0.002).all()


def test_unmeasured_networks_have_the_prior():
    setting = dataclasses.replace(REFERENCE, measured_share=0.0)
    graph = draw(clustered(20, 1), np.random.default_rng(1), setting)
    mean, spread, _, _ = site_posterior(graph, setting).T
    np.testing.assert_allclose(mean, 0.04 * np.sqrt(2 / np.pi))
    np.testing.assert_allclose(spread, np.sqrt(2 * 4e-4 * (1 - 2 / np.pi) + 0.008**2))


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("share", [0.0, 1.0])
def test_exact_posterior_agrees_with_importance_sampling(share, told):
    """Two sites, one link: every hidden part drawn from its prior and weighted by the fit."""
    setting = dataclasses.replace(REFERENCE, measured_share=share)
    graph = draw(pair(), np.random.default_rng(4), setting)
    seen, age_s, error, _, excess_db = measurements(graph, setting)
    rng, draws = np.random.default_rng(0), 100_000
    site, loss_db, spread = 0.02, 1.0, 0.008
    if not told:
        ranges = (SITE_MISALIGNMENT, LINK_EXCESS_LOSS_DB)
        site, loss_db = (np.exp(rng.uniform(*np.log(ends), draws)) for ends in ranges)
        spread = rng.uniform(*DRIFT_STD, draws)
    level = 0.01 + site * np.abs(rng.standard_normal((2, draws))).sum(axis=0)
    weight = np.ones(draws)
    drift = spread * rng.standard_normal(draws)
    if seen[0]:
        weight = np.exp(-0.5 * ((error[0] - level) / spread) ** 2) / spread
        kept = np.exp(-age_s[0] / 3600)
        drift = kept * (error[0] - level) + np.sqrt(1 - kept**2) * drift
    known = np.isfinite(excess_db[0])
    excess = np.full(draws, excess_db[0]) if known else rng.exponential(loss_db, draws)
    table = rate_table(setting.preset)
    rates, qbers = [], []
    for _ in range(7):
        rate, _, qber = table.look_up(2.0 + excess, level + drift)
        rates.append(rate)
        qbers.append(qber)
        kept = np.exp(-300 / 3600)
        drift = kept * drift + np.sqrt(1 - kept**2) * spread * rng.standard_normal(draws)
    rate, qber = np.mean(rates, axis=0), np.mean(qbers, axis=0)
    viable = (qber < table.qber_threshold) & (rate > 0.4 * graph.nominal_rate_bps[0])
    chance, expected = exact_posterior(graph, setting, samples=8000, told=told)
    # Standard errors are below 0.006 and 1 %.
    assert abs(chance[0] - np.average(viable, weights=weight)) < 0.03
    assert abs(expected[0] / np.average(rate, weights=weight) - 1) < 0.05


def test_exact_posterior_is_calibrated_and_repeats():
    graphs = many(count=40, seed=5)
    chance = np.concatenate([exact_posterior(graph, samples=300)[0] for graph in graphs])
    viable = np.concatenate([graph.viable for graph in graphs])
    for low, high in ((0.0, 0.2), (0.2, 0.5), (0.5, 0.8), (0.8, 1.01)):
        some = (chance >= low) & (chance < high)
        # Links of a network are not independent: a wide margin, about four standard errors.
        assert abs(chance[some].mean() - viable[some].mean()) < 0.12
    untold = exact_posterior(graphs[0], samples=300, told=False)[0]
    other = dataclasses.replace(REFERENCE, site_misalignment=0.05, link_excess_loss_db=3.0)
    np.testing.assert_array_equal(
        untold, exact_posterior(graphs[0], other, samples=300, told=False)[0]
    )
    again = exact_posterior(graphs[0], samples=300)[0]
    np.testing.assert_array_equal(again, exact_posterior(graphs[0], samples=300)[0])


def test_the_untold_posterior_is_calibrated_over_settings():
    rng = np.random.default_rng(6)
    graphs = []
    for _ in range(60):
        site, loss_db = (
            float(np.exp(rng.uniform(*np.log(ends))))
            for ends in (SITE_MISALIGNMENT, LINK_EXCESS_LOSS_DB)
        )
        setting = HiddenQuality(
            site_misalignment=site, link_excess_loss_db=loss_db, drift_std=rng.uniform(*DRIFT_STD)
        )
        graphs.append(draw(clustered(20, rng), rng, setting))
    chance = np.concatenate([exact_posterior(each, samples=300, told=False)[0] for each in graphs])
    viable = np.concatenate([graph.viable for graph in graphs])
    for low, high in ((0.0, 0.2), (0.2, 0.5), (0.5, 0.8), (0.8, 1.01)):
        some = (chance >= low) & (chance < high)
        # About four standard errors, as above.
        assert abs(chance[some].mean() - viable[some].mean()) < 0.1


def test_bad_settings():
    with pytest.raises(InvalidInput, match="measured_share"):
        HiddenQuality(measured_share=1.5)
    with pytest.raises(InvalidInput, match="preset"):
        draw(pair(), np.random.default_rng(0), HiddenQuality(preset="no-such"))
    graph = draw(pair(), np.random.default_rng(0))
    with pytest.raises(InvalidInput, match="drift_std"):
        exact_posterior(graph, NOTHING_HIDDEN)
