"""How long stored key lasts, as agents see it, on numbers set by hand."""

import gymnasium as gym
import numpy as np
import pytest

import qkd_gym  # noqa: F401
from qkd_gym.features import LINK, PATH

CALM = {"bank_size": 1, "outages_per_link_minute": 0.0, "attacks_per_link_minute": 0.0}


@pytest.mark.parametrize("demand_bps", [0.0, 500.0, 5000.0])
def test_a_pool_covers_half_an_hour_of_recent_demand(demand_bps):
    """Demand x 1800 s of stored key is half of itself and the demand."""
    env = gym.make("qkd_gym/LinkActivation-v0", demand_memory_s=1e9, load=1e-9, **CALM)
    env.reset(seed=0)
    links = env.unwrapped.core.simulator.state.links
    links["demand_average"][:] = demand_bps
    links["pool"][:] = 900_000
    idle = links["active"][0] == 0.0
    features = env.step(env.action_space.n - 1)[0]["links"]
    real = idle & (features[:, LINK.length] > 0.0)
    expected = 900_000 / (900_000 + 1800.0 * demand_bps)
    np.testing.assert_allclose(features[real, LINK.pool_cover], expected, rtol=1e-5)


def test_the_cover_of_a_path_is_that_of_its_emptiest_pool():
    env = gym.make("qkd_gym/Routing-v0", **CALM)
    observation, _ = env.reset(seed=0)
    sim = env.unwrapped.core.simulator
    checked = set()
    for _ in range(40):
        pools = np.random.default_rng(len(checked)).integers(
            0, sim.config.pool_capacity_bits, sim.max_links
        )
        sim.state.links["pool"][0] = pools
        observation = env.step(env.action_space.n - 1)[0]
        pools = sim.state.links["pool"][0]
        at = sim.state.episodes["cursor"][0]
        bits = int(sim.state.requests[0, at]["bits"])
        for path, links in zip(observation["paths"], observation["path_links"], strict=True):
            if path[PATH.exists]:
                used = [int(pools[e]) for e in links if e < sim.max_links]
                assert path[PATH.cover] == pytest.approx(min(used) / (min(used) + bits), rel=1e-5)
                checked.add(len(used))
    assert len(checked) > 2
