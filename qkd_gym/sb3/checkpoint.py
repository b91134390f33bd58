"""Checkpoints as safetensors and JSON, whose folder is whole or not there."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated, Any

import msgspec
import torch
from safetensors.torch import save
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from qkd_gym.errors import InvalidInput, require_number, shown
from qkd_gym.files import vanished, write_bytes, write_json
from qkd_gym.gnn.weights import read_tensors
from qkd_gym.reading import convert, read_json

FORMAT = 1
POLICY = "policy.safetensors"
_OPTIMIZER, _FACTS = "optimizer.safetensors", "checkpoint.json"
_STATE = ("step", "exp_avg", "exp_avg_sq")  # what Adam keeps of a parameter


class _Facts(msgspec.Struct):
    """What every ``checkpoint.json`` says; the other fields are those of who saved it."""

    format: int
    steps: Annotated[int, msgspec.Meta(ge=0, le=2**53)]


def save_checkpoint(folder: Path, model: OnPolicyAlgorithm, facts: dict[str, Any]) -> Path:
    """Writes policy, optimizer and plain facts to ``folder/<steps>``, and returns that folder.

    It is renamed into place at the end. What a process that was killed has left of another one is
    removed: a training that goes on need not save after the same steps again.

    Raises:
        InvalidInput: If ``folder`` is not there.
    """
    target = folder / f"{model.num_timesteps:010d}"
    temporary = folder / f".{target.name}"
    for left in folder.glob(".[0-9]*"):
        shutil.rmtree(left, ignore_errors=True)
    try:
        temporary.mkdir()
    except FileNotFoundError:
        raise vanished(target) from None
    save_policy(temporary / POLICY, model.policy)
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
    load_policy(folder / POLICY, model.policy)
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
    load_policy(checkpoints[best] / POLICY, policy)
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
