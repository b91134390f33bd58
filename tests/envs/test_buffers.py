"""Observations belong to the caller although their buffers are used again."""

import copy
import gc
import multiprocessing
import os
import threading

import gymnasium as gym
import numpy as np
import pytest

import qkd_gym  # noqa: F401
from qkd_gym.network import threads

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


def test_a_copied_environment_goes_on_alike():
    env = gym.make(ENV_ID, **SHORT)
    env.reset(seed=0)
    env.step(3)
    copied = copy.deepcopy(env)
    for action in range(15):
        ours, theirs = env.step(action), copied.step(action)
        assert ours[1] == theirs[1]
        for name, array in ours[0].items():
            np.testing.assert_array_equal(array, theirs[0][name])


def test_threads_change_nothing(monkeypatch):
    runs = []
    monkeypatch.setattr(threads.os, "sched_getaffinity", lambda _: range(3))
    for share in (7, 1_000_000):
        monkeypatch.setattr(threads, "_SHARE", share)
        env = gym.make_vec(ENV_ID, num_envs=23, **SHORT)
        runs.append([written for _, written in play(env, 45, lambda observation: None)])
    for several, one in zip(*runs, strict=True):
        np.testing.assert_array_equal(several, one)


def _more_rewards(env):
    return [env.step(np.zeros(8, np.int64))[1].tolist() for _ in range(5)]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_goes_on_with_threads_of_its_own(monkeypatch):
    monkeypatch.setattr(threads, "_SHARE", 4)
    monkeypatch.setattr(threads.os, "sched_getaffinity", lambda _: range(2))
    env = gym.make_vec(ENV_ID, num_envs=8, **SHORT)
    env.reset(seed=0)
    _more_rewards(env)
    ours, theirs = multiprocessing.get_context("fork").Pipe()
    child = multiprocessing.get_context("fork").Process(
        target=lambda: theirs.send(_more_rewards(env))
    )
    child.start()
    assert ours.poll(timeout=60.0)
    assert ours.recv() == _more_rewards(env)
    child.join()


def test_threads_end_with_their_environment(monkeypatch):
    monkeypatch.setattr(threads, "_SHARE", 1)
    monkeypatch.setattr(threads.os, "sched_getaffinity", lambda _: range(3))
    before = set(threading.enumerate())
    env = gym.make_vec(ENV_ID, num_envs=3, **SHORT)
    env.reset(seed=0)
    env.step(np.zeros(3, np.int64))
    workers = set(threading.enumerate()) - before
    assert len(workers) == 2
    del env
    gc.collect()
    for worker in workers:
        worker.join(timeout=10.0)
        assert not worker.is_alive()
