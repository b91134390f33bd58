"""The reward's terms are weighed by the configuration, and the reward is their sum."""

import gymnasium as gym
import numpy as np
import pytest

import qkd_gym  # noqa: F401
from qkd_gym.envs.tasks import TASKS
from qkd_gym.network.reward import REWARD_TERMS, RewardTerms

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
