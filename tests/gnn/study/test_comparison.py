"""Classical predictors and their comparison with the graph network."""

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("sklearn")

from qkd_gym.gnn import draw, load_pretrained, predict, predict_rate_bps
from qkd_gym.gnn.study import ClassicalPredictors, auc_difference, brier_change, compare
from qkd_gym.topology import clustered, load


@pytest.fixture(scope="module")
def predictors():
    rng = np.random.default_rng(1)
    sizes = rng.integers(10, 51, 300)
    return ClassicalPredictors([draw(clustered(int(n), rng), rng) for n in sizes])


def test_differences_of_equals_and_opposites():
    rng = np.random.default_rng(0)
    labels = [(rng.random(20) < 0.5).astype(float) for _ in range(30)]
    noise = [np.clip(y + rng.normal(0, 1, 20), 0, 1) for y in labels]
    assert auc_difference(noise, noise, labels) == (0.0, 0.0, 0.0)
    assert brier_change(labels, noise, labels) == (-1.0, -1.0, -1.0)
    middle, low, high = auc_difference(labels, noise, labels)
    assert 0.0 < low < middle < high


def test_graph_network_beats_links_alone_on_unseen_networks(predictors):
    """Its lead over per-link predictors is about .11, over the site posterior none is claimed."""
    rng = np.random.default_rng(2)
    graphs = [draw(clustered(30, rng), rng) for _ in range(60)]
    found = compare(load_pretrained(), predictors, graphs, samples=200)
    rows, difference = found["scores"], found["difference"]
    for name in ("last value", "logistic per link", "boosting per link"):
        assert difference[name]["auc"][1] > 0.05
        assert difference[name]["brier"][2] < -0.1
    assert difference["site posterior + boosting"]["auc"][1] > -0.01
    # Nothing beats the posterior but by chance.
    assert difference["exact posterior"]["auc"][0] < 0.01
    assert rows["graph network"]["calibration_error"] < 0.04
    assert found["links"] == sum(len(graph.viable) for graph in graphs)


@pytest.mark.parametrize(
    "name",
    [
        "madrid",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("nsfnet-x0.05", "slovenia")),
    ],
)
def test_graph_network_serves_real_topologies(predictors, name):
    rng = np.random.default_rng(3)
    graphs = [draw(load(name), rng) for _ in range(300)]
    found = compare(load_pretrained(), predictors, graphs, samples=0)
    assert found["difference"][found["best_per_link"]]["auc"][0] > 0.03
    assert found["difference"]["site posterior + boosting"]["auc"][2] > -0.005
    assert found["scores"]["graph network"]["calibration_error"] < 0.05


def test_predictions_are_probabilities_and_rates():
    rng = np.random.default_rng(4)
    graph = draw(clustered(20, rng), rng)
    model = load_pretrained().train()
    chance, rate = predict(model, graph), predict_rate_bps(model, graph)
    assert chance.shape == rate.shape == graph.viable.shape
    assert ((chance > 0) & (chance < 1)).all()
    assert ((rate >= 0) & (rate <= graph.nominal_rate_bps)).all()
    np.testing.assert_array_equal(chance, predict(model, graph))


def test_predictors_see_only_what_the_operator_sees(predictors):
    rng = np.random.default_rng(6)
    graph = draw(clustered(20, rng), rng)
    blind = type(graph)(
        graph.nodes, graph.links, graph.ends, 1 - graph.viable, graph.rate_bps * 0,
        graph.nominal_rate_bps, graph.qber * 0,
    )  # fmt: skip
    for name, chance in predictors.predict(graph).items():
        assert chance.shape == graph.viable.shape
        np.testing.assert_array_equal(chance, predictors.predict(blind)[name])
