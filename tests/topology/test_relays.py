"""Relays on long links, and what is multiplied by a scale."""

import networkx as nx
import numpy as np
import pytest

from qkd_gym.errors import InvalidInput
from qkd_gym.physics import FreeSpace
from qkd_gym.topology import Topology, available, load


def triangle(**link):
    graph = nx.Graph(name="triangle")
    for name, x, y in (("A", 0.0, 0.0), ("B", 100.0, 0.0), ("C", 0.0, 30.0)):
        graph.add_node(name, x_km=x, y_km=y, district=int(name == "B"))
    graph.add_edge("A", "B", **{"length_km": 120.0, "loss_db": 30.0, **link})
    graph.add_edge("B", "C", length_km=110.0)
    graph.add_edge("A", "C", length_km=30.0)
    return Topology.from_networkx(graph)


def test_relays_divide_a_link_equally():
    network = triangle().with_relays(40.0)
    assert network.name == "triangle-span40"
    assert network.site_names == ("A", "B", "C", "A~B-1", "A~B-2", "B~C-1", "B~C-2")
    assert network.relay.tolist() == 3 * [False] + 4 * [True]
    np.testing.assert_allclose(network.positions_km[3:5], [[100 / 3, 0], [200 / 3, 0]], atol=1e-6)
    assert network.district.tolist() == [0, 1, 0, 0, 1, 1, 0]
    ends = [[0, 2], [0, 3], [1, 4], [1, 5], [2, 6], [3, 4], [5, 6]]
    assert network.link_endpoints.tolist() == ends
    assert network.length_km[[1, 2, 5]].tolist() == [40.0, 40.0, 40.0]
    assert network.loss_db[[1, 2, 5]].tolist() == [10.0, 10.0, 10.0]


def test_links_through_air_lose_what_air_takes():
    network = triangle(free_space=True).with_relays(60.0)
    np.testing.assert_allclose(network.loss_db[network.free_space], FreeSpace().loss_db(60.0))


@pytest.mark.parametrize("most", [7.3, 25.0, 30.0, 120.0])
def test_no_span_is_longer_and_nothing_is_lost(most):
    network = triangle()
    divided = network.with_relays(most)
    assert divided.length_km.max() <= most + 1e-6
    assert divided.length_km.sum() == pytest.approx(network.length_km.sum(), abs=1e-4)
    assert divided.loss_db.sum() == pytest.approx(network.loss_db.sum(), abs=1e-4)
    # The fewest that do.
    spans = np.ceil(network.length_km / most)
    assert divided.n_links == spans.sum()


def test_short_links_stay_as_they_are():
    for name in available():
        network = load(name)
        assert network.with_relays(network.length_km.max()) == network


def test_relays_are_saved(tmp_path):
    network = triangle().with_relays(40.0)
    network.save(tmp_path / "triangle.json")
    again = load(tmp_path / "triangle.json")
    assert again.relay.tolist() == network.relay.tolist()
    assert again.length_km.tolist() == network.length_km.tolist()


def test_where_nobody_would_ask_everybody_does():
    graph = nx.Graph()
    graph.add_edge("a", "b", length_km=1.0)
    nx.set_node_attributes(graph, 1e-9, "weight")
    assert not Topology.from_networkx(graph).relay.any()


def test_a_file_may_be_scaled_and_then_divided(tmp_path):
    triangle().save(tmp_path / "net.json")
    network = load(tmp_path / "net.json", scale=0.5, max_span_km=55.0)
    assert network.name == "net-x0.5-span55"
    assert sorted(network.length_km.tolist()) == [15.0, 30.0, 30.0, 55.0]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"scale": 0.0}, "scale is 0, but must be above 0"),
        ({"scale": "2"}, "scale is '2', but must be one number"),
        ({"max_span_km": -1.0}, "max_span_km is -1, but must be above 0 km"),
        ({"max_span_km": 1e-300}, "max_span_km is 1e-300 km, but then there would be"),
        ({"max_span_km": 0.2}, "some 1.3e+03 sites, and there may be at most 1000"),
    ],
)
def test_options_that_make_no_network(tmp_path, options, words):
    triangle().save(tmp_path / "net.json")
    with pytest.raises(InvalidInput) as caught:
        load(tmp_path / "net.json", **options)
    assert words in str(caught.value)


def test_options_are_checked_before_a_file_is_read():
    with pytest.raises(InvalidInput, match="scale is -1"):
        load("absent.json", scale=-1.0)
