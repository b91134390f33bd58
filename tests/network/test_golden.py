"""Networks, plans and episodes bit for bit, as every processor shall make them.

A digest that differs on another machine alone points at arithmetic that is the processor's; one
that differs everywhere at a change of the simulation, which needs a new version of the package.
"""

import hashlib
import os
import subprocess
import sys

import gymnasium as gym
import numpy as np
import pytest

from qkd_gym.envs.tasks import TASKS
from qkd_gym.network.bank import NetworkBank
from qkd_gym.network.config import SPLITS, NetworkConfig
from qkd_gym.network.tables import rate_table
from qkd_gym.physics import available_presets
from qkd_gym.topology import available

NETWORKS = {
    "train": "4ef8ada7abe5e1b4",
    "validation": "e046ec1c80357c92",
    "test": "1e3187253648d7c2",
}
REAL = "4d0640fdd6d34604"
EPISODES = {
    "LinkActivation": "d3723923b8406964",
    "Routing": "1b819d0e4ca7aa59",
    "Network": "f73a92fcea351da6",
    "LinkScheduling": "e1465c50fd83b9be",
}


TABLES = "14a5fd5f2641c3a7"


def digest(arrays):
    total = hashlib.sha256()
    for array in arrays:
        total.update(np.ascontiguousarray(array).tobytes())
    return total.hexdigest()[:16]


def geometry(topology):
    return topology.positions_km, topology.link_endpoints, topology.length_km, topology.loss_db


@pytest.mark.parametrize("split", SPLITS)
def test_ten_networks_of_each_split_and_their_plans(split):
    bank = NetworkBank(NetworkConfig(bank_size=10, split=split))
    for index in range(10):
        bank.ensure(index)
    arrays = [array for index in range(10) for array in geometry(bank.topology(index))]
    assert digest([*arrays, *bank.arrays[1:]]) == NETWORKS[split]


def test_real_networks_and_their_plans():
    arrays = []
    for name in available():
        bank = NetworkBank(NetworkConfig(topology=name, bank_size=1, candidate_paths=1))
        bank.ensure(0)
        arrays += [*geometry(bank.topology(0)), bank.arrays.links["plan"]]
    assert digest(arrays) == REAL


def test_rate_tables_of_every_preset():
    assert digest(rate_table(name).grid for name in available_presets()) == TABLES


@pytest.mark.parametrize("name", TASKS)
def test_an_episode(name):
    """Half an hour in which everything moves, under actions that follow from the masks alone."""
    env = gym.make(
        TASKS[name].env_id,
        scenario="metro",
        episode_s=1800.0,
        clear_s=600.0,
        outages_per_link_minute=0.02,
        attacks_per_link_minute=0.02,
        key_lifetime_s=900.0,
    ).unwrapped
    observation, info = env.reset(seed=7)
    arrays, over, step = [], False, 0
    while not over:
        legal = np.flatnonzero(info["action_mask"])
        action = legal[(7 * step) % len(legal)]
        if name == "Network":
            paths = env.action_space.nvec[0]
            links = legal[legal >= paths]
            action = [legal[step % (legal < paths).sum()], links[(7 * step) % len(links)] - paths]
        observation, reward, _, over, info = env.step(action)
        arrays += [*observation.values(), np.float64(reward), np.int64(info["delivered_bits"])]
        step += 1
    assert digest(arrays) == EPISODES[name]


@pytest.mark.parametrize(
    "features", [pytest.param("X86_V4", marks=pytest.mark.slow), "X86_V4 X86_V3"]
)
def test_another_vector_width_makes_the_same_networks(features):
    """NumPy has functions of its own for wide vectors, whose last bits differ from the others'."""
    env = {**os.environ, "NPY_DISABLE_CPU_FEATURES": features, "OPENBLAS_CORETYPE": "Prescott"}
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "pytest",
        "-q",
        __file__,
        "-k",
        "train or tables",
    ]
    run = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout[-2000:]
