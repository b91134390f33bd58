"""What the graph network says of the links of one network."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from qkd_gym.gnn.data import ViabilityGraph, join
from qkd_gym.gnn.model import LinkViabilityGNN

F64 = NDArray[np.float64]


def predict(model: LinkViabilityGNN, graph: ViabilityGraph) -> F64:
    """Probability of each link to be viable over the next 30 minutes, (E,).

    The model, for instance from `load_pretrained`, is put into evaluation mode.
    """
    model.eval()
    with torch.no_grad():
        return model(join([graph])[0]).sigmoid().numpy().astype(np.float64)


def predict_rate_bps(model: LinkViabilityGNN, graph: ViabilityGraph) -> F64:
    """Expected key rate of each link over the next 30 minutes, bit/s, (E,).

    The model, for instance from `load_pretrained`, is put into evaluation mode.
    """
    model.eval()
    with torch.no_grad():
        share = model.predict_rate_share(join([graph])[0]).numpy().astype(np.float64)
    return share * graph.nominal_rate_bps
