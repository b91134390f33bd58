"""Checkpoints and trained agents as safetensors and JSON.

A checkpoint's folder is whole or not there. An agent's folder holds ``policy.safetensors``, the
weights of its policy, and ``config.json``, of which two fields say what that policy is: ``recipe``
has the fields of `Recipe`, and ``env`` in ``options`` is the short name of the environment that it
plays, such as ``"Routing"``. All else there tells people how the agent came about.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gymnasium as gym
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save, save_file
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.policies import BasePolicy

from qkd_gym import __version__
from qkd_gym.envs.tasks import TASKS
from qkd_gym.errors import InvalidInput
from qkd_gym.files import write_bytes, write_json
from qkd_gym.sb3.recipe import Recipe

FORMAT = 1
_POLICY, _OPTIMIZER, _FACTS = "policy.safetensors", "optimizer.safetensors", "checkpoint.json"
_CONFIG = "config.json"


def save_checkpoint(folder: Path, model: OnPolicyAlgorithm, facts: dict[str, Any]) -> Path:
    """Writes policy, optimizer and plain facts to ``folder/<steps>``, and returns that folder.

    It is renamed into place at the end.
    """
    target = folder / f"{model.num_timesteps:010d}"
    temporary = folder / f".{target.name}"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    save_policy(temporary / _POLICY, model.policy)
    state = {
        f"{number}.{key}": torch.as_tensor(value)
        for number, values in model.policy.optimizer.state_dict()["state"].items()
        for key, value in values.items()
    }
    save_file(state, temporary / _OPTIMIZER)
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
    try:
        policy.load_state_dict(load_file(path))
    except FileNotFoundError:
        raise InvalidInput(f"policy file {str(path)!r} does not exist.") from None
    except (SafetensorError, RuntimeError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise InvalidInput(f"policy file {str(path)!r} does not fit: {reason}") from None


def load_checkpoint(folder: Path, model: OnPolicyAlgorithm) -> dict[str, Any]:
    """Restores policy, optimizer and step count, and returns the facts that were saved with them.

    Raises:
        InvalidInput: If the checkpoint is damaged or of another version.
    """
    facts = _facts(folder)
    load_policy(folder / _POLICY, model.policy)
    optimizer = model.policy.optimizer
    state = optimizer.state_dict()
    for name, tensor in load_file(folder / _OPTIMIZER).items():
        number, key = name.split(".")
        state["state"].setdefault(int(number), {})[key] = tensor
    optimizer.load_state_dict(state)
    model.num_timesteps = int(facts["steps"])
    return facts


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
    facts = [_facts(checkpoint) for checkpoint in checkpoints]
    curve = [(int(one["steps"]), float(one[fact])) for one in facts]
    best = max(range(len(curve)), key=lambda i: curve[i][1])
    load_policy(checkpoints[best] / _POLICY, policy)
    return curve, best


def _facts(folder: Path) -> dict[str, Any]:
    try:
        facts: dict[str, Any] = json.loads((folder / _FACTS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise InvalidInput(f"checkpoint {str(folder)!r} has no readable {_FACTS}.") from None
    if facts.get("format") != FORMAT:
        raise InvalidInput(
            f"checkpoint {str(folder)!r} has format {facts.get('format')!r}, but this version "
            f"reads {FORMAT}."
        )
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
        folder: Where to; made if it does not exist.
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
    try:
        config = json.loads((folder / _CONFIG).read_text(encoding="utf-8"))
        fields, task = config["recipe"], TASKS[config["options"]["env"]]
        pointer, adviser = bool(fields["pointer"]), str(fields.get("adviser", ""))
    except (OSError, ValueError, KeyError, TypeError):
        raise InvalidInput(
            f"policy is {str(folder)!r}, but must be a baseline or the folder of a trained agent, "
            f"with {_CONFIG} and {_POLICY}."
        ) from None
    if env_id != task.env_id:
        raise InvalidInput(
            f"policy {str(folder)!r} was trained to play {task.env_id}, but must play {env_id}."
        )
    torch.set_num_threads(1)
    env: Any = gym.make_vec(env_id, num_envs=1, **settings)
    kind, arguments = Recipe(pointer=pointer, adviser=adviser).policy_class
    policy: BasePolicy = kind(
        env.single_observation_space, env.single_action_space, lambda _: 0.0, **arguments
    )
    env.close()
    load_policy(folder / _POLICY, policy)
    policy.set_training_mode(False)
    return policy
