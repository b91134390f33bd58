"""Work on the machines of a Ray cluster; losing one costs time and changes no result."""

from __future__ import annotations

import os
import re
import socket
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, NamedTuple

from qkd_gym import __version__
from qkd_gym.errors import InvalidInput, shown
from qkd_gym.extras import require_extra
from qkd_gym.names import adopt, all_registered

MOST_ATTEMPTS = 5
"""How often a piece of work is begun whose machine or process is lost every time."""

_ANSWER_S = 10.0


class RayCluster(NamedTuple):
    """Where to work, in place of a number of workers: see `qkd_gym.workers.start_workers`.

    Attributes:
        address: Of the cluster, as Ray has it, for instance ``"10.0.0.1:6379"``, or ``"auto"`` for
            the one that this machine is part of; empty for one that starts on this machine alone
            and ends with the work.
    """

    address: str = ""


@contextmanager
def cluster_tasks(cluster: RayCluster) -> Iterator[Callable[..., Future[Any]]]:
    """Work on every core of a cluster, which is left with the block.

    A piece of work whose machine or process is lost begins again on another one. What was lost is
    told on standard error in the end. If an error or an interruption leaves the block, what is
    being done is broken off.

    Args:
        cluster: Where; Python and the package have the same versions on all of its machines.

    Yields:
        What hands a function and its arguments, both of which can be pickled, to a machine, and
        returns the future of its result.

    Raises:
        ModuleNotFoundError: If Ray is not installed.
        InvalidInput: If no cluster answers at the address, or a machine of it has another version
            of the package.
    """
    require_extra("ray", "ray")
    tasks = _Tasks(cluster)
    pool = ThreadPoolExecutor(tasks.most_at_a_time)
    try:
        yield lambda work, *arguments: pool.submit(tasks.do, work, *arguments)
        pool.shutdown()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        tasks.break_off()
        pool.shutdown()
        tasks.end()


class _Tasks:
    """Pieces of work as tasks of Ray, each of which a thread of this process waits for."""

    def __init__(self, cluster: RayCluster) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would report to its makers
        import ray

        self._ray = ray
        _require_answer(cluster.address)
        try:
            ray.init(
                address=cluster.address or "local",
                include_dashboard=None if cluster.address else False,
                log_to_driver=False,
                logging_level="ERROR",
            )
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise _no_cluster(cluster.address, error) from None
        # Retried here and not by Ray, which does not tell.
        self._remote = ray.remote(max_retries=0, num_cpus=1)(_do)
        self._running: set[Any] = set()
        self._joined = self._machines()
        self._lost: Counter[str] = Counter()  # pieces of work by what was lost with them
        self._ends = False
        # More than there are cores, so that none waits for this process or a new machine for work.
        self.most_at_a_time = 2 * max(1, int(ray.cluster_resources().get("CPU", 1)))

    def _machines(self) -> set[str]:
        """What machines that answer are called in messages."""
        nodes = [node for node in self._ray.nodes() if node["Alive"]]
        return {_machine(node["NodeManagerAddress"], node["NodeID"]) for node in nodes}

    def do(self, work: Callable[..., Any], *arguments: Any) -> Any:
        """The result of a piece of work, wherever and however often it is begun."""
        errors = self._ray.exceptions
        for attempt in range(1, MOST_ATTEMPTS + 1):
            task = self._remote.remote(__version__, all_registered(), work, arguments)
            self._running.add(task)
            try:
                return self._ray.get(task)
            except errors.RayTaskError as error:
                raise error.cause from None
            except (
                errors.NodeDiedError,
                errors.ObjectLostError,
                errors.OutOfMemoryError,
                errors.WorkerCrashedError,
            ) as error:
                if self._ends or attempt == MOST_ATTEMPTS:
                    raise
                self._lost[_what_was_lost(error)] += 1
            finally:
                self._running.discard(task)
        raise AssertionError("unreachable")

    def break_off(self) -> None:
        """Ends what is still being done."""
        self._ends = True
        for task in list(self._running):
            self._ray.cancel(task, force=True)

    def end(self) -> None:
        """Leaves the cluster, and tells what was lost."""
        for machine in self._joined - self._machines():
            self._lost[machine] += 0  # it may have had no work, or none that was not done yet
        self._ray.shutdown()
        if self._lost:
            lost = ", ".join(f"{count} with {what}" for what, count in self._lost.items())
            print(
                "Pieces of work that were lost on the Ray cluster and begun again, with the same "
                f"results: {lost}.",
                file=sys.stderr,
            )


def _require_answer(address: str) -> None:
    """Raises `InvalidInput` if nobody answers, which Ray takes minutes to find out."""
    host, _, port = address.rpartition(":")
    if host and port.isdigit() and "/" not in host:
        try:
            socket.create_connection((host, int(port)), timeout=_ANSWER_S).close()
        except (OSError, OverflowError) as error:
            raise _no_cluster(address, error) from None


def _no_cluster(address: str, error: Exception) -> InvalidInput:
    return InvalidInput(
        f"address is {shown(address)}, but must be that of a Ray cluster that can be joined: "
        f"{shown(str(error))}."
    )


def _what_was_lost(error: Exception) -> str:
    # Ray counts a machine as lost a while later, and tells which in the text alone.
    found = re.search(r"Node IP: ([^\s,]+), node ID: (\w+)", str(error))
    return _machine(found[1], found[2]) if found else "a process"


def _machine(address: str, node: str) -> str:
    return f"machine {address} (node {node[:8]})"


def _do(
    version: str,
    registered: dict[str, dict[str, Any]],
    work: Callable[..., Any],
    arguments: tuple[Any, ...],
) -> Any:
    """What a machine does, with the names that are registered here."""
    if version != __version__:
        raise InvalidInput(
            f"a machine of the Ray cluster has version {__version__} of qkd-gym, but must have "
            f"{version} as this one."
        )
    adopt(registered)
    return work(*arguments)
