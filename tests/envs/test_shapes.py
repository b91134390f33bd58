"""Spaces and parts of a batch, from the numbers of sites, links and paths."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

import qkd_gym  # noqa: F401
from qkd_gym.envs.threads import parts

PATHS, HOPS = 4, 5


@pytest.mark.parametrize("name", ["LinkActivation", "Routing", "Network"])
def test_spaces_of_a_network(name):
    env = gym.make(
        f"qkd_gym/{name}-v0", scenario="metro", candidate_paths=PATHS, max_hops=HOPS, bank_size=1
    )
    sim = env.unwrapped.core.simulator
    n, links = sim.n_sites, sim.max_links
    assert n == 20
    choices = {"LinkActivation": [links + 1], "Routing": [PATHS + 1]}.get(
        name, [PATHS + 1, links + 1]
    )
    if len(choices) == 1:
        assert env.action_space == spaces.Discrete(choices[0])
    else:
        assert env.action_space == spaces.MultiDiscrete(choices)
    expected = {
        "nodes": spaces.Box(-100.0, 100.0, (n, 8), np.float32),
        "links": spaces.Box(-100.0, 100.0, (links, 19), np.float32),
        "link_endpoints": spaces.Box(0, n - 1, (links, 2), np.int64),
        "node_mask": spaces.MultiBinary(n),
        "link_mask": spaces.MultiBinary(links),
        "context": spaces.Box(-100.0, 100.0, (4,), np.float32),
        "action_mask": spaces.MultiBinary(sum(choices)),
    }
    if name != "LinkActivation":
        expected |= {
            "request": spaces.Box(-100.0, 100.0, (5,), np.float32),
            "request_endpoints": spaces.Box(0, n - 1, (2,), np.int64),
            "paths": spaces.Box(-100.0, 100.0, (PATHS, 9), np.float32),
            "path_links": spaces.Box(0, links, (PATHS, HOPS), np.int64),
        }
    assert env.observation_space == spaces.Dict(expected)


def test_indices_and_masks_of_an_observation():
    """Padding links have endpoints 0 and no mask; padding of paths is the number of links."""
    env = gym.make("qkd_gym/Network-v0", bank_size=4)
    for seed in range(4):
        observation, _ = env.reset(seed=seed)
        sim = env.unwrapped.core.simulator
        g = sim.state.episodes["network"][0]
        network = sim.networks.topology(int(g))
        real, ends = network.n_links, observation["link_endpoints"]
        np.testing.assert_array_equal(ends[:real], network.link_endpoints)
        assert (ends[real:] == 0).all()
        np.testing.assert_array_equal(observation["link_mask"], np.arange(sim.max_links) < real)
        assert (observation["node_mask"] == 1).all()
        request = sim.state.requests[0, 0]
        np.testing.assert_array_equal(
            observation["request_endpoints"], [request["first"], request["second"]]
        )
        mask = observation["action_mask"]
        candidates = len(observation["paths"])
        np.testing.assert_array_equal(mask[:candidates], observation["paths"][:, 1])
        assert (mask[candidates], mask[-1]) == (1, 1)
        np.testing.assert_array_equal(mask[candidates + 1 : -1], observation["link_mask"])
        for path in observation["path_links"]:
            used = path[path < sim.max_links]
            assert (path[len(used) :] == sim.max_links).all()
            site = int(request["first"])
            for link in used:
                first, second = ends[link]
                site = second if site == first else first
            assert site == (request["second"] if len(used) else request["first"])


@pytest.mark.parametrize(
    ("batch", "count", "expected"),
    [
        (1, 1, [(0, 1)]),
        (7, 2, [(0, 3), (3, 7)]),
        (16, 2, [(0, 9), (9, 16)]),
        (256, 2, [(0, 144), (144, 256)]),
        (300, 3, [(0, 121), (121, 210), (210, 300)]),
        (10_000, 1, [(0, 10_000)]),
    ],
)
def test_the_first_part_of_a_batch_is_a_little_larger(batch, count, expected):
    """By an eighth of the batch, at most 32 episodes, which the caller steps meanwhile."""
    assert parts(batch, count) == expected


def test_pictures_come_as_arrays_ten_a_second():
    env = gym.make("qkd_gym/LinkActivation-v0", render_mode="rgb_array", bank_size=1)
    assert env.metadata["render_modes"] == ["human", "rgb_array", "ansi"]
    assert env.metadata["render_fps"] == 10
    assert env.render_mode == "rgb_array"
