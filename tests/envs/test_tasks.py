"""The record of each environment, against the environment itself."""

import gymnasium as gym
import pytest

import qkd_gym  # noqa: F401
from qkd_gym.baselines import available_policies
from qkd_gym.envs.tasks import LINK_ACTIVATION, NETWORK, ROUTING, TASKS, get_task, task_of
from qkd_gym.errors import InvalidInput


def test_every_registered_environment_has_a_record():
    registered = {name for name in gym.registry if name.startswith("qkd_gym/")}
    assert registered == {task.env_id for task in TASKS.values()}
    for task in TASKS.values():
        assert gym.make(task.env_id).unwrapped.task is task
        assert gym.make_vec(task.env_id, num_envs=1).unwrapped.task is task
        assert get_task(task.env_id) is task


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
# In tokyo there are fewer links than candidate paths and refusal.
@pytest.mark.parametrize("scenario", ["metro", "tokyo"])
def test_observations_tell_their_task(task, scenario):
    env = gym.make(task.env_id, scenario=scenario)
    observation, _ = env.reset(seed=0)
    assert task_of(observation) is task
    assert task_of(env.observation_space.spaces) is task
    vector = gym.make_vec(task.env_id, num_envs=3, scenario=scenario)
    assert task_of(vector.reset(seed=0)[0]) is task


def test_actions_of_each_task():
    assert LINK_ACTIVATION.actions(40, 6) == (41,)
    assert ROUTING.actions(40, 6) == (7,)
    assert NETWORK.actions(40, 6) == (7, 41)


def test_default_scenarios_are_the_records():
    for task in TASKS.values():
        given = gym.make(task.env_id, scenario=task.default_scenario).unwrapped.config
        assert gym.make(task.env_id).unwrapped.config == given
        assert gym.make_vec(task.env_id, num_envs=1).unwrapped.config == given


def test_baselines_of_the_records_exist():
    for task in TASKS.values():
        for name in task.baselines:
            assert set(name.split("+")) <= set(available_policies())


def test_what_is_no_task():
    with pytest.raises(InvalidInput, match="Did you mean 'qkd_gym/Routing-v0'"):
        get_task("qkd_gym/Ruting-v0")
    observation, _ = gym.make(ROUTING.env_id).reset(seed=0)
    with pytest.raises(InvalidInput, match="action_mask has 3 entries"):
        task_of({**observation, "action_mask": observation["action_mask"][:3]})
