"""Networks of a user's own: what a file holds counts, not where it lies."""

import json
import pickle

import gymnasium as gym
import pytest

from qkd_gym.errors import InvalidInput
from qkd_gym.network.config import NetworkConfig
from qkd_gym.network.scenarios import as_mapping, resolve
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
