"""What belongs to a place, and how likely it is struck, on a network that fits on a page."""

import networkx as nx
import numpy as np
import pytest

from qkd_gym.network.faults import Fault
from qkd_gym.network.places import place_weights, places_of_links
from qkd_gym.topology import load

# Two districts of three and two sites; two links between them.
EDGES = [(0, 1), (0, 2), (1, 2), (3, 4), (1, 3), (2, 3)]
SHARE = np.array([0.1, 0.2, 0.1, 0.4, 0.3, 0.3])


@pytest.fixture(scope="module")
def network():
    graph = nx.Graph()
    for i in range(5):
        graph.add_node(i, x_km=10.0 * i, y_km=float(i % 2), district=int(i > 2))
    graph.add_edges_from(EDGES, length_km=10.0)
    return load(graph)


def members(network, strikes):
    """Links of each place, as sets of pairs of sites."""
    places = places_of_links(network, strikes)
    ends = [tuple(sorted(pair)) for pair in network.link_endpoints.tolist()]
    found = [set() for _ in range(places.max() + 1)]
    for e, pair in enumerate(ends):
        for place in places[:, e]:
            found[place].add(pair)
    return found


def test_places_hold_the_links_that_they_should(network):
    assert sorted(map(tuple, members(network, "link"))) == sorted((edge,) for edge in EDGES)
    assert members(network, "site") == [{e for e in EDGES if i in e} for i in range(5)]
    west, east = ({e for e in EDGES if any((i > 2) == side for i in e)} for side in (False, True))
    assert members(network, "district") == [west, east]
    ducts = [{edge} for edge in EDGES[:4]] + [{(1, 3), (2, 3)}]
    assert sorted(map(sorted, members(network, "duct"))) == sorted(map(sorted, ducts))


def weights(network, strikes, target):
    order = [EDGES.index(tuple(sorted(pair))) for pair in network.link_endpoints.tolist()]
    fault = Fault("f", strikes=strikes, target=target, per_hour=1.0, duration_min_s=1.0)
    found = place_weights(network, fault, places_of_links(network, strikes), SHARE[order])
    return dict(zip(map(frozenset, members(network, strikes)), found.tolist(), strict=True))


@pytest.mark.parametrize("strikes", ["link", "site", "district", "duct"])
def test_weights_follow_from_the_links_of_a_place(network, strikes):
    shares = dict(zip(EDGES, SHARE, strict=True))
    assert set(weights(network, strikes, "uniform").values()) == {1.0}
    assert weights(network, strikes, "stored-key") == weights(network, strikes, "uniform")
    for links, weight in weights(network, strikes, "betweenness").items():
        assert weight == pytest.approx(sum(shares[edge] for edge in links))
    for links, weight in weights(network, strikes, "degree").items():
        touched = len(links)
        if strikes == "link":
            (link,) = links
            touched = sum(bool(set(link) & set(edge)) for edge in EDGES)
        assert weight == touched
