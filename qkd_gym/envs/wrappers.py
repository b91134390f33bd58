"""Observations as a true graph, for tools that take `gymnasium.spaces.Graph`."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.spaces import GraphInstance
from gymnasium.utils import RecordConstructorArgs
from gymnasium.vector import VectorEnv, VectorObservationWrapper
from gymnasium.vector.utils import batch_space
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


_OF_THE_GRAPH = ("nodes", "links", "link_endpoints", "node_mask", "link_mask")


def beside_a_graph(observation: Observation) -> dict[str, Any]:
    """The graph of one observation, and all that is no part of it."""
    rest = {name: each for name, each in observation.items() if name not in _OF_THE_GRAPH}
    return {"graph": as_graph(observation), **rest}


def _graph_space(space: gym.Space) -> spaces.Dict:
    """The space of what `beside_a_graph` makes of one observation of this space."""
    fields: dict[str, gym.Space] = dict(space)  # type: ignore[call-overload]
    graph = spaces.Graph(
        node_space=_features(len(NODE_FEATURES)), edge_space=_features(len(LINK_FEATURES))
    )
    rest = {name: each for name, each in fields.items() if name not in _OF_THE_GRAPH}
    return spaces.Dict({"graph": graph, **rest})


class GraphObservation(
    gym.ObservationWrapper[dict[str, Any], Any, Observation], RecordConstructorArgs
):
    """Turns sites and links into a `GraphInstance`, the field ``graph``, without padding.

    All other fields stay as they are: ``context``, ``action_mask``, and where paths are decided
    the request and its paths, whose ``path_links`` count edges of the graph; their padding is the
    number of links of the largest network.

    Args:
        env: One of the package's single environments.
    """

    def __init__(self, env: gym.Env[Observation, Any]) -> None:
        RecordConstructorArgs.__init__(self)  # so that a spec can make it again
        gym.ObservationWrapper.__init__(self, env)
        self.observation_space = _graph_space(env.observation_space)

    def observation(self, observation: Observation) -> dict[str, Any]:
        """One observation, see `as_graph`."""
        return beside_a_graph(observation)


class VectorGraphObservation(VectorObservationWrapper):
    """`GraphObservation` for a vector environment: ``graph`` is a tuple with one of every member.

    Args:
        env: One of the package's vector environments; Gymnasium's wrappers of observations take
            the autoreset modes NEXT_STEP and DISABLED.
    """

    def __init__(self, env: VectorEnv[Observation, Any, Any]) -> None:
        super().__init__(env)
        self.single_observation_space = _graph_space(env.single_observation_space)
        self.observation_space = batch_space(self.single_observation_space, env.num_envs)

    def observations(self, observations: Observation) -> dict[str, Any]:
        """Observations of all members."""
        members = range(self.num_envs)
        graphs = tuple(as_graph({n: o[b] for n, o in observations.items()}) for b in members)
        rest = {name: each for name, each in observations.items() if name not in _OF_THE_GRAPH}
        return {"graph": graphs, **rest}
