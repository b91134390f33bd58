"""Generated and real networks."""

import dataclasses

import networkx as nx
import numpy as np
import pytest

from qkd_gym.errors import InvalidInput
from qkd_gym.topology import (
    Topology,
    available,
    clustered,
    clustered_max_links,
    load,
    source_study,
)


@pytest.mark.parametrize("n_sites", [6, 7, 10, 20, 50, 100, 250])
def test_clustered(n_sites):
    for seed in range(3):
        network = clustered(n_sites, seed=seed)
        assert network.n_sites == n_sites
        assert network.n_links <= clustered_max_links(n_sites)
        assert nx.is_connected(network.to_networkx())
        assert network.length_km.min() >= 1.0
        assert network.length_km.max() <= 60.0
        assert not network.free_space[network.length_km > 10.0].any()


def test_clustered_is_a_metro_network():
    networks = [clustered(20, seed=seed) for seed in range(30)]
    links = np.array([network.n_links / 20 for network in networks])
    assert 1.9 < links.mean() < 2.6
    short = np.concatenate([n.free_space[n.length_km < 10.0] for n in networks])
    assert abs(short.mean() - 0.25) < 5 * np.sqrt(0.25 * 0.75 / len(short))


def test_seed_decides_the_network():
    first, again, other = clustered(20, seed=1), clustered(20, seed=1), clustered(20, seed=2)
    np.testing.assert_array_equal(first.length_km, again.length_km)
    assert first.name == again.name != other.name


@pytest.mark.parametrize(("n_sites", "degree", "mean_km"), [(10, 8.04, None), (250, 127.8, 7.2)])
def test_source_study(n_sites, degree, mean_km):
    """Degrees at both ends, means of 400 and 100 other seeds, and the mean link of large ones."""
    seeds = range(1000, 1040 if n_sites == 10 else 1010)
    networks = [source_study(n_sites, seed=seed) for seed in seeds]
    degrees = np.array([2 * network.n_links / n_sites for network in networks])
    error = degrees.std(ddof=1) / np.sqrt(len(degrees))
    assert abs(degrees.mean() - degree) < 4 * error
    if mean_km is not None:
        lengths = np.concatenate([network.length_km for network in networks])
        assert lengths.mean() == pytest.approx(mean_km, abs=0.35)


@pytest.mark.parametrize("name", available())
def test_catalogue(name):
    network = load(name)
    assert network.name == name
    assert network.source
    assert network.licence
    assert (network.length_km > 0).all()


def test_catalogue_has_the_published_facts():
    madrid = load("madrid")
    assert (madrid.n_sites, madrid.n_links) == (9, 9)
    assert sorted(madrid.loss_db)[-1] == 14.3
    vienna = load("vienna")
    assert (vienna.n_sites, vienna.n_links) == (6, 8)
    assert vienna.free_space.sum() == 1
    assert load("nsfnet-x0.05").length_km.max() < 200


def test_networkx_round_trip():
    network = clustered(20, seed=3)
    back = Topology.from_networkx(network.to_networkx())
    for field in ("positions_km", "link_endpoints", "length_km", "loss_db", "free_space"):
        np.testing.assert_array_equal(getattr(back, field), getattr(network, field))
    np.testing.assert_array_equal(back.district, network.district)
    assert back.site_names == network.site_names


def test_plain_graph_needs_lengths_only():
    graph = nx.cycle_graph(4)
    nx.set_edge_attributes(graph, 10.0, "length_km")
    network = Topology.from_networkx(graph)
    np.testing.assert_allclose(network.loss_db, 2.0)
    nx.set_edge_attributes(graph, {(0, 1): {"length_km": -1.0}})
    with pytest.raises(InvalidInput, match="length_km is -1"):
        Topology.from_networkx(graph)


def test_geometry_is_rounded_to_a_stated_grid():
    """The last bits of a network are the same whatever computed them."""
    for make in (clustered, source_study):
        network = make(20, seed=4)
        for field in ("positions_km", "length_km", "loss_db"):
            values = getattr(network, field)
            assert values.dtype == np.float64
            np.testing.assert_array_equal(values, np.round(values, 6))
            noise = 1.0 + np.spacing(1.0) * np.resize([-2, 0, 2], values.shape)
            again = dataclasses.replace(network, **{field: values * noise})
            np.testing.assert_array_equal(getattr(again, field), values)


def test_generated_networks_keep_their_names():
    """Districts draw their hours of demand from the name."""
    assert clustered(20, seed=1).name == "clustered-20-346419eb"
    assert source_study(20, seed=1).name == "source-study-20-5215e5a9"
