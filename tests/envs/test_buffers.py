"""Observations belong to the caller although their buffers are used again."""

import gymnasium as gym
import numpy as np

import qkd_gym  # noqa: F401

ENV_ID = "qkd_gym/LinkActivation-v0"
SHORT = {"episode_s": 600.0, "bank_size": 2}


def play(env, steps, keep):
    """Yields what ``keep`` makes of each observation, and a copy to compare it with."""
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    for _ in range(steps):
        observation = env.step(rng.integers(40, size=env.num_envs))[0]
        yield keep(observation), observation["links"].copy()


def test_kept_observations_stay_as_they_were():
    env = gym.make_vec(ENV_ID, num_envs=3, **SHORT)
    for kept, written in list(play(env, 30, lambda observation: observation["links"])):
        np.testing.assert_array_equal(kept, written)


def test_views_of_observations_stay_as_they_were():
    env = gym.make_vec(ENV_ID, num_envs=3, **SHORT)
    views = (
        lambda observation: observation["links"][1],
        lambda observation: np.asarray(memoryview(observation["links"]))[1],
        lambda observation: observation["links"][..., 3:][1],
    )
    for view in views:
        for kept, written in list(play(env, 30, view)):
            np.testing.assert_array_equal(kept, written[1][..., -kept.shape[-1] :])


def test_masks_in_infos_stay_as_they_were():
    env = gym.make_vec(ENV_ID, num_envs=2, **SHORT)
    _, info = env.reset(seed=0)
    mask, written = info["action_mask"], info["action_mask"].copy()
    for _ in range(30):
        env.step(np.zeros(2, np.int64))
    np.testing.assert_array_equal(mask, written)


def test_dropped_observations_take_two_buffers():
    env = gym.make_vec(ENV_ID, num_envs=2, **SHORT)
    observation, _ = env.reset(seed=0)
    addresses = set()
    for _ in range(20):
        observation = env.step(np.zeros(2, np.int64))[0]
        addresses.add(observation["links"].ctypes.data)
    assert len(addresses) == 2
