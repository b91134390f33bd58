"""Observations made by hand."""

from __future__ import annotations

import numpy as np

from qkd_gym.features import LINK, LINK_FEATURES, NODE, NODE_FEATURES


def links_observation(**features: list[float]) -> dict[str, np.ndarray]:
    """Three links 0-1, 1-2, 0-2 between sites with one module; the first link is active."""
    links = np.zeros((3, len(LINK_FEATURES)), np.float32)
    defaults = {"active": [1, 0, 0], "running_time": [1, 0, 0], "nominal_rate": [1, 1, 1]}
    for name, values in (defaults | features).items():
        links[:, getattr(LINK, name)] = values
    nodes = np.zeros((3, len(NODE_FEATURES)), np.float32)
    nodes[:, NODE.modules_used] = [1, 1, 0]
    return {
        "links": links,
        "nodes": nodes,
        "link_endpoints": np.array([[0, 1], [1, 2], [0, 2]]),
        "action_mask": np.ones(4, np.int8),
    }
