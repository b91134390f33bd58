"""Rewards relative to a policy that plays the same episodes."""

import numpy as np
import pytest

pytest.importorskip("stable_baselines3")

from qkd_gym.baselines import make_policy
from qkd_gym.sb3 import QKDVecEnv

SHORT = {"episode_s": 600.0, "bank_size": 2}


@pytest.mark.parametrize("env_id", ["qkd_gym/LinkActivation-v0", "qkd_gym/Network-v0"])
@pytest.mark.parametrize("seed", [None, 3])
def test_whoever_plays_as_the_control_policy_earns_nothing(env_id, seed):
    control_policy = make_policy("demand-deficit+exponential-price")
    env = QKDVecEnv(env_id, num_envs=4, control_policy=control_policy, **SHORT)
    ended = 0
    for _ in range(2):
        env.seed(seed)
        observation = env.reset()
        for _ in range(60):
            actions, _ = control_policy.predict(observation)
            observation, rewards, dones, _ = env.step(actions)
            np.testing.assert_array_equal(rewards, 0.0)
            ended += dones.sum()
    assert ended


def test_the_control_policy_s_rewards_are_subtracted():
    control_policy = make_policy("demand-deficit")
    plain = QKDVecEnv(num_envs=4, **SHORT)
    relative = QKDVecEnv(num_envs=4, **SHORT, control_policy=control_policy, reward_scale=0.5)
    alone = QKDVecEnv(num_envs=4, **SHORT)
    hold = np.full(4, plain.action_space.n - 1)
    for env in (plain, relative, alone):
        env.seed(1)
        seen = env.reset()
    earned = 0.0
    for _ in range(60):
        own, given = plain.step(hold)[1], relative.step(hold)[1]
        seen, others, _, _ = alone.step(control_policy.predict(seen)[0])
        np.testing.assert_allclose(given, 0.5 * (own - others), atol=1e-6)
        earned += given.sum()
    assert earned < 0.0


def test_the_control_difference_is_what_the_links_differ_by():
    control_policy = make_policy("demand-deficit")
    env, alone = (
        QKDVecEnv(num_envs=4, **SHORT, **more) for more in ({"control_policy": control_policy}, {})
    )
    for one in (env, alone):
        one.seed(0)
    observation, control = env.reset(), alone.reset()
    assert not observation["control_difference"].any()
    hold = np.full(4, env.action_space.n - 1)
    last = []
    for _ in range(25):
        observation, _, dones, infos = env.step(hold)
        control, _, _, control_infos = alone.step(control_policy.predict(control)[0])
        expected = (observation["links"] - control["links"]).mean(axis=1)
        np.testing.assert_allclose(observation["control_difference"], expected, atol=1e-6)
        for i in np.flatnonzero(dones):
            ended, ended_control = (
                one[i]["terminal_observation"] for one in (infos, control_infos)
            )
            last.append(ended["control_difference"])
            difference = (ended["links"] - ended_control["links"]).mean(axis=0)
            np.testing.assert_allclose(last[-1], difference, atol=1e-6)
    assert np.any(last)
    assert env.observation_space["control_difference"].contains(
        observation["control_difference"][0]
    )
