"""Bundles of disjoint paths against enumeration and networkx."""

from __future__ import annotations

import itertools

import networkx as nx
import numpy as np
import pytest

from qkd_gym.planning.disjoint import disjoint_bundles
from qkd_gym.planning.paths import candidate_paths, pair_index

N = 9


def network(seed: int) -> tuple[np.ndarray, np.ndarray, nx.Graph]:
    graph = nx.connected_watts_strogatz_graph(N, 4, 0.4, seed=seed)
    ends = np.array(graph.edges)
    weights = np.random.default_rng(seed).uniform(1.0, 3.0, len(ends))
    for (i, j), weight in zip(ends.tolist(), weights, strict=True):
        graph.edges[i, j]["weight"] = weight
    return ends, weights, graph


def bundles(ends, weights, n, k, paths, many=200):
    found = candidate_paths(ends, weights, n, many, n - 1)
    return disjoint_bundles(*found, ends, weights, n, k, paths)


def walks(links, ends, first, second):
    """The sites of each path of a bundle."""
    routes, walk = [], [first]
    for a, b in ends[links].tolist():
        assert walk[-1] in (a, b)
        walk.append(b if walk[-1] == a else a)
        if walk[-1] == second:
            routes.append(walk)
            walk = [first]
    assert walk == [first]
    return routes


@pytest.mark.parametrize("paths", [2, 3])
@pytest.mark.parametrize("seed", range(3))
def test_paths_of_a_bundle_have_no_relay_in_common_and_are_as_many_as_there_are(seed, paths):
    ends, weights, graph = network(seed)
    links, hops = bundles(ends, weights, N, 4, paths)
    for first, second in itertools.combinations(range(N), 2):
        row = pair_index(first, second, N)
        assert hops[row, 0] > 0
        lengths = []
        for rank in np.flatnonzero(hops[row]):
            bundle = links[row, rank, : hops[row, rank]]
            assert (links[row, rank, hops[row, rank] :] == -1).all()
            routes = walks(bundle, ends, first, second)
            relays = [site for route in routes for site in route[1:-1]]
            assert len(relays) == len(set(relays))
            if not graph.has_edge(first, second):
                most = nx.node_connectivity(graph, first, second)
                assert len(routes) == min(paths, most)
            lengths.append(weights[bundle].sum())
        assert lengths == sorted(lengths)
        assert len(set(map(bytes, links[row][hops[row] > 0]))) == len(lengths)


@pytest.mark.parametrize("seed", range(3))
def test_the_lightest_pair_of_paths_comes_first(seed):
    ends, weights, graph = network(seed)
    links, hops = bundles(ends, weights, N, 4, 2)
    for first, second in itertools.combinations(range(N), 2):
        row = pair_index(first, second, N)
        lightest = weights[links[row, 0, : hops[row, 0]]].sum()
        routes = list(nx.all_simple_paths(graph, first, second))
        weight = {tuple(route): nx.path_weight(graph, route, "weight") for route in routes}
        allowed = [
            weight[a] + weight[b]
            for a, b in itertools.combinations(weight, 2)
            if set(a) & set(b) == {first, second} and min(len(a), len(b)) > 2
        ]
        if graph.has_edge(first, second):
            allowed.append(weight[first, second])
        assert lightest == pytest.approx(min(allowed), rel=1e-6)


def test_two_paths_are_found_where_the_lightest_ones_bar_them():
    # The lightest path 0-1-2-3 takes a relay of both others, 0-1-4-3 and 0-5-2-3.
    ends = np.array([[0, 1], [1, 2], [2, 3], [1, 4], [4, 3], [0, 5], [5, 2]])
    weights = np.array([1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 2.0])
    links, hops = bundles(ends, weights, 6, 3, 2, many=1)
    row = pair_index(0, 3, 6)
    assert hops[row].tolist() == [6, 0, 0]
    routes = walks(links[row, 0, :6], ends, 0, 3)
    assert sorted(routes) == [[0, 1, 4, 3], [0, 5, 2, 3]]


def test_where_one_relay_bars_all_others_there_is_one_path():
    ends = np.array([[0, 1], [0, 2], [1, 3], [2, 3], [3, 4]])
    links, hops = bundles(ends, np.ones(5), 5, 4, 2)
    row = pair_index(0, 4, 5)
    assert hops[row].tolist() == [3, 3, 0, 0]
    assert hops[pair_index(0, 3, 5)].tolist() == [4, 0, 0, 0]
    assert hops[pair_index(3, 4, 5)].tolist() == [1, 0, 0, 0]
    assert links.dtype == np.int16
