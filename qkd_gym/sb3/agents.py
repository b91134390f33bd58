"""Trained agents in folders: how they are written, and read back as policies.

An agent's folder holds ``policy.safetensors``, the weights of its policy, and ``config.json``, of
which two fields say what that policy is: ``recipe`` has the fields of `Recipe`, and ``env`` in
``options`` is the short name of the environment that it plays, such as ``"Routing"``. All else
there tells people how the agent came about.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gymnasium as gym
import torch
from stable_baselines3.common.policies import BasePolicy

from qkd_gym import __version__
from qkd_gym.envs.tasks import TASKS
from qkd_gym.errors import InvalidInput
from qkd_gym.files import write_json
from qkd_gym.sb3.checkpoint import load_policy, save_policy
from qkd_gym.sb3.recipe import Recipe, policy_class

_CONFIG, _WEIGHTS = "config.json", "policy.safetensors"


def save_agent(
    folder: Path,
    recipe: Recipe,
    options: Mapping[str, Any],
    facts: Mapping[str, Any],
    policy: BasePolicy | None = None,
) -> None:
    """Writes an agent's folder.

    Args:
        folder: Where to; made if it does not exist.
        recipe: How the agent is trained.
        options: What was asked for; ``env`` must be the short name of the environment.
        facts: Further plain values for ``config.json``.
        policy: The trained policy; None before the training.
    """
    recorded = {"options": dict(options), "recipe": dataclasses.asdict(recipe)}
    write_json(folder / _CONFIG, {"version": __version__, **recorded, **facts})
    if policy is not None:
        save_policy(folder / _WEIGHTS, policy)


def load_agent(folder: Path, env_id: str, settings: Mapping[str, Any]) -> BasePolicy:
    """The policy of a trained agent, fitted to the sizes of a scenario.

    Torch is set to one thread, which is faster on small graphs and sums alike in every run.

    Args:
        folder: The agent's folder, written by `save_agent`.
        env_id: Environment that the policy shall play.
        settings: Keyword arguments of the environment.

    Raises:
        InvalidInput: If the folder is no agent's, or its policy does not fit the environment.
    """
    try:
        config = json.loads((folder / _CONFIG).read_text(encoding="utf-8"))
        recipe, task = config["recipe"], TASKS[config["options"]["env"]]
        pointer, adviser = bool(recipe["pointer"]), str(recipe.get("adviser", ""))
    except (OSError, ValueError, KeyError, TypeError):
        raise InvalidInput(
            f"policy is {str(folder)!r}, but must be a baseline or the folder of a trained agent, "
            f"with {_CONFIG} and {_WEIGHTS}."
        ) from None
    if env_id != task.env_id:
        raise InvalidInput(
            f"policy {str(folder)!r} was trained to play {task.env_id}, but must play {env_id}."
        )
    torch.set_num_threads(1)
    env: Any = gym.make_vec(env_id, num_envs=1, **settings)
    kind, arguments = policy_class(pointer, adviser)
    policy: BasePolicy = kind(
        env.single_observation_space, env.single_action_space, lambda _: 0.0, **arguments
    )
    env.close()
    load_policy(folder / _WEIGHTS, policy)
    policy.set_training_mode(False)
    return policy
