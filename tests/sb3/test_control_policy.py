"""Rewards relative to a policy that plays the same episodes."""

import numpy as np
import pytest

pytest.importorskip("stable_baselines3")

from qkd_gym.baselines import make_policy
from qkd_gym.sb3 import QKDVecEnv

SHORT = {"episode_s": 600.0, "bank_size": 2}


@pytest.mark.parametrize("env_id", ["qkd_gym/LinkActivation-v0", "qkd_gym/Network-v0"])
@pytest.mark.parametrize("seed", [None, 3])
def test_whoever_plays_as_the_rival_earns_nothing(env_id, seed):
    rival = make_policy("demand-deficit+exponential-price")
    env = QKDVecEnv(env_id, num_envs=4, rival=rival, **SHORT)
    ended = 0
    for _ in range(2):
        env.seed(seed)
        observation = env.reset()
        for _ in range(60):
            actions, _ = rival.predict(observation)
            observation, rewards, dones, _ = env.step(actions)
            np.testing.assert_array_equal(rewards, 0.0)
            ended += dones.sum()
    assert ended


def test_the_rival_s_rewards_are_subtracted():
    rival = make_policy("demand-deficit")
    plain = QKDVecEnv(num_envs=4, **SHORT)
    judged = QKDVecEnv(num_envs=4, **SHORT, rival=rival, reward_scale=0.5)
    alone = QKDVecEnv(num_envs=4, **SHORT)
    hold = np.full(4, plain.action_space.n - 1)
    for env in (plain, judged, alone):
        env.seed(1)
        seen = env.reset()
    earned = 0.0
    for _ in range(60):
        own, given = plain.step(hold)[1], judged.step(hold)[1]
        seen, others, _, _ = alone.step(rival.predict(seen)[0])
        np.testing.assert_allclose(given, 0.5 * (own - others), atol=1e-6)
        earned += given.sum()
    assert earned < 0.0


def test_the_lead_is_what_the_links_differ_by():
    rival = make_policy("demand-deficit")
    env, alone = (QKDVecEnv(num_envs=4, **SHORT, **more) for more in ({"rival": rival}, {}))
    for one in (env, alone):
        one.seed(0)
    observation, beside = env.reset(), alone.reset()
    assert not observation["lead"].any()
    hold = np.full(4, env.action_space.n - 1)
    last = []
    for _ in range(25):
        observation, _, dones, infos = env.step(hold)
        beside, _, _, infos_beside = alone.step(rival.predict(beside)[0])
        expected = (observation["links"] - beside["links"]).mean(axis=1)
        np.testing.assert_array_equal(observation["lead"], expected)
        for i in np.flatnonzero(dones):
            ended, ended_beside = (one[i]["terminal_observation"] for one in (infos, infos_beside))
            last.append(ended["lead"])
            difference = (ended["links"] - ended_beside["links"]).mean(axis=0)
            np.testing.assert_array_equal(last[-1], difference)
    assert np.any(last)
    assert env.observation_space["lead"].contains(observation["lead"][0])
