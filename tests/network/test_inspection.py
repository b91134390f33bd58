"""What is said of a network before an episode is what the episode finds."""

import networkx as nx
import numpy as np
import pytest

from qkd_gym.network import NetworkConfig
from qkd_gym.network.bank import NetworkBank
from qkd_gym.network.inspection import inspect
from qkd_gym.topology import load


def line(*lengths_km, **link):
    graph = nx.Graph()
    for number, length in enumerate(lengths_km):
        graph.add_edge(number, number + 1, length_km=length, **link)
    return load(graph)


def found(network, **changes):
    return inspect(NetworkConfig(topology=network, bank_size=1, **changes))


def test_a_network_that_works():
    network = load("madrid")
    result = found(network, load=0.5)
    bank = NetworkBank(NetworkConfig(topology=network, bank_size=1))
    bank.ensure(0)
    np.testing.assert_allclose(
        result.key_rate_bps, bank.arrays.links["nominal_rate_bps"][0], rtol=1e-6
    )
    assert result.offered_bps == pytest.approx(
        bank.arrays.networks["mean_offered_bps"][0], rel=1e-6
    )
    assert result.viable.all()
    assert not result.cut_off.any()
    assert result.pathless_share == 0.0


def test_links_are_viable_up_to_their_limit():
    limit_km = found(line(10.0)).most_km[0]
    result = found(line(0.99 * limit_km, limit_km, 1.01 * limit_km, 20.0))
    assert result.viable.tolist() == [True, False, False, True]
    np.testing.assert_allclose(result.most_km, limit_km, rtol=1e-6)
    # The largest part of the network stays; of equals, the first.
    assert result.cut_off.tolist() == [False, False, True, True, True]
    assert result.offered_bps is None
    assert result.pathless_share is None


def test_limits_follow_the_link():
    lossy = found(line(10.0, loss_db=4.0))
    assert lossy.most_km[0] == pytest.approx(found(line(10.0)).most_km[0] / 2.0)
    through_air = found(line(10.0, free_space=True))
    assert np.isinf(through_air.most_km).all()
    assert found(line(10.0), preset="metro-1ghz").most_km[0] != lossy.most_km[0]


def test_paths_that_are_too_long_are_told():
    network = line(*(20 * [5.0]))
    assert found(network, max_hops=20).pathless_share == 0.0
    assert 0.0 < found(network, max_hops=5).pathless_share < 1.0


def test_paths_that_are_too_long_count_by_the_demand_of_ones_own():
    network = line(5.0, 5.0, 5.0, 5.0)
    between = np.zeros((5, 5))
    between[0, 1] = between[1, 0] = 1.0
    assert found(network, max_hops=2).pathless_share > 0.0
    assert found(network, max_hops=2, demand={"matrix": between.tolist()}).pathless_share == 0.0
    between[0, 4] = between[4, 0] = 3.0
    demand = {"matrix": between.tolist()}
    assert found(network, max_hops=2, demand=demand).pathless_share == pytest.approx(0.75)


def test_how_far_demand_goes():
    graph = nx.Graph()
    for number, x in enumerate((0.0, 60.0, 180.0)):
        graph.add_node(number, x_km=x, y_km=0.0)
    graph.add_edges_from([(0, 1), (1, 2)], length_km=60.0)
    result = found(load(graph))
    shares = np.exp(-np.array([1.0, 2.0, 3.0]))
    assert result.apart_km == pytest.approx(120.0)
    assert result.demand_km == pytest.approx(shares @ [60.0, 120.0, 180.0] / shares.sum())
    # Relays ask for nothing.
    assert found(load(graph, max_span_km=20.0)).apart_km == pytest.approx(120.0)
    further = found(load(graph), gravity_distance_km=1e6)
    assert further.demand_km == pytest.approx(120.0, rel=1e-3)
    own = {"matrix": (1.0 - np.eye(3)).tolist()}
    assert found(load(graph), demand=own).demand_km is None
