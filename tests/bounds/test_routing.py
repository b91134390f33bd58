"""The bound of what any choice of paths can deliver."""

import numpy as np
import pytest

from qkd_gym.bounds import clairvoyant_bound, episode_trace, routing_bound
from qkd_gym.errors import InvalidInput
from qkd_gym.evaluation import evaluate
from qkd_gym.network.config import NetworkConfig
from qkd_gym.network.scenarios import resolve

ROUTING = "qkd_gym/Routing-v0"
CONFIG = resolve("classes-busy", {"bank_size": 1, "n_sites": 10, "episode_s": 3600.0})


def share(config, seed=5, **options):
    return routing_bound(episode_trace(config, seed), **options).value_share


def test_no_rule_exceeds_it():
    for config in (CONFIG, CONFIG.replace(service_classes=())):
        for seed in (3, 4):
            bound = routing_bound(episode_trace(config, seed))
            for rule in ("exponential-price", "class-reservation"):
                played = evaluate(rule, ROUTING, 1, seed, scenario=config, split="train")
                totals = played.totals
                name = "delivered_value_bits" if config.service_classes else "delivered_bits"
                assert totals[name][0] <= bound.delivered_value_bits * (1.0 + 1e-9)
                assert played.mean("value_share") <= bound.value_share + 1e-9


def test_longer_slots_loosen_it_and_patience_and_key_raise_it():
    tight, loose = share(CONFIG, intervals_per_slot=4), share(CONFIG, intervals_per_slot=20)
    assert 0.3 < tight < loose < 1.0
    patient = [
        {"name": c.name, "share": c.share, "size": c.size, "value": c.value, "patience_s": 1800.0}
        for c in CONFIG.service_classes
    ]
    assert share(CONFIG.replace(service_classes=patient), intervals_per_slot=4) > tight
    assert share(CONFIG.replace(initial_fill=1.0), intervals_per_slot=4) > tight


def test_what_is_plenty_is_all_delivered_but_what_no_path_joins():
    config = CONFIG.replace(load=1e-6, initial_fill=1.0)
    trace = episode_trace(config, 3)
    runs = np.append(trace.active_at_start, True)
    joined = (runs[trace.request_paths].all(axis=2) & (trace.request_paths[:, :, 0] >= 0)).any(1)
    worth = trace.request_bits * trace.request_value
    expected = worth[joined].sum() / worth.sum()
    assert share(config) == pytest.approx(expected)


def test_a_single_pool_serves_what_is_worth_most():
    """Key for two of three requests over one link, worth 5, 1 and 3 a bit."""
    trace = episode_trace(NetworkConfig(n_sites=6, bank_size=1, episode_s=600.0), 0)
    capacity, links = 30_000_000, len(trace.active_at_start)
    pool = np.zeros(links, np.int64)
    pool[2] = 2_000_000
    paths = np.full((3, 1, 1), 2, np.int16)
    small = type(trace)(**{
        **vars(trace), "active_at_start": np.arange(links) == 2, "pool_at_start_bits": pool,
        "made_bits": np.zeros_like(trace.made_bits), "request_paths": paths,
        "request_bits": np.full(3, 1_000_000), "request_interval": np.zeros(3, np.int64),
        "request_last": np.zeros(3, np.int64), "request_value": np.array([5.0, 1.0, 3.0]),
    })  # fmt: skip
    assert trace.config.pool_capacity_bits == capacity
    assert routing_bound(small).delivered_value_bits == pytest.approx(8_000_000)


def test_bounds_of_links_know_no_classes():
    with pytest.raises(InvalidInput, match="service_classes has classes"):
        clairvoyant_bound(episode_trace(CONFIG, 0))
