"""Vector instructions: what loops over links and sites need to become them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from qkd_gym.jit import inlined, instruction

LANES = 16  # of the widest vector instructions, single precision


@instruction
def fma(typing_context: Any, a: Any, b: Any, c: Any) -> Any:
    """``a * b + c`` of single-precision numbers, rounded once, on every processor.

    Left to itself, LLVM contracts sums and products on some processors and not on others.
    """

    def generate_code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.fma(*arguments)

    single = types.float32
    return single(single, single, single), generate_code


@instruction
def use_widest_vectors(typing_context: Any) -> Any:
    """Lets the calling function use the processor's widest vectors, which saves a twentieth.

    LLVM avoids 512 bits because early processors ran slower with them.
    """

    def generate_code(context: Any, builder: Any, signature: Any, arguments: Any) -> None:
        # llvmlite knows only attributes without a value.
        set.add(builder.function.attributes, '"prefer-vector-width"="512"')

    return types.void(), generate_code


@inlined
def whole(n: int) -> int:
    """``n`` rounded up to whole vectors: a loop so long has no scalar rest.

    Rows of the state have room for it; what the loop does to their padding does not matter.
    """
    return LANES * ((n + LANES - 1) // LANES)


@inlined
def fill(values: np.ndarray, start: int, stop: int, value: float) -> None:
    """``values[start:stop] = value`` in one dimension, as a loop, which is faster."""
    for i in range(start, stop):
        values[i] = value
