"""Actions of users as the kernel wants them."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qkd_gym.errors import InvalidInput, shown

_INT64 = np.dtype(np.int64)
_LOWEST, _HIGHEST = np.iinfo(np.int64).min, np.iinfo(np.int64).max


def as_integers(field: str, actions: Any, shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Actions as int64, one after the other in memory.

    Integers of any size and sign pass: what is outside the action space is illegal, and for the
    kernel to count. One that int64 cannot hold becomes the nearest that it can. Other numbers are
    refused, whole ones too, since an action that went through floating point is a mistake.

    Args:
        field: What the actions are called in errors.
        actions: An integer, or integers as an array, a list or a tuple.
        shape: The shape that they must have; ``()`` for one integer.

    Raises:
        InvalidInput: If there is anything else than integers, or they have another shape.
    """
    kind = type(actions)
    is_plain = kind is np.int64 or (kind is np.ndarray and actions.dtype == _INT64)
    if is_plain or (kind is int and _LOWEST <= actions <= _HIGHEST):
        array = np.asarray(actions, np.int64, "C")  # what spaces, policies and people give, at once
    elif isinstance(actions, (int, list, tuple)):
        array = _from_python(field, actions, shape)
    else:
        array = _from_array(field, actions, shape)
    if array.shape != shape:
        raise InvalidInput(f"{field} has shape {array.shape}, but must have {shape}.")
    return array


def _from_python(field: str, actions: Any, shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Looks at every element, since NumPy would take truth values for numbers."""
    try:
        elements = np.array(actions, dtype=object)
    except ValueError:  # lists of different lengths
        raise _refusal(field, actions, shape) from None
    nearest = np.empty(elements.shape, np.int64)
    for at, element in enumerate(elements.ravel().tolist()):
        try:
            if isinstance(element, (bool, np.bool_)):
                raise TypeError
            nearest.flat[at] = min(max(operator.index(element), _LOWEST), _HIGHEST)
        except TypeError:
            raise _refusal(field, element, shape) from None
    return nearest


def _from_array(field: str, actions: Any, shape: tuple[int, ...]) -> NDArray[np.int64]:
    """NumPy's arrays and scalars, and whatever turns into them, such as tensors."""
    try:
        array = np.asarray(actions)
    except (TypeError, ValueError, RuntimeError):
        raise _refusal(field, actions, shape) from None
    if array.dtype.kind not in "iu":
        raise _refusal(field, actions, shape)
    if array.dtype.kind == "u":
        array = np.minimum(array, np.uint64(_HIGHEST))
    return array.astype(np.int64, "C")


def _refusal(field: str, value: Any, shape: tuple[int, ...]) -> InvalidInput:
    wanted = f"integers of shape {shape}" if shape else "an integer"
    return InvalidInput(f"{field} is {shown(value)}, but must be {wanted}.")
