"""Trained agents: those that the package ships, and those of a folder that train.py has written.

A folder holds ``schedule.json`` or ``paths.json``, a scorer, see `qkd_gym.search`, or else
``policy.safetensors``, the weights of a policy of Stable-Baselines3, and ``config.json``, of which
two fields say what that policy is: ``recipe`` has the fields of `Recipe`, and ``env`` in
``options`` is the short name of the environment that it plays, such as ``"Routing"``. All else
there tells people how the agent came about.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gymnasium as gym
import msgspec
import torch
from stable_baselines3.common.policies import BasePolicy

from qkd_gym import __version__
from qkd_gym.baselines.agents import available_agents, shipped_agent
from qkd_gym.baselines.portfolio import Portfolio
from qkd_gym.envs.tasks import TASKS
from qkd_gym.errors import InvalidInput, require_choice, shown
from qkd_gym.files import write_json
from qkd_gym.gnn.weights import digest, load_pretrained
from qkd_gym.reading import read_bytes, read_json
from qkd_gym.sb3.checkpoint import POLICY, load_policy, save_policy
from qkd_gym.sb3.named import named_digest
from qkd_gym.sb3.recipe import Recipe
from qkd_gym.scoring import ScoredPolicy, find_scored

_CONFIG = "config.json"


class _PolicyFields(msgspec.Struct):
    """The fields of a recipe that a policy's class hangs on."""

    pointer: bool
    adviser: str = ""


class _Options(msgspec.Struct):
    env: str


class _Agent(msgspec.Struct):
    """What an agent's ``config.json`` must say."""

    recipe: _PolicyFields
    options: _Options


def save_agent(
    folder: Path,
    recipe: Recipe,
    options: Mapping[str, Any],
    facts: Mapping[str, Any],
    policy: BasePolicy | None = None,
) -> None:
    """Writes an agent's folder.

    Args:
        folder: Where to; it must exist.
        recipe: How the agent is trained.
        options: What was asked for; ``env`` must be the short name of the environment.
        facts: Further plain values for ``config.json``.
        policy: The trained policy; None before the training.
    """
    recorded = {"options": dict(options), "recipe": dataclasses.asdict(recipe)}
    write_json(folder / _CONFIG, {"version": __version__, **recorded, **facts})
    if policy is not None:
        save_policy(folder / POLICY, policy)


def load_agent(
    agent: str | Path, env_id: str | None = None, settings: Mapping[str, Any] | None = None
) -> ScoredPolicy | Portfolio | BasePolicy:
    """A trained agent, which `evaluate` plays in the environment that it was trained for.

    It has the attributes ``env_id``, that environment, and ``name``. A policy of Stable-Baselines3
    is fitted to the sizes of a scenario, and torch is set to one thread for it, which is faster on
    small graphs and sums alike in every run. Other agents play networks of any size;
    ``"portfolio"`` chooses one of them, or a rule, for the networks that it is shown.

    Args:
        agent: One of `available_agents`, or a folder that ``train.py`` has written.
        env_id: Environment that it shall play; by default the one that it was trained for.
        settings: Keyword arguments of the environment, of which sizes are taken; by default those
            of its default scenario.

    Raises:
        InvalidInput: If there is no such agent, its files are damaged, or it plays another
            environment or other sizes.
    """
    if isinstance(agent, str) and not Path(agent).exists():
        require_choice("agent", agent, available_agents())
    shipped = isinstance(agent, str) and agent in available_agents()
    found = shipped_agent(str(agent)) if shipped else find_scored(agent)
    if found is None:
        return _load_policy(Path(agent), env_id, settings or {})
    _require_env(str(agent), found.env_id, env_id)
    return found


def agent_env_id(folder: Path) -> str:
    """Environment that the policy of Stable-Baselines3 in a folder was trained for.

    Raises:
        InvalidInput: If the folder is no agent's.
    """
    return _agent(folder)[0]


def _load_policy(folder: Path, env_id: str | None, settings: Mapping[str, Any]) -> BasePolicy:
    """The policy of Stable-Baselines3 in a folder."""
    trained_on, recipe = _agent(folder)
    _require_env(str(folder), trained_on, env_id)
    torch.set_num_threads(1)
    env: Any = gym.make_vec(trained_on, num_envs=1, **settings)
    kind, arguments = recipe.policy_class
    policy: BasePolicy = kind(
        env.single_observation_space, env.single_action_space, lambda _: 0.0, **arguments
    )
    env.close()
    load_policy(folder / POLICY, policy)
    policy.set_training_mode(False)
    vars(policy).update(env_id=trained_on, name=folder.resolve().name)
    return policy


def _require_env(agent: str, trained_on: str, env_id: str | None) -> None:
    if env_id not in (None, trained_on):
        raise InvalidInput(
            f"policy {shown(agent)} was trained to play {trained_on}, but must play {env_id}."
        )


def agent_digest(folder: Path) -> str:
    """Changes with whatever an agent's decisions hang on, as hexadecimal digits.

    That is its weights, what its class hangs on, the package's version, the viability network that
    the package ships, which embeds the links for the policy, and a schedule that advises it.

    Raises:
        InvalidInput: If the folder is no agent's.
    """
    env_id, recipe = _agent(folder)
    weights = hashlib.sha256(read_bytes(folder / POLICY, "policy")).hexdigest()
    facts = [__version__, env_id, recipe.pointer, recipe.adviser, weights]
    facts.append(named_digest(recipe.adviser))
    return hashlib.sha256(json.dumps([*facts, digest(load_pretrained())]).encode()).hexdigest()


def _agent(folder: Path) -> tuple[str, Recipe]:
    """The environment of an agent, and of its recipe what its policy's class hangs on."""
    try:
        agent = read_json(folder / _CONFIG, _Agent, "file")
        require_choice("options.env", agent.options.env, TASKS)
        recipe = Recipe(pointer=agent.recipe.pointer, adviser=agent.recipe.adviser)
    except InvalidInput as error:
        raise InvalidInput(
            f"policy must be a baseline or the folder of a trained agent, but its {error}"
        ) from None
    return TASKS[agent.options.env].env_id, recipe
