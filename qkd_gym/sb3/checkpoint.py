"""Checkpoints and trained agents as safetensors and JSON.

A checkpoint's folder is whole or not there. An agent's folder holds ``policy.safetensors``, the
weights of its policy, and ``config.json``, of which two fields say what that policy is: ``recipe``
has the fields of `Recipe`, and ``env`` in ``options`` is the short name of the environment that it
plays, such as ``"Routing"``. All else there tells people how the agent came about.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import gymnasium as gym
import msgspec
import torch
from safetensors.torch import save
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.policies import BasePolicy

from qkd_gym import __version__
from qkd_gym.envs.tasks import TASKS
from qkd_gym.errors import InvalidInput, require_choice, require_number, shown
from qkd_gym.files import vanished, write_bytes, write_json
from qkd_gym.gnn.weights import digest, load_pretrained, read_tensors
from qkd_gym.reading import convert, read_bytes, read_json
from qkd_gym.sb3.recipe import Recipe

FORMAT = 1
_POLICY, _OPTIMIZER, _FACTS = "policy.safetensors", "optimizer.safetensors", "checkpoint.json"
_CONFIG = "config.json"
_STATE = ("step", "exp_avg", "exp_avg_sq")  # what Adam keeps of a parameter


class _Facts(msgspec.Struct):
    """What every ``checkpoint.json`` says; the other fields are those of who saved it."""

    format: int
    steps: Annotated[int, msgspec.Meta(ge=0, le=2**53)]


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


def save_checkpoint(folder: Path, model: OnPolicyAlgorithm, facts: dict[str, Any]) -> Path:
    """Writes policy, optimizer and plain facts to ``folder/<steps>``, and returns that folder.

    It is renamed into place at the end.

    Raises:
        InvalidInput: If ``folder`` is not there.
    """
    target = folder / f"{model.num_timesteps:010d}"
    temporary = folder / f".{target.name}"
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir()
    except FileNotFoundError:
        raise vanished(target) from None
    save_policy(temporary / _POLICY, model.policy)
    state = {
        f"{number}.{key}": torch.as_tensor(value)
        for number, values in model.policy.optimizer.state_dict()["state"].items()
        for key, value in values.items()
    }
    write_bytes(temporary / _OPTIMIZER, save(state))
    write_json(temporary / _FACTS, {"format": FORMAT, "steps": model.num_timesteps, **facts})
    shutil.rmtree(target, ignore_errors=True)
    temporary.rename(target)
    return target


def checkpoints_in(folder: Path) -> list[Path]:
    """The checkpoints of a run, by their number of steps."""
    return sorted(path for path in folder.glob("[0-9]*") if path.is_dir())


def latest_checkpoint(folder: Path) -> Path | None:
    """The checkpoint with the most steps, if there is one."""
    return max(checkpoints_in(folder), default=None)


def save_policy(path: Path, policy: torch.nn.Module) -> None:
    """Writes a policy's weights as one safetensors file."""
    # Copies, for parts that are known by two names share their memory, which safetensors refuses.
    weights = {name: tensor.contiguous().clone() for name, tensor in policy.state_dict().items()}
    write_bytes(path, save(weights))


def load_policy(path: Path, policy: torch.nn.Module) -> None:
    """Loads policy weights, possibly of a network of another size, from a safetensors file.

    Raises:
        InvalidInput: If the file is missing, no safetensors, or does not fit.
    """
    policy.load_state_dict(read_tensors(path, "policy", policy.state_dict()))


def load_checkpoint(folder: Path, model: OnPolicyAlgorithm) -> dict[str, Any]:
    """Restores policy, optimizer and step count, and returns the facts that were saved with them.

    Raises:
        InvalidInput: If the checkpoint is damaged or of another version.
    """
    facts = read_facts(folder)
    state = _optimizer_state(folder / _OPTIMIZER, model.policy.optimizer)
    load_policy(folder / _POLICY, model.policy)
    optimizer = model.policy.optimizer
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
    model.num_timesteps = facts["steps"]
    return facts


def _optimizer_state(
    path: Path, optimizer: torch.optim.Optimizer
) -> dict[int, dict[str, torch.Tensor]]:
    """What Adam keeps of the parameters, by their number; nothing of those never stepped."""
    parameters = [one for group in optimizer.param_groups for one in group["params"]]
    expected = {
        f"{number}.{key}": torch.zeros(()) if key == "step" else parameter
        for number, parameter in enumerate(parameters)
        for key in _STATE
    }
    found = read_tensors(path, "optimizer", expected, partly=True)
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, tensor in found.items():
        index, key = name.split(".")
        if key != "exp_avg" and (tensor < 0.0).any():
            raise InvalidInput(
                f"optimizer {shown(str(path))}: {name} holds negative values, but must hold none."
            )
        state.setdefault(int(index), {})[key] = tensor
    for number, kept in state.items():
        for key in _STATE:
            if key not in kept:
                raise InvalidInput(
                    f"optimizer {shown(str(path))} does not fit: it lacks the tensor "
                    f"'{number}.{key}'."
                )
    return state


def load_best_checkpoint(
    folder: Path, policy: torch.nn.Module, fact: str
) -> tuple[list[tuple[int, float]], int]:
    """Loads the policy of the checkpoint, of those in a folder, in which a fact is largest.

    Every checkpoint, and there must be one, must have been saved with that fact, a number.

    Returns:
        Steps and fact of every checkpoint, by steps, and the index of the one that was loaded.

    Raises:
        InvalidInput: If a checkpoint is damaged or of another version.
    """
    checkpoints = checkpoints_in(folder)
    facts = [read_facts(checkpoint) for checkpoint in checkpoints]
    for folder_of, one in zip(checkpoints, facts, strict=True):
        require_number(f"{fact} of checkpoint {shown(str(folder_of))}", one.get(fact))
    curve = [(one["steps"], float(one[fact])) for one in facts]
    best = max(range(len(curve)), key=lambda i: curve[i][1])
    load_policy(checkpoints[best] / _POLICY, policy)
    return curve, best


def read_facts(folder: Path) -> dict[str, Any]:
    """The facts that were saved with a checkpoint.

    Raises:
        InvalidInput: If the checkpoint has no readable facts, or is of another version.
    """
    facts = read_json(folder / _FACTS, dict[str, Any], "checkpoint")
    name = f"checkpoint {shown(str(folder / _FACTS))}"
    if facts.get("format") != FORMAT:
        raise InvalidInput(
            f"{name} has format {shown(facts.get('format'))}, but this version reads {FORMAT}."
        )
    convert(facts, _Facts, name)
    return facts


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
        save_policy(folder / _POLICY, policy)


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
    trained_on, recipe = _agent(folder)
    if env_id != trained_on:
        raise InvalidInput(
            f"policy {shown(str(folder))} was trained to play {trained_on}, but must play {env_id}."
        )
    torch.set_num_threads(1)
    env: Any = gym.make_vec(env_id, num_envs=1, **settings)
    kind, arguments = recipe.policy_class
    policy: BasePolicy = kind(
        env.single_observation_space, env.single_action_space, lambda _: 0.0, **arguments
    )
    env.close()
    load_policy(folder / _POLICY, policy)
    policy.set_training_mode(False)
    return policy


def agent_digest(folder: Path) -> str:
    """Changes with whatever an agent's decisions hang on, as hexadecimal digits.

    That is its weights, what its class hangs on, the package's version, and the viability network
    that the package ships, which embeds the links for the policy.

    Raises:
        InvalidInput: If the folder is no agent's.
    """
    env_id, recipe = _agent(folder)
    weights = hashlib.sha256(read_bytes(folder / _POLICY, "policy")).hexdigest()
    facts = [__version__, env_id, recipe.pointer, recipe.adviser, weights]
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
