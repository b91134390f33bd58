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


def save_checkpoint(folder: Path, model: OnPolicyAlgorithm, facts: dict[str, Any]) -> Path:
    """Writes policy, optimizer and facts to ``folder/<steps>``, renamed into place at the end.

    Args:
        folder: Folder of the run's checkpoints.
        model: What is trained.
        facts: Plain values to keep with it.

    Returns:
        The checkpoint's folder.
    """
    target = folder / f"{model.num_timesteps:010d}"
    beside = folder / f".{target.name}"
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    save_file(_contiguous(model.policy.state_dict()), beside / "policy.safetensors")
    save_file(_optimizer_tensors(model.policy.optimizer), beside / "optimizer.safetensors")
    write_json(
        beside / "checkpoint.json", {"format": FORMAT, "steps": model.num_timesteps, **facts}
    )
    shutil.rmtree(target, ignore_errors=True)
    beside.rename(target)
    return target


def latest_checkpoint(folder: Path) -> Path | None:
    """The checkpoint with the most steps, if there is one."""
    found = sorted(entry for entry in folder.glob("[0-9]*") if entry.is_dir())
    return found[-1] if found else None


def save_policy(path: Path, model: OnPolicyAlgorithm) -> None:
    """Writes the policy's weights as one safetensors file."""
    write_bytes(path, save(_contiguous(model.policy.state_dict())))


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

    Returns:
        The facts that were kept.

    Raises:
        InvalidInput: If the checkpoint is damaged or of another version.
    """
    try:
        facts = json.loads((folder / "checkpoint.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise InvalidInput(f"checkpoint {str(folder)!r} has no readable checkpoint.json.") from None
    if facts.get("format") != FORMAT:
        raise InvalidInput(
            f"checkpoint {str(folder)!r} has format {facts.get('format')!r}, but this version "
            f"reads {FORMAT}."
        )
    load_policy(folder / "policy.safetensors", model.policy)
    optimizer = model.policy.optimizer
    state = optimizer.state_dict()
    for name, tensor in load_file(folder / "optimizer.safetensors").items():
        number, key = name.split(".")
        state["state"].setdefault(int(number), {})[key] = tensor
    optimizer.load_state_dict(state)
    model.num_timesteps = int(facts["steps"])
    return dict(facts)


def _contiguous(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().contiguous().clone() for name, tensor in tensors.items()}


def _optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    return _contiguous(
        {
            f"{number}.{key}": torch.as_tensor(value)
            for number, entry in optimizer.state_dict()["state"].items()
            for key, value in entry.items()
        }
    )
