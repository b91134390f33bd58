"""Arrays that lie in memory as vector instructions like them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from qkd_gym.errors import InvalidInput
from qkd_gym.network.compiled.vectors import LANES

MOST_BYTES = 4 << 30  # of arrays that lie in one piece
_LINE_BYTES = 64  # of a processor's caches
# NumPy asks the system for large pages from this size on, whose addresses a processor keeps at
# hand; what is not touched takes no memory.
_LARGE_BYTES = 4 << 20
_WORTH_BYTES = 1 << 20  # from which on that is faster


def padded(n: int) -> int:
    """Entries of a row for ``n`` numbers, so that it is whole vectors."""
    return LANES * -(-n // LANES)


def zeros(
    asked_by: str = "", /, **arrays: tuple[tuple[int, ...], DTypeLike]
) -> dict[str, NDArray[Any]]:
    """Arrays of zeros in one piece of memory, each from the start of a cache line.

    A vector that lies in two lines costs two accesses, and NumPy starts arrays anywhere.

    Args:
        asked_by: The settings that their size hangs on, with their values, for the error.
        **arrays: Shape and dtype of each.

    Returns:
        The arrays by their names; the base of all is the same.

    Raises:
        InvalidInput: If they are larger than `MOST_BYTES` together; nothing is allocated then.
    """
    sizes = [math.prod(shape) * np.dtype(dtype).itemsize for shape, dtype in arrays.values()]
    lines = [-(-size // _LINE_BYTES) for size in sizes]
    total = _LINE_BYTES * (sum(lines) + 1)
    if total > MOST_BYTES:
        raise InvalidInput(
            f"{asked_by}, which asks for {total / 2**30:.3g} GiB of memory, but at most "
            f"{MOST_BYTES >> 30} GiB are allowed."
        )
    block = np.zeros(max(total, _LARGE_BYTES) if total > _WORTH_BYTES else total, np.uint8)
    at = -block.ctypes.data % _LINE_BYTES
    result: dict[str, NDArray[Any]] = {}
    for (name, (shape, dtype)), count in zip(arrays.items(), lines, strict=True):
        result[name] = np.ndarray(shape, dtype, block, at)
        at += _LINE_BYTES * count
    return result
