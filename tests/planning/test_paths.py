"""Candidate paths against networkx and against graphs small enough to enumerate."""

from __future__ import annotations

import itertools

import networkx as nx
import numpy as np
import pytest

from qkd_gym.planning.paths import candidate_paths, pair_index


def random_network(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    graph = nx.connected_watts_strogatz_graph(n, 4, 0.4, seed=seed)
    ends = np.array(graph.edges)
    return ends, np.random.default_rng(seed).uniform(1.0, 3.0, len(ends))


def test_pair_index_counts_the_pairs_in_order():
    n = 7
    rows = [pair_index(i, j, n) for i, j in itertools.combinations(range(n), 2)]
    assert rows == list(range(n * (n - 1) // 2))


@pytest.mark.parametrize("seed", range(3))
def test_paths_are_the_shortest_simple_paths(seed):
    n, k = 9, 5
    ends, weights = random_network(n, seed)
    links, hops = candidate_paths(ends, weights, n, k, max_hops=n - 1)
    graph = nx.Graph()
    graph.add_weighted_edges_from(
        (i, j, w) for (i, j), w in zip(ends.tolist(), weights, strict=True)
    )
    for i, j in itertools.combinations(range(n), 2):
        row = pair_index(i, j, n)
        expected = itertools.islice(nx.shortest_simple_paths(graph, i, j, "weight"), k)
        lengths = [nx.path_weight(graph, path, "weight") for path in expected]
        assert (hops[row] > 0).sum() == len(lengths)
        for rank, length in enumerate(lengths):
            path = links[row, rank, : hops[row, rank]]
            assert weights[path].sum() == pytest.approx(length, rel=1e-6)
            assert (links[row, rank, hops[row, rank] :] == -1).all()
            walk = [i]
            for a, b in ends[path]:
                assert walk[-1] in (a, b)
                walk.append(b if walk[-1] == a else a)
            assert walk[-1] == j
            assert len(set(walk)) == len(walk)


def test_long_paths_are_dropped_and_the_others_move_up():
    # A ring of five sites: one way round has d hops, the other 5 - d.
    ends = np.array([[0, 1], [1, 2], [2, 3], [3, 4], [0, 4]])
    weights = np.array([0.1, 0.1, 0.1, 0.1, 10.0])
    links, hops = candidate_paths(ends, weights, 5, k=3, max_hops=2)
    ends_of_the_line = pair_index(0, 4, 5)  # its lightest path, of four hops, is too long
    assert hops[ends_of_the_line].tolist() == [1, 0, 0]
    assert links[ends_of_the_line, 0].tolist() == [4, -1]
    assert hops[pair_index(0, 1, 5)].tolist() == [1, 0, 0]
    assert links.shape == (10, 3, 2)


def test_equal_paths_come_in_the_same_order_and_parallel_links_use_the_lighter():
    ends = np.array([[0, 1], [1, 3], [0, 2], [2, 3], [0, 1]])
    weights = np.array([2.0, 1.0, 1.0, 1.0, 1.0])
    first, hops = candidate_paths(ends, weights, 4, k=4, max_hops=3)
    again, _ = candidate_paths(ends, weights, 4, k=4, max_hops=3)
    np.testing.assert_array_equal(first, again)
    assert hops[pair_index(0, 3, 4)].tolist() == [2, 2, 0, 0]
    assert not (first == 0).any()
    assert first.dtype == np.int16


def test_sites_without_a_path_have_none():
    _, hops = candidate_paths(np.array([[0, 1]]), np.array([1.0]), 4, k=2, max_hops=3)
    assert hops[pair_index(0, 1, 4)].tolist() == [1, 0]
    assert hops.sum() == 1
