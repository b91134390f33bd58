"""How good predicted probabilities are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, log_loss, roc_auc_score

from qkd_gym.gnn.data import ViabilityGraph
from qkd_gym.gnn.model import LinkViabilityGNN
from qkd_gym.gnn.predict import predict

F64 = NDArray[np.float64]


def calibration_curve(chance: F64, label: F64, bins: int = 10) -> tuple[F64, F64, F64]:
    """How predicted probabilities compare with what happens, over bins of equal width.

    Args:
        chance: Predicted probability of each link, (E,).
        label: 1 for a viable link, else 0, (E,).
        bins: Number of bins.

    Returns:
        Mean prediction and share of viable links, both 0 for an empty bin, and number of links of
        each bin, each (bins,).
    """
    place = np.minimum((chance * bins).astype(int), bins - 1)
    count = np.bincount(place, minlength=bins).astype(np.float64)
    mean, share = (np.bincount(place, x, bins) / np.maximum(count, 1.0) for x in (chance, label))
    return mean, share, count


def scores(chance: F64, label: F64) -> dict[str, float]:
    """AUC, average precision, Brier score, log loss and expected calibration error (10 bins).

    Of predicted probabilities, (E,), and labels, (E,), 1 for a viable link, else 0.
    """
    mean, share, count = calibration_curve(chance, label)
    return {
        "auc": float(roc_auc_score(label, chance)),
        "average_precision": float(average_precision_score(label, chance)),
        "brier": float(np.mean((chance - label) ** 2)),
        "log_loss": float(log_loss(label, np.clip(chance, 1e-7, 1.0 - 1e-7), labels=[0, 1])),
        "calibration_error": float(np.sum(count * np.abs(mean - share)) / np.sum(count)),
    }


def score_network(model: LinkViabilityGNN, graphs: Sequence[ViabilityGraph]) -> dict[str, float]:
    """Scores of the graph network over all links of some networks, see `scores`."""
    chance = np.concatenate([predict(model, graph) for graph in graphs])
    return scores(chance, np.concatenate([graph.viable for graph in graphs]))
