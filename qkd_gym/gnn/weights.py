"""Weights as safetensors with a JSON card beside them. Loading never runs code from a file."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save

from qkd_gym.errors import InvalidInput
from qkd_gym.files import write_bytes, write_json
from qkd_gym.gnn.model import LinkViabilityGNN

FORMAT = 3
_SHIPPED = "link_viability.safetensors"


def save_weights(model: LinkViabilityGNN, path: Path, facts: dict[str, Any]) -> None:
    """Writes the weights to a file ending in ``.safetensors`` and their card beside it.

    The card, with the suffix ``.json``, also has the facts: data, seed, metrics.
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
    try:
        card = json.loads(card_path.read_text(encoding="utf-8"))
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise InvalidInput(f"weights {str(path)!r}: {error.filename} does not exist.") from None
    except OSError as error:
        raise InvalidInput(f"weights {str(path)!r} cannot be read: {error.strerror}.") from None
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise InvalidInput(f"weights card {str(card_path)!r} is not valid JSON.") from None
    found = card.get("format") if isinstance(card, dict) else card
    if found != FORMAT:
        raise InvalidInput(
            f"weights {str(path)!r} have format {found!r}, but this version reads {FORMAT}."
        )
    try:
        architecture = card["architecture"]
        model = LinkViabilityGNN(*(architecture[key] for key in ("hidden", "heads", "passes")))
    except (KeyError, TypeError):
        raise InvalidInput(f"weights card {str(card_path)!r} names no architecture.") from None
    if model.card() != architecture:
        raise InvalidInput(
            f"weights {str(path)!r} are for other inputs than this version's: "
            f"{architecture} instead of {model.card()}."
        )
    try:
        model.load_state_dict(load(content))
    except (SafetensorError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise InvalidInput(f"weights {str(path)!r} do not fit the network: {reason}.") from None
    for name, weight in model.state_dict().items():
        if not weight.isfinite().all():
            raise InvalidInput(f"weights {str(path)!r}: {name} holds values that are not finite.")
    return model


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
