"""The time-expanded program behind the bounds, the oracle and the predictive controllers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csc_array

from qkd_gym.extras import require_extra

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

_BOUND_TOLERANCE = 1e-4  # how far, relatively, a bound may lie above the program's optimum


@dataclass(frozen=True)
class Program:
    """Links, pools and requests over S slots of time.

    A link makes key while it is on and not calibrating, a site's modules limit the links that are
    on, a pool holds what was made and not yet used, up to its capacity, key of a slot comes before
    its requests, and a request is served over its candidate paths. Whatever a policy does in an
    episode is a solution with whole links and requests: activations that are given up before they
    yield key may be left out, and only then could two starts of one link fall into one calibration
    time.

    Attributes:
        link_endpoints: Sites of each link, shape (E, 2).
        modules: Modules per site.
        n_sites: Number of sites.
        made: Key that a calibrated link makes in each slot, at most, shape (S, E).
        pool: Key stored before the first slot, shape (E,).
        active: Links that are on before the first slot, shape (E,).
        calibration: Slots without key after a start.
        starts_per_slot: Most links that can be started in a slot.
        request_slot: Slot of each request, shape (R,).
        request_size: Its size, shape (R,).
        request_paths: Links of its candidate paths, (R, K, H), padded with -1.
        capacity: Capacity of a pool, in the unit of ``made``.
        making_share: Share of the slot for which a link can make ``made``, shape (S, E) or one.
        calibrating: Slots for which each active link still calibrates, shape (E,) or one.
        request_last: Requests that come at the very end of their slot, shape (R,) or one.
        stock_value: Worth of a unit of key in a pool after the last slot.
        steps_per_slot: Moments within a slot at which links can be started. With more than one
            the program is a relaxation of the one with that many slots for each: a link may be
            on for a part of a slot, and only whole slots of a calibration count.
    """

    link_endpoints: I64
    modules: int
    n_sites: int
    made: F64
    pool: F64
    active: NDArray[np.bool_]
    calibration: int
    starts_per_slot: float
    request_slot: I64
    request_size: F64
    request_paths: NDArray[np.integer]
    capacity: float = 1.0
    making_share: F64 | float = 1.0
    calibrating: I64 | int = 0
    request_last: NDArray[np.bool_] | bool = True
    stock_value: float = 0.0
    steps_per_slot: int = 1


@dataclass(frozen=True)
class Plan:
    """A solution of a program.

    Attributes:
        value: Served requests plus the worth of the final stock.
        bound: No solution has a larger value.
        on: Share of each slot for which each link holds its modules, shape (S, E).
    """

    value: float
    bound: float
    on: F64


def relaxed_bound(program: Program) -> float:
    """Upper bound of the value with links that run in part and requests served in part.

    The bound follows from the solver's prices of all limits by weak duality, and so holds however
    far from optimal they are.

    Raises:
        RuntimeError: If the solver fails.
    """
    model = _assemble(program, 0, False)
    # An interior point is enough, and much faster found than a corner.
    solver = _solver(
        model, solver="ipm", run_crossover="off", ipm_optimality_tolerance=_BOUND_TOLERANCE
    )
    solver.run()
    solution = solver.getSolution()
    if not solution.dual_valid:
        status = solver.modelStatusToString(solver.getModelStatus())
        raise RuntimeError(f"The time-expanded program was not solved: {status}.")
    price = np.maximum(-np.array(solution.row_dual), 0.0)
    gain = np.maximum(-model.cost - model.matrix.T @ price, 0.0)
    return float(model.upper @ price + gain @ model.highest)


def optimise(
    program: Program,
    *,
    whole_slots: int | None = None,
    whole_requests: bool = False,
    time_limit_s: float = np.inf,
    relative_gap: float = 0.0,
) -> Plan | None:
    """Maximises the served key.

    Args:
        program: The program.
        whole_slots: Links are on or off in the first slots, up to this number; None means all.
        whole_requests: Requests are served over one path or not at all.
        time_limit_s: After this time the best plan found is returned.
        relative_gap: Plans this close to the bound are good enough.

    Returns:
        The plan, or None if the time was too short to find any.

    Raises:
        RuntimeError: If the solver fails.
    """
    model = _assemble(program, whole_slots, whole_requests)
    # Branching finds good plans by itself; the solver's search for them takes most of its time.
    solver = _solver(
        model, time_limit=time_limit_s, mip_rel_gap=relative_gap, mip_heuristic_effort=0.0
    )
    solver.run()
    info, solution = solver.getInfo(), solver.getSolution()
    if not solution.value_valid:
        status = solver.modelStatusToString(solver.getModelStatus())
        if status == "Time limit reached":
            return None
        raise RuntimeError(f"The time-expanded program was not solved: {status}.")
    value = -info.objective_function_value
    bound = -info.mip_dual_bound if model.integral.any() else value
    on = np.array(solution.col_value[: program.made.size]).reshape(program.made.shape)
    return Plan(value, max(value, bound), on)


def _solver(model: _Model, **options: Any) -> Any:
    """HiGHS with the model loaded."""
    require_extra("bounds", "highspy")
    import highspy

    matrix = model.matrix
    program = highspy.HighsLp()
    program.num_row_, program.num_col_ = matrix.shape
    program.col_cost_, program.col_upper_ = model.cost, model.highest
    program.col_lower_ = np.zeros(len(model.cost))
    program.row_lower_ = np.full(len(model.upper), -np.inf)
    program.row_upper_ = model.upper
    program.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    program.a_matrix_.start_ = matrix.indptr
    program.a_matrix_.index_ = matrix.indices
    program.a_matrix_.value_ = matrix.data
    kinds = (highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger)
    if model.integral.any():
        program.integrality_ = [kinds[int(whole)] for whole in model.integral]
    solver = highspy.Highs()
    solver.silent()
    for name, value in {"threads": 1, **options}.items():
        solver.setOptionValue(name, value)
    solver.passModel(program)
    return solver


class _Model(NamedTuple):
    """Minimise cost @ x subject to matrix @ x <= upper and 0 <= x <= highest."""

    matrix: csc_array
    upper: F64
    cost: F64
    highest: F64
    integral: NDArray[np.bool_]


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


def _assemble(program: Program, whole_slots: int | None, whole_requests: bool) -> _Model:
    made = program.made
    slots, links = made.shape
    cells = slots * links
    cell = np.arange(cells).reshape(slots, links)
    steps = program.steps_per_slot
    on, making, start, pool = (cell + block * cells for block in range(4))
    end = on if steps == 1 else cell + 4 * cells  # on at the end of the slot
    blocks = 4 if steps == 1 else 5
    request, path = np.nonzero(program.request_paths[:, :, 0] >= 0)
    serve = blocks * cells + np.arange(len(request))
    rows = _Rows()

    # Starts: on at the end - on at the end before <= start; few of them per slot.
    before = np.zeros(cells)
    before[:links] = program.active
    each = np.arange(slots)[:, None]
    rows.add(before, (cell, end, 1.0), (cell[1:], end[:-1], -1.0), (cell, start, -1.0))
    rows.add(np.full(slots, min(program.starts_per_slot, links)), (each, start, 1.0))
    # Making key: while on, but not during calibration.
    site = program.link_endpoints.T[:, None, :] + program.n_sites * each
    modules = np.full(slots * program.n_sites, float(program.modules))
    blocked = min(program.calibration, slots)
    if steps == 1:
        recent = [(cell[age:], start[: slots - age], 1.0) for age in range(blocked)]
        rows.add(np.zeros(cells), (cell, making, 1.0), (cell, on, -1.0), *recent)
    else:
        rows.add(before, (cell, on, 1.0), (cell[1:], end[:-1], -1.0), (cell, start, -1.0))
        rows.add(np.zeros(cells), (cell, end, 1.0), (cell, on, -float(steps)))
        rows.add(modules, (site, end, 1.0))
        rows.add(np.zeros(cells), (cell, making, 1.0), (cell, on, -1.0))
        if blocked > 0:
            recent = [(cell[age:], start[: slots - age], 1.0) for age in range(1, blocked)]
            rows.add(before, (cell, making, 1.0), (cell[1:], end[:-1], -1.0), *recent)
    # Modules.
    rows.add(modules, (site, on, 1.0))
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
    # What was not used until the end of the slot had room in the pool.
    last = np.broadcast_to(program.request_last, len(program.request_slot))[request[nth]]
    room = (used[last], serve[nth[last]], size[last])
    rows.add(np.full(cells, program.capacity), (cell, pool, 1.0), room)
    # Requests are served once.
    rows.add(np.ones(len(program.request_slot)), (request, serve, 1.0))

    columns = blocks * cells + len(serve)
    cost, highest, integral = np.zeros(columns), np.ones(columns), np.zeros(columns, bool)
    cost[serve] = -program.request_size[request]
    cost[pool[-1]] = -program.stock_value
    highest[pool] = program.capacity
    highest[making] = np.where(each < program.calibrating, 0.0, program.making_share)
    integral[on[:whole_slots]] = True
    integral[serve] = whole_requests
    return _Model(rows.matrix(columns), np.concatenate(rows.upper), cost, highest, integral)
