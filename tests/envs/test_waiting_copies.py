"""Snapshots, models and beliefs of episodes in which requests wait."""

import gymnasium as gym
import numpy as np
import pytest

import qkd_gym  # noqa: F401
from qkd_gym.envs.tasks import LINK_ACTIVATION, ROUTING
from qkd_gym.errors import InvalidInput
from qkd_gym.network.scenarios import get_scenario

SETTINGS = {"scenario": "classes-busy", "bank_size": 2, "episode_s": 3600.0}


def waiting_env(task, batch=3):
    """Members some steps into their episodes, with requests that wait."""
    env = gym.make_vec(task.env_id, num_envs=batch, **SETTINGS)
    if task is LINK_ACTIVATION:
        env.track_belief()
    env.reset(seed=0)
    for _ in range(40):
        _, _, _, _, infos = env.step(last_action(env))
    assert (infos["waiting_bits"] > 0).all()
    return env


def last_action(env):
    """To refuse, or to hold."""
    return np.full(env.num_envs, env.single_action_space.n - 1)


def first_legal(masks):
    return masks.argmax(axis=1)


@pytest.mark.parametrize("task", [ROUTING, LINK_ACTIVATION], ids=lambda task: task.name)
def test_a_snapshot_holds_what_waits(task):
    env = waiting_env(task)
    other = gym.make_vec(task.env_id, num_envs=3, **SETTINGS)
    other.reset(seed=9)
    other.restore(env.snapshot())
    waited = 0
    for _ in range(60):
        action = first_legal(env.action_masks())
        returned, again = env.step(action), other.step(action)
        for name, array in returned[0].items():
            np.testing.assert_array_equal(array, again[0][name])
        np.testing.assert_array_equal(returned[1], again[1])
        for name in ("offered_bits", "delivered_bits", "blocked_bits", "waiting_bits"):
            np.testing.assert_array_equal(returned[4][name], again[4][name])
        waited += (returned[4]["delivered_bits"] > returned[4]["offered_bits"]).sum()
    assert waited > 0  # some that had waited were served


def test_a_snapshot_is_of_its_classes():
    env = waiting_env(ROUTING, 1)
    plain = gym.make_vec(ROUTING.env_id, num_envs=1, **{**SETTINGS, "service_classes": ()})
    with pytest.raises(InvalidInput, match="snapshot has service_classes"):
        plain.restore(env.snapshot())


@pytest.mark.parametrize("task", [ROUTING, LINK_ACTIVATION], ids=lambda task: task.name)
def test_a_model_has_what_waits_and_other_arrivals(task):
    env = waiting_env(task)
    model = env.branch(2, peek=True)
    arrays, copies = env.core.simulator.arrays, model.simulator.arrays
    np.testing.assert_array_equal(copies.waiting, arrays.waiting.repeat(2, axis=0))
    keys = copies.episodes["key"]
    keys[:] = arrays.episodes["key"].repeat(2)
    keys[1::2] += np.uint64(1)
    offered = np.zeros((2, model.rows))
    for _ in range(40):
        actions = last_action(env)
        model.step(actions.repeat(2))
        infos = env.step(actions)[4]
        now = model.info()["offered_bits"]
        np.testing.assert_array_equal(now[::2], infos["offered_bits"])
        offered[0] += now
        offered[1] += infos["offered_bits"].repeat(2)
    assert (offered[0, 1::2] != offered[1, 1::2]).any()


def test_a_belief_counts_arrivals_once():
    """What waits says nothing new of the demand: beliefs are those of impatient classes."""
    classes = get_scenario("classes-busy").service_classes
    impatient = [{"name": c.name, "share": c.share, "size": c.size} for c in classes]
    beliefs = []
    for service_classes in (classes, impatient):
        settings = {**SETTINGS, "service_classes": service_classes}
        env = gym.make_vec(LINK_ACTIVATION.env_id, num_envs=2, **settings)
        env.track_belief()
        env.reset(seed=1)
        for _ in range(30):
            waiting = env.step(last_action(env))[4]["waiting_bits"]
        assert (waiting.max() > 0) == (service_classes is classes)
        beliefs.append(env.core.tracker.belief)
        assert env.branch(2).rows == 4
    np.testing.assert_array_equal(beliefs[0].bursts, beliefs[1].bursts)
    np.testing.assert_array_equal(beliefs[0].hot_spot, beliefs[1].hot_spot)


def test_members_of_a_vector_environment_play_as_single_ones():
    env = gym.make_vec(ROUTING.env_id, num_envs=2, **SETTINGS)
    alone = gym.make(ROUTING.env_id, **SETTINGS)
    env.reset(seed=4)
    alone.reset(seed=5)
    for step in range(150):
        masks = env.action_masks()
        actions = np.where(step % 3 == 0, masks.shape[1] - 1, first_legal(masks))
        observations, rewards, _, _, infos = env.step(actions)
        observation, reward, _, _, info = alone.step(actions[1])
        for name, array in observation.items():
            np.testing.assert_array_equal(array, observations[name][1])
        assert reward == rewards[1]
        for name in ("waiting_bits", "offered_value_bits", "delivered_value_bits"):
            assert info[name] == infos[name][1]
