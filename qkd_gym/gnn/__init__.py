"""Link viability: a graph network, its data, pretraining and weights."""

from qkd_gym.extras import require_extra

require_extra("train", "torch", "torch_geometric", "safetensors", "sklearn", "tqdm")

from qkd_gym.gnn.comparison import compare, predict, predict_rate_bps
from qkd_gym.gnn.data import ViabilityGraph, simulate
from qkd_gym.gnn.graphs import GraphBatch, batch_graphs, to_pyg
from qkd_gym.gnn.hidden import HiddenQuality, draw
from qkd_gym.gnn.inference import exact_posterior, site_posterior
from qkd_gym.gnn.matching import heaviest_matching
from qkd_gym.gnn.model import LinkViabilityGNN
from qkd_gym.gnn.network_level import network_level
from qkd_gym.gnn.rivals import Rivals
from qkd_gym.gnn.scores import auc_difference, brier_change, calibration_curve, scores
from qkd_gym.gnn.weights import load_pretrained, load_weights, save_weights

__all__ = [
    "GraphBatch",
    "HiddenQuality",
    "LinkViabilityGNN",
    "Rivals",
    "ViabilityGraph",
    "auc_difference",
    "batch_graphs",
    "brier_change",
    "calibration_curve",
    "compare",
    "draw",
    "exact_posterior",
    "heaviest_matching",
    "load_pretrained",
    "load_weights",
    "network_level",
    "predict",
    "predict_rate_bps",
    "save_weights",
    "scores",
    "simulate",
    "site_posterior",
    "to_pyg",
]
