"""How long outages and attacks last, how strong attacks are, and which links they strike."""

import itertools

import networkx as nx
import numpy as np
import pytest
from scipy import stats

from qkd_gym.envs.core import Core
from qkd_gym.envs.tasks import LINK_ACTIVATION

ALPHA = 1e-4
EPISODES = 200
NO_FAULTS = {"outages_per_link_minute": 0.0, "attacks_per_link_minute": 0.0, "bank_size": 1}
INTERVAL_S = 30.0


def after_one_interval(**settings):
    """Columns of the real links after the first interval, and the core."""
    core = Core("metro", {**NO_FAULTS, **settings}, EPISODES, LINK_ACTIVATION)
    core.generators = [np.random.default_rng([29, b]) for b in range(EPISODES)]
    core.start()
    core.step(np.full(EPISODES, core.simulator.max_links))
    n_links = int(core.simulator.bank.networks["n_links"][0])
    return core, lambda name: core.simulator.state.links[name][:, :n_links]


def test_outages_last_for_a_minimum_and_an_exponential_rest():
    # So few that hardly a link is struck twice.
    _, links = after_one_interval(
        outages_per_link_minute=0.04, outage_min_s=500.0, outage_mean_s=2000.0
    )
    until = links("outage_until_s")
    struck = until > 0.0
    chance = -np.expm1(-0.04 * INTERVAL_S / 60.0)
    assert stats.binomtest(int(struck.sum()), struck.size, chance).pvalue > ALPHA
    assert stats.kstest((until[struck] - 500.0) / 2000.0, "expon").pvalue > ALPHA
    # All links are as likely.
    assert stats.chisquare(struck.sum(axis=0)).pvalue > ALPHA
    assert (links("attack_until_s") == 0.0).all()


def test_attacks_last_and_intercept_as_the_configuration_says():
    _, links = after_one_interval(
        attacks_per_link_minute=0.04, attack_min_s=200.0, attack_mean_s=900.0, attack_fraction=0.6
    )
    until = links("attack_until_s")
    struck = until > 0.0
    chance = -np.expm1(-0.04 * INTERVAL_S / 60.0)
    assert stats.binomtest(int(struck.sum()), struck.size, chance).pvalue > ALPHA
    assert stats.kstest((until[struck] - 200.0) / 900.0, "expon").pvalue > ALPHA
    fraction = links("attack_fraction")
    assert stats.kstest((fraction[struck] - 0.6) / 0.4, "uniform").pvalue > ALPHA
    assert (fraction[~struck] == 0.0).all()
    assert stats.chisquare(struck.sum(axis=0)).pvalue > ALPHA


def test_central_attacks_follow_the_squared_share_of_shortest_paths():
    """Hops cost 1, and forty kilometres as much as a hop."""
    core, links = after_one_interval(attacks_per_link_minute=0.1, attack_target="central")
    network = core.simulator.networks.topology(0)
    graph, ends = nx.Graph(), network.link_endpoints.tolist()
    for e, (i, j) in enumerate(ends):
        graph.add_edge(i, j, link=e, weight=1.0 + network.length_km[e] / 40.0)
    used = np.zeros(len(ends))
    for source, paths in nx.all_pairs_dijkstra_path(graph):
        for target, path in paths.items():
            if source < target:
                for pair in itertools.pairwise(path):
                    used[graph.edges[pair]["link"]] += 1.0
    importance = (used / (network.n_sites * (network.n_sites - 1) / 2.0) + 1e-3) ** 2
    cumulative = core.simulator.bank.attack_cumulative[0, : len(ends)]
    np.testing.assert_allclose(np.diff(cumulative, prepend=0.0), importance / importance.sum())
    rate = 0.1 * INTERVAL_S / 60.0 * len(ends)
    chance = -np.expm1(-rate * importance / importance.sum())
    struck = (links("attack_until_s") > 0.0).sum(axis=0)
    for number, p in zip(struck, chance, strict=True):
        assert stats.binomtest(int(number), EPISODES, p).pvalue > ALPHA / len(ends)


@pytest.mark.parametrize("kind", ["outage", "attack"])
def test_a_second_strike_never_shortens_the_first(kind):
    core = Core(
        "metro",
        {**NO_FAULTS, f"{kind}s_per_link_minute": 1.0, f"{kind}_min_s": 0.0},
        4,
        LINK_ACTIVATION,
    )
    core.generators = [np.random.default_rng([31, b]) for b in range(4)]
    core.start()
    until = core.simulator.state.links[f"{kind}_until_s"]
    for _ in range(20):
        before = until.copy()
        core.step(np.full(4, core.simulator.max_links))
        assert (until >= before).all()


def test_fog_comes_and_goes_at_its_rates():
    core = Core("metro", {**NO_FAULTS, "clear_s": 240.0, "fog_s": 120.0}, 64, LINK_ACTIVATION)
    core.generators = [np.random.default_rng([37, b]) for b in range(64)]
    core.start()
    districts = int(core.simulator.bank.networks["n_districts"][0])
    fog, counts = core.simulator.state.sites["fog"][:, :districts], np.zeros((2, 2))
    for _ in range(30):
        before = fog.astype(int)
        core.step(np.full(64, core.simulator.max_links))
        np.add.at(counts, (before, (fog != before).astype(int)), 1)
    for foggy, mean_s in ((0, 240.0), (1, 120.0)):
        chance = -np.expm1(-INTERVAL_S / mean_s)
        result = stats.binomtest(int(counts[foggy, 1]), int(counts[foggy].sum()), chance)
        assert result.pvalue > ALPHA
