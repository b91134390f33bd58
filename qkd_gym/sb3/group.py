"""Processes that train one model together."""

from __future__ import annotations

import os
import pickle
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future, wait
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

# Processes that die close their connections, which the others see at once; a longer wait is work.
_PATIENCE = timedelta(days=7)
_LAST_WORDS_S = 10.0


class Lost(RuntimeError):
    """Another process of the group is gone, or has failed and left."""


class Group:
    """The processes that train one model, each with a replica of it.

    A group of one does nothing. In a larger one all processes must call the same methods in the
    same order; results are then the same in all of them, bit for bit, and in every run.

    Args:
        rank: Number of this process, from 0 on.
        size: Number of processes.
    """

    def __init__(self, rank: int = 0, size: int = 1) -> None:
        self.rank, self.size = rank, size

    @property
    def leads(self) -> bool:
        """Whether this is the process that prints and saves."""
        return self.rank == 0

    def sum_(self, tensor: Tensor) -> Tensor:
        """Replaces a tensor on the CPU by its sum over all processes, and returns it.

        Raises:
            Lost: If another process is gone.
        """
        if self.size > 1:
            with _losses():
                dist.all_reduce(tensor)
        return tensor

    def mean_(self, tensor: Tensor) -> Tensor:
        """Replaces a tensor on the CPU by its mean over all processes, and returns it.

        Raises:
            Lost: If another process is gone.
        """
        return self.sum_(tensor).div_(self.size) if self.size > 1 else tensor

    def copy_first_(self, tensors: Iterable[Tensor]) -> None:
        """Replaces tensors on the CPU by those of the first process.

        Raises:
            Lost: If another process is gone.
        """
        if self.size > 1:
            with _losses():
                for tensor in tensors:
                    dist.broadcast(tensor, 0)

    def share(self, count: int) -> range:
        """This process's part of ``count`` things in a row; parts differ by one at most."""
        return range(count * self.rank // self.size, count * (self.rank + 1) // self.size)


@contextmanager
def _losses() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise Lost(f"a process of the group is gone: {error}") from error


@contextmanager
def together(
    size: int, submit: Callable[..., Future[Any]], work: Callable[[Group], Any]
) -> Iterator[Group]:
    """A group of this process, which is its first, and of others that work for it.

    When the block ends, it waits for the others. An error in one of them ends the block with that
    error, at the next method of the group that is called here.

    Args:
        size: Number of processes.
        submit: Hands a function and its arguments to another process, of which it must have
            ``size - 1`` free ones, as that of `qkd_gym.children.child_processes` does.
        work: What the others do with their group; it can be pickled, and its result is dropped.

    Raises:
        Lost: If another process is gone and nobody knows why.
    """
    if size == 1:
        yield Group()
        return
    # Nobody else may read or write there, since errors come from it as pickles.
    with TemporaryDirectory() as folder:
        path = str(Path(folder) / "store")
        store = dist.FileStore(path, size)
        others = [submit(_follow, path, rank, size, work) for rank in range(1, size)]
        try:
            _await_others(store, others)
            with _joined(store, 0, size) as group:
                yield group
            for other in others:
                other.result()
        except (Lost, BrokenExecutor) as loss:
            raise _cause(store, others, loss) from loss


def _follow(path: str, rank: int, size: int, work: Callable[[Group], Any]) -> None:
    """What another process of the group does."""
    torch.set_num_threads(1)
    store = dist.FileStore(path, size)
    store.set(_ready(rank), "")
    try:
        with _joined(store, rank, size) as group:
            work(group)
    except Lost:
        raise
    except BaseException as error:
        store.set(_error(rank), pickle.dumps(error).hex())
        # Only the end of the process closes its connections, by which the others see it.
        os._exit(1)


def _ready(rank: int) -> str:
    return f"ready {rank}"


def _error(rank: int) -> str:
    return f"error {rank}"


def _await_others(store: dist.Store, others: Sequence[Future[Any]]) -> None:
    """Waits until all others are ready, or one has failed."""
    names = [_ready(rank) for rank in range(1, len(others) + 1)]
    while not store.check(names):
        if any(other.done() for other in others):
            raise Lost("a process of the group has not started.")
        time.sleep(0.02)


def _cause(store: dist.Store, others: Sequence[Future[Any]], loss: BaseException) -> BaseException:
    """Why a process is gone: what it has left, or else what became of it."""
    wait(others, timeout=_LAST_WORDS_S)
    for rank in range(1, len(others) + 1):
        if store.check([_error(rank)]):
            told = store.get(_error(rank)).decode()
            error: BaseException = pickle.loads(bytes.fromhex(told))
            return error
    errors = [other.exception() for other in others if other.done() and not other.cancelled()]
    known = [error for error in errors if error is not None and not isinstance(error, Lost)]
    return known[0] if known else loss


@contextmanager
def _joined(store: dist.Store, rank: int, size: int) -> Iterator[Group]:
    loopback = [name for _, name in socket.if_nameindex() if name.startswith("lo")]
    # All processes run on this machine, whose name, which is looked up otherwise, need not resolve.
    if loopback:
        os.environ["GLOO_SOCKET_IFNAME"] = loopback[0]
    dist.init_process_group("gloo", store=store, rank=rank, world_size=size, timeout=_PATIENCE)
    try:
        yield Group(rank, size)
    finally:
        dist.destroy_process_group()
