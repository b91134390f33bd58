"""Sets of links under module limits against all sets, and against the heaviest matching."""

import itertools

import networkx as nx
import numpy as np
import pytest

from qkd_gym.errors import InvalidInput
from qkd_gym.planning.matching import (
    greedy_matching,
    heaviest_matching,
    heavy_matching,
    round_plan,
)


def used(ends, chosen, n_sites):
    return np.bincount(ends[chosen].ravel(), minlength=n_sites)


@pytest.mark.parametrize("modules", [1, 2])
@pytest.mark.parametrize("seed", range(5))
def test_heaviest_matching_is_the_heaviest_of_all(seed, modules):
    rng = np.random.default_rng(seed)
    pairs = np.array(list(itertools.combinations(range(6), 2)))
    ends = pairs[rng.permutation(len(pairs))[:10]]
    weight = rng.uniform(-0.2, 1.0, 10)
    best = 0.0
    for chosen in itertools.product([False, True], repeat=10):
        chosen = np.array(chosen)
        if used(ends, chosen, 6).max() <= modules:
            best = max(best, weight[chosen].sum())
    found = heaviest_matching(ends, weight, modules, 6)
    assert used(ends, found, 6).max() <= modules
    assert weight[found].sum() == pytest.approx(best, rel=1e-3)


def test_nothing_to_gain_chooses_nothing():
    ends = np.array([[0, 1], [1, 2]])
    assert not heaviest_matching(ends, np.array([0.0, -1.0]), 2, 3).any()
    with pytest.raises(InvalidInput, match="modules"):
        heaviest_matching(ends, np.ones(2), 0, 3)


def test_greedy_chooses_in_order_while_modules_last():
    ends = np.array([[0, 1], [1, 2], [0, 2], [2, 3]])
    assert greedy_matching(ends, np.array([1, 0, 2, 3]), 1).tolist() == [False, True, False, False]
    assert greedy_matching(ends, np.array([0, 3, 1, 2]), 1).tolist() == [True, False, False, True]


def test_rounding_takes_the_largest_shares_that_fit_then_fills_up():
    # A star around site 0 with two modules, and a link that nobody planned.
    ends = np.array([[0, 1], [0, 2], [0, 3], [1, 2], [1, 3]])
    share = np.array([0.9, 0.3, 0.8, 0.0, 0.0])
    rate = np.array([1.0, 1.0, 1.0, 5.0, 0.0])
    active = round_plan(share, rate, ends, 2)
    assert active.tolist() == [True, False, True, True, False]
    assert round_plan(share, rate, ends, 1).tolist() == [True, False, False, False, False]


def test_rounding_ignores_solver_noise():
    ends = np.array([[0, 1], [0, 2]])
    share = np.array([0.5 + 1e-9, 0.5])
    assert round_plan(share, np.array([1.0, 2.0]), ends, 1).tolist() == [False, True]


def test_heavy_matching_is_feasible_maximal_and_heavy():
    rng = np.random.default_rng(0)
    ratios = []
    for _ in range(40):
        n = 8
        pairs = [(i, j) for i in range(n) for j in range(i) if rng.random() < 0.5]
        ends = np.array(pairs)[None]
        weight = rng.exponential(size=(1, len(pairs)))
        chosen = heavy_matching(weight, ends, np.array([1]), n)[0]
        held = used(ends[0], chosen, n)
        assert held.max() <= 1
        assert all(held[i] or held[j] for i, j in pairs)
        graph = nx.Graph()
        graph.add_weighted_edges_from((i, j, w) for (i, j), w in zip(pairs, weight[0], strict=True))
        best = sum(graph.edges[edge]["weight"] for edge in nx.max_weight_matching(graph))
        ratios.append(weight[0][chosen].sum() / best)
    assert min(ratios) >= 0.5
    assert max(ratios) <= 1.0 + 1e-12
    assert np.mean(ratios) > 0.95


def test_heavy_matching_fills_modules_and_leaves_worthless_links_out():
    ends = np.array([[[0, 1], [1, 2], [0, 2], [0, 3]]])
    weight = np.array([[1.0, 2.0, 3.0, 0.0]])
    chosen = heavy_matching(weight, ends, np.array([2]), 4)[0]
    assert chosen.tolist() == [True, True, True, False]
