"""Masks for sampling actions are the legal actions, decision by decision."""

import gymnasium as gym
import pytest

import qkd_gym  # noqa: F401
from qkd_gym.envs import sample_mask
from qkd_gym.envs.tasks import TASKS


@pytest.mark.parametrize("env_id", [task.env_id for task in TASKS.values()])
def test_sampled_actions_are_legal(env_id):
    env = gym.make(env_id, n_sites=6, bank_size=4, episode_s=600.0)
    env.action_space.seed(7)
    obs, info = env.reset(seed=3)
    for _ in range(40):
        action = env.action_space.sample(mask=sample_mask(info, env.action_space))
        assert env.action_space.contains(action)
        obs, _, _, over, info = env.step(action)
        assert info["illegal_actions"] == 0
        if over:
            obs, info = env.reset()
    from_info = sample_mask(info, env.action_space)
    from_observation = sample_mask(obs, env.action_space)
    assert str(from_info) == str(from_observation)
