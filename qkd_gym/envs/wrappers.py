"""Observations as a true graph, for tools that take `gymnasium.spaces.Graph`."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.spaces import GraphInstance
from numpy.typing import NDArray

from qkd_gym.features import FEATURE_LIMIT, LINK_FEATURES, NODE_FEATURES

Observation = dict[str, NDArray[Any]]


def as_graph(observation: Observation) -> GraphInstance:
    """The network of one observation without padding.

    Returns:
        nodes (n, features) float32, edges (e, features) float32 and edge_links (e, 2) int64.
    """
    sites = observation["node_mask"].astype(bool)
    links = observation["link_mask"].astype(bool)
    return GraphInstance(
        nodes=observation["nodes"][sites].astype(np.float32),
        edges=observation["links"][links].astype(np.float32),
        edge_links=observation["link_endpoints"][links].astype(np.int64),
    )


def _features(count: int) -> spaces.Box[np.float32]:
    return spaces.Box(-FEATURE_LIMIT, FEATURE_LIMIT, (count,), np.float32)


class GraphObservation(gym.ObservationWrapper[GraphInstance, Any, Observation]):
    """Turns the padded dictionary into a `GraphInstance`; ``info`` still has the action mask.

    Args:
        env: One of the package's single environments.
    """

    def __init__(self, env: gym.Env[Observation, Any]) -> None:
        super().__init__(env)
        self.observation_space = spaces.Graph(
            node_space=_features(len(NODE_FEATURES)), edge_space=_features(len(LINK_FEATURES))
        )

    def observation(self, observation: Observation) -> GraphInstance:
        """See `as_graph`."""
        return as_graph(observation)
