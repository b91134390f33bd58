"""Threads change nothing but the time, and take none while nobody steps."""

import time

import gymnasium as gym
import numpy as np
import pytest

import qkd_gym  # noqa: F401
from qkd_gym.envs.tasks import TASKS
from qkd_gym.envs.threads import VARIABLE, parts, thread_count
from qkd_gym.errors import InvalidInput

SHORT = {"episode_s": 600.0, "bank_size": 2}
LINK_ACTIVATION, *OTHERS = [task.env_id for task in TASKS.values()]


def observed(env_id, threads, batch):
    env = gym.make_vec(env_id, num_envs=batch, threads=threads, **SHORT)
    env.action_space.seed(0)
    env.reset(seed=0)
    for _ in range(25):
        observation, rewards, *_ = env.step(env.action_space.sample())
        yield {**observation, "rewards": rewards}


@pytest.mark.parametrize("env_id", [LINK_ACTIVATION, *OTHERS])
@pytest.mark.parametrize("batch", [2, 23])
def test_threads_change_nothing(env_id, batch):
    runs = [observed(env_id, threads, batch) for threads in (1, 2, 3)]
    for alone, *others in zip(*runs, strict=True):
        for other in others:
            for name, array in alone.items():
                np.testing.assert_array_equal(array, other[name], err_msg=name)


@pytest.mark.parametrize(("batch", "count"), [(1, 1), (7, 3), (256, 2), (5, 5), (64, 3), (1000, 7)])
def test_parts_cover_the_batch_once(batch, count):
    covered = [b for first, stop in parts(batch, count) for b in range(first, stop)]
    assert covered == list(range(batch))
    assert all(first < stop for first, stop in parts(batch, count))


def test_the_caller_has_more_to_do_than_threads_that_wake():
    sizes = [stop - first for first, stop in parts(256, 2)]
    assert sizes == [144, 112]


def test_the_number_of_threads(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    assert thread_count(None, 64) == 1
    assert thread_count(4, 64) == 4
    assert thread_count(4, 3) == 3
    monkeypatch.setenv(VARIABLE, "2")
    assert thread_count(None, 64) == 2
    assert thread_count(5, 64) == 5
    assert len(gym.make_vec(LINK_ACTIVATION, num_envs=8, **SHORT).unwrapped.core._work) == 2


@pytest.mark.parametrize("bad", [0, -1, 1.5, "2", True])
def test_a_bad_number_of_threads(bad):
    with pytest.raises(InvalidInput, match="threads is"):
        gym.make_vec(LINK_ACTIVATION, num_envs=8, threads=bad, **SHORT)


@pytest.mark.parametrize("bad", ["0", "two", "", "-1", 5000 * "9"])
def test_a_bad_environment_variable(monkeypatch, bad):
    monkeypatch.setenv(VARIABLE, bad)
    with pytest.raises(InvalidInput, match=VARIABLE):
        gym.make_vec(LINK_ACTIVATION, num_envs=8, **SHORT)


def test_nothing_runs_while_nobody_steps():
    for _ in observed(LINK_ACTIVATION, 3, 64):
        pass
    before = time.process_time()
    time.sleep(0.5)
    # A thread that waited in a loop would have taken all of it.
    assert time.process_time() - before < 0.25
