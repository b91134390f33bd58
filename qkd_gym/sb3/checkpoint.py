"""Checkpoints as safetensors and JSON: a folder per checkpoint, whole or not there."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save, save_file
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from torch import Tensor

from qkd_gym.errors import InvalidInput
from qkd_gym.files import write_bytes, write_json

FORMAT = 1
_POLICY, _OPTIMIZER, _FACTS = "policy.safetensors", "optimizer.safetensors", "checkpoint.json"


def save_checkpoint(folder: Path, model: OnPolicyAlgorithm, facts: dict[str, Any]) -> Path:
    """Writes policy, optimizer and facts to ``folder/<steps>``, renamed into place at the end.

    Args:
        folder: Folder of the run's checkpoints.
        model: What is trained.
        facts: Plain values to save with it.

    Returns:
        The checkpoint's folder.
    """
    target = folder / f"{model.num_timesteps:010d}"
    temporary = folder / f".{target.name}"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    save_file(_contiguous(model.policy.state_dict()), temporary / _POLICY)
    save_file(_optimizer_tensors(model.policy.optimizer), temporary / _OPTIMIZER)
    write_json(temporary / _FACTS, {"format": FORMAT, "steps": model.num_timesteps, **facts})
    shutil.rmtree(target, ignore_errors=True)
    temporary.rename(target)
    return target


def checkpoints_in(folder: Path) -> list[Path]:
    """The checkpoints of a run, by their number of steps."""
    return sorted(path for path in folder.glob("[0-9]*") if path.is_dir())


def latest_checkpoint(folder: Path) -> Path | None:
    """The checkpoint with the most steps, if there is one."""
    found = checkpoints_in(folder)
    return found[-1] if found else None


def save_policy(path: Path, policy: torch.nn.Module) -> None:
    """Writes a policy's weights as one safetensors file."""
    write_bytes(path, save(_contiguous(policy.state_dict())))


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
    """Restores policy, optimizer and step count.

    Args:
        folder: The checkpoint's folder.
        model: What is to go on from there.

    Returns:
        The facts that were saved with it.

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
    """Loads the policy of the checkpoint in which a fact is largest.

    Args:
        folder: Folder of the run's checkpoints; it must have some.
        policy: Policy whose weights are replaced.
        fact: Name of a number that was saved with every checkpoint.

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
        facts = json.loads((folder / _FACTS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise InvalidInput(f"checkpoint {str(folder)!r} has no readable {_FACTS}.") from None
    if facts.get("format") != FORMAT:
        raise InvalidInput(
            f"checkpoint {str(folder)!r} has format {facts.get('format')!r}, but this version "
            f"reads {FORMAT}."
        )
    return dict(facts)


def _contiguous(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().contiguous().clone() for name, tensor in tensors.items()}


def _optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    return _contiguous(
        {
            f"{number}.{key}": torch.as_tensor(value)
            for number, values in optimizer.state_dict()["state"].items()
            for key, value in values.items()
        }
    )
