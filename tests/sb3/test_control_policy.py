"""Rewards relative to a policy that plays the same episodes."""

import numpy as np
import pytest

pytest.importorskip("stable_baselines3")

from qkd_gym.baselines import make_policy
from qkd_gym.features import LINK
from qkd_gym.sb3 import QKDVecEnv
from qkd_gym.scoring import ScoredSchedule
from qkd_gym.scoring.weights import starting_weights

SHORT = {"episode_s": 600.0, "bank_size": 2}
SCHEDULING = "qkd_gym/LinkScheduling-v0"


@pytest.mark.parametrize("env_id", ["qkd_gym/LinkActivation-v0", "qkd_gym/Network-v0", SCHEDULING])
@pytest.mark.parametrize("seed", [None, 3])
def test_whoever_plays_as_the_control_policy_earns_nothing(env_id, seed):
    control_policy = make_policy("demand-deficit+exponential-price")
    env = QKDVecEnv(env_id, num_envs=4, control_policy=control_policy, **SHORT)
    ended = 0
    for _ in range(2):
        env.seed(seed)
        observation = env.reset()
        for _ in range(100):
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


def test_a_schedule_that_plays_as_itself_earns_nothing():
    schedule = ScoredSchedule(starting_weights(0))
    env = QKDVecEnv(SCHEDULING, num_envs=4, control_policy=schedule, **SHORT)
    observation, switched, ended = env.reset(), 0, 0
    while ended < 8:
        actions, _ = schedule.predict(observation)
        switched += (actions < observation["links"].shape[1]).sum()
        observation, rewards, dones, _ = env.step(actions)
        np.testing.assert_array_equal(rewards, 0.0)
        ended += dones.sum()
    assert switched


def test_rewards_of_the_same_interval_are_subtracted():
    """Members that hold pass an interval by each step, their control by several steps."""
    policy = make_policy("demand-deficit")
    relative, plain, alone = (
        QKDVecEnv(SCHEDULING, num_envs=4, **SHORT, **more)
        for more in ({"control_policy": policy, "reward_scale": 0.5}, {}, {})
    )
    for env in (relative, plain, alone):
        env.seed(3)
        seen = env.reset()
    hold = np.full(4, plain.action_space.n - 1)
    own, given, ended = [], [], 0
    for _ in range(40):
        own.append(plain.step(hold)[1])
        observation, rewards, dones, infos = relative.step(hold)
        given.append(rewards)
        ended += dones.sum()
        for i in np.flatnonzero(dones):
            assert infos[i]["terminal_observation"]["control_difference"].any()
            assert not observation["control_difference"][i].any()
    assert ended
    others = [[] for _ in range(4)]
    steps = 0
    while min(map(len, others)) < 40:
        before = alone.env.core.simulator.state.episodes["interval"].copy()
        seen, rewards, _, _ = alone.step(policy.predict(seen)[0])
        steps += 4
        for i in np.flatnonzero(alone.env.core.simulator.state.episodes["interval"] != before):
            others[i].append(rewards[i])
    assert steps > 1.1 * sum(map(len, others))
    expected = np.array([one[:40] for one in others]).T
    np.testing.assert_allclose(given, 0.5 * (np.array(own) - expected), atol=1e-6)


def test_while_no_time_passes_the_control_waits():
    env = QKDVecEnv(SCHEDULING, num_envs=4, control_policy=make_policy("demand-deficit"), **SHORT)
    env.seed(0)
    observation = env.reset()
    means = env.control.means.copy()
    # Every member switches a link off but the first, which holds.
    actions = observation["links"][..., LINK.active].argmax(axis=1)
    actions[0] = env.action_space.n - 1
    observation, rewards, _, _ = env.step(actions)
    np.testing.assert_array_equal(rewards[1:], 0.0)
    np.testing.assert_array_equal(env.control.means[1:], means[1:])
    assert (env.control.means[0] != means[0]).any()
    assert (observation["control_difference"][1:, LINK.active] < 0.0).all()
