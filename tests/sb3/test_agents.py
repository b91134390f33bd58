"""Trained agents in folders."""

import json
import subprocess
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("sb3_contrib")

from qkd_gym.baselines.agents import REHEARSING  # noqa: E402
from qkd_gym.errors import InvalidInput  # noqa: E402
from qkd_gym.evaluation import evaluate  # noqa: E402
from qkd_gym.sb3 import QKDVecEnv, available_agents, load_agent, save_agent  # noqa: E402
from qkd_gym.sb3.recipe import Recipe  # noqa: E402
from qkd_gym.scoring import agents as schedules  # noqa: E402
from tests.scoring.observations import random_weights  # noqa: E402

SMALL = {"n_sites": 8, "bank_size": 1, "episode_s": 1200.0}
ENV_ID = "qkd_gym/LinkActivation-v0"
PPO = {"n_steps": 8, "batch_size": 32}


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(pointer=True, total_timesteps=64, num_envs=4, adviser="max-weight", ppo=PPO),
        Recipe(pointer=False, total_timesteps=64, num_envs=4, ppo=PPO),
    ],
)
def test_a_saved_agent_acts_as_it_was_trained(tmp_path, recipe):
    env = recipe.environment(ENV_ID, SMALL)
    env.seed(0)
    policy = recipe.model(env, 0, None).learn(64).policy
    save_agent(tmp_path, recipe, {"env": "LinkActivation"}, {"note": 1}, policy)
    config = json.loads((tmp_path / "config.json").read_text())
    assert list(config) == ["version", "options", "recipe", "note"]
    loaded = load_agent(tmp_path, ENV_ID, SMALL)
    assert not loaded.training
    assert (loaded.env_id, loaded.name) == (ENV_ID, tmp_path.name)
    plain = QKDVecEnv(ENV_ID, num_envs=4, **SMALL)
    plain.seed(1)
    observation = plain.reset()
    for _ in range(10):
        first, _ = policy.predict(observation, deterministic=True)
        second, _ = loaded.predict(observation, deterministic=True)
        np.testing.assert_array_equal(first, second)
        observation = plain.step(first)[0]


def test_an_agent_is_by_default_for_what_it_was_trained_for(tmp_path):
    recipe = Recipe(pointer=True, total_timesteps=64, num_envs=2, ppo=PPO)
    routing = "qkd_gym/Routing-v0"
    policy = recipe.model(recipe.environment(routing, SMALL), 0, None).policy
    save_agent(tmp_path, recipe, {"env": "Routing"}, {}, policy)
    agent = load_agent(str(tmp_path))
    result = evaluate(agent, episodes=1, episode_s=1200.0)
    assert (result.env_id, result.policy) == (routing, tmp_path.name)


@pytest.fixture
def _shipped(tmp_path, monkeypatch):
    """An agent, as if the package shipped it."""
    folder = tmp_path / "data"
    folder.mkdir()
    schedules.save_scored(folder / "metro.json", random_weights(0), {})
    monkeypatch.setattr(schedules, "SHIPPED", folder)


@pytest.mark.usefixtures("_shipped")
def test_shipped_agents_are_loaded_by_name_and_play_any_size():
    assert available_agents() == ("metro", *REHEARSING)
    agent = load_agent("metro")
    assert (agent.env_id, agent.name) == ("qkd_gym/LinkScheduling-v0", "metro")
    for sites in (8, 12):
        result = evaluate(agent, episodes=2, **{**SMALL, "n_sites": sites})
        assert (result.env_id, result.policy) == (agent.env_id, "metro")
        assert result.metrics["illegal_actions"].tolist() == [0.0, 0.0]
    with pytest.raises(InvalidInput, match="Did you mean 'metro'"):
        load_agent("metroo")
    with pytest.raises(InvalidInput, match=f"trained to play {agent.env_id}, but must"):
        load_agent("metro", ENV_ID)


@pytest.mark.usefixtures("_shipped")
def test_a_folder_of_a_search_is_loaded(tmp_path):
    """Though its configuration is there too."""
    folder = tmp_path / "run"
    folder.mkdir()
    schedules.save_scored(folder / "schedule.json", random_weights(1), {})
    (folder / "config.json").write_text("{}")
    agent = load_agent(folder)
    assert (agent.env_id, agent.name) == ("qkd_gym/LinkScheduling-v0", "run")
    np.testing.assert_array_equal(agent.weights.on, random_weights(1).on)


def test_folders_of_earlier_versions_load(tmp_path):
    recipe = Recipe(pointer=True, total_timesteps=64, num_envs=2, adviser="max-weight", ppo=PPO)
    policy = recipe.model(recipe.environment(ENV_ID, SMALL), 0, None).policy
    save_agent(tmp_path, recipe, {"env": "LinkActivation"}, {}, policy)
    config = json.loads((tmp_path / "config.json").read_text())
    config["recipe"]["rival"] = config["recipe"].pop("control_policy")
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert load_agent(tmp_path, ENV_ID, SMALL).adviser == "max-weight"


@pytest.mark.parametrize(
    "config",
    [
        None,
        "",
        "[]",
        "{}",
        '{"recipe": {}, "options": {"env": "Routing"}}',
        '{"recipe": {"pointer": true}, "options": {"env": "Ruoting"}}',
    ],
)
def test_other_folders_are_refused(tmp_path, config):
    if config is not None:
        (tmp_path / "config.json").write_text(config)
    with pytest.raises(InvalidInput, match="or the folder of a trained agent, but its"):
        load_agent(tmp_path, ENV_ID, SMALL)


def test_an_agent_of_another_environment_is_refused(tmp_path):
    recipe = Recipe(pointer=True, total_timesteps=64)
    save_agent(tmp_path, recipe, {"env": "Routing"}, {})
    with pytest.raises(InvalidInput, match=f"trained to play qkd_gym/Routing-v0, .* {ENV_ID}"):
        load_agent(tmp_path, ENV_ID, SMALL)


def test_an_agent_without_weights_is_refused(tmp_path):
    recipe = Recipe(pointer=True, total_timesteps=64)
    save_agent(tmp_path, recipe, {"env": "LinkActivation"}, {})
    with pytest.raises(InvalidInput, match="is not there"):
        load_agent(tmp_path, ENV_ID, SMALL)


def test_the_benchmark_loads_torch_for_trained_agents_only():
    code = (
        "import sys, qkd_gym.cli, qkd_gym.benchmark.runner, qkd_gym.benchmark.worker;"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
