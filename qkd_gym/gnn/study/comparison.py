"""The graph network compared with classical predictors on networks with hidden quality."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qkd_gym.gnn.data import ViabilityGraph
from qkd_gym.gnn.hidden import REFERENCE, HiddenQuality
from qkd_gym.gnn.model import LinkViabilityGNN
from qkd_gym.gnn.predict import predict
from qkd_gym.gnn.scores import calibration_curve, scores
from qkd_gym.gnn.study.classical_predictors import PER_LINK, ClassicalPredictors
from qkd_gym.gnn.study.differences import auc_difference, brier_change
from qkd_gym.gnn.study.inference import exact_posterior

F64 = NDArray[np.float64]

GNN = "graph network"
BOUND = "exact posterior"


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
        setting: What the networks were drawn with; only the exact posterior is told it here.
        samples: Samples of the exact posterior per network; 0 leaves it out.

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
        chances[BOUND] = [exact_posterior(graph, setting, samples)[0] for graph in graphs]
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
