"""What a bank holds of its networks, against the topology and the traffic matrix."""

import networkx as nx
import numpy as np
import pytest
from scipy import stats

from qkd_gym.network import NetworkConfig
from qkd_gym.network.bank import NetworkBank
from qkd_gym.network.parameters import request_capacity
from qkd_gym.network.traffic import gravity

ALPHA = 1e-4


@pytest.fixture(scope="module")
def bank():
    """Small networks, so that many are built quickly."""
    made = NetworkBank(NetworkConfig(n_sites=8, bank_size=60, candidate_paths=2, max_hops=3))
    for index in range(60):
        made.ensure(index)
    return made


def test_gravity_falls_with_distance_and_grows_with_both_weights(bank):
    topology, matrix = bank.topology(0), gravity(bank.topology(0), 60.0)
    weight, place = topology.site_weight, topology.positions_km
    pairs = [
        (i, j, weight[i] * weight[j] * np.exp(-np.hypot(*(place[i] - place[j])) / 60.0))
        for i in range(8)
        for j in range(8)
        if i != j
    ]
    total = sum(value for _, _, value in pairs)
    for i, j, value in pairs:
        assert matrix[i, j] == pytest.approx(value / total)
    assert np.trace(matrix) == 0.0


def test_alias_tables_draw_the_traffic_matrix(bank):
    """A column gives its own outcome for its share, else its other one."""
    for index in (0, 7):
        matrix = gravity(bank.topology(index), bank.config.gravity_distance_km)
        tables = bank.arrays.traffic[index]
        for weights, table in zip((*matrix, matrix.sum(axis=1)), tables, strict=True):
            chance = table["share"].astype(np.float64)
            np.add.at(chance, table["other"], 1.0 - table["share"])
            np.testing.assert_allclose(chance / 8.0, weights / weights.sum(), atol=1e-6)


def test_districts_peak_at_hours_of_their_own(bank):
    hours = []
    for index in range(60):
        sites, district = bank.arrays.sites[index], bank.topology(index).district
        np.testing.assert_array_equal(sites["district"], district)
        np.testing.assert_allclose(sites["phase_sin"] ** 2 + sites["phase_cos"] ** 2, 1.0, 1e-5)
        assert bank.arrays.networks["n_districts"][index] == district.max() + 1
        for d in np.unique(district):
            of_district = np.arctan2(sites["phase_sin"], sites["phase_cos"])[district == d]
            assert np.ptp(of_district) == 0.0
            hours.append(of_district[0])
    assert len(set(hours)) == len(hours)
    sextant = np.floor(np.mod(hours, 2.0 * np.pi) / (np.pi / 3.0)).astype(int)
    for count in np.bincount(sextant, minlength=6):
        assert stats.binomtest(int(count), len(hours), 1 / 6).pvalue > ALPHA / 6


def test_uniform_attacks_weigh_all_links_alike(bank):
    links = int(bank.arrays.networks["n_links"][0])
    cumulative = bank.arrays.attack_cumulative[0, :links]
    np.testing.assert_allclose(cumulative, np.arange(1, links + 1) / links)


@pytest.mark.parametrize(
    ("settings", "n_sites", "kept"),
    [
        # 2.5 a mean interval; 1.6 by day and 1.8 in bursts: 7.2 + 10 sqrt(7.2) + 10.
        ({}, 20, 45),
        ({"burst_share": 0.0, "diurnal_amplitude": 0.0}, 20, 29),
        # 600 requests an hour of each of 8 sites, in a minute: 80; 80 + 89.4 + 10.
        ({"requests_per_site_hour": 600.0, "burst_share": 0.0, "diurnal_amplitude": 0.0}, 8, 180),
    ],
)
def test_space_for_ten_standard_deviations_of_requests(settings, n_sites, kept):
    assert request_capacity(NetworkConfig(**settings), n_sites) == kept


def test_each_network_is_built_once(bank, monkeypatch):
    monkeypatch.setattr("qkd_gym.network.bank._fill", lambda *arguments: pytest.fail("built again"))
    bank.ensure(0)


def test_the_static_plan_of_metro_leaves_most_networks_in_parts():
    """Why it is a weak reference."""
    bank = NetworkBank(NetworkConfig(bank_size=8, split="test", candidate_paths=1))
    in_parts = []
    for index in range(bank.size):
        bank.ensure(index)
        links = bank.topology(index).n_links
        running = bank.arrays.links["plan"][index, :links] == 1
        graph = nx.empty_graph(bank.n_sites)
        graph.add_edges_from(bank.arrays.link_endpoints[index, :links][running].tolist())
        in_parts.append(not nx.is_connected(graph))
    assert sum(in_parts) >= 7
