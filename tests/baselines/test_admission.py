"""Rules that refuse what is worth little."""

import gymnasium as gym
import numpy as np
import pytest

from qkd_gym.baselines import make_policy
from qkd_gym.baselines.bid_price import _Network
from qkd_gym.errors import InvalidInput
from qkd_gym.evaluation import evaluate
from qkd_gym.features import PATH, REQUEST

ROUTING = "qkd_gym/Routing-v0"
SMALL = {"scenario": "classes-busy", "n_sites": 10, "bank_size": 2, "episode_s": 3600.0}


def moment(steps=60, batch=8):
    """Observations of Routing, some steps into their episodes."""
    env = gym.make_vec(ROUTING, num_envs=batch, **SMALL)
    obs, _ = env.reset(seed=2)
    for _ in range(steps):
        obs, *_ = env.step(make_policy("exponential-price").predict(obs)[0])
    return env, obs


def test_class_reservation_keeps_more_from_what_is_worth_less():
    env, obs = moment()
    refuse, capacity = env.single_action_space.n - 1, env.config.pool_capacity_bits
    state = env.core.simulator.state
    rule = make_policy("class-reservation", reserve=0.3, free_worth=1.0)
    served = {}
    for value in (0.0, 0.5, 1.0, 4.0):
        obs["request"][:, REQUEST.value] = value
        actions, _ = rule.predict(obs)
        served[value] = actions < refuse
        for b, action in enumerate(actions):
            hops = np.rint(10.0 * obs["paths"][b, :, PATH.hops])
            size = np.expm1(obs["request"][b, REQUEST.size])
            g = state.episodes["network"][b]
            bits = size * env.core.simulator.bank.networks["mean_request_bits"][g]
            left = obs["paths"][b, :, PATH.bottleneck] - bits / capacity
            wanted = 0.3 * np.maximum(1.0 - value / np.maximum(hops, 1.0), 0.0)
            allowed = obs["action_mask"][b, :-1].astype(bool) & (left >= wanted - 1e-6)
            if action == refuse:
                assert not (allowed & (left >= wanted + 1e-6)).any()
            else:
                prices = np.where(allowed, obs["paths"][b, :, PATH.price], np.inf)
                assert allowed[action]
                assert prices[action] == prices.min()
    counts = [served[value].sum() for value in (0.0, 0.5, 1.0, 4.0)]
    assert counts == sorted(counts)
    assert counts[0] < counts[-1]
    free = make_policy("class-reservation", reserve=0.0).predict(obs)[0]
    np.testing.assert_array_equal(free < refuse, obs["action_mask"][:, :-1].any(axis=1))


def triangle(value, share):
    """Three sites in a row, 0-1-2, with a demand of 1 between every two of them."""
    demand = 1.0 - np.eye(3)
    paths = np.array([[[0, -1]], [[0, 1]], [[1, -1]]])  # pairs 01, 02, 12
    return _Network(demand, paths, 2, np.array(value), np.array(share))


def test_prices_are_what_a_further_unit_would_bring():
    # Enough of link 1; link 0 serves the dear class of 01 and 02, then cheap ones: at its margin
    # lies a cheap request of 01 or 02.
    network = triangle([3.0, 1.0], [0.5, 0.5])
    demand = network.expected(np.zeros(3), 0.0, 0.5)
    np.testing.assert_allclose(demand, 1.0)
    np.testing.assert_allclose(network.prices(np.array([1.5, 9.0]), demand), [1.0, 0.0])
    # Less than the dear requests want.
    np.testing.assert_allclose(network.prices(np.array([0.7, 9.0]), demand), [3.0, 0.0])
    # Enough for all.
    np.testing.assert_allclose(network.prices(np.array([9.0, 9.0]), demand), [0.0, 0.0])
    # Both are scarce: direct requests alone, and the two prices are what those bring.
    np.testing.assert_allclose(network.prices(np.array([0.2, 0.2]), demand), [3.0, 3.0])


def test_expected_demand_follows_the_recent_one_as_far_as_it_has_been_seen():
    network = triangle([1.0], [1.0])
    busy = np.array([4.0, 2.0, 2.0])  # twice the mean at site 0
    np.testing.assert_allclose(network.expected(busy, 1.0, 0.0), 1.0)
    np.testing.assert_allclose(network.expected(busy, 1.0, 1.0), [1.5, 1.5, 1.0])
    np.testing.assert_allclose(network.expected(0.25 * busy, 0.25, 1.0), [1.125, 1.125, 1.0])
    np.testing.assert_allclose(network.expected(np.full(3, 100.0), 1.0, 1.0), 5.0)


def test_bid_prices_refuse_what_costs_more_than_it_brings():
    env, _ = moment(0)
    policy = make_policy("bid-price", strictness=1.0, pool_weight=0.0)
    with pytest.raises(InvalidInput, match="must be shown its environment"):
        policy.predict(env.reset(seed=2)[0])
    policy.watch(env)
    obs, _ = env.reset(seed=2)
    refuse, state, starting, refused = env.single_action_space.n - 1, None, np.ones(8, bool), 0
    frames = []
    for _ in range(60):
        actions, state = policy.predict(obs, state, starting)
        prices, mask = state["paths"]["prices"], obs["action_mask"][:, :-1].astype(bool)
        padded = np.pad(prices, ((0, 0), (0, 1)))
        cost = padded[np.arange(8)[:, None, None], obs["path_links"]].sum(axis=-1)
        worth = mask & (cost <= obs["request"][:, REQUEST.value, None])
        np.testing.assert_array_equal(actions < refuse, worth.any(axis=1))
        chosen = np.flatnonzero(actions < refuse)
        best = np.where(worth, cost, np.inf).min(axis=1)
        np.testing.assert_array_equal(cost[chosen, actions[chosen]], best[chosen])
        refused += (mask.any(axis=1) & (actions == refuse)).sum()
        frames.append(state["paths"]["frame"].copy())
        obs, *_ = env.step(actions)
        starting = np.zeros(8, bool)
    assert refused > 0
    # Prices have been made anew since.
    assert frames[-1].max() > frames[0].max()


def test_a_factor_of_zero_serves_everything_that_has_key():
    settings = {"episodes": 2, "seed": 5, **SMALL}
    every = evaluate(
        make_policy("bid-price", strictness=0.0, pool_weight=1e-3), ROUTING, **settings
    )
    plain = evaluate("exponential-price", ROUTING, **settings)
    assert every.mean("blocked_share") == pytest.approx(plain.mean("blocked_share"), abs=0.03)


def test_admission_is_worth_something_where_classes_differ():
    settings = {"episodes": 8, "seed": 1_000_000, "scenario": "classes-busy", "bank_size": 4}
    plain = evaluate("exponential-price", ROUTING, **settings).metrics["value_share"]
    kept = evaluate("class-reservation", ROUTING, **settings).metrics["value_share"]
    assert (kept - plain).mean() > 0.01
