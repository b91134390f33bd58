"""Opponents by name, in configurations and in what is kept of them."""

import json
import pickle

import gymnasium as gym
import numpy as np
import pytest

from qkd_gym import names
from qkd_gym.errors import InvalidInput
from qkd_gym.network import NetworkConfig
from qkd_gym.network.bank import shared_bank
from qkd_gym.network.config import OPPONENTS
from qkd_gym.network.scenarios import as_mapping
from qkd_gym.opponents import Random, available_opponents, get_opponent, register_opponent
from qkd_gym.opponents.stock import STOCK
from tests.opponents.playing import SMALL, make


@pytest.fixture(autouse=True)
def of_nothing(monkeypatch):
    monkeypatch.setattr(names, "_REGISTERED", {})


class Longest:
    def predict(self, view):
        return view.length_km


def test_the_stock_is_what_configurations_know():
    assert tuple(STOCK) == OPPONENTS == available_opponents()


def test_opponents_of_ones_own_are_used_by_name():
    register_opponent("longest", Longest())
    env = make("longest", opponent_links=1, num_envs=1)
    view = env.core.opposition.view(np.arange(1))
    attacked = env.core.opposition.attacks.until_s[0] > 0.0
    assert view.length_km[0, attacked] == view.length_km[view.is_lit].max()
    assert available_opponents()[-1] == "longest"
    # It travels by its name.
    names._REGISTERED["opponent"]["longest"] = other = Longest()
    assert pickle.loads(pickle.dumps(env)).core.opposition.opponent is other


def test_bad_names_and_objects_are_one_sentence():
    for name, opponent, words in (
        ("busiest", Random(), "opponent is 'busiest', but must not be a name of the package's own"),
        ("a b", Random(), "opponent is 'a b', but must be a name"),
        ("mine", Random, "must be an object with a method predict"),
        ("mine", None, "opponent is None, but must be an object with a method predict"),
    ):
        with pytest.raises(InvalidInput, match=words):
            register_opponent(name, opponent)
    for value in ("busyest", "module:Class", None, 3, ["random"]):
        with pytest.raises(InvalidInput, match="^opponent is"):
            NetworkConfig(opponent=value)
    with pytest.raises(InvalidInput, match="Did you mean 'busiest'"):
        get_opponent("busyest")
    for links in (0, 1001, 1.5):
        with pytest.raises(InvalidInput, match="^opponent_links is"):
            NetworkConfig(opponent_links=links)


def test_configurations_without_an_opponent_are_kept_as_before():
    plain = as_mapping(NetworkConfig())
    assert not [name for name in plain if name.startswith("opponent")]
    config = NetworkConfig(opponent="random", opponent_links=5, opponent_delay_s=60.0)
    assert NetworkConfig.from_mapping(json.loads(json.dumps(as_mapping(config)))) == config


def test_networks_are_built_once_whoever_attacks_them():
    shared_bank.cache_clear()
    env = gym.make_vec("qkd_gym/LinkActivation-v0", num_envs=1, **SMALL)
    assert make("random").core.simulator.networks is env.core.simulator.networks
