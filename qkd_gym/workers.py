"""Independent pieces of work over several processes; who does which changes no result.

    with start_workers("auto") as workers:
        results = workers.do(play, episodes)

Pieces of different kinds are `functools.partial` objects, which `call` does.

Whatever offers a ``submit(function, *arguments)`` that returns a future can drive a `Workers`,
since nothing is shared with those who do the work: processes of this machine, or the machines of a
Ray cluster.
"""

from __future__ import annotations

import os
from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, as_completed
from contextlib import contextmanager
from typing import Any, Literal, TypeVar

import numpy as np

from qkd_gym.children import child_processes
from qkd_gym.cluster import RayCluster, cluster_tasks
from qkd_gym.errors import InvalidInput, require_choice, shown

Unit = TypeVar("Unit")
Result = TypeVar("Result")
Submit = Callable[..., Future[Any]]
WorkerCount = int | Literal["auto"] | RayCluster

MOST_WORKERS = 1024
BACKENDS = ("processes", "ray")


class Workers:
    """Does pieces of work, several at a time.

    Args:
        submit: Hands a function and its arguments to another process and returns the future of its
            result; None does all work in this process, one piece after the other.
    """

    def __init__(self, submit: Submit | None) -> None:
        self._submit = submit

    def do(
        self,
        work: Callable[[Unit], Result],
        units: Sequence[Unit],
        on_result: Callable[[int, Result], None] | None = None,
    ) -> list[Result]:
        """Does the same work on every unit.

        Args:
            work: A function at the top level of its module. What it returns depends on the unit
                alone: random numbers have a seed in the unit.
            units: Like the results, values that can be pickled; begun in this order.
            on_result: Called in this process with the index of a unit and its result, as results
                come, in whatever order. What it raises ends the work.

        Returns:
            The results in the order of the units.

        Raises:
            Exception: Whatever the first of the units raises that fails, as with one worker.
        """
        tell = on_result or (lambda index, result: None)
        if self._submit is None:
            results = []
            for index, unit in enumerate(units):
                results.append(work(unit))
                tell(index, results[-1])
            return results
        futures = [self._submit(work, unit) for unit in units]
        indices = {future: index for index, future in enumerate(futures)}
        needed = len(futures)  # all before the first that has failed so far
        for future in as_completed(futures):
            index = indices[future]
            if future.exception() is not None:
                needed = min(needed, index)
            elif index < needed:
                tell(index, future.result())
            if needed < len(futures) and all(earlier.done() for earlier in futures[:needed]):
                for later in futures[needed:]:
                    later.cancel()
                break
        return [future.result() for future in futures]


def call(piece: Callable[[], Result]) -> Result:
    """Does a piece of work that needs nothing more."""
    return piece()


@contextmanager
def start_workers(workers: WorkerCount) -> Iterator[Workers]:
    """Workers, which end with the block.

    One worker is this process. Several are processes of their own, see
    `qkd_gym.children.child_processes`, which start as work comes in. Those of a cluster are its
    cores, see `qkd_gym.cluster.cluster_tasks`.

    Args:
        workers: Number of workers on this machine, see `worker_count`, or a cluster.

    Raises:
        InvalidInput: See `worker_count` and `qkd_gym.cluster.cluster_tasks`.
    """
    if isinstance(workers, RayCluster):
        with cluster_tasks(workers) as submit:
            yield Workers(submit)
        return
    count = worker_count(workers)
    if count == 1:
        yield Workers(None)
        return
    with child_processes(count) as submit:
        yield Workers(submit)


def worker_count(workers: Any) -> int:
    """What a number of workers means, in every function and on every command line.

    Args:
        workers: ``"auto"`` for one per usable core, or their number; of a cluster, whose cores
            nobody has counted yet, the answer is this machine's.

    Raises:
        InvalidInput: If it is neither ``"auto"`` nor an integer in [1, 1024] nor a `RayCluster`.
    """
    if isinstance(workers, RayCluster) or (isinstance(workers, str) and workers == "auto"):
        return usable_cores()
    whole = isinstance(workers, (int, np.integer)) and not isinstance(workers, bool)
    if not whole or not 1 <= workers <= MOST_WORKERS:
        raise InvalidInput(
            f"workers is {shown(workers)}, but must be 'auto' or an integer in [1, {MOST_WORKERS}]."
        )
    return int(workers)


def add_local_workers(parser: ArgumentParser) -> None:
    """Gives a command the option ``--workers``."""
    parser.add_argument(
        "--workers",
        type=_number_or_text,
        default="auto",
        help="processes that share the work: a number, or auto for one per usable core",
    )


def add_workers(parser: ArgumentParser) -> None:
    """Gives a command the options that `take_workers` makes one value of."""
    add_local_workers(parser)
    parser.add_argument(
        "--backend",
        default=BACKENDS[0],
        choices=BACKENDS,
        help="who they are: processes of this machine, or all cores of a Ray cluster",
    )
    parser.add_argument(
        "--address",
        default="",
        help="of the Ray cluster, as HOST:PORT; by default one that starts on this machine",
    )


def take_workers(options: dict[str, Any]) -> None:
    """Puts into ``options["workers"]`` what three options of a command say, and removes the others.

    Raises:
        InvalidInput: If they do not go together.
    """
    backend, address = options.pop("backend"), options.pop("address")
    require_choice("backend", backend, BACKENDS)
    if backend == "ray":
        if options["workers"] != "auto":
            raise InvalidInput(
                f"workers is {shown(options['workers'])}, but must be 'auto' with the backend "
                "'ray', which works on all cores of the cluster."
            )
        options["workers"] = RayCluster(address)
    elif address:
        raise InvalidInput(f"address is {shown(address)}, but must be left out without Ray.")


def _number_or_text(text: str) -> int | str:
    try:
        return int(text)
    except ValueError:
        return text  # which `worker_count` takes or refuses


def usable_cores() -> int:
    """Number of cores on which this process may run, which can be fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
