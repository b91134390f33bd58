"""The graph network beside classical predictors on networks with hidden quality."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qkd_gym.gnn.data import ViabilityGraph
from qkd_gym.gnn.hidden import REFERENCE, HiddenQuality
from qkd_gym.gnn.model import LinkViabilityGNN
from qkd_gym.gnn.predict import predict
from qkd_gym.gnn.scores import auc_difference, brier_change, calibration_curve, scores
from qkd_gym.gnn.study.inference import exact_posterior
from qkd_gym.gnn.study.rivals import Rivals

F64 = NDArray[np.float64]

GNN = "graph network"
BOUND = "exact posterior"
PER_LINK = ("last value", "logistic per link", "boosting per link")
SITE_POSTERIOR = "site posterior + boosting"


def judge(model: LinkViabilityGNN, graphs: Sequence[ViabilityGraph]) -> dict[str, float]:
    """Scores of the graph network over all links of some networks."""
    chance = np.concatenate([predict(model, graph) for graph in graphs])
    return scores(chance, np.concatenate([graph.viable for graph in graphs]))


def compare(
    model: LinkViabilityGNN,
    rivals: Rivals,
    graphs: Sequence[ViabilityGraph],
    setting: HiddenQuality = REFERENCE,
    samples: int = 1000,
) -> dict[str, Any]:
    """Scores of all predictors on the same networks, and the graph network's lead over each.

    Args:
        model: The graph network.
        rivals: The classical predictors, fitted.
        graphs: Networks that none of them was trained on.
        setting: What the networks were drawn with; only the exact posterior is told it here.
        samples: Samples of the exact posterior per network; 0 leaves it out.

    Returns:
        ``networks``, ``links``, ``viable`` (share of the links); ``scores`` by predictor;
        ``calibration`` (mean prediction, share of viable links and count per bin) of the graph
        network; ``lead`` by rival: ``auc`` and ``brier``, each a difference with its 95 %
        interval over networks, see `auc_difference` and `brier_change`; ``bound``, the same
        ``brier`` of the exact posterior beside the best predictor per link; ``best_per_link``.
    """
    chances: dict[str, list[F64]] = {GNN: [predict(model, graph) for graph in graphs]}
    chances |= rivals.predict_many(graphs)
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
        "lead": {
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
