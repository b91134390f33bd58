"""Environments pickle, deep-copy and fork at any moment, and the copy goes on bit for bit alike."""

import copy
import multiprocessing
import os
import pickle

import gymnasium as gym
import numpy as np
import pytest

import qkd_gym  # noqa: F401
from qkd_gym.envs.tasks import TASKS

SHORT = {"episode_s": 600.0, "bank_size": 2}
IDS = [task.env_id for task in TASKS.values()]
COPIES = {"pickle": lambda env: pickle.loads(pickle.dumps(env)), "deepcopy": copy.deepcopy}


def assert_equal(first, second):
    """Compares what two environments returned: dictionaries, arrays, object arrays, numbers."""
    if isinstance(first, dict):
        assert first.keys() == second.keys()
        for name in first:
            assert_equal(first[name], second[name])
    elif isinstance(first, np.ndarray) and first.dtype == object:
        for one, other in zip(first, second, strict=True):
            assert_equal(one, other)
    else:
        np.testing.assert_array_equal(first, second)


def random_actions(env, rng, batch=()):
    space = env.action_space if batch == () else env.single_action_space
    choices = [space.n] if isinstance(space, gym.spaces.Discrete) else space.nvec
    drawn = rng.integers(choices, size=(*batch, len(choices)))
    return drawn[..., 0] if len(choices) == 1 else drawn


@pytest.mark.parametrize("env_id", IDS)
@pytest.mark.parametrize("copied_by", COPIES)
def test_a_copied_environment_goes_on_alike(env_id, copied_by):
    env, rng = gym.make(env_id, **SHORT), np.random.default_rng(0)
    env.reset(seed=0)
    for _ in range(10):
        env.step(random_actions(env, rng))
    twin = COPIES[copied_by](env)
    for _ in range(30):
        action = random_actions(env, rng)
        ours = env.step(action)
        assert_equal(dict(enumerate(ours)), dict(enumerate(twin.step(action))))
        if ours[3]:
            assert_equal(env.reset()[0], twin.reset()[0])
    sim, other = env.unwrapped.core.simulator, twin.unwrapped.core.simulator
    assert_equal(sim.state.links["pool"], other.state.links["pool"])
    assert sim.arrays.links is not other.arrays.links


@pytest.mark.parametrize("env_id", IDS)
@pytest.mark.parametrize("copied_by", COPIES)
@pytest.mark.parametrize(("batch", "threads"), [(1, 1), (64, 1), (64, 2), (256, 2)])
def test_a_copied_vector_environment_goes_on_alike(env_id, copied_by, batch, threads):
    env = gym.make_vec(env_id, num_envs=batch, threads=threads, **SHORT)
    rng = np.random.default_rng(0)
    env.reset(seed=0)
    for _ in range(10):
        env.step(random_actions(env, rng, (batch,)))
    twin = COPIES[copied_by](env)
    for _ in range(15):  # past the end of the episodes
        actions = random_actions(env, rng, (batch,))
        assert_equal(dict(enumerate(env.step(actions))), dict(enumerate(twin.step(actions))))


def test_a_copy_does_not_share_the_episode():
    env = gym.make(IDS[0], **SHORT)
    env.reset(seed=0)
    twin = copy.deepcopy(env)
    before = twin.unwrapped.core.simulator.state.links["pool"].copy()
    env.step(0)
    assert_equal(twin.unwrapped.core.simulator.state.links["pool"], before)


def test_an_environment_that_has_not_started_is_copied():
    twin = pickle.loads(pickle.dumps(gym.make(IDS[0], **SHORT)))
    assert_equal(twin.reset(seed=3)[0], gym.make(IDS[0], **SHORT).reset(seed=3)[0])


def _more_rewards(env):
    return [env.step(np.zeros(8, np.int64))[1].tolist() for _ in range(5)]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_goes_on_with_threads_of_its_own():
    env = gym.make_vec(IDS[0], num_envs=8, threads=2, **SHORT)
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
