"""Runs compiled functions over a batch on several threads.

The functions release Python's lock, so plain threads are enough; unlike numba's own parallel
loops they cost no second compilation, and a process that has used them can still fork.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from itertools import pairwise
from queue import SimpleQueue
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
        # Whoever wakes the others also works while they wake.
        alike = batch - _SHARE // 4 if threads > 1 else batch
        edges = [*(alike * i // threads for i in range(threads)), batch]
        *others, self._own = pairwise(edges)
        self._workers = [(_Worker(), share) for share in others]
        for worker, _ in self._workers:
            weakref.finalize(self, worker.calls.put, None)

    def __call__(self, function: Callable[..., None], *arguments: Any) -> None:
        """Calls ``function(start, stop, *arguments)`` for every range and waits for all."""
        for worker, share in self._workers:
            worker.calls.put((function, share, arguments))
        function(*self._own, *arguments)
        for worker, _ in self._workers:
            worker.ends.get()


class _Worker:
    """A thread that takes calls from a queue until it takes None.

    A call takes a tenth of the time that it takes through `concurrent.futures`. Compiled functions
    raise nothing, so that nothing but the end of a call is reported.
    """

    def __init__(self) -> None:
        self.calls: SimpleQueue[Any] = SimpleQueue()
        self.ends: SimpleQueue[None] = SimpleQueue()
        threading.Thread(target=self._work, daemon=True).start()

    def _work(self) -> None:
        while (call := self.calls.get()) is not None:
            function, share, arguments = call
            del call
            function(*share, *arguments)
            # What is kept here would keep the caller's arrays in use.
            del function, arguments
            self.ends.put(None)
