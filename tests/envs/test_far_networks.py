"""Networks as wide as features allow, and wider ones."""

import gymnasium as gym
import networkx as nx
import numpy as np
import pytest

import qkd_gym  # noqa: F401
from qkd_gym.errors import InvalidInput
from qkd_gym.features import FEATURE_LIMIT, PATH
from qkd_gym.topology import Topology


def ring_file(folder, length_km):
    """Eight sites on a ring of links that are long and lose little, as over satellites."""
    graph = nx.cycle_graph(8)
    graph.name = "ring"
    for first, second in graph.edges:
        graph.edges[first, second].update(length_km=length_km, loss_db=5.0)
    path = folder / "ring.json"
    Topology.from_networkx(graph).save(path)
    return str(path)


@pytest.mark.parametrize("task", ["LinkActivation", "Routing", "Network"])
def test_features_of_a_wide_network_stay_inside_their_space(tmp_path, task):
    path = ring_file(tmp_path, 3000.0)
    with gym.make(f"qkd_gym/{task}-v0", scenario=path) as env:
        obs, _ = env.reset(seed=0)
        longest = 0.0
        for _ in range(40):
            assert env.observation_space.contains(obs)
            longest = max(longest, float(np.max(obs["paths"][:, PATH.length], initial=0.0))
                          if "paths" in obs else FEATURE_LIMIT)  # fmt: skip
            obs, *_ = env.step(env.action_space.sample())
        assert longest == FEATURE_LIMIT  # it was reached


@pytest.mark.parametrize("task", ["LinkActivation", "Routing", "Network"])
def test_wider_networks_are_refused_with_a_sentence(tmp_path, task):
    with pytest.raises(InvalidInput, match="observations hold at most 5000 km"):
        gym.make(f"qkd_gym/{task}-v0", scenario=ring_file(tmp_path, 6000.0))
