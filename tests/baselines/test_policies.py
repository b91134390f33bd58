"""Baselines: what they choose on observations made by hand, and that they are always legal."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest

import qkd_gym  # noqa: F401
from qkd_gym.baselines import available_policies, make_policy
from qkd_gym.baselines.activation import released_links
from qkd_gym.baselines.registry import ACTIVATION_RULES, ROUTING_RULES
from qkd_gym.baselines.tuning import tune
from qkd_gym.envs.layout import LINK, LINK_FEATURES, NODE, NODE_FEATURES, PATH, PATH_FEATURES
from qkd_gym.errors import InvalidInput

SMALL = {"n_sites": 10, "bank_size": 2, "episode_s": 1800.0}


def links_observation(**features: list[float]) -> dict[str, np.ndarray]:
    """Three links 0-1, 1-2, 0-2 between sites with one module; the first link is active."""
    links = np.zeros((3, len(LINK_FEATURES)), np.float32)
    defaults = {"active": [1, 0, 0], "running_time": [1, 0, 0], "nominal_rate": [1, 1, 1]}
    for name, values in (defaults | features).items():
        links[:, LINK[name]] = values
    nodes = np.zeros((3, len(NODE_FEATURES)), np.float32)
    nodes[:, NODE["modules_used"]] = [1, 1, 0]
    return {
        "links": links,
        "nodes": nodes,
        "link_endpoints": np.array([[0, 1], [1, 2], [0, 2]]),
        "action_mask": np.ones(4, np.int8),
    }


def paths_observation() -> dict[str, np.ndarray]:
    """Four candidate paths of which the second lacks the key and the last does not exist."""
    obs = links_observation(pool_fill=[0.1, 0.6, 0.5])
    paths = np.zeros((4, len(PATH_FEATURES)), np.float32)
    paths[:, PATH["hops"]] = [0.1, 0.1, 0.2, 0.0]
    paths[:, PATH["bottleneck"]] = [0.1, 0.0, 0.5, 0.0]
    path_links = np.array([[0, 3], [1, 3], [1, 2], [3, 3]])
    mask = np.array([1, 0, 1, 0, 1], np.int8)
    return {**obs, "paths": paths, "path_links": path_links, "action_mask": mask}


def choice(name, obs, **parameters):
    return make_policy(name, **parameters).predict(obs)[0].tolist()


@pytest.mark.parametrize(
    ("name", "path"), [("shortest-path", 0), ("widest-path", 2), ("exponential-price", 2)]
)
def test_routing_rules(name, path):
    obs = paths_observation()
    assert choice(name, obs) == path
    obs["action_mask"] = np.array([0, 0, 0, 0, 1], np.int8)
    assert choice(name, obs) == 4


def test_price_weight_zero_counts_hops():
    assert choice("exponential-price", paths_observation(), price_weight=0.0) == 0


def test_max_weight_prefers_the_larger_product_of_rate_and_deficit():
    obs = links_observation(nominal_rate=[1.0, 1.0, 2.0], pool_fill=[0.99, 0.0, 0.3])
    assert choice("max-weight", obs) == 2
    # A bad observation counts while it is fresh.
    obs["links"][2, LINK["freshness"]] = 1.0
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
    obs["links"][1, LINK["blocked_average"]] = 3.0
    assert choice("demand-deficit", obs, kappa=1.0) == 1
    obs["links"][1, LINK["freshness"]] = 1.0  # seen just now, without key
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
            active = obs["links"][:, LINK["active"]] > 0.5
            idle = np.flatnonzero(~active & (obs["link_mask"] == 1))
            link = int(rng.choice(idle))
            batch = {name: array[None] for name, array in obs.items()}
            predicted = set(released_links(batch)[0, link].tolist()) - {len(active)}
            obs, *_ = env.step(link)
            now = obs["links"][:, LINK["active"]] > 0.5
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
        policy = make_policy(name)
        obs, _ = env.reset(seed=5)
        # A program is solved for each of their decisions.
        for _ in range(2 if "mpc" in name else 20):
            actions, _ = policy.predict(obs)
            assert env.action_space.contains(actions)
            alone, _ = policy.predict({key: array[1] for key, array in obs.items()})
            if "random" not in name:
                np.testing.assert_array_equal(alone, actions[1])
            obs, _, _, _, info = env.step(actions)
            assert not info["illegal_actions"].any()


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


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("demand-defizit", {}, "Did you mean 'demand-deficit'"),
        ("max-weight+shortest", {}, "Did you mean 'shortest-path'"),
        ("demand-deficit", {"hysterisis": 1.0}, "Did you mean 'hysteresis'"),
        ("demand-deficit", {"kappa": -1.0}, "kappa is -1, but must be at least 0"),
        ("demand-deficit", {"cover_weight": 2.0}, "cover_weight is 2, but must be in"),
        ("static-plan", {"kappa": 1.0}, "no field 'kappa'"),
    ],
)
def test_bad_names_and_parameters(name, parameters, message):
    with pytest.raises(InvalidInput, match=message):
        make_policy(name, **parameters)


def test_tuning_returns_trials_best_first_and_never_worse_than_the_defaults():
    trials = tune("lowest-pool-first", episodes=2, trials=2, sweeps=0, **SMALL)
    shares = [trial.delivered_share for trial in trials]
    assert shares == sorted(shares, reverse=True)
    assert len(trials) == 3
    with pytest.raises(InvalidInput, match="static-plan"):
        tune("static-plan")
