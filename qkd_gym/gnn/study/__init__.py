"""The link-viability study: classical predictors, the exact posterior, tables and their page."""

from qkd_gym.extras import require_extra

require_extra("train", "sklearn", "tqdm")

from qkd_gym.gnn.scores import auc_difference, brier_change, calibration_curve, scores
from qkd_gym.gnn.study.comparison import compare
from qkd_gym.gnn.study.inference import exact_posterior, site_posterior
from qkd_gym.gnn.study.network_level import network_level
from qkd_gym.gnn.study.rivals import Rivals

__all__ = [
    "Rivals",
    "auc_difference",
    "brier_change",
    "calibration_curve",
    "compare",
    "exact_posterior",
    "network_level",
    "scores",
    "site_posterior",
]
