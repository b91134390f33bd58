"""Networks of a user's own: what a file holds counts, not where it lies."""

import copy
import json
import pickle

import gymnasium as gym
import networkx as nx
import numpy as np
import pytest

from qkd_gym.errors import InvalidInput
from qkd_gym.evaluation import evaluate
from qkd_gym.network.bank import NetworkBank
from qkd_gym.network.config import NetworkConfig
from qkd_gym.network.scenarios import as_mapping, resolve
from qkd_gym.network.traffic import gravity
from qkd_gym.topology import Topology, clustered, load

ENV = "qkd_gym/LinkActivation-v0"


def write(path, length_km):
    ends = [("a", "b"), ("b", "c")]
    edges = [{"source": s, "target": t, "length_km": length_km} for s, t in ends]
    path.parent.mkdir(exist_ok=True)
    path.write_text(
        json.dumps({"name": "mine", "nodes": [{"id": i} for i in "abc"], "edges": edges})
    )


def lengths(env):
    env.reset(seed=0)
    return env.unwrapped.core.simulator.networks.topology(0).length_km.tolist()


def test_a_file_that_changed_is_another_network(tmp_path):
    path = tmp_path / "net.json"
    for length in (10.0, 30.0, 10.0):
        write(path, length)
        assert lengths(gym.make(ENV, scenario=str(path))) == [length, length]


def test_the_same_relative_path_elsewhere_is_another_network(tmp_path, monkeypatch):
    for folder, length in (("one", 10.0), ("two", 30.0)):
        write(tmp_path / folder / "net.json", length)
        monkeypatch.chdir(tmp_path / folder)
        assert lengths(gym.make(ENV, scenario="net.json")) == [length, length]


def test_a_copy_plays_the_network_that_was_read(tmp_path):
    path = tmp_path / "net.json"
    write(path, 10.0)
    env = gym.make(ENV, scenario=str(path)).unwrapped
    env.reset(seed=0)
    packed = pickle.dumps(env.core)
    path.unlink()
    assert pickle.loads(packed).simulator.networks.topology(0).length_km.tolist() == [10.0, 10.0]


def test_a_network_may_come_as_an_object_a_path_or_plain_values(tmp_path):
    path = tmp_path / "net.json"
    write(path, 10.0)
    network = load(path)
    same = {resolve(scenario, {}) for scenario in (network, path, str(path))}
    same.add(NetworkConfig(topology=json.loads(json.dumps(network.to_mapping())), bank_size=1))
    assert len(same) == 1
    assert lengths(gym.make(ENV, scenario=network)) == [10.0, 10.0]


def test_plain_values_of_a_configuration_hold_the_network():
    config = NetworkConfig(topology=clustered(8, seed=1), bank_size=1, load=0.7)
    again = NetworkConfig.from_mapping(json.loads(json.dumps(as_mapping(config))))
    assert again == config
    assert isinstance(config.replace(load=1.0).topology, Topology)


@pytest.mark.parametrize("value", [3, None, "madird", {"name": "x"}, ["madrid"], "no/such.json"])
def test_whatever_else_is_no_network(value):
    with pytest.raises(InvalidInput, match="topology"):
        NetworkConfig(topology=value)


def chain():
    graph = nx.Graph(name="chain")
    nx.add_path(graph, "abc", length_km=10.0)
    return graph


def forms(folder):
    """One network in every form."""
    write(folder / "chain.json", 10.0)
    nx.write_graphml(chain(), folder / "chain.graphml")
    return {
        "graph": chain(),
        "topology": load(chain()),
        "path": folder / "chain.graphml",
        "text": str(folder / "chain.json"),
    }


@pytest.mark.parametrize("form", ["graph", "topology", "path", "text"])
def test_every_form_is_played_alone_side_by_side_and_evaluated(tmp_path, form):
    network = forms(tmp_path)[form]
    env = gym.make(ENV, scenario=network)
    assert lengths(env) == [10.0, 10.0]
    again = gym.make(copy.deepcopy(env.spec))  # a copy of the network, as gymnasium makes one
    assert lengths(again) == [10.0, 10.0]
    assert lengths(gym.make(ENV, topology=network, bank_size=1)) == [10.0, 10.0]
    vector = gym.make_vec(ENV, num_envs=2, scenario=network)
    vector.reset(seed=0)
    assert vector.unwrapped.core.simulator.networks.topology(0) == resolve(network, {}).topology
    result = evaluate("static-plan", ENV, 1, 0, scenario=network, episode_s=600.0)
    assert 0.0 <= result.mean() <= 1.0
    json.dumps(result.to_dict()["settings"])  # plain values


def test_a_graph_that_changes_later_does_not_change_an_environment():
    graph = chain()
    env = gym.make(ENV, scenario=graph)
    graph["a"]["b"]["length_km"] = 99.0
    assert lengths(env) == [10.0, 10.0]


def test_relays_have_next_to_no_demand():
    sites = {"a": (0.0, 0.0), "b": (90.0, 0.0), "c": (90.0, 50.0)}
    graph = nx.Graph()
    for name, (x, y) in sites.items():
        graph.add_node(name, x_km=x, y_km=y)
    graph.add_edge("a", "b", length_km=90.0)
    graph.add_edge("b", "c", length_km=50.0)
    plain, divided = load(graph), load(graph, max_span_km=30.0)
    without, with_relays = gravity(plain, 60.0), gravity(divided, 60.0)
    np.testing.assert_allclose(with_relays[:3, :3], without, atol=1e-12)
    np.testing.assert_array_equal(with_relays, with_relays.T)
    of_relays = with_relays[3:]
    assert (of_relays.sum(axis=1) == 1e-12).all()  # with the nearest site
    assert of_relays.argmax(axis=1).tolist() == [0, 1, 1]
    assert len(of_relays) == 3


def test_relays_carry_what_their_sites_ask_for():
    config = NetworkConfig(topology=load("slovenia", max_span_km=30.0), bank_size=1)
    bank = NetworkBank(config)
    bank.ensure(0)
    relay = bank.topology(0).relay
    has_path = bank.arrays.path_hops[0, :, 0] > 0
    i, j = np.triu_indices(len(relay), 1)
    assert has_path[~relay[i] & ~relay[j]].mean() > 0.9
    assert not has_path[relay[i] | relay[j]].any()
    env = gym.make(ENV, scenario=config)
    _, info = env.reset(seed=0)
    asked = 0.0
    for _ in range(100):
        *_, info = env.step(env.action_space.n - 1)
        asked += info["offered_bits"]
    assert asked > 0.0
