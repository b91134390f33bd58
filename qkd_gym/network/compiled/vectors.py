"""Instructions of the processor that Python has no word for, and what loops need to use them."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
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


@instruction
def _fetch_line(typing_context: Any, array: Any, offset: Any) -> Any:
    """Asks the processor for the cache line at a byte offset of an array."""

    def generate_code(context: Any, builder: Any, signature: Any, arguments: Any) -> None:
        start = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        byte, i32 = ir.IntType(8).as_pointer(), ir.IntType(32)
        prefetch = builder.module.declare_intrinsic(
            "llvm.prefetch", [byte], ir.FunctionType(ir.VoidType(), [byte, i32, i32, i32])
        )
        address = builder.gep(builder.bitcast(start, byte), [arguments[1]])
        # To read, into the nearest cache, as data.
        builder.call(prefetch, [address, i32(0), i32(3), i32(1)])

    return types.void(array, types.int64), generate_code


@inlined
def fetch(array: np.ndarray) -> None:
    """Has an array brought into the cache while the processor does something else.

    Fetching the paths of a request when it is drawn saves a tenth of a step of 256 environments.
    It changes nothing and never fails, whatever the address. The array must lie in one piece.
    """
    for offset in range(0, array.size * array.itemsize, 64):
        _fetch_line(array, offset)


@inlined
def whole(n: int) -> int:
    """``n`` rounded up to whole vectors: a loop so long has no scalar rest.

    Rows of the state are long enough; what the loop does to their padding does not matter.
    """
    return LANES * ((n + LANES - 1) // LANES)


@inlined
def fill(values: np.ndarray, start: int, stop: int, value: float) -> None:
    """``values[start:stop] = value`` in one dimension, as a loop, which is faster."""
    for i in range(start, stop):
        values[i] = value
