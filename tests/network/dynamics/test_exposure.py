"""What compromised relays learn, against the graph of the links that a request used."""

import gymnasium as gym
import networkx as nx
import numpy as np
import pytest

import qkd_gym  # noqa: F401
from qkd_gym.errors import InvalidInput
from qkd_gym.network.faults import Fault

SPIES = {
    "name": "spies", "effect": "compromise", "strikes": "site",
    "per_place_hour": 0.3, "duration_min_s": 1800.0,
}  # fmt: skip
SETTINGS = {
    "faults": [SPIES], "bank_size": 1, "modules_per_site": 4, "initial_fill": 1.0,
    "episode_s": 2400.0,
}  # fmt: skip


def played(disjoint_paths, seed=0):
    """Info of each delivered request, its ends, the graph of its links and who is compromised."""
    env = gym.make("qkd_gym/Routing-v0", disjoint_paths=disjoint_paths, **SETTINGS)
    sites = env.unwrapped.core.simulator.state.sites
    obs, _ = env.reset(seed=seed)
    over = False
    while not over:
        choice = int(np.flatnonzero(obs["action_mask"])[0])
        links = obs["path_links"][choice : choice + 1].ravel()
        used = obs["link_endpoints"][links[links < obs["links"].shape[0]]]
        ends, spies = obs["request_endpoints"].tolist(), sites["compromised"][0] > 0
        obs, _, terminated, truncated, info = env.step(choice)
        over = terminated or truncated
        if info["delivered_bits"]:
            yield info, ends, nx.Graph(used.tolist()), np.flatnonzero(spies).tolist()


@pytest.mark.parametrize("disjoint_paths", [1, 2])
def test_a_request_is_exposed_if_its_paths_lead_through_compromised_relays_alone(disjoint_paths):
    exposed, partly, clear = 0, 0, 0
    relayed = dict.fromkeys(range(20), 0)
    for info, ends, graph, spies in played(disjoint_paths):
        relays = set(graph) - set(ends)
        safe = nx.Graph(graph)
        safe.remove_nodes_from(relays & set(spies))
        is_exposed = not nx.has_path(safe, *ends)
        assert info["compromised_bits"] == (info["delivered_bits"] if is_exposed else 0)
        exposed += is_exposed
        partly += bool(relays & set(spies)) and not is_exposed
        clear += not relays & set(spies)
        cuts = nx.minimum_node_cut(graph, *ends) if not graph.has_edge(*ends) else ()
        if len(cuts) == 1:
            for relay in relays:
                relayed[relay] += 1
        assert info["widest_relay_requests"] == max(relayed.values())
    assert clear > 20
    if disjoint_paths == 1:
        assert exposed > 20
        assert partly == 0
        assert max(relayed.values()) > 20
    else:
        assert partly > 20


def test_without_such_faults_nothing_is_counted():
    env = gym.make("qkd_gym/LinkActivation-v0", bank_size=1, episode_s=1200.0)
    env.reset(seed=0)
    for _ in range(20):
        info = env.step(env.action_space.n - 1)[4]
        assert info["compromised_bits"] == info["widest_relay_requests"] == 0


def test_only_sites_are_compromised():
    with pytest.raises(InvalidInput, match="strikes is 'link', but must be 'site' for the effect"):
        Fault("spies", effect="compromise", per_hour=1.0, duration_min_s=60.0)
