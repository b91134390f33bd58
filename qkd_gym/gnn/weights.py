"""Weights as safetensors with a JSON card beside them. Loading never runs code from a file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from qkd_gym.errors import InvalidInput, shown
from qkd_gym.files import write_bytes, write_json
from qkd_gym.gnn.model import LinkViabilityGNN
from qkd_gym.reading import convert, read_bytes, read_json

FORMAT = 3
_SHIPPED = "link_viability.safetensors"
_LARGEST_HEADER = 2**20  # bytes of a safetensors file besides its values


class _Architecture(msgspec.Struct, forbid_unknown_fields=True):
    """See `LinkViabilityGNN.card`."""

    hidden: int
    heads: int
    passes: int
    site_inputs: list[str]
    link_inputs: list[str]


class _Card(msgspec.Struct):
    """What a card must say; the other fields tell people how the weights came about."""

    format: int
    architecture: _Architecture


def save_weights(model: LinkViabilityGNN, path: Path, facts: dict[str, Any]) -> None:
    """Writes the weights to a file ending in ``.safetensors`` and their card beside it.

    The card, with the suffix ``.json``, also has the facts: data, seed, metrics.

    Raises:
        InvalidInput: If their folder is not there.
    """
    card = {"format": FORMAT, "architecture": model.card(), **facts}
    write_bytes(path, save(model.state_dict()))
    write_json(path.with_suffix(".json"), card)


def load_weights(path: str | Path) -> LinkViabilityGNN:
    """Reads a safetensors file and the card beside it that `save_weights` wrote.

    Raises:
        InvalidInput: If a file is missing, no safetensors, of another version or shape, or holds
            values that are not finite.
    """
    path = Path(path)
    card_path = path.with_suffix(".json")
    content = read_json(card_path, dict[str, Any], "weights card")
    name = f"weights card {shown(str(card_path))}"
    if content.get("format") != FORMAT:
        raise InvalidInput(
            f"{name} has format {shown(content.get('format'))}, but this version reads {FORMAT}."
        )
    architecture = convert(content, _Card, name).architecture
    try:
        model = LinkViabilityGNN(architecture.hidden, architecture.heads, architecture.passes)
    except InvalidInput as error:
        raise InvalidInput(f"{name}: {error}") from None
    for field, own in model.card().items():
        found = getattr(architecture, field)
        if found != own:
            raise InvalidInput(f"{name}: {field} is {shown(found)}, but must be {shown(own)}.")
    model.load_state_dict(read_tensors(path, "weights", model.state_dict()))
    return model


def read_tensors(
    path: Path, what: str, expected: Mapping[str, Tensor], partly: bool = False
) -> dict[str, Tensor]:
    """The tensors of a safetensors file, which must be like others.

    Args:
        path: The file.
        what: What the file is, such as ``"weights"``, for errors.
        expected: Tensors with the names, shapes and types that those of the file must have.
        partly: Whether some of them may be missing.

    Raises:
        InvalidInput: If the file is missing, larger than the tensors, no safetensors, has other
            tensors, or holds values that are not finite.
    """
    name = f"{what} {shown(str(path))}"
    size = sum(tensor.numel() * tensor.element_size() for tensor in expected.values())
    content = read_bytes(path, what, _LARGEST_HEADER + size)
    try:
        found = load(content)
    # What is no safetensors at all, and types that torch does not have.
    except (SafetensorError, KeyError, ValueError, RuntimeError, TypeError) as error:
        raise InvalidInput(f"{name} is no safetensors file: {shown(str(error))}.") from None
    for key in sorted(found.keys() ^ expected.keys()):
        if key not in expected:
            raise InvalidInput(f"{name} does not fit: it has the tensor {shown(key)}.")
        if not partly:
            raise InvalidInput(f"{name} does not fit: it lacks the tensor {shown(key)}.")
    for key, tensor in found.items():
        if tensor.shape != expected[key].shape or tensor.dtype != expected[key].dtype:
            raise InvalidInput(
                f"{name} does not fit: {key} is {_kind(tensor)}, but must be "
                f"{_kind(expected[key])}."
            )
        if not tensor.isfinite().all():
            raise InvalidInput(f"{name}: {key} holds values that are not finite.")
    return found


def _kind(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} of shape {tuple(tensor.shape)}"


def digest(model: nn.Module) -> str:
    """SHA-256 of all weights with their names, shapes and types, as hexadecimal digits."""
    weights = {name: tensor.contiguous().clone() for name, tensor in model.state_dict().items()}
    return hashlib.sha256(save(weights)).hexdigest()


def load_pretrained(path: str | Path | None = None) -> LinkViabilityGNN:
    """The pretrained network that the package ships, or one from a file.

    Args:
        path: A file that ``python -m qkd_gym.gnn.pretrain`` wrote; None for the shipped weights.

    Raises:
        InvalidInput: As `load_weights`.
    """
    if path is not None:
        return load_weights(path)
    with resources.as_file(resources.files("qkd_gym.gnn") / "weights") as folder:
        return load_weights(folder / _SHIPPED)
