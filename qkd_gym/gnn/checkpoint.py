"""Checkpoints of a training: one safetensors file whose header holds plain facts as JSON.

Loading one never runs code from it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypedDict

import msgspec
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from qkd_gym.errors import InvalidInput, shown
from qkd_gym.files import write_bytes
from qkd_gym.gnn.weights import read_tensors
from qkd_gym.reading import decode_json

FORMAT = 1
_FACTS = "facts"


class Check(TypedDict):
    """Training steps done, and the loss on validation networks."""

    step: int
    validation: float


class Facts(msgspec.Struct, forbid_unknown_fields=True):
    """What a checkpoint says besides its tensors.

    Attributes:
        format: Version of the file's format, `FORMAT`.
        run: What was asked for; only the same goes on from it.
        step: Training steps done.
        history: Every check so far.
        least: Least validation loss so far; None before the first check.
        waited: Checks since then.
        generator: State of the NumPy generator that draws training networks.
    """

    format: int
    run: dict[str, Any]
    step: int
    history: list[Check]
    least: float | None
    waited: int
    generator: dict[str, Any]


def save_checkpoint(path: Path, facts: Facts, tensors: Mapping[str, Tensor]) -> None:
    """Writes a checkpoint in place of an earlier one; a reader sees the one or the other."""
    # Copies, for parts that share their memory are refused.
    content = {name: tensor.detach().clone() for name, tensor in tensors.items()}
    text = json.dumps(msgspec.to_builtins(facts), allow_nan=False)
    write_bytes(path, save(content, {_FACTS: text}))


def load_checkpoint(
    path: Path, run: Mapping[str, Any], fitting: Mapping[str, Tensor]
) -> tuple[Facts, dict[str, Tensor]]:
    """Reads a checkpoint that `save_checkpoint` wrote.

    Args:
        path: The file.
        run: What is asked for now.
        fitting: Tensors with the names, shapes and types that the checkpoint's must have.

    Raises:
        InvalidInput: If the file cannot be read, is damaged, or is of another training.
    """
    name = f"checkpoint {shown(str(path))}"
    tensors = read_tensors(path, "checkpoint", fitting)
    with safe_open(path, "pt") as file:
        text = (file.metadata() or {}).get(_FACTS, "")
    facts = decode_json(text.encode(), Facts, name)
    if facts.format != FORMAT:
        raise InvalidInput(
            f"{name} has format {shown(facts.format)}, but this version reads {FORMAT}."
        )
    for key in run:
        if facts.run.get(key) != run[key]:
            raise InvalidInput(
                f"{name} is of another run, whose {key} is {shown(facts.run.get(key))} instead of "
                f"{shown(run[key])}: delete its folder to start anew, or name another place."
            )
    return facts, tensors
