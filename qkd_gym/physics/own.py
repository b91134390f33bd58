"""What the simulator asks of a protocol, checked before it is registered."""

from __future__ import annotations

import inspect
import math
from typing import Any

import numpy as np

from qkd_gym.errors import InvalidInput, require_between, require_number, shown
from qkd_gym.physics.blocks import MAX_BLOCK

_TRANSMITTANCE = np.array([[1.0], [0.3], [1e-3], [1e-9], [0.0]])
_MISALIGNMENT = np.array([[0.0, 0.02, 0.25, 0.5]])
_NUMBERS = {"pulse_rate_hz": 1e12, "sifted_per_detection": 1.0, "qber_threshold": 1.0}
_COLUMNS = {"gain": 1.0, "qber": 1.0, "key_rate_bps": 1e15}


def check_protocol(protocol: Any) -> None:
    """Evaluates a protocol at a few transmittances and misalignments.

    Args:
        protocol: See `qkd_gym.physics.register_preset`.

    Raises:
        InvalidInput: If it lacks something, or what it returns has another shape or is out of
            range; the sentence says which.
    """
    for name, most in _NUMBERS.items():
        value = getattr(protocol, name, None)
        require_number(f"protocol.{name}", _plain(value), 0.0, most)
    per_block = _plain(getattr(protocol, "sifted_per_block", math.inf))
    if per_block != math.inf:
        require_number("protocol.sifted_per_block", per_block, 1.0, MAX_BLOCK)
    evaluate = getattr(protocol, "evaluate", None)
    try:
        inspect.signature(evaluate).bind(_TRANSMITTANCE, misalignment=_MISALIGNMENT)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise InvalidInput(
            f"protocol.evaluate is {shown(evaluate)}, but must be a method that takes a "
            "transmittance and the keyword misalignment."
        ) from None
    budget = evaluate(_TRANSMITTANCE, misalignment=_MISALIGNMENT)  # type: ignore[misc]
    shape = np.broadcast_shapes(_TRANSMITTANCE.shape, _MISALIGNMENT.shape)
    for name, most in _COLUMNS.items():
        column = getattr(budget, name, None)
        require_between(f"protocol.evaluate: {name}", column, 0.0, most)
        try:
            np.broadcast_to(column, shape)  # type: ignore[arg-type]
        except ValueError:
            raise InvalidInput(
                f"protocol.evaluate: {name} has shape {np.shape(column)}, but must broadcast to "  # type: ignore[arg-type]
                f"{shape}, as transmittance and misalignment do."
            ) from None


def _plain(value: Any) -> Any:
    """A number out of an array without axes."""
    return value.item() if isinstance(value, np.ndarray) and value.ndim == 0 else value
