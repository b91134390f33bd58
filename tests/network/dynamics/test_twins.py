"""Compiled rules against their definitions in plain Python, over random states with ties."""

import numpy as np
import pytest

from qkd_gym.jit import compiled
from qkd_gym.network.compiled.workspace import new_workspace
from qkd_gym.network.config import NetworkConfig
from qkd_gym.network.dynamics.relay import best_path, link_price, price_links
from qkd_gym.network.dynamics.switching import least_needed, link_need, pool_fill
from qkd_gym.network.parameters import kernel_params
from qkd_gym.network.state import LINK_ROW

LINKS, CAPACITY = 32, 1000


@compiled
def compiled_need(links, fill):
    need = np.zeros(len(fill), np.float32)
    for e in range(len(fill)):
        need[e] = link_need(links, fill[e], e)
    return need


@compiled
def compiled_release(held, count, running_s, need, params):
    return least_needed(held, count, running_s, need, params[0])


@compiled
def compiled_path(paths, hops, bits, pool, n_links, capacity, work):
    price_links(pool, n_links, capacity, work)
    return best_path(paths, hops, bits, work)


@compiled
def compiled_price(pool, capacity):
    return link_price(pool, capacity)


@compiled
def compiled_fill(pool, capacity):
    return pool_fill(pool, capacity)


@pytest.mark.parametrize("seed", range(5))
def test_need(seed):
    rng = np.random.default_rng(seed)
    links = np.zeros((len(LINK_ROW), LINKS), np.float32)
    links[LINK_ROW.freshness] = rng.choice([0.0, 0.5, 0.9, 1.0], LINKS)
    links[LINK_ROW.observed_rate] = rng.choice([0.0, 0.05, 0.11, 1.0, 1.4], LINKS)
    links[LINK_ROW.demand_average] = rng.choice([0.0, 100.0, 250.0], LINKS)
    links[LINK_ROW.blocked_average] = rng.choice([0.0, 40.0], LINKS)
    fill = rng.choice([0.0, 0.5, 1.0], LINKS).astype(np.float32)
    expected = [
        blocked + (demand * (1.0 - filled) if 1.0 + fresh * (seen - 1.0) > 0.1 else 0.0)
        for fresh, seen, demand, blocked, filled in zip(
            links[LINK_ROW.freshness], links[LINK_ROW.observed_rate],
            links[LINK_ROW.demand_average], links[LINK_ROW.blocked_average], fill, strict=True,
        )
    ]  # fmt: skip
    np.testing.assert_allclose(compiled_need(links, fill), expected, rtol=1e-6)


@pytest.mark.parametrize("seed", range(200))
def test_the_release_rule(seed):
    rng = np.random.default_rng(seed)
    config = NetworkConfig(calibration_s=180.0, dwell_s=float(rng.choice([0.0, 360.0])))
    count = int(rng.integers(1, 6))
    held = rng.permutation(LINKS)[:8].astype(np.int32)
    running_s = rng.choice([0.0, 179.0, 180.0, 539.0, 540.0, 9000.0], LINKS).astype(np.float32)
    need = rng.choice([0.0, 1.0, 2.0], LINKS).astype(np.float32)
    young = running_s < config.calibration_s + config.dwell_s
    expected = min(held[:count].tolist(), key=lambda e: (young[e], need[e], e))
    assert compiled_release(held, count, running_s, need, kernel_params(config, 20)) == expected


@pytest.mark.parametrize("seed", range(200))
def test_the_router(seed):
    """The path that lacks key on the fewest links, then the cheapest, then the first."""
    rng = np.random.default_rng(seed)
    count, longest = 6, 5
    hops = np.sort(rng.integers(0, longest + 1, count))[::-1].astype(np.int8)
    hops = np.concatenate([rng.permutation(hops[hops > 0]), hops[hops == 0]]).astype(np.int8)
    paths = np.full((count, longest), LINKS, np.int16)
    for k in range(count):
        paths[k, : hops[k]] = rng.permutation(LINKS)[: hops[k]]
    pool = rng.choice([0, 250, 500, CAPACITY], LINKS)
    bits = int(rng.choice([1, 250, 400]))
    found, lacking = compiled_path(paths, hops, bits, pool, LINKS, CAPACITY, new_workspace(LINKS))

    def key(k):
        on = paths[k, : hops[k]]
        price = 1.0 + 10.0 * np.expm1(5.0 * (1.0 - pool[on] / CAPACITY)) / np.expm1(5.0)
        return (pool[on] < bits).sum(), round(price.sum(), 3)

    real = [k for k in range(count) if hops[k]]
    if not real:
        assert found == -1
        assert lacking > 0
        return
    assert key(found) == min(map(key, real))
    assert lacking == key(found)[0]


def test_price_and_fill():
    for pool in (0, 1, 333, CAPACITY):
        fill = pool / CAPACITY
        price = 1.0 + 10.0 * np.expm1(5.0 * (1.0 - fill)) / np.expm1(5.0)
        assert compiled_price(pool, CAPACITY) == pytest.approx(price, rel=1e-5)
        assert compiled_fill(pool, CAPACITY) == pytest.approx(fill, rel=1e-6)
