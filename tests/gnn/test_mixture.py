"""Networks to pretrain on: the same however the work is cut and whoever does it."""

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("torch_geometric")

from qkd_gym.features import LINK
from qkd_gym.gnn import mixture, simulate
from qkd_gym.gnn.data import ViabilityGraph
from qkd_gym.gnn.mixture import (
    draw_topologies,
    simulated_graphs,
    simulations,
    with_betweenness,
)
from qkd_gym.topology import clustered
from qkd_gym.workers import call, start_workers


def same(graph, other):
    for name in ViabilityGraph.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(graph, name), getattr(other, name))
    return True


def test_some_members_are_what_they_are_among_all():
    whole = simulate(8, 7, seed=2, scenario="metro")
    part = simulate(8, 7, seed=2, scenario="metro", members=[5, 0, 6])
    assert all(map(same, part, [whole[5], whole[0], whole[6]]))
    assert (whole[5].links.shape != whole[0].links.shape) or (
        whole[5].links != whole[0].links
    ).any()


@pytest.mark.parametrize("workers", [1, 2])
def test_simulated_networks_are_the_same_however_they_are_cut(workers):
    pieces = [
        mixture.Simulation(kind, graphs, 4, members)
        for kind, graphs, members in (
            (3, 4, (3, 1)),
            (0, 5, (2, 4)),
            (3, 4, (0, 2)),
            (0, 5, (0, 1, 3)),
        )
    ]
    with start_workers(workers) as team:
        found = simulated_graphs(pieces, team.do(call, pieces))
    expected = simulate(10, 5, 4, scenario="hidden") + simulate(20, 4, 4, scenario="metro")
    assert len(found) == len(expected)
    assert all(map(same, found, expected))


def test_pieces_hold_every_network_once_and_members_of_a_network_together():
    pieces = simulations(20, seed=1)
    for kind, (_, _, part) in enumerate(mixture._SIMULATED):
        mine = [piece for piece in pieces if piece.kind == kind]
        members = [member for piece in mine for member in piece.members]
        assert sorted(members) == list(range(20 * part))
        assert {piece.graphs for piece in mine} == {20 * part}
        networks = [np.random.default_rng([1, member]).integers(20 * part) for member in members]
        assert networks == sorted(networks)
    assert simulations(0, seed=1) == []


def test_betweenness_is_kept_and_travels():
    topologies = draw_topologies(4, np.random.default_rng(0))
    with start_workers(2) as team:
        (travelled,) = team.do(with_betweenness, [topologies])
    for topology, other in zip(topologies, travelled, strict=True):
        assert "betweenness" in vars(other)
        np.testing.assert_array_equal(topology.betweenness, other.betweenness)


def test_field_networks_are_chains_stars_trees_and_rings():
    rng = np.random.default_rng(0)
    shapes = set()
    for _ in range(300):
        topology = mixture._field(8, rng)
        degree = np.sort(np.bincount(topology.link_endpoints.ravel(), minlength=8))
        if topology.n_links == 7:
            shapes.add({2: "chain", 7: "star"}.get(int(degree[-1]), "tree"))
        elif (degree == 2).all():
            shapes.add("ring")
    assert shapes == {"chain", "star", "tree", "ring"}


def test_training_networks_range_from_hardly_to_wholly_viable():
    """What a network must tell from its measurements: in the reference a third is viable."""
    rng = np.random.default_rng(0)
    topologies = [clustered(40, rng) for _ in range(4)]
    graphs = mixture.TrainingMixture(topologies, [], rng).batch(200)
    viable = np.array([graph.viable.mean() for graph in graphs])
    measured = np.array([(graph.links[:, LINK.freshness] > 0.0).mean() for graph in graphs])
    assert (viable < 0.1).mean() > 0.1
    assert (viable > 0.8).mean() > 0.15
    assert ((viable > 0.25) & (viable < 0.5)).mean() > 0.1
    assert measured.min() < 0.1
    assert measured.max() > 0.8


def test_no_network_of_the_field_is_refused():
    """Some links would be far shorter than the straight line, which a topology does not take."""
    rng = np.random.default_rng(0)
    for n_sites in rng.integers(3, 51, 300).tolist():
        topology = mixture._field(n_sites, rng)
        assert topology.n_links >= n_sites - 1
