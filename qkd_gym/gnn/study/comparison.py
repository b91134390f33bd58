"""The graph network compared with classical predictors, with intervals over networks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from qkd_gym.gnn.data import ViabilityGraph
from qkd_gym.gnn.hidden import REFERENCE, HiddenQuality
from qkd_gym.gnn.model import LinkViabilityGNN
from qkd_gym.gnn.predict import predict
from qkd_gym.gnn.scores import calibration_curve, scores
from qkd_gym.gnn.study.classical_predictors import PER_LINK, ClassicalPredictors
from qkd_gym.gnn.study.inference import exact_posterior

F64 = NDArray[np.float64]

GNN = "graph network"
BOUND = "exact posterior"
UNTOLD_BOUND = "exact posterior, not told"


def compare(
    model: LinkViabilityGNN,
    predictors: ClassicalPredictors,
    graphs: Sequence[ViabilityGraph],
    setting: HiddenQuality = REFERENCE,
    samples: int = 1000,
) -> dict[str, Any]:
    """Scores of all predictors on the same networks, and the graph network's difference to each.

    Args:
        model: The graph network.
        predictors: The classical predictors, fitted.
        graphs: Networks that none of them was trained on.
        setting: What the networks were drawn with; only the exact posterior is told it here,
            which is there once more without being told the spreads.
        samples: Samples of the exact posteriors per network; 0 leaves them out.

    Returns:
        ``networks``, ``links``, ``viable`` (share of the links); ``scores`` by predictor;
        ``calibration`` (mean prediction, share of viable links and count per bin) of the graph
        network; ``difference`` by other predictor: ``auc`` and ``brier``, each with its 95 %
        interval over networks, see `auc_difference` and `brier_change`; ``best_per_link``, the
        name of the predictor with the greatest AUC among those that look at one link alone; and
        ``bound`` with ``brier``, the `brier_change` from that predictor to the exact posterior.
    """
    chances: dict[str, list[F64]] = {GNN: [predict(model, graph) for graph in graphs]}
    chances |= predictors.predict_many(graphs)
    if samples:
        for name, told in ((BOUND, True), (UNTOLD_BOUND, False)):
            chances[name] = [
                exact_posterior(graph, setting, samples, told=told)[0] for graph in graphs
            ]
    labels = [graph.viable.astype(np.float64) for graph in graphs]
    label = np.concatenate(labels)
    rows = {name: scores(np.concatenate(chance), label) for name, chance in chances.items()}
    best = max(PER_LINK, key=lambda name: rows[name]["auc"])
    found = {
        "networks": len(graphs),
        "links": len(label),
        "viable": float(label.mean()),
        "scores": rows,
        "calibration": calibration_curve(np.concatenate(chances[GNN]), label),
        "difference": {
            name: {
                "auc": auc_difference(chances[GNN], chances[name], labels),
                "brier": brier_change(chances[GNN], chances[name], labels),
            }
            for name in chances
            if name != GNN
        },
        "best_per_link": best,
    }
    if samples:
        found["bound"] = {"brier": brier_change(chances[BOUND], chances[best], labels)}
    return found


def bootstrap(
    statistic: Callable[[NDArray[np.int64]], float], networks: int, resamples: int = 300
) -> tuple[float, float, float]:
    """A statistic of all networks with its 95 % percentile interval.

    Whole networks are resampled, for the links of one share their sites.

    Args:
        statistic: Takes the numbers of the networks to use, with repetitions; NaN if undefined.
        networks: Number of networks.
        resamples: Bootstrap samples.

    Returns:
        The statistic of all networks, and the lower and upper end.
    """
    rng = np.random.default_rng(0)
    drawn = [statistic(rng.integers(networks, size=networks)) for _ in range(resamples)]
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    return float(statistic(np.arange(networks))), float(low), float(high)


def auc_difference(
    first: Sequence[F64], second: Sequence[F64], labels: Sequence[F64], resamples: int = 300
) -> tuple[float, float, float]:
    """AUC of the first predictor less that of the second, with its 95 % interval.

    Args:
        first: Probabilities by the first predictor, one array (E,) per network.
        second: Likewise by the second predictor.
        labels: Likewise, 1 for a viable link, else 0.
        resamples: Bootstrap samples of networks.

    Returns:
        The difference over all networks, and the lower and upper end of its interval.
    """

    def difference(rows: NDArray[np.int64]) -> float:
        label, a, b = (np.concatenate([part[i] for i in rows]) for part in (labels, first, second))
        if label.min() == label.max():
            return np.nan
        return _auc(label, a) - _auc(label, b)

    return bootstrap(difference, len(labels), resamples)


def _auc(label: F64, chance: F64) -> float:
    """Area under the ROC curve by ranks, faster than scikit-learn's for many resamples."""
    rank = rankdata(chance)
    ones = label.sum()
    return float((rank[label > 0.5].sum() / ones - 0.5 * (ones + 1.0)) / (len(label) - ones))


def brier_change(
    first: Sequence[F64], second: Sequence[F64], labels: Sequence[F64], resamples: int = 300
) -> tuple[float, float, float]:
    """Brier score of the first predictor over that of the second, less one, with its interval.

    Args:
        first: Probabilities by the first predictor, one array (E,) per network.
        second: Likewise by the second predictor.
        labels: Likewise, 1 for a viable link, else 0.
        resamples: Bootstrap samples of networks.

    Returns:
        The change over all networks, -0.2 for a fifth lower, and the ends of its 95 % interval.
    """
    a, b = (
        np.array([np.sum((c - y) ** 2) for c, y in zip(part, labels, strict=True)])
        for part in (first, second)
    )
    return bootstrap(lambda rows: float(a[rows].sum() / b[rows].sum() - 1.0), len(a), resamples)
