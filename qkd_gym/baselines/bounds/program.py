"""The time-expanded program behind the bounds, the oracle and the predictive controllers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array, csc_array

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]


@dataclass(frozen=True)
class Program:
    """Links, pools and requests over S slots of time.

    Attributes:
        link_endpoints: Sites of each link, shape (E, 2).
        modules: Modules per site.
        n_sites: Number of sites.
        made: Key that a calibrated link makes in each slot, shape (S, E).
        capacity: Capacity of a pool, in the unit of ``made``.
        pool: Key stored before the first slot, shape (E,).
        active: Links that are on before the first slot, shape (E,).
        calibrating: Slots for which each of these still calibrates, shape (E,).
        calibration: Slots without key after a start.
        starts_per_slot: Most links that can be started in a slot.
        request_slot: Slot of each request, shape (R,).
        request_size: Its size, shape (R,).
        request_paths: Links of its candidate paths, (R, K, H), padded with -1.
        stock_value: Worth of a unit of key in each pool after the last slot, shape (E,).
    """

    link_endpoints: I64
    modules: int
    n_sites: int
    made: F64
    capacity: float
    pool: F64
    active: NDArray[np.bool_]
    calibrating: I64
    calibration: int
    starts_per_slot: float
    request_slot: I64
    request_size: F64
    request_paths: NDArray[np.integer]
    stock_value: F64


@dataclass(frozen=True)
class Plan:
    """A solution of a program.

    Attributes:
        value: Served requests plus the worth of the final stock.
        bound: Upper bound of the best value.
        on: Share of each slot for which each link holds its modules, shape (S, E).
    """

    value: float
    bound: float
    on: F64


def solve(
    program: Program,
    *,
    whole_links: bool = False,
    whole_requests: bool = False,
    time_limit_s: float | None = None,
    relative_gap: float = 0.0,
) -> Plan | None:
    """Maximises the served key.

    A link makes key while it is on and not calibrating, a site's modules limit the links that are
    on, a pool holds what was made and not yet used, up to its capacity, key of a slot comes before
    its requests, and a request is served over its candidate paths. Whatever a policy does in an
    episode is a solution with whole links and requests: activations that are given up before they
    yield key may be left out, and only then could two starts of one link fall into one calibration
    time.

    Args:
        program: The program.
        whole_links: Links are on or off.
        whole_requests: Requests are served over one path or not at all.
        time_limit_s: After this time the best plan found is returned.
        relative_gap: Plans this close to the bound are good enough.

    Returns:
        The plan, or None if the time was too short to find any.

    Raises:
        RuntimeError: If the solver fails.
    """
    matrix, upper, cost, highest, integral, n_on = _assemble(program, whole_links, whole_requests)
    options = {"mip_rel_gap": relative_gap}
    if time_limit_s is not None:
        options["time_limit"] = time_limit_s
    solution = milp(
        cost,
        constraints=LinearConstraint(matrix, -np.inf, upper),
        bounds=Bounds(0.0, highest),
        integrality=integral,
        options=options,
    )
    if solution.x is None:
        if solution.status == 1:
            return None
        raise RuntimeError(f"The time-expanded program was not solved: {solution.message}")
    bound = solution.get("mip_dual_bound")
    value = -float(solution.fun)
    return Plan(
        value,
        value if bound is None else max(value, -float(bound)),
        solution.x[:n_on].reshape(program.made.shape),
    )


class _Rows:
    """Collects the rows of a sparse matrix and their upper limits."""

    def __init__(self) -> None:
        self.count = 0
        self.entries: list[tuple[I64, I64, F64]] = []
        self.upper: list[F64] = []

    def add(self, upper: F64, *terms: tuple[NDArray, NDArray, float | NDArray]) -> None:
        """Adds ``len(upper)`` rows; each term is (row within them, column, coefficient)."""
        for row, column, value in terms:
            row, column, value = np.broadcast_arrays(row, column, np.asarray(value, np.float64))
            self.entries.append((row.ravel() + self.count, column.ravel(), value.ravel()))
        self.upper.append(np.asarray(upper, np.float64))
        self.count += len(upper)

    def matrix(self, columns: int) -> csc_array:
        rows, cols, values = (np.concatenate(part) for part in zip(*self.entries, strict=True))
        return coo_array((values, (rows, cols)), shape=(self.count, columns)).tocsc()


def _assemble(
    program: Program, whole_links: bool, whole_requests: bool
) -> tuple[csc_array, F64, F64, F64, I64, int]:
    made = program.made
    slots, links = made.shape
    cells = slots * links
    cell = np.arange(cells).reshape(slots, links)
    on, making, start, pool = (cell + block * cells for block in range(4))
    request, path = np.nonzero(program.request_paths[:, :, 0] >= 0)
    serve = 4 * cells + np.arange(len(request))
    rows = _Rows()

    # Starts: on - on before <= start; few of them per slot.
    before = np.zeros(cells)
    before[:links] = program.active
    rows.add(
        before,
        (cell, on, 1.0),
        (cell[1:], on[:-1], -1.0),
        (cell, start, -1.0),
    )
    each = np.arange(slots)[:, None]
    rows.add(np.full(slots, program.starts_per_slot), (each, start, 1.0))
    # Making key: not during calibration.
    recent = [(cell[age:], start[: slots - age], 1.0) for age in range(program.calibration)]
    rows.add(np.zeros(cells), (cell, making, 1.0), (cell, on, -1.0), *recent)
    # Modules.
    site = program.link_endpoints.T[:, None, :] + program.n_sites * each
    rows.add(np.full(slots * program.n_sites, float(program.modules)), (site, on, 1.0))
    # Pools: what is left is at most what was there, plus key made, minus key used.
    hops = program.request_paths[request, path]
    nth, hop = np.nonzero(hops >= 0)
    used = cell[program.request_slot[request[nth]], hops[nth, hop]]
    size = program.request_size[request[nth]]
    stored = np.zeros(cells)
    stored[:links] = program.pool
    rows.add(
        stored,
        (cell, pool, 1.0),
        (cell[1:], pool[:-1], -1.0),
        (cell, making, -made),
        (used, serve[nth], size),
    )
    rows.add(np.full(cells, program.capacity), (cell, pool, 1.0), (used, serve[nth], size))
    # Requests are served once.
    rows.add(np.ones(len(program.request_slot)), (request, serve, 1.0))

    columns = 4 * cells + len(serve)
    cost, highest, integral = np.zeros(columns), np.ones(columns), np.zeros(columns, np.int64)
    cost[serve] = -program.request_size[request]
    cost[pool[-1]] = -program.stock_value
    highest[pool] = program.capacity
    still = each < program.calibrating
    highest[making[still]] = 0.0
    integral[on] = whole_links
    integral[serve] = whole_requests
    return rows.matrix(columns), np.concatenate(rows.upper), cost, highest, integral, cells
