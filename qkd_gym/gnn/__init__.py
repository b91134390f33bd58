"""Link viability: a graph network, its data, pretraining and weights."""

from qkd_gym.extras import require_extra

require_extra("train", "torch", "torch_geometric", "safetensors")

from qkd_gym.gnn.data import ViabilityGraph, simulate
from qkd_gym.gnn.graphs import GraphBatch, batch_graphs, to_pyg
from qkd_gym.gnn.hidden import HiddenQuality, draw
from qkd_gym.gnn.model import LinkViabilityGNN
from qkd_gym.gnn.predict import predict, predict_rate_bps
from qkd_gym.gnn.weights import load_pretrained, load_weights, save_weights

__all__ = [
    "GraphBatch",
    "HiddenQuality",
    "LinkViabilityGNN",
    "ViabilityGraph",
    "batch_graphs",
    "draw",
    "load_pretrained",
    "load_weights",
    "predict",
    "predict_rate_bps",
    "save_weights",
    "simulate",
    "to_pyg",
]
