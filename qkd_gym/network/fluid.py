"""The fluid plan: how much demand a network can carry if modules may be shared in time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.sparse import coo_array, csr_array, hstack, vstack

from qkd_gym.errors import InvalidInput

F64 = NDArray[np.float64]

# Weight of the module time in the objective beside the scale: among optimal plans it selects one
# that wastes none, and it is far too small to trade scale away.
_THRIFT = 1e-6


@dataclass(frozen=True)
class FluidPlan:
    """An optimal fractional plan.

    Attributes:
        scale: Largest multiple of the demand matrix that can be carried.
        time_share: Share of the time each link runs, shape (E,).
        flow_bps: Key that crosses each link per second, shape (E,).
    """

    scale: float
    time_share: F64
    flow_bps: F64


def max_concurrent_flow(
    n_sites: int,
    link_endpoints: NDArray[np.integer],
    rate_bps: F64,
    demand_bps: F64,
    modules_per_site: int | NDArray[np.integer],
) -> FluidPlan:
    """Maximum concurrent flow when a link needs a module at each end while it runs.

    Maximises s such that s times the demand can be routed, in fractions, over links that run a
    share x of the time and carry at most x times their rate, with the shares at a site adding up
    to at most its modules. The flow of all pairs with one site in common is one commodity, so
    the program has n commodities instead of n(n-1)/2 (Shahrokhi and Matula, J. ACM 37, 1990, for
    the problem without modules).

    Args:
        n_sites: Number of sites n.
        link_endpoints: Sites of each link, shape (E, 2).
        rate_bps: Key rate of each link while it runs, shape (E,); a link without rate is unused.
        demand_bps: Symmetric demand, shape (n, n); entry (i, j) is the demand of the pair, once.
        modules_per_site: Modules at each site, one number or shape (n,).

    Returns:
        The plan; its scale is 0 if some demand cannot be carried at all.

    Raises:
        InvalidInput: If no pair of sites has demand.
    """
    demand = np.triu(demand_bps, 1)
    if not demand.any():
        raise InvalidInput("demand_bps is zero, but must be positive for some pair of sites.")
    usable = np.flatnonzero(rate_bps > 0.0)
    n_links = len(usable)
    time_share, flow_bps = np.zeros(len(rate_bps)), np.zeros(len(rate_bps))
    if n_links == 0:
        return FluidPlan(0.0, time_share, flow_bps)
    # Rates and demands in units of their means, so that the solver's tolerances mean something.
    rate_unit, demand_unit = rate_bps[usable].mean(), demand.sum()
    ends, rate = link_endpoints[usable], rate_bps[usable] / rate_unit
    sources = np.flatnonzero(demand.any(axis=1))
    conservation = _conservation(n_sites, ends, demand / demand_unit, sources)

    # A link's time share is its flow over its rate, and so needs no variable of its own.
    share_of_flow = coo_array((1.0 / rate, (range(n_links), range(n_links))))
    at_site = _incidence(n_sites, ends, signed=False)
    limits = vstack([share_of_flow, at_site @ share_of_flow])
    both_ways = hstack([limits, limits])
    upper = hstack([*([both_ways] * len(sources)), coo_array((limits.shape[0], 1))])
    bounds = np.concatenate([np.ones(n_links), np.broadcast_to(modules_per_site, n_sites)])

    cost = np.tile(_THRIFT / rate, 2 * len(sources))
    solution = linprog(
        np.append(cost, -1.0),
        A_ub=upper.tocsr(),
        b_ub=bounds,
        A_eq=conservation,
        b_eq=np.zeros(conservation.shape[0]),
        method="highs-ds" if n_sites <= 30 else "highs-ipm",
    )
    if solution.x is None:
        raise RuntimeError(f"The fluid plan was not solved: {solution.message}")
    flow = solution.x[:-1].reshape(-1, n_links).sum(axis=0)
    flow_bps[usable] = flow * rate_unit
    time_share[usable] = np.clip(flow / rate, 0.0, 1.0)
    scale = max(0.0, float(solution.x[-1])) * rate_unit / demand_unit
    return FluidPlan(scale, time_share, flow_bps)


def _incidence(n_sites: int, ends: NDArray[np.integer], *, signed: bool) -> csr_array:
    """Sites by links: 1 at both ends, or -1 where the link leaves and 1 where it arrives."""
    n_links = len(ends)
    values = np.repeat([-1.0 if signed else 1.0, 1.0], n_links)
    columns = np.tile(np.arange(n_links), 2)
    return coo_array((values, (ends.T.ravel(), columns)), shape=(n_sites, n_links)).tocsr()


def _conservation(
    n_sites: int, ends: NDArray[np.integer], demand: F64, sources: NDArray[np.integer]
) -> csr_array:
    """One row per source and other site: what arrives, minus what leaves, minus scale x demand."""
    signed = _incidence(n_sites, ends, signed=True)
    directed = hstack([signed, -signed]).tocoo()
    n_sources, width = len(sources), directed.shape[1]
    block = np.arange(n_sources)[:, None]
    rows = block * n_sites + directed.row
    columns = block * width + directed.col
    values = np.tile(directed.data, n_sources)
    sinks = np.nonzero(demand[sources])
    rows = np.concatenate([rows.ravel(), sinks[0] * n_sites + sinks[1]])
    columns = np.concatenate([columns.ravel(), np.full(len(sinks[0]), n_sources * width)])
    values = np.concatenate([values, -demand[sources][sinks]])
    shape = (n_sources * n_sites, n_sources * width + 1)
    matrix = coo_array((values, (rows, columns)), shape=shape).tocsr()
    # The source's own row follows from the others.
    return matrix[np.flatnonzero(np.tile(np.arange(n_sites), n_sources) != sources.repeat(n_sites))]


def round_plan(
    time_share: F64,
    rate_bps: F64,
    link_endpoints: NDArray[np.integer],
    modules: int | NDArray[np.integer],
) -> NDArray[np.bool_]:
    """Links to run all the time, close to a fractional plan.

    Takes links in the order of their time share, then of their key rate, while both ends have a
    free module; a greedy b-matching is at least half as heavy as the heaviest one.

    Args:
        time_share: Time share of each link in the plan, shape (E,).
        rate_bps: Key rate of each link, shape (E,); links without rate never run.
        link_endpoints: Sites of each link, shape (E, 2).
        modules: Modules at each site, one number or shape (n,).

    Returns:
        Whether each link runs, shape (E,). No further link would fit.
    """
    n_sites = int(link_endpoints.max()) + 1 if np.ndim(modules) == 0 else len(np.asarray(modules))
    free = np.array(np.broadcast_to(modules, n_sites))
    active = np.zeros(len(rate_bps), dtype=bool)
    # Solver noise must not order links whose time shares are equal.
    for link in np.lexsort((-rate_bps, -np.round(time_share, 6))):
        i, j = link_endpoints[link]
        if rate_bps[link] > 0.0 and free[i] > 0 and free[j] > 0:
            active[link] = True
            free[i] -= 1
            free[j] -= 1
    return active
