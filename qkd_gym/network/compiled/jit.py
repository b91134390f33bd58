"""How the simulator's functions are compiled."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, typeof, types
from numba.extending import intrinsic

# What numba does not declare: no faces for Python and C, which halves the time to compile, and no
# reference counts of the arrays that are passed around, which had been half of a step's time.
_UNDECLARED: dict[str, Any] = {
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
    "_nrt": False,
}

# For functions that only compiled code calls: they become part of their callers. They allocate
# nothing. Divisions do not check for zero, so loops with them can be vector instructions.
inlined: Any = njit(error_model="numpy", forceinline=True, **_UNDECLARED)


@lru_cache(maxsize=1)
def _sources() -> str:
    """Digest of everything that entry points are compiled from."""
    package = Path(__file__).parents[2]
    files = sorted(path for room in ("network", "envs") for path in (package / room).rglob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def entry(function: Callable[..., Any]) -> Any:
    """Compiles what Python calls, without its lock, and keeps the result on disk.

    Numba compiles again when the file of the function changes; the functions that became part of
    it live in other files, so all of them are made to count.
    """
    return _kept(njit(cache=True, nogil=True)(function))


def bare_entry(function: Callable[..., Any]) -> Any:
    """An entry point that allocates nothing and counts no references, which makes calls cheaper.

    What it is given must be kept in use by whoever calls it.
    """
    options: dict[str, Any] = {"error_model": "numpy", "_nrt": False}
    return _kept(njit(cache=True, nogil=True, **options)(function))


def _kept(dispatcher: Any) -> Any:
    kept = dispatcher._cache._cache_file
    kept._source_stamp = (kept._source_stamp, _sources())
    return dispatcher


def specialised(function: Any, *arguments: Any) -> Callable[..., Any]:
    """An entry point for arguments of these types, which spares every call a look at them.

    Nothing notices other types: arrays must have as many axes, the same dtype and be contiguous.
    """
    compiled: Callable[..., Any] = function.compile(tuple(typeof(each) for each in arguments))
    return compiled


def _multiply_add(typing_context: Any, a: Any, b: Any, c: Any) -> Any:
    """``a * b + c`` of single-precision numbers, rounded once, on every processor."""

    def generate_code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.fma(*arguments)

    single = types.float32
    return single(single, single, single), generate_code


fma: Any = intrinsic(_multiply_add)


def _widest_vectors(typing_context: Any) -> Any:
    """Lets the calling function use the processor's widest vectors.

    LLVM avoids 512 bits because early processors ran slower with them.
    """

    def generate_code(context: Any, builder: Any, signature: Any, arguments: Any) -> None:
        # llvmlite knows only attributes without a value.
        set.add(builder.function.attributes, '"prefer-vector-width"="512"')

    return types.void(), generate_code


use_widest_vectors: Any = intrinsic(_widest_vectors)

LANES = 16  # of the widest vector instructions, single precision


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


def first_entry(context: Any, builder: Any, kind: Any, array: Any) -> Any:
    """Pointer to the first entry of an array of this type, for code generators."""
    return context.make_array(kind)(context, builder, array).data


def _prefetch(typing_context: Any, array: Any, offset: Any) -> Any:
    """Asks the processor for the cache line at a byte offset of an array."""

    def generate_code(context: Any, builder: Any, signature: Any, arguments: Any) -> None:
        start = first_entry(context, builder, signature.args[0], arguments[0])
        byte, i32 = ir.IntType(8).as_pointer(), ir.IntType(32)
        prefetch = builder.module.declare_intrinsic(
            "llvm.prefetch", [byte], ir.FunctionType(ir.VoidType(), [byte, i32, i32, i32])
        )
        address = builder.gep(builder.bitcast(start, byte), [arguments[1]])
        # To read, into the nearest cache, as data.
        builder.call(prefetch, [address, i32(0), i32(3), i32(1)])

    return types.void(array, types.int64), generate_code


_fetch_line: Any = intrinsic(_prefetch)


@inlined
def fetch(array: np.ndarray) -> None:
    """Has an array brought into the cache while the processor does something else.

    It changes nothing and never fails, whatever the address. The array must lie in one piece.
    """
    for offset in range(0, array.size * array.itemsize, 64):
        _fetch_line(array, offset)
