"""Links chosen under module limits."""

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("sklearn")

from qkd_gym.gnn import draw, load_pretrained
from qkd_gym.gnn.study import ClassicalPredictors, network_level
from qkd_gym.gnn.study.network_level import outcome, simple_rules, without_limit
from qkd_gym.topology import clustered, source_study


def used(ends, chosen, n_sites):
    return np.bincount(ends[chosen].ravel(), minlength=n_sites)


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
    predictors = ClassicalPredictors([draw(clustered(20, rng), rng) for _ in range(150)])
    graphs = [draw(clustered(30, rng), rng) for _ in range(40)]
    rows = network_level(load_pretrained(), predictors, graphs, samples=0)
    assert rows["oracle"]["share_of_oracle"][0] == 1.0
    for name, row in rows.items():
        assert row["share_of_oracle"][0] <= 1.0 + 1e-3
        if name not in ("oracle", "graph network", "site posterior + boosting"):
            assert row["difference"][1] > 0.0, name


@pytest.mark.slow
def test_total_key_grows_with_the_links_that_nothing_limits():
    rng = np.random.default_rng(6)
    rows = without_limit(load_pretrained(), [draw(source_study(40, rng), rng) for _ in range(3)])
    assert rows["all links"]["rate_bps"] > rows["all that look viable"]["rate_bps"]
    assert rows["all that look viable"]["rate_bps"] > 2 * rows["b-matching"]["rate_bps"]
    assert rows["b-matching"]["links"] <= 40
