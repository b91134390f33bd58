"""Beliefs follow from what an operator sees alone."""

import numpy as np
import pytest
from playing import network_of, tracked

from qkd_gym.belief.records import seen_in
from qkd_gym.network.state import SiteRows

HIDDEN_SITES = ("misalignment", "fog")
HIDDEN_LINKS = ("excess_loss_db", "drift", "outage_until_s", "attack_until_s", "attack_fraction")


def scramble(simulator):
    """Replaces whatever an operator does not see."""
    rng, state = np.random.default_rng(9), simulator.state
    for columns, names in ((state.sites, HIDDEN_SITES), (state.links, HIDDEN_LINKS)):
        for name in names:
            columns[name][...] = rng.random(columns[name].shape)
    state.links["pool_qber"][...] = 0.3
    state.episodes["key"] = rng.integers(2**64, size=len(state.episodes), dtype=np.uint64)
    state.episodes["hot_spot"] = 0
    state.bursts["on"], state.bursts["first"], state.bursts["second"] = 1, 0, 1
    # Requests of the past interval are seen; what lies behind them in memory is of older ones.
    for requests, count in zip(state.requests, state.episodes["n_requests"], strict=True):
        requests[count:] = 0


@pytest.mark.parametrize("steps", [0, 25])
def test_states_that_differ_in_hidden_rows_give_the_same_draws(steps):
    """All the way from the first observation: the filters are told of scrambled states only."""
    env, twin = (tracked("hidden", 2, steps, bank_size=2) for _ in range(2))
    scramble(twin.core.simulator)
    for each in (env, twin):
        tracker = each.core.tracker
        tracker.start(np.array([0]))
        tracker.update()
    for member in range(2):
        draws = [
            each.core.tracker.imagine(member, 4, np.random.default_rng(0)) for each in (env, twin)
        ]
        for one, other in zip(*draws, strict=True):
            np.testing.assert_array_equal(one, other)
    for one, other in zip(env.core.tracker.belief, twin.core.tracker.belief, strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_operators_see_is_what_the_record_lists():
    env = tracked("metro", 1, 5, bank_size=2)
    seen, arrays = seen_in(env.core.simulator.arrays), env.core.simulator.arrays
    assert set(seen._fields) == {
        "network", "interval", "day_sin", "day_cos", "n_requests", "first", "second",
        "observed_rate", "observed_qber", "freshness",
    }  # fmt: skip
    assert not any(np.shares_memory(array, arrays.sites) for array in seen), SiteRows._fields
    n_links, _ = network_of(env, 0)
    state = env.core.simulator.state
    for name in ("observed_rate", "observed_qber", "freshness"):
        seen_links = getattr(seen, name)[:, :n_links]
        np.testing.assert_array_equal(seen_links, state.links[name][:, :n_links])
