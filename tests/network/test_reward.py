"""The reward's terms are weighed by the configuration, and the reward is their sum."""

import json

import gymnasium as gym
import numpy as np
import pytest

import qkd_gym  # noqa: F401
from qkd_gym.envs.tasks import TASKS
from qkd_gym.errors import InvalidInput
from qkd_gym.network import NetworkConfig
from qkd_gym.network.reward import REWARD_TERMS, RewardTerms
from qkd_gym.network.scenarios import as_mapping

STEPS = 30


def played(env_id, **weights):
    """Reward, terms and delivered bits of every step, by random actions."""
    env = gym.make_vec(env_id, num_envs=4, bank_size=2, **weights)
    env.action_space.seed(0)
    env.reset(seed=0)
    for _ in range(STEPS):
        _, reward, _, _, info = env.step(env.action_space.sample())
        yield reward, info["reward_terms"], info["delivered_bits"], env.unwrapped.core


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_terms_follow_their_weights(task):
    plain = played(task.env_id, key_weight=1.0, qber_weight=0.1)
    heavy = played(task.env_id, key_weight=2.5, qber_weight=0.7)
    delivering = 0
    for (_, terms, bits, core), (reward, weighted, _, _) in zip(plain, heavy, strict=True):
        assert tuple(terms) == REWARD_TERMS == RewardTerms._fields
        np.testing.assert_allclose(weighted["key"], 2.5 * terms["key"])
        np.testing.assert_allclose(weighted["qber"], 7.0 * terms["qber"])
        np.testing.assert_allclose(reward, weighted["key"] + weighted["qber"])
        networks = core.simulator.bank.networks[core.simulator.state.episodes["network"]]
        mean_bits = networks["mean_request_bits"]
        if not task.decides_paths:
            mean_bits = networks["mean_offered_bps"] * core.simulator.params["interval_s"][0]
        np.testing.assert_allclose(terms["key"], bits / mean_bits)
        assert (terms["qber"] <= 0.0).all()
        assert ((terms["qber"] < 0.0) == (bits > 0)).all()
        delivering += (bits > 0).sum()
    assert delivering > 5


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_weighed_accounts_are_terms_beside_the_others(task):
    weights = {"blocked_bits": -0.25, "switches": -0.5, "requests": 2.0}
    env = gym.make_vec(task.env_id, num_envs=3, bank_size=2, reward_weights=weights)
    plain = gym.make_vec(task.env_id, num_envs=3, bank_size=2)
    env.action_space.seed(0)
    core, seen = env.unwrapped.core, dict.fromkeys(weights, 0)
    env.reset(seed=0)
    plain.reset(seed=0)
    for _ in range(STEPS):
        actions = env.action_space.sample()
        networks = core.simulator.bank.networks[core.simulator.state.episodes["network"]]
        mean_bits = networks["mean_request_bits"]
        if not task.decides_paths:
            mean_bits = networks["mean_offered_bps"] * core.simulator.params["interval_s"][0]
        _, reward, _, _, info = env.step(actions)
        _, without, _, _, _ = plain.step(actions)
        terms = info["reward_terms"]
        assert tuple(terms) == (*REWARD_TERMS, *weights)
        np.testing.assert_allclose(terms["blocked_bits"], -0.25 * info["blocked_bits"] / mean_bits)
        np.testing.assert_allclose(terms["switches"], -0.5 * info["switches"])
        np.testing.assert_allclose(terms["requests"], 2.0 * info["requests"])
        np.testing.assert_allclose(reward, without + sum(terms[name] for name in weights))
        for name in weights:
            seen[name] += info[name].sum()
    assert seen["blocked_bits"] > 0
    assert seen["requests"] > 0
    assert (seen["switches"] > 0) == task.decides_links


@pytest.mark.parametrize(
    ("weights", "sentence"),
    [
        ("blocked_bits", "must be a mapping of accounts to weights"),
        ({"blocked": 1.0}, "Did you mean 'blocked_bits'"),
        ({"stored_bits": 1.0}, "has no field 'stored_bits'"),
        ({"switches": float("inf")}, r"reward_weights\['switches'\] is inf"),
    ],
)
def test_weights_of_what_is_no_flow_are_refused(weights, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        NetworkConfig(reward_weights=weights)


def test_weights_outlive_json():
    config = NetworkConfig(reward_weights={"switches": -1})
    assert NetworkConfig.from_mapping(json.loads(json.dumps(as_mapping(config)))) == config
    assert "reward_weights" not in as_mapping(NetworkConfig())
