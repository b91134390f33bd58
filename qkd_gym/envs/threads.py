"""Threads that step parts of a batch side by side; compiled functions release Python's lock."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import Any

from qkd_gym.errors import InvalidInput, require_integer, shown

VARIABLE = "QKD_GYM_THREADS"

# Episodes that are stepped while another thread wakes, some forty microseconds.
_AHEAD = 32


def thread_count(asked: int | None, batch: int) -> int:
    """How many threads step a batch.

    Args:
        asked: Number of threads; None takes the environment variable QKD_GYM_THREADS, or else one.
        batch: Number of episodes; no thread is without one.

    Raises:
        InvalidInput: If the number is no integer from 1 on.
    """
    field = "threads"
    if asked is None:
        field, text = f"environment variable {VARIABLE}", os.environ.get(VARIABLE, "1")
        if not text.isdecimal() or len(text) > 9:
            raise InvalidInput(f"{field} is {shown(text)}, but must be an integer at least 1.")
        asked = int(text)
    require_integer(field, asked, 1)
    return min(asked, batch)


def parts(batch: int, count: int) -> list[tuple[int, int]]:
    """The batch in ``count`` parts, each from its first episode to the one after its last.

    The first part, which the calling thread steps, is a little larger where the batch is large.
    """
    ahead = min(_AHEAD, batch // 8) if count > 1 else 0
    edges = [0, *(ahead + (batch - ahead) * i // count for i in range(1, count + 1))]
    return list(pairwise(edges))


def run_side_by_side(function: Callable[..., Any], arguments: Sequence[tuple[Any, ...]]) -> None:
    """Calls a function with each of these arguments, the first here and the others on threads."""
    others = _pool(os.getpid(), len(arguments) - 1)
    pending = [others.submit(function, *each) for each in arguments[1:]]
    function(*arguments[0])
    for each in pending:
        each.result()


@cache
def _pool(process_id: int, threads: int) -> ThreadPoolExecutor:
    """The threads of this process, which all environments share; a fork starts its own."""
    return ThreadPoolExecutor(threads, thread_name_prefix="qkd_gym")
