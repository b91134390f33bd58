"""Processes that work for this one and never outlive it."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

from qkd_gym.names import adopt, all_registered

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@contextmanager
def child_processes(count: int) -> Iterator[Callable[..., Future[Any]]]:
    """Fresh processes of one thread each, which end with the block.

    If an error or an interruption leaves the block, what they are doing is broken off. They also
    end, within seconds, with a parent that is killed. Ctrl-C, which a terminal sends to them too,
    they leave to the parent. What is registered by name here is so there too.

    Args:
        count: Most processes; they start as work comes in.

    Yields:
        What hands a function and its arguments, both of which can be pickled, to a child, and
        returns the future of its result.
    """
    # Fresh processes: a forked one would inherit threads that do not run in it.
    context = get_context("spawn")
    # Nothing is ever sent: the end that the children hold becomes readable once this one is
    # closed, which the system does for a process that is killed.
    theirs, ours = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(count, context, _begin, (theirs, all_registered()))

    def submit(work: Callable[..., Any], *arguments: Any) -> Future[Any]:
        with _ctrl_c_waits(), _one_thread():  # it may start a child
            return pool.submit(work, *arguments)

    try:
        yield submit
        pool.shutdown()
    finally:
        ours.close()
        pool.shutdown(cancel_futures=True)
        theirs.close()


def _begin(parent: Connection, registered: dict[str, dict[str, Any]]) -> None:
    """Prepares a child before its first work."""
    adopt(registered)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: Connection) -> None:
    parent.poll(None)
    os._exit(1)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Children that start meanwhile compute on one thread each.

    A child of a script loads what the script imports before anything can be told to it, and
    libraries look at these variables when they are loaded.
    """
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _ctrl_c_waits() -> Iterator[None]:
    """Holds Ctrl-C back. Children that start meanwhile inherit that and are deaf to it from the
    first; otherwise one that is still loading would answer with a traceback."""
    if not hasattr(signal, "pthread_sigmask"):  # on Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
