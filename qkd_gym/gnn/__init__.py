"""Link viability: a graph network, its data, pretraining and weights."""

from qkd_gym.extras import require_extra

require_extra("train", "torch", "torch_geometric", "safetensors")

from qkd_gym.gnn.graphs import GraphBatch, batch_graphs, to_pyg
from qkd_gym.gnn.model import LinkViabilityGNN
from qkd_gym.gnn.weights import load_pretrained, load_weights, save_weights

__all__ = [
    "GraphBatch",
    "LinkViabilityGNN",
    "batch_graphs",
    "load_pretrained",
    "load_weights",
    "save_weights",
    "to_pyg",
]
