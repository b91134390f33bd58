"""Processes that train one model together."""

from __future__ import annotations

import hmac
import secrets
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future, wait
from contextlib import ExitStack, contextmanager
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_HOST = "127.0.0.1"  # all processes run on this machine
_TOKEN_BYTES, _RANK_BYTES = 32, 2
# How often it is looked whether a process that has not come yet has failed.
_LOOK_S = 0.1
_WORD_S = 5.0  # time that who has come has to say who it is
_LAST_WORDS_S = 10.0


class Lost(RuntimeError):
    """Another process of the group is gone, or has failed and left."""


class Group:
    """The processes that train one model, each with a replica of it.

    A group of one does nothing. In a larger one all processes must call the same methods in the
    same order; results are then the same in all of them, bit for bit, and in every run. The first
    process adds up what the others send it, by rank, and sends back the sum: what is exchanged is
    small, and plain connections take a tenth of the time of torch's collectives, whose threads are
    woken several times.

    Args:
        rank: Number of this process, from 0 on.
        size: Number of processes.
        links: Connections to the others, by rank, for the first process, and to the first process
            for the others.
    """

    def __init__(self, rank: int = 0, size: int = 1, links: Sequence[Connection] = ()) -> None:
        self.rank, self.size, self._links = rank, size, links

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
            own = _flat(tensor)
            with _losses():
                if self.leads:
                    others = np.empty_like(own)
                    for link in self._links:
                        link.recv_bytes_into(others)
                        own += others
                else:
                    self._links[0].send_bytes(own.data)
                self._send_on(own)
            tensor.copy_(torch.from_numpy(own).view(tensor.shape))
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
                    array = _flat(tensor)
                    self._send_on(array)
                    tensor.copy_(torch.from_numpy(array).view(tensor.shape))

    def _send_on(self, array: NDArray[Any]) -> None:
        """Has all processes get what the first one has."""
        for link in self._links:
            if self.leads:
                link.send_bytes(array.data)
            else:
                link.recv_bytes_into(array)

    def share(self, count: int) -> range:
        """This process's part of ``count`` things in a row; parts differ by one at most."""
        return range(count * self.rank // self.size, count * (self.rank + 1) // self.size)


def _flat(tensor: Tensor) -> NDArray[Any]:
    """A copy of a tensor as an array of one dimension."""
    return np.array(tensor.detach().numpy()).reshape(-1)


@contextmanager
def _losses() -> Iterator[None]:
    try:
        yield
    except (EOFError, OSError) as error:
        raise Lost("a process of the group is gone.") from error


@contextmanager
def together(
    size: int, submit: Callable[..., Future[Any]] | None, work: Callable[[Group], Any]
) -> Iterator[Group]:
    """A group of this process, which is its first, and of others that work for it.

    When the block ends, it waits for the others. An error in one of them ends the block with that
    error, at the next method of the group that is called here.

    Args:
        size: Number of processes.
        submit: Hands a function and its arguments to another process, of which it must have
            ``size - 1`` free ones, as that of `qkd_gym.children.child_processes` does; None where
            the size is 1.
        work: What the others do with their group; it can be pickled, and its result is dropped.

    Raises:
        Lost: If another process is gone and nobody knows why.
    """
    if size == 1 or submit is None:
        yield Group()
        return
    # Nobody else may take part.
    token = secrets.token_bytes(_TOKEN_BYTES)
    others: list[Future[Any]] = []
    try:
        with ExitStack() as stack:
            with socket.create_server((_HOST, 0)) as server:
                port = server.getsockname()[1]
                ranks = range(1, size)
                others = [submit(_follow, port, token, rank, size, work) for rank in ranks]
                links = _await_others(server, token, others)
            for link in links:
                stack.enter_context(link)
            yield Group(0, size, links)
        for other in others:
            other.result()
    except (Lost, BrokenExecutor) as loss:
        raise _cause(others, loss) from loss


def _follow(port: int, token: bytes, rank: int, size: int, work: Callable[[Group], Any]) -> None:
    """What another process of the group does."""
    torch.set_num_threads(1)
    with _losses():
        link = _link(socket.create_connection((_HOST, port)))
    with link:
        with _losses():
            link.send_bytes(token + rank.to_bytes(_RANK_BYTES))
        work(Group(rank, size, [link]))


def _link(plug: socket.socket) -> Connection:
    plug.setblocking(True)
    # Or the system waits for more to send.
    plug.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return Connection(plug.detach())


def _await_others(
    server: socket.socket, token: bytes, others: Sequence[Future[Any]]
) -> list[Connection]:
    """Connections to all others, by rank.

    Raises:
        Lost: If one has failed.
    """
    server.settimeout(_LOOK_S)
    found: dict[int, Connection] = {}
    while len(found) < len(others):
        if any(other.done() and other.exception() is not None for other in others):
            raise Lost("a process of the group has not started.")
        try:
            link = _link(server.accept()[0])
        except TimeoutError:
            continue
        try:
            said = link.recv_bytes(_TOKEN_BYTES + _RANK_BYTES) if link.poll(_WORD_S) else b""
        except (EOFError, OSError):
            said = b""
        if hmac.compare_digest(said[:_TOKEN_BYTES], token):
            found[int.from_bytes(said[_TOKEN_BYTES:])] = link
        else:
            link.close()
    return [found[rank] for rank in sorted(found)]


def _cause(others: Sequence[Future[Any]], loss: BaseException) -> BaseException:
    """Why a process is gone: the first error that is not itself the loss of another one."""
    wait(others, timeout=_LAST_WORDS_S)
    errors = [other.exception() for other in others if other.done() and not other.cancelled()]
    known = [error for error in errors if error is not None and not isinstance(error, Lost)]
    return known[0] if known else loss
