"""What `Topology.from_networkx` takes, completes and refuses."""

import networkx as nx
import numpy as np
import pytest

from qkd_gym.errors import InvalidInput
from qkd_gym.physics import FreeSpace
from qkd_gym.topology import Topology, clustered
from qkd_gym.topology.checks import MOST_LINKS, MOST_SITES


def chain(kind=nx.Graph, **attributes):
    """Three sites; the attributes are those of the first link."""
    graph = kind()
    graph.add_edge("a", "b", **{"length_km": 10.0, **attributes})
    graph.add_edge("b", "c", length_km=20.0)
    return graph


def test_free_space_links_lose_what_air_takes():
    network = Topology.from_networkx(chain(length_km=5.0, free_space=True))
    np.testing.assert_allclose(network.loss_db, [FreeSpace().loss_db(5.0), 4.0], atol=1e-6)
    assert network.loss_db[0] == pytest.approx(3.24, abs=0.01)
    measured = Topology.from_networkx(chain(length_km=5.0, free_space=True, loss_db=7.5))
    assert measured.loss_db[0] == 7.5


@pytest.mark.parametrize("kind", [nx.MultiGraph, nx.MultiDiGraph])
def test_parallel_links_are_refused_by_name(kind):
    assert Topology.from_networkx(chain(kind)).n_links == 2
    graph = chain(kind)
    graph.add_edge("a", "b", length_km=50.0)
    with pytest.raises(InvalidInput, match="link 'a' to 'b' is there twice"):
        Topology.from_networkx(graph)


@pytest.mark.parametrize("kind", [nx.DiGraph, nx.MultiDiGraph])
def test_directions_of_a_link_must_agree(kind):
    assert Topology.from_networkx(chain(kind)).length_km.tolist() == [10, 20]
    graph = chain(kind)
    graph.add_edge("b", "a", length_km=10)
    graph.add_edge("c", "b", length_km=20)
    assert Topology.from_networkx(graph).length_km.tolist() == [10, 20]
    for change in ({"length_km": 11}, {"loss_db": 3}, {"free_space": True}, {"preset": "gys"}):
        graph = chain(kind)
        graph.add_edge("b", "a", **{"length_km": 10, **change})
        with pytest.raises(InvalidInput, match=f"link 'b' to 'a': {next(iter(change))} is.*agree"):
            Topology.from_networkx(graph)


def test_ends_that_are_named_in_another_way_than_their_nodes():
    graph = nx.Graph()
    graph.add_nodes_from([True, "a", 2.0])
    graph.add_edge(1, "a", length_km=3.0)
    graph.add_edge("a", 2, length_km=4.0)
    network = Topology.from_networkx(graph)
    assert network.site_names == ("True", "a", "2.0")
    assert network.length_km.tolist() == [3.0, 4.0]


def test_edges_without_length():
    graph = chain()
    graph.add_edge("a", "c")
    with pytest.raises(InvalidInput, match="link 'a' to 'c' lacks length_km"):
        Topology.from_networkx(graph)


@pytest.mark.parametrize("value", [True, "10", float("nan"), None, [10.0], 1j, np.ones(2), 0, -1])
def test_only_numbers_are_lengths(value):
    with pytest.raises(InvalidInput, match="link 'a' to 'b': length_km is"):
        Topology.from_networkx(chain(length_km=value))


@pytest.mark.parametrize("value", [10, np.float32(10), np.int64(10)])
def test_numbers_of_numpy_are_numbers(value):
    assert Topology.from_networkx(chain(length_km=value)).length_km.tolist() == [10, 20]


ODD_LINKS = [
    ({"free_space": "False"}, "free_space is 'False', but must be true or false"),
    ({"free_space": 1}, "free_space is 1, but must be true or false"),
    ({"loss_db": "3"}, "loss_db is '3'"),
    ({"loss_db": True}, "loss_db is True"),
    ({"loss_db": 1e6}, r"loss_db is 1e\+06, but must be in \[0, 10000\] dB"),
    ({"preset": 3}, "preset is 3, but must be a text"),
    ({"preset": "cv-mtero"}, "link 'a' to 'b'.*'cv-metro'"),
]


@pytest.mark.parametrize(("attributes", "words"), ODD_LINKS)
def test_odd_attributes_of_links(attributes, words):
    with pytest.raises(InvalidInput, match=words):
        Topology.from_networkx(chain(**attributes))


ODD_SITES = [
    ({"x_km": "1", "y_km": 0}, "site 'b': x_km is '1'"),
    ({"x_km": True, "y_km": 0}, "site 'b': x_km is True"),
    ({"x_km": None, "y_km": 0}, "site 'b': x_km is None"),
    ({"x_km": float("nan"), "y_km": 0}, "site 'b': x_km is nan"),
    ({"lat": "48", "lon": 16}, "site 'b': lat is '48'"),
    ({"weight": 0}, "site 'b': weight is 0"),
    ({"weight": "3"}, "site 'b': weight is '3'"),
    ({"name": 3}, "site_names: one is 3, but must be a text"),
    ({"name": "\ud800"}, "site_names: one is .* Unicode"),
    ({"district": 0}, "site 'a' lacks district, but others have it"),
]


@pytest.mark.parametrize(("attributes", "words"), ODD_SITES)
def test_odd_attributes_of_sites(attributes, words):
    graph = chain()
    graph.nodes["b"].update(attributes)
    with pytest.raises(InvalidInput, match=words):
        Topology.from_networkx(graph)


@pytest.mark.parametrize("value", [-1, 3, 0.5, "0", True])
def test_districts_are_numbers_of_districts(value):
    graph = chain()
    nx.set_node_attributes(graph, 0, "district")
    graph.nodes["b"]["district"] = value
    with pytest.raises(InvalidInput, match="district is"):
        Topology.from_networkx(graph)


def test_what_no_network_is():
    alone = chain()
    alone.add_node("d")
    parts = chain()
    parts.add_edge("x", "y", length_km=3.0)
    loop = chain()
    loop.add_edge("b", "b", length_km=3.0)
    for graph, words in (
        (nx.Graph(), "number of sites is 0, but must be in"),
        (nx.empty_graph(1), "number of sites is 1, but must be in"),
        (nx.empty_graph(2), "site '1' cannot be reached from site '0'"),
        (alone, "site 'd' cannot be reached from site 'a'"),
        (parts, "site 'x' cannot be reached from site 'a'"),
        (loop, "link 'b' to 'b' joins a site to itself"),
        ({"a": "b"}, "graph is .* must be a Graph"),
    ):
        with pytest.raises(InvalidInput, match=words) as caught:
            Topology.from_networkx(graph)
        assert len(str(caught.value)) <= 300


def test_nodes_that_are_the_same_as_text_are_refused():
    graph = nx.Graph()
    graph.add_edge(1, "1", length_km=3.0)
    with pytest.raises(InvalidInput, match="two sites are '1', but must differ as text"):
        Topology.from_networkx(graph)


def test_nodes_of_different_kinds_are_a_network():
    graph = nx.Graph()
    graph.add_edge(1, "b", length_km=3.0)
    graph.add_edge("b", (0, 1), length_km=3.0)
    assert Topology.from_networkx(graph).site_names == ("1", "b", "(0, 1)")


def test_more_than_32752_links_are_refused_by_name():
    """Some 32,767 fit into 16 bits; rows of links are filled up to multiples of 16."""
    graph = nx.complete_graph(257)
    nx.set_edge_attributes(graph, 10.0, "length_km")
    assert graph.number_of_edges() == 32_896
    with pytest.raises(
        InvalidInput, match=r"number of links is 32896, but must be in \[0, 32752\]"
    ):
        Topology.from_networkx(graph)
    assert MOST_LINKS == 32_752
    graph = nx.path_graph(40_000)
    nx.set_edge_attributes(graph, 10.0, "length_km")
    with pytest.raises(InvalidInput, match="number of links is 39999"):
        Topology.from_networkx(graph)


def test_more_than_1000_sites_are_refused_by_name():
    graph = nx.path_graph(MOST_SITES + 1)
    nx.set_edge_attributes(graph, 10.0, "length_km")
    with pytest.raises(InvalidInput, match=r"number of sites is 1001, but must be in \[2, 1000\]"):
        Topology.from_networkx(graph)


FIELDS = [
    ("length_km", [1.0], r"length_km is .*must be an array of shape \(3\)"),
    ("length_km", "ab", r"length_km is .*must be an array of shape \(3\)"),
    ("length_km", [[1.0], 2.0, 3.0], "length_km is .* must be an array of shape"),
    ("length_km", ["1", "2", "3"], "length_km is .* must be a number"),
    ("length_km", [1.0, 1e-7, 1.0], r"link 'a' to 'c': length_km is 1e-07, but must be in \[1e-06"),
    ("free_space", ["False"] * 3, "free_space is .* must be an array of bool"),
    ("district", [0.0, 1.0, 2.0], "district is .* must be an array of int64"),
    ("district", [0, 1, 3], "district is 3"),
    ("link_endpoints", [[0, 1], [0, 2], [1, 3]], "link_endpoints is 3"),
    ("link_endpoints", [[0, 1], [0, 2], [0, 1]], "link 'a' to 'b' is there twice"),
    ("link_endpoints", [[0, 1], [0, 2], [2, 1]], "link 'c' to 'b' must join two sites"),
    ("site_names", ("a", "b", 3), "site_names: one is 3, but must be a text"),
    ("site_names", "abc", "site_names is 'abc', but must be a sequence of texts"),
    ("site_names", 3, "site_names is 3, but must be a sequence of texts"),
    ("link_presets", 1j, "link_presets is 1j, but must be a sequence of texts"),
    ("link_endpoints", None, r"link_endpoints is None.*must be an array of shape \(any, 2\)"),
    ("name", 3, "name of the topology is 3"),
    ("link_presets", ("gys",), "link_presets has 1 names"),
]


@pytest.mark.parametrize(("field", "value", "words"), FIELDS)
def test_fields_of_a_topology(field, value, words):
    good = {
        "name": "triangle",
        "site_names": ("a", "b", "c"),
        "positions_km": np.zeros((3, 2)),
        "link_endpoints": [[0, 1], [0, 2], [1, 2]],
        "length_km": [1, 2, 3],
        "loss_db": [0.2, 0.4, 0.6],
        "free_space": [False, True, False],
        "district": [0, 0, 0],
        "site_weight": [1, 1, 1],
    }
    assert Topology(**good).length_km.dtype == np.float64
    with pytest.raises(InvalidInput, match=words) as caught:
        Topology(**{**good, field: value})
    assert len(str(caught.value)) <= 300


@pytest.mark.parametrize("factor", [0, -1, "2", True, None, float("nan"), 1e300])
def test_scaled_takes_a_factor_above_0(factor):
    with pytest.raises(InvalidInput):
        clustered(6, seed=0).scaled(factor)
