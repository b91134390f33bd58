"""Threads that step the episodes of a batch together.

Compiled functions release Python's lock, so plain threads are enough; unlike numba's own parallel
loops they cost no second compilation.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

from qkd_gym.network.sharing import is_anyone_inside, new_board

# Fewer episodes than this per thread, and a second one costs more than it saves.
_SHARE = 64


class Team:
    """Runs a compiled function on several threads, each with a part of the batch.

    A thread that has done its part waits a while for the next call in compiled code, where it
    notices one at once, then in Python, where it takes no processor time but some ten microseconds
    to wake.

    Args:
        batch: Number of episodes.
        function: Called as ``function(me, words, room, work, lent)``; thread ``me`` 0 is the
            caller, and the others wait for calls, see `qkd_gym.network.sharing`. It returns
            whether everything is done.
        new_workspace: Makes ``work``, of which every thread has its own.
        like: What it is lent, of the same types.
    """

    def __init__(
        self,
        batch: int,
        function: Callable[..., bool],
        new_workspace: Callable[[], Any],
        like: Any,
    ) -> None:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        self._threads = max(1, min(cores or 1, batch // _SHARE))
        self._edges = [batch * i // self._threads for i in range(self._threads + 1)]
        self._function, self._new_workspace, self._like = function, new_workspace, like
        self._start()

    def _start(self) -> None:
        self._process = os.getpid()
        self._words, room = new_board(self._edges)
        self._own = (0, self._words, room, self._new_workspace())
        self._workers = [
            _Worker(self._function, me, self._words, room, self._new_workspace(), self._like)
            for me in range(1, self._threads)
        ]
        for worker in self._workers:
            weakref.finalize(self, worker.wishes.put, False)

    def __call__(self, lent: Any) -> None:
        """Calls the function for the whole batch."""
        if self._workers and self._process != os.getpid():
            self._start()  # a fork has no threads
        for worker in self._workers:
            if worker.sleeps:
                worker.sleeps = False
                worker.wishes.put(True)
        if not self._function(*self._own, lent):
            while is_anyone_inside(self._words):
                time.sleep(0.0)


class _Worker:
    """A thread that joins calls until it is told not to.

    Attributes:
        wishes: Whether to wait for calls once more.
        sleeps: Whether it waits for a wish.
    """

    def __init__(self, function: Callable[..., bool], *arguments: Any) -> None:
        self.wishes: SimpleQueue[bool] = SimpleQueue()
        self.sleeps = True
        threading.Thread(target=self._work, args=(function, arguments), daemon=True).start()

    def _work(self, function: Callable[..., bool], arguments: tuple[Any, ...]) -> None:
        while self.wishes.get():
            function(*arguments)
            self.sleeps = True
