"""Runs compiled functions over a batch on several threads.

The functions release Python's lock, so plain threads are enough; unlike numba's own parallel
loops they cost no second compilation, and a process that has used them can still fork.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

# Fewer episodes than this per thread, and waking it costs more than it saves.
_SHARE = 64


class BatchRunner:
    """Splits a batch into contiguous ranges, one per thread.

    Args:
        batch: Number of episodes.
    """

    def __init__(self, batch: int) -> None:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        threads = max(1, min(cores or 1, batch // _SHARE))
        edges = [batch * i // threads for i in range(threads + 1)]
        self._ranges = list(pairwise(edges))
        self._pool = ThreadPoolExecutor(threads - 1) if threads > 1 else None

    def __call__(self, function: Callable[..., None], *arguments: Any) -> None:
        """Calls ``function(start, stop, *arguments)`` for every range and waits for all."""
        *others, last = self._ranges
        waiting = [
            self._pool.submit(function, start, stop, *arguments)
            for start, stop in others
            if self._pool is not None
        ]
        function(*last, *arguments)
        for future in waiting:
            future.result()
