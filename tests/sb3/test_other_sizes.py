"""A policy plays networks of another size than it was trained on."""

import numpy as np
import pytest

pytest.importorskip("sb3_contrib")

from sb3_contrib import MaskablePPO

from qkd_gym.evaluation import evaluate
from qkd_gym.sb3 import LinkPointerPolicy, QKDVecEnv, load_agent, save_agent
from qkd_gym.sb3.recipe import Recipe

SHORT = {"episode_s": 600.0}


def learner(scenario):
    env = QKDVecEnv(num_envs=1, scenario=scenario, bank_size=1, **SHORT)
    return MaskablePPO(LinkPointerPolicy, env, n_steps=4, batch_size=4, seed=3)


def test_weights_of_another_size_decide_as_if_they_were_made_for_this_one():
    trained, made_here = learner("metro"), learner("vienna")
    made_here.policy.load_state_dict(trained.policy.state_dict())
    made_here.policy.set_training_mode(False)
    asked = {"scenario": "vienna", "episodes": 2, "record_actions": True, **SHORT}
    expected = evaluate(made_here.policy, **asked)
    for policy in (trained, trained.policy):
        result = evaluate(policy, **asked)
        for ours, theirs in zip(result.actions, expected.actions, strict=True):
            np.testing.assert_array_equal(ours, theirs)
    assert trained.policy.observation_space == trained.get_env().observation_space


def test_an_agent_that_was_trained_on_one_size_plays_another_as_documented(tmp_path):
    ppo = {"n_steps": 8, "batch_size": 32}
    recipe = Recipe(pointer=True, total_timesteps=64, num_envs=4, ppo=ppo)
    small = {"scenario": "metro-10", "bank_size": 1, **SHORT}
    env = recipe.environment("qkd_gym/LinkActivation-v0", small)
    env.seed(0)
    trained = recipe.model(env, 0, None).learn(64).policy
    save_agent(tmp_path, recipe, {"env": "LinkActivation"}, {}, trained)
    asked = {"episodes": 2, "record_actions": True, **SHORT}
    found = [
        evaluate(policy, scenario="vienna", **asked)
        for policy in (load_agent(tmp_path), load_agent(tmp_path, settings=small), trained)
    ]
    for result in found:
        assert result.metrics["illegal_actions"].sum() == 0
        for ours, theirs in zip(result.actions, found[0].actions, strict=True):
            np.testing.assert_array_equal(ours, theirs)
