"""What no policy exceeds where paths alone are decided: requests served in part, by foresight."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.sparse import coo_array, csr_array

from qkd_gym.bounds.trace import EpisodeTrace
from qkd_gym.errors import require_integer

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]


@dataclass(frozen=True)
class RoutingBound:
    """An upper bound for every policy of `Routing` on one episode.

    Attributes:
        delivered_value_bits: No policy delivers more, each bit counting as much as its service
            class is worth over the mean offered bit.
        value_share: The same over what is offered; NaN if nothing is.
    """

    delivered_value_bits: float
    value_share: float


def routing_bound(trace: EpisodeTrace, intervals_per_slot: int = 10) -> RoutingBound:
    """The linear program of an episode whose links are those of the static plan.

    It knows the future, and serves requests in part and over several paths, in any slot from their
    arrival until their patience has run out. Slots of several intervals make it looser: key that
    comes later in a slot serves requests from its beginning, and pools overflow between slots only.

    Args:
        trace: The episode.
        intervals_per_slot: Intervals that the program takes together.

    Raises:
        InvalidInput: If the slots are shorter than an interval.
    """
    require_integer("intervals_per_slot", intervals_per_slot, 1)
    offered = float((trace.request_bits * trace.request_value).sum())
    if offered == 0.0:
        return RoutingBound(0.0, float("nan"))
    capacity = float(trace.config.pool_capacity_bits)
    slots = -(-trace.intervals // intervals_per_slot)
    made = np.zeros((slots * intervals_per_slot, len(trace.active_at_start)))
    made[: trace.intervals] = trace.made_bits * trace.active_at_start / capacity
    made = made.reshape(slots, intervals_per_slot, -1).sum(axis=1)
    request, path, slot = _choices(trace, intervals_per_slot)
    size = trace.request_bits / capacity

    cells = made.size
    cell = np.arange(cells).reshape(made.shape)
    serve = cells + np.arange(len(request))
    links = trace.request_paths[request, path]
    nth, hop = np.nonzero(links >= 0)
    # A pool holds at most what it held, plus what was made, minus what was used.
    stock = made.copy()
    stock[0] += trace.pool_at_start_bits / capacity
    rows = (cell.ravel(), cell[1:].ravel(), cell[slot[nth], links[nth, hop]], cells + request)
    columns = (cell.ravel(), cell[:-1].ravel(), serve[nth], serve)
    values = (np.ones(cells), np.full(cells - made.shape[1], -1.0), size[request[nth]])
    matrix = _matrix(rows, columns, (*values, np.ones(len(serve))), cells + len(size))
    limit = np.concatenate([stock.ravel(), np.ones(len(size))])
    gain = np.zeros(matrix.shape[1])
    gain[serve] = (size * trace.request_value)[request]
    solved = linprog(-gain, A_ub=matrix, b_ub=limit, bounds=(0.0, 1.0), method="highs")
    # By weak duality the limits' prices make a bound, however far from optimal they are.
    price = np.ones(len(limit)) if solved.x is None else np.maximum(-solved.ineqlin.marginals, 0.0)
    bound = float(price @ limit + np.maximum(gain - matrix.T @ price, 0.0).sum())
    delivered = min(bound * capacity, offered)
    return RoutingBound(delivered, delivered / offered)


def _choices(trace: EpisodeTrace, steps: int) -> tuple[I64, I64, I64]:
    """Request, candidate path and slot of every way in which a request may be served.

    Only links that run have key.
    """
    has_key = np.append(trace.active_at_start, True)  # the last one is padding's
    exists = trace.request_paths[:, :, 0] >= 0
    request, path = np.nonzero(exists & has_key[trace.request_paths].all(axis=2))
    first, last = trace.request_interval // steps, trace.request_last // steps
    ways = (last - first + 1)[request]
    later = np.arange(ways.sum()) - np.repeat(np.cumsum(ways) - ways, ways)
    return np.repeat(request, ways), np.repeat(path, ways), np.repeat(first[request], ways) + later


def _matrix(
    rows: tuple[I64, ...], columns: tuple[I64, ...], values: tuple[F64, ...], count: int
) -> csr_array:
    row, column, value = (np.concatenate(part) for part in (rows, columns, values))
    return coo_array((value, (row, column)), shape=(count, int(column.max()) + 1)).tocsr()
