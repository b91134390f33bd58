"""Links chosen under module limits."""

import itertools

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("sklearn")

from qkd_gym.errors import InvalidInput
from qkd_gym.gnn import draw, load_pretrained
from qkd_gym.gnn.study import Rivals, heaviest_matching, network_level
from qkd_gym.gnn.study.matching import in_order, outcome, simple_rules
from qkd_gym.gnn.study.network_level import without_limit
from qkd_gym.topology import clustered, source_study


def used(ends, chosen, n_sites):
    return np.bincount(ends[chosen].ravel(), minlength=n_sites)


@pytest.mark.parametrize("modules", [1, 2])
@pytest.mark.parametrize("seed", range(5))
def test_matching_is_the_heaviest_of_all(seed, modules):
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


def test_greedy_takes_in_order_while_modules_last():
    ends = np.array([[0, 1], [1, 2], [0, 2], [2, 3]])
    assert in_order(ends, np.array([1, 0, 2, 3]), 1).tolist() == [False, True, False, False]
    assert in_order(ends, np.array([0, 3, 1, 2]), 1).tolist() == [True, False, False, True]


def test_rules_keep_the_limits_and_outcomes_add_up():
    rng = np.random.default_rng(0)
    graph = draw(clustered(20, rng), rng)
    for chosen in simple_rules(graph, 2, 0.3, rng).values():
        assert used(graph.ends, chosen, 20).max() <= 2
        row = outcome(graph, chosen)
        assert row["links"] == chosen.sum()
        assert row["rate_bps"] == pytest.approx(graph.rate_bps[chosen].sum())


def test_predictions_are_worth_key():
    """Between the best rule without a model and the oracle, on networks of other seeds."""
    rng = np.random.default_rng(5)
    rivals = Rivals([draw(clustered(20, rng), rng) for _ in range(150)])
    graphs = [draw(clustered(30, rng), rng) for _ in range(40)]
    rows = network_level(load_pretrained(), rivals, graphs, samples=0)
    assert rows["oracle"]["share_of_oracle"][0] == 1.0
    for name, row in rows.items():
        assert row["share_of_oracle"][0] <= 1.0 + 1e-3
        if name not in ("oracle", "graph network", "site posterior + boosting"):
            assert row["lead"][1] > 0.0, name


def test_total_key_grows_with_the_links_that_nothing_limits():
    rng = np.random.default_rng(6)
    rows = without_limit(load_pretrained(), [draw(source_study(40, rng), rng) for _ in range(3)])
    assert rows["all links"]["rate_bps"] > rows["all that look viable"]["rate_bps"]
    assert rows["all that look viable"]["rate_bps"] > 2 * rows["b-matching"]["rate_bps"]
    assert rows["b-matching"]["links"] <= 40
