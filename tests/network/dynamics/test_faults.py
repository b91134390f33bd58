"""How many outages and attacks there are, how long they last, and which links they strike."""

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


def started(**settings):
    """Episodes that have just begun, and a function of names that gives columns of their links."""
    core = Core("metro", {**NO_FAULTS, **settings}, EPISODES, LINK_ACTIVATION)
    core.generators = [np.random.default_rng([29, b]) for b in range(EPISODES)]
    core.start()
    n_links = int(core.simulator.bank.networks["n_links"][0])
    return core, lambda name: core.simulator.state.links[name][:, :n_links]


def after_one_interval(kind, **settings):
    """Which links were whole at the start, columns after the first interval, and the core."""
    core, links = started(**settings)
    whole = links(f"{kind}_until_s") == 0.0
    core.step(np.full(EPISODES, core.simulator.max_links))
    return whole, links, core


def test_outages_last_for_a_minimum_and_an_exponential_rest():
    # So few that hardly a link is struck twice.
    whole, links, _ = after_one_interval(
        "outage", outages_per_link_minute=0.04, outage_min_s=100.0, outage_mean_s=400.0
    )
    until = links("outage_until_s")
    struck = whole & (until > 0.0)
    chance = -np.expm1(-0.04 * INTERVAL_S / 60.0)
    assert stats.binomtest(int(struck.sum()), int(whole.sum()), chance).pvalue > ALPHA
    assert stats.kstest((until[struck] - 100.0) / 400.0, "expon").pvalue > ALPHA
    # All links are as likely.
    expected = whole.sum(axis=0) * struck.sum() / whole.sum()
    assert stats.chisquare(struck.sum(axis=0), expected).pvalue > ALPHA
    assert (links("attack_until_s") == 0.0).all()


LAW = {"outage": (0.004, 700.0, 1400.0), "attack": (0.006, 250.0, 1500.0)}


@pytest.mark.parametrize("kind", LAW)
@pytest.mark.parametrize("intervals", [0, 1, 150])
def test_as_many_faults_last_at_the_start_as_at_any_later_time(kind, intervals):
    """Poisson with mean rate x mean duration, those that begin with an interval lasting through it
    whole: that adds half an interval in the mean, and at the start, before any has begun, takes
    half an interval away."""
    per_minute, least_s, mean_s = LAW[kind]
    core, links = started(
        **{f"{kind}s_per_link_minute": per_minute, f"{kind}_min_s": least_s,
           f"{kind}_mean_s": mean_s}
    )  # fmt: skip
    for _ in range(intervals):
        core.step(np.full(EPISODES, core.simulator.max_links))
    # What struck at the start of the interval that has just passed has lasted that long already.
    struck = links(f"{kind}_until_s") > intervals * INTERVAL_S
    mean = per_minute / 60.0 * (least_s + mean_s - INTERVAL_S / 2.0)
    chance = -np.expm1(-mean)
    assert stats.binomtest(int(struck.sum()), struck.size, chance).pvalue > ALPHA
    assert stats.chisquare(struck.sum(axis=0)).pvalue > ALPHA


@pytest.mark.parametrize("kind", LAW)
def test_faults_that_last_at_the_start_end_as_faults_met_at_any_time_do(kind):
    """What is left of a least and an exponential time when it is met: density falls as the share
    of durations beyond."""
    per_minute, least_s, mean_s = LAW[kind]
    _, links = started(
        **{f"{kind}s_per_link_minute": per_minute / 4.0, f"{kind}_min_s": least_s,
           f"{kind}_mean_s": mean_s}
    )  # fmt: skip
    left_s = links(f"{kind}_until_s")
    left_s = left_s[left_s > 0.0]
    # Whole intervals have passed since the onset; within one, all that is left is as likely.
    rng = np.random.default_rng(5)
    left_s = left_s - INTERVAL_S * rng.random(len(left_s))
    left_s = left_s[left_s > 0.0]

    def share(x):
        beyond = mean_s * -np.expm1(-np.maximum(x - least_s, 0.0) / mean_s)
        return (np.minimum(x, least_s) + beyond) / (least_s + mean_s)

    assert len(left_s) > 200
    assert stats.kstest(left_s, share).pvalue > ALPHA


def test_attacks_that_last_at_the_start_intercept_as_later_ones():
    _, links = started(attacks_per_link_minute=0.004, attack_fraction=0.6)
    fraction = links("attack_fraction")[links("attack_until_s") > 0.0]
    assert stats.kstest((fraction - 0.6) / 0.4, "uniform").pvalue > ALPHA


def test_attacks_last_and_intercept_as_the_configuration_says():
    whole, links, _ = after_one_interval(
        "attack", attacks_per_link_minute=0.04, attack_min_s=100.0, attack_mean_s=300.0,
        attack_fraction=0.6,
    )  # fmt: skip
    until = links("attack_until_s")
    struck = whole & (until > 0.0)
    chance = -np.expm1(-0.04 * INTERVAL_S / 60.0)
    assert stats.binomtest(int(struck.sum()), int(whole.sum()), chance).pvalue > ALPHA
    assert stats.kstest((until[struck] - 100.0) / 300.0, "expon").pvalue > ALPHA
    fraction = links("attack_fraction")
    assert stats.kstest((fraction[struck] - 0.6) / 0.4, "uniform").pvalue > ALPHA
    assert (fraction[until == 0.0] == 0.0).all()
    expected = whole.sum(axis=0) * struck.sum() / whole.sum()
    assert stats.chisquare(struck.sum(axis=0), expected).pvalue > ALPHA


def test_central_attacks_follow_the_squared_share_of_shortest_paths():
    """Hops cost 1, and forty kilometres as much as a hop."""
    # So short that hardly an attack lasts for a second interval.
    _, links, core = after_one_interval(
        "attack", attacks_per_link_minute=0.1, attack_target="central", attack_min_s=0.0,
        attack_mean_s=0.01,
    )  # fmt: skip
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
