"""The link-viability study: classical predictors, the exact posterior, tables and their page."""

from qkd_gym.extras import require_extra

require_extra("train", "sklearn", "tqdm")

from qkd_gym.gnn.scores import calibration_curve, score_network, scores
from qkd_gym.gnn.study.classical_predictors import ClassicalPredictors
from qkd_gym.gnn.study.comparison import auc_difference, brier_change, compare
from qkd_gym.gnn.study.inference import exact_posterior, site_posterior
from qkd_gym.gnn.study.network_level import network_level

__all__ = [
    "ClassicalPredictors",
    "auc_difference",
    "brier_change",
    "calibration_curve",
    "compare",
    "exact_posterior",
    "network_level",
    "score_network",
    "scores",
    "site_posterior",
]
