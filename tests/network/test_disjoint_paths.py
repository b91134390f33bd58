"""Requests that go over several paths at the same time."""

import gymnasium as gym
import numpy as np
import pytest

import qkd_gym  # noqa: F401
from qkd_gym.errors import InvalidInput
from qkd_gym.network import NetworkConfig
from qkd_gym.network.scenarios import as_mapping

SETTINGS = {"disjoint_paths": 2, "bank_size": 1, "episode_s": 1200.0, "modules_per_site": 4}


def test_every_path_of_a_bundle_spends_the_key():
    env = gym.make("qkd_gym/Routing-v0", initial_fill=1.0, **SETTINGS)
    obs, _ = env.reset(seed=0)
    served = over = 0
    while not over:
        choice = int(np.flatnonzero(obs["action_mask"])[0])
        links = obs["path_links"][choice : choice + 1].ravel()  # none if it refuses
        used = links[links < obs["links"].shape[0]]
        at = obs["link_endpoints"][used]
        ends = set(obs["request_endpoints"].tolist())
        obs, _, terminated, truncated, info = env.step(choice)
        over = terminated or truncated
        assert info["consumed_bits"] == info["delivered_bits"] * len(used)
        if info["delivered_bits"] and len(used) > 1:
            served += 1
            sites, times = np.unique(at, return_counts=True)
            relays = [n for site, n in zip(sites.tolist(), times, strict=True) if site not in ends]
            assert set(relays) == {2}  # each is entered and left once
            assert {int(n) for site, n in zip(sites, times, strict=True) if site in ends} == {2}
    assert served > 20


def test_key_goes_further_over_one_path():
    delivered = []
    for paths in (1, 2):
        env = gym.make("qkd_gym/LinkActivation-v0", **{**SETTINGS, "disjoint_paths": paths})
        env.reset(seed=0)
        hold = env.action_space.n - 1
        over, bits = False, 0
        while not over:
            _, _, terminated, truncated, info = env.step(hold)
            over, bits = terminated or truncated, bits + info["delivered_bits"]
        delivered.append(bits)
    assert delivered[1] < delivered[0]


def test_more_hops_than_are_counted_are_refused():
    NetworkConfig(disjoint_paths=2, max_hops=63)
    with pytest.raises(InvalidInput, match="disjoint_paths is 3, but must be at most 2 beside"):
        NetworkConfig(disjoint_paths=3, max_hops=63)
    NetworkConfig(max_hops=64)


def test_files_name_it_only_where_it_is_used():
    assert "disjoint_paths" not in as_mapping(NetworkConfig())
    assert as_mapping(NetworkConfig(disjoint_paths=2))["disjoint_paths"] == 2
