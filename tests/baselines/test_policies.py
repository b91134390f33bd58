"""Baselines: what they choose on observations made by hand, and that they are always legal."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
from observations import links_observation

import qkd_gym  # noqa: F401
from qkd_gym.baselines import available_policies, make_policy
from qkd_gym.baselines.occupancy import modules_per_site, released_links
from qkd_gym.baselines.registry import (
    ACTIVATION_RULES,
    ROUTING_RULES,
    fast_policies,
    solves_programs,
)
from qkd_gym.envs.tasks import LINK_SCHEDULING, NETWORK, TASKS
from qkd_gym.errors import InvalidInput
from qkd_gym.features import LINK, PATH, PATH_FEATURES

SMALL = {"n_sites": 10, "bank_size": 2, "episode_s": 1800.0}


def paths_observation() -> dict[str, np.ndarray]:
    """Four candidate paths of which the second lacks the key and the last does not exist."""
    obs = links_observation(pool_fill=[0.2, 0.6, 0.5], demand_average=[0.9, 0.05, 0.05])
    paths = np.zeros((4, len(PATH_FEATURES)), np.float32)
    paths[:, PATH.hops] = [0.1, 0.1, 0.2, 0.0]
    paths[:, PATH.length] = [0.5, 0.2, 0.3, 0.0]
    paths[:, PATH.bottleneck] = [0.2, 0.0, 0.5, 0.0]
    # The request is a twentieth of a pool.
    paths[:, PATH.cover] = [0.2 / 0.25, 0.0, 0.5 / 0.55, 0.0]
    path_links = np.array([[0, 3], [1, 3], [1, 2], [3, 3]])
    mask = np.array([1, 0, 1, 0, 1], np.int8)
    return {**obs, "paths": paths, "path_links": path_links, "action_mask": mask}


def choice(name, obs, **parameters):
    return make_policy(name, **parameters).predict(obs)[0].tolist()


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("shortest-path", 0),
        ("shortest-distance", 2),
        ("widest-path", 2),
        ("widest-shortest-path", 0),
        ("least-loaded-path", 2),
        ("exponential-price", 2),
        ("inverse-key", 2),
        ("back-pressure", 0),
        ("trunk-reservation", 0),
    ],
)
def test_routing_rules(name, path):
    obs = paths_observation()
    assert choice(name, obs) == path
    obs["action_mask"] = np.array([0, 0, 0, 0, 1], np.int8)
    assert choice(name, obs) == 4


def test_trunk_reservation_keeps_a_reserve_from_the_long_way():
    obs = paths_observation()
    obs["action_mask"][0] = 0
    assert choice("trunk-reservation", obs, reserve=0.4) == 2
    assert choice("trunk-reservation", obs, reserve=0.5) == 4


def test_back_pressure_refuses_what_costs_more_than_it_earns():
    obs = paths_observation()
    assert choice("back-pressure", obs, reward=0.85) == 0
    # The first path lacks 0.8 pools, the other 0.4 + 0.5.
    assert choice("back-pressure", obs, reward=0.75) == 4


def test_price_weight_zero_counts_hops():
    assert choice("exponential-price", paths_observation(), price_weight=0.0) == 0


def test_max_weight_prefers_the_larger_product_of_rate_and_deficit():
    obs = links_observation(nominal_rate=[1.0, 1.0, 2.0], pool_fill=[0.99, 0.0, 0.3])
    assert choice("max-weight", obs) == 2
    # A bad observation counts while it is fresh.
    obs["links"][2, LINK.freshness] = 1.0
    assert choice("max-weight", obs) == 1


def test_hysteresis_keeps_what_is_nearly_as_good():
    obs = links_observation(pool_fill=[0.5, 0.4, 1.0])
    assert choice("max-weight", obs, hysteresis=0.0, least_gain=0.0) == 1
    assert choice("max-weight", obs, hysteresis=0.5, least_gain=0.0) == 3


def test_dwell_protects_a_young_link():
    obs = links_observation(pool_fill=[1.0, 0.0, 0.0], running_time=[0.1, 0, 0])
    assert choice("max-weight", obs, dwell_s=0.0) == 1
    assert choice("max-weight", obs, dwell_s=600.0) == 3


def test_demand_deficit_follows_demand_and_blocking_and_avoids_dead_links():
    obs = links_observation(pool_fill=[1.0, 0.2, 0.2], demand_average=[0.5, 0.3, 0.6])
    assert choice("demand-deficit", obs, demand_power=1.0) == 2
    obs["links"][1, LINK.blocked_average] = 3.0
    assert choice("demand-deficit", obs, kappa=1.0) == 1
    obs["links"][1, LINK.freshness] = 1.0  # seen just now, without key
    assert choice("demand-deficit", obs, kappa=1.0) == 2


def test_lowest_pool_first():
    assert choice("lowest-pool-first", links_observation(pool_fill=[1.0, 0.5, 0.2])) == 2


def test_released_links_are_what_the_environment_releases():
    env = gym.make("qkd_gym/LinkActivation-v0", **SMALL)
    rng = np.random.default_rng(0)
    checked = 0
    for seed in range(3):
        obs, _ = env.reset(seed=seed)
        for _ in range(25):
            active = obs["links"][:, LINK.active] > 0.5
            idle = np.flatnonzero(~active & (obs["link_mask"] == 1))
            link = int(rng.choice(idle))
            batch = {name: array[None] for name, array in obs.items()}
            predicted = set(released_links(batch)[0, link].tolist()) - {len(active)}
            obs, *_ = env.step(link)
            now = obs["links"][:, LINK.active] > 0.5
            assert set(np.flatnonzero(active & ~now).tolist()) == predicted
            checked += len(predicted)
    assert checked > 20


@pytest.mark.parametrize("env_id", ["LinkActivation", "Routing", "Network"])
def test_every_policy_is_legal_in_batches_and_alone(env_id):
    env = gym.make_vec(f"qkd_gym/{env_id}-v0", num_envs=3, **SMALL)
    rules = {
        "LinkActivation": list(ACTIVATION_RULES),
        "Routing": list(ROUTING_RULES),
        "Network": [*available_policies(), "demand-deficit+exponential-price"],
    }[env_id]
    for name in rules:
        if name in ("lookahead", "bid-price"):  # which must be shown their environment
            continue
        policy = make_policy(name)
        obs, _ = env.reset(seed=5)
        # A program is solved for each of their decisions.
        for _ in range(2 if solves_programs(name) else 20):
            actions, _ = policy.predict(obs)
            assert env.action_space.contains(actions)
            alone, _ = policy.predict({key: array[1] for key, array in obs.items()})
            if "random" not in name:
                np.testing.assert_array_equal(alone, actions[1])
            obs, _, _, _, info = env.step(actions)
            assert not info["illegal_actions"].any()


@pytest.mark.parametrize("name", ["lp-round-robin", "periodic-plan", "proportional-fair"])
def test_memory_belongs_to_each_member(name):
    # Members of unequal age, one of which has just begun, decide as each would alone.
    policy = make_policy(name)
    together = gym.make_vec("qkd_gym/LinkActivation-v0", num_envs=2, **SMALL)
    alone = gym.make_vec("qkd_gym/LinkActivation-v0", num_envs=1, **SMALL)
    obs, _ = together.reset(seed=[1, 2])
    single, _ = alone.reset(seed=[2])
    state = one = None
    start, begin = np.ones(2, bool), np.ones(1, bool)
    for _ in range(70):  # more than two episodes
        actions, state = policy.predict(obs, state, start)
        action, one = policy.predict(single, one, begin)
        assert action[0] == actions[1]
        obs, _, _, start, _ = together.step(actions)
        single, _, _, begin, _ = alone.step(action)
    assert start.shape == (2,)


def test_rules_with_memory_take_single_observations():
    env = gym.make("qkd_gym/LinkActivation-v0", **SMALL)
    vector = gym.make_vec("qkd_gym/LinkActivation-v0", num_envs=1, **SMALL)
    policy = make_policy("lp-round-robin", quantum_share=0.01)
    obs, _ = env.reset(seed=3)
    batch, _ = vector.reset(seed=[3])
    state = many = None
    for step in range(30):
        action, state = policy.predict(obs, state, np.array([step == 0]))
        actions, many = policy.predict(batch, many, np.array([step == 0]))
        assert action == actions[0]
        obs, *_ = env.step(action)
        batch, *_ = vector.step(actions)


def test_round_robin_gives_links_their_time_shares():
    settings = {"n_sites": 10, "network_index": 0, "calibration_s": 0.0, "episode_s": 36_000.0}
    env = gym.make("qkd_gym/LinkActivation-v0", **settings)
    policy = make_policy("lp-round-robin", quantum_share=0.02)
    obs, _ = env.reset(seed=0)
    state, over, run, steps = None, False, 0.0, 0
    while not over:
        action, state = policy.predict(obs, state, np.array([steps == 0]))
        run = run + obs["links"][:, LINK.active]
        obs, _, _, over, _ = env.step(action)
        steps += 1
    plan = state["links"]["plan"][0]
    assert (plan > 0.05).sum() > 5
    # The plan ignores that a set of links must fit at every moment, so a link may fall short.
    assert np.abs(run / steps - plan)[plan > 0.0].mean() < 0.1


def test_modules_are_read_off_the_observation():
    env = gym.make_vec("qkd_gym/LinkActivation-v0", num_envs=2, modules_per_site=3, **SMALL)
    obs, _ = env.reset(seed=0)
    assert modules_per_site(obs).tolist() == [3, 3]


def test_threshold_takes_only_from_what_can_do_without():
    obs = links_observation(pool_fill=[0.5, 0.1, 0.2])
    assert choice("threshold", obs, low=0.3, high=0.4) == 1
    assert choice("threshold", obs, low=0.3, high=0.6) == 3
    assert choice("threshold", obs, low=0.05, high=0.4) == 3


def test_shortfall_prefers_what_will_be_missing_and_can_be_made():
    obs = links_observation(
        pool_fill=[1.0, 0.1, 0.1], demand_average=[0.1, 0.3, 0.9], nominal_rate=[1.0, 1.0, 1.0]
    )
    assert choice("shortfall", obs, horizon_h=1.0) == 2
    obs["links"][2, LINK.nominal_rate] = 0.0
    assert choice("shortfall", obs, horizon_h=1.0) == 1


def test_random_covers_the_mask_and_repeats_with_its_seed():
    mask = np.tile(np.array([1, 0, 1, 1], np.int8), (300, 1))
    obs = {name: np.tile(a, (300,) + (1,) * a.ndim) for name, a in links_observation().items()}
    obs["action_mask"] = mask
    actions, _ = make_policy("random", seed=4).predict(obs)
    assert set(actions.tolist()) == {0, 2, 3}
    again, _ = make_policy("random", seed=4).predict(obs)
    np.testing.assert_array_equal(actions, again)


def test_a_policy_without_a_rule_for_the_decision_says_so():
    with pytest.raises(InvalidInput, match="'shortest-path', but must be one that chooses links"):
        make_policy("shortest-path").predict(links_observation())
    with pytest.raises(InvalidInput, match="chooses paths"):
        make_policy("max-weight").predict(paths_observation())


@pytest.mark.parametrize("task", TASKS.values(), ids=lambda task: task.name)
def test_fast_policies_play_their_task(task):
    env = gym.make_vec(task.env_id, num_envs=2, **SMALL)
    obs, _ = env.reset(seed=0)
    for name in fast_policies(task):
        assert env.action_space.contains(make_policy(name).predict(obs)[0])
    both = [name for name in fast_policies(NETWORK) if "+" in name]
    assert len(both) == 7


@pytest.mark.parametrize("name", ["demand-deficit", "max-weight", "threshold", "lowest-pool-first"])
def test_scored_rules_say_which_links_make_way(name):
    """Where they may, they release the links of least price at full ends, and then switch on."""
    env = gym.make_vec(LINK_SCHEDULING.env_id, num_envs=8, n_sites=12, bank_size=2, dwell_s=3600.0)
    rule = make_policy(f"LinkScheduling:{name}")
    obs, _ = env.reset(seed=3)
    seen = dict.fromkeys(("released", "activated"), 0)
    for _ in range(120):
        actions, _ = rule.predict(obs)
        active = obs["links"][..., LINK.active] > 0.5
        score = rule.activation.score(obs)
        price = rule.activation.price(obs, score)
        for b in np.flatnonzero(actions < active.shape[1]):
            link, ends = actions[b], obs["link_endpoints"][b]
            legal = obs["action_mask"][b, :-1] > 0
            assert legal[link]
            if active[b, link]:
                others = [
                    min(price[b, e] for e in np.flatnonzero(active[b] & legal) if v in ends[e])
                    for v in ends[link]
                ]
                assert price[b, link] in others
                seen["released"] += 1
            else:
                assert obs["links"][b, link, LINK.full_endpoints] == 0.0
                seen["activated"] += 1
        obs, _, _, _, info = env.step(actions)
        assert not info["illegal_actions"].any()
    assert min(seen.values()) > 20, seen
