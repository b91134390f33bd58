"""Compiled code by which threads share the episodes of a batch, without Python and its lock.

One thread, the caller, opens a call; threads that wait in compiled code for one join it. Each
takes a few episodes at a time, first of its own part of the batch, which is in its cache from the
call before, then of the others'. So nobody waits for a thread that is slow to wake: its part gets
done by the others.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from qkd_gym.network.compiled.jit import first_entry, inlined

_FEW = 4  # episodes that are taken at a time; all of them if nobody is there to share
_PATIENCE = 400_000  # looks for a call or for the others' end, a fifth of a millisecond

# Words of a board, each in a cache line of its own; from _PARTS on, two lines for every thread,
# which begin with the next episode of its part of the batch, the part's start and its end.
_LINE = 8
_CALL, _LAST, _TAKEN, _INSIDE, _PARTS = 0, _LINE, _LINE + 1, 2 * _LINE, 3 * _LINE
_LENT_BYTES = 8192


def new_board(edges: list[int]) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """What threads share: words, and room for the arguments of a call.

    Args:
        edges: Where the parts of the batch start, and where the last one ends.
    """
    words = np.zeros(_PARTS + 2 * _LINE * (len(edges) - 1), np.int64)
    words[_TAKEN] = _FEW if len(edges) > 2 else edges[-1]
    words[_PARTS :: 2 * _LINE] = edges[1:]  # nothing to do before the first call
    words[_PARTS + 1 :: 2 * _LINE] = edges[:-1]
    words[_PARTS + 2 :: 2 * _LINE] = edges[1:]
    return words, np.zeros(_LENT_BYTES, np.uint8)


def _word(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    start = first_entry(context, builder, signature.args[0], arguments[0])
    return builder.gep(start, [arguments[1]])


def _read(typing_context: Any, words: Any, at: Any) -> Any:
    def generate_code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load_atomic(
            _word(context, builder, signature, arguments), "seq_cst", align=8
        )

    return types.int64(words, types.int64), generate_code


def _write(typing_context: Any, words: Any, at: Any, value: Any) -> Any:
    def generate_code(context: Any, builder: Any, signature: Any, arguments: Any) -> None:
        word = _word(context, builder, signature, arguments)
        builder.store_atomic(arguments[2], word, "seq_cst", align=8)

    return types.void(words, types.int64, types.int64), generate_code


def _add(typing_context: Any, words: Any, at: Any, value: Any) -> Any:
    def generate_code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        word = _word(context, builder, signature, arguments)
        return builder.atomic_rmw("add", word, arguments[2], "seq_cst")

    return types.int64(words, types.int64, types.int64), generate_code


def _lent(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """Where the arguments lie, typed as they are."""
    kind = context.get_value_type(signature.args[1])
    if context.get_abi_sizeof(kind) > _LENT_BYTES:
        raise ValueError(f"arguments of a call take more than {_LENT_BYTES} bytes")
    start = first_entry(context, builder, signature.args[0], arguments[0])
    return builder.bitcast(start, ir.PointerType(kind))


def _lend(typing_context: Any, room: Any, lent: Any) -> Any:
    def generate_code(context: Any, builder: Any, signature: Any, arguments: Any) -> None:
        builder.store(arguments[1], _lent(context, builder, signature, arguments))

    return types.void(room, lent), generate_code


def _borrow(typing_context: Any, room: Any, like: Any) -> Any:
    def generate_code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(_lent(context, builder, signature, arguments))

    return like(room, like), generate_code


_read_word: Any = intrinsic(_read)
_write_word: Any = intrinsic(_write)
_add_to_word: Any = intrinsic(_add)

# The borrower does not count references: the caller keeps what it lends until all have left.
lend: Any = intrinsic(_lend)
borrow: Any = intrinsic(_borrow)


@inlined
def open_call(words: np.ndarray) -> int:
    """Lets waiting threads join; the number of the call.

    What they borrow must have been lent before.
    """
    for part in range(_PARTS, len(words), 2 * _LINE):
        _write_word(words, part, words[part + 1])
    words[_LAST] += 1
    _write_word(words, _CALL, words[_LAST])
    return words[_LAST]


@inlined
def close_call(words: np.ndarray) -> bool:
    """Keeps threads from joining; whether all that had joined have left.

    It waits for them, but not long: somebody may have taken their processor.
    """
    _write_word(words, _CALL, 0)
    waited = 0
    while _read_word(words, _INSIDE) > 0 and waited < _PATIENCE:
        waited += 1
    return waited < _PATIENCE


@inlined
def join_call(words: np.ndarray, last: int) -> int:
    """Waits for another call than the last one; its number, or zero if none comes in a while."""
    waited = 0
    while waited < _PATIENCE:
        call = _read_word(words, _CALL)
        waited += call == 0  # whoever still works will soon call again
        if call != 0 and call != last:
            _add_to_word(words, _INSIDE, 1)
            # Whoever sees the call open now is seen inside by whoever closes it.
            if _read_word(words, _CALL) == call:
                return call
            _add_to_word(words, _INSIDE, -1)
    return 0


@inlined
def leave_call(words: np.ndarray) -> None:
    """Says that this thread has done what it took."""
    _add_to_word(words, _INSIDE, -1)


@inlined
def take(words: np.ndarray, me: int) -> tuple[int, int, int]:
    """Takes some episodes that nobody has taken.

    Returns:
        The first of them, the one after the last (both 0 if none are left), and the sum of the
        first and the last of the part that they belong to.
    """
    start, few = _PARTS + 2 * _LINE * me, words[_TAKEN]
    for i in range(_PARTS, len(words), 2 * _LINE):
        part = i - _PARTS + start
        part -= len(words) - _PARTS if part >= len(words) else 0
        end = words[part + 2]
        first = _add_to_word(words, part, few)
        if first < end:
            return first, min(first + few, end), words[part + 1] + end - 1
    return 0, 0, 0


def is_anyone_inside(words: NDArray[np.int64]) -> bool:
    """Whether a thread is still at work, for a caller that `close_call` has told so."""
    return bool(words[_INSIDE])
