"""The fluid plan: how much demand a network can carry if modules may be shared in time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.sparse import block_diag, coo_array, csr_array, hstack, vstack
from scipy.sparse.csgraph import connected_components

from qkd_gym.errors import InvalidInput
from qkd_gym.planning import column_generation
from qkd_gym.planning.matching import incidence

F64 = NDArray[np.float64]

# Weight of the module time in the objective beside the scale: among optimal plans it selects one
# that wastes none, and it is far too small to trade scale away.
_THRIFT = 1e-6
# Networks up to this size are solved as one linear program, larger ones by column generation, whose
# plans are within the tolerance of their proven upper bounds.
_LARGEST_DIRECT = 30
_TOLERANCE = 1e-3


@dataclass(frozen=True)
class FluidPlan:
    """A fractional plan, optimal up to the tolerance of `max_concurrent_flow`.

    Attributes:
        scale: Multiple of the demand matrix that it carries, the largest one possible.
        time_share: Share of the time each link runs, shape (E,).
        flow_bps: Key that crosses each link per second, shape (E,).
        upper_bound: No plan has a larger scale.
    """

    scale: float
    time_share: F64
    flow_bps: F64
    upper_bound: float


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
    to at most its modules (Shahrokhi and Matula, J. ACM 37, 1990, for the problem without
    modules). Up to 30 sites the plan is optimal; beyond, its scale is at least 99.9 % of the
    optimum.

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
    modules = np.broadcast_to(modules_per_site, n_sites)
    usable = np.flatnonzero((rate_bps > 0.0) & (modules[link_endpoints] > 0).all(axis=1))
    n_links = len(usable)
    time_share, flow_bps = np.zeros(len(rate_bps)), np.zeros(len(rate_bps))
    ends = link_endpoints[usable]
    if not _all_reachable(n_sites, ends, demand):
        return FluidPlan(0.0, time_share, flow_bps, 0.0)
    # Rates and demands in units of their means, so that the solver's tolerances mean something.
    rate_unit, demand_unit = rate_bps[usable].mean(), demand.sum()
    rate, demand = rate_bps[usable] / rate_unit, demand / demand_unit
    if n_sites <= _LARGEST_DIRECT:
        scale, flow = _solve_directly(n_sites, ends, rate, demand, modules)
        upper_bound = scale
    else:
        limits = np.concatenate([modules, np.ones(n_links)])
        problem = column_generation.Problem(ends, rate, demand, limits, _THRIFT)
        scale, share, upper_bound = column_generation.solve(problem, _TOLERANCE)
        flow = share * rate
    flow_bps[usable] = flow * rate_unit
    time_share[usable] = np.clip(flow / rate, 0.0, 1.0)
    scale, upper_bound = (value * rate_unit / demand_unit for value in (scale, upper_bound))
    return FluidPlan(scale, time_share, flow_bps, upper_bound)


def _all_reachable(n_sites: int, ends: NDArray[np.integer], demand: F64) -> bool:
    graph = coo_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(n_sites, n_sites))
    _, component = connected_components(graph, directed=False)
    i, j = np.nonzero(demand)
    return bool((component[i] == component[j]).all())


def _solve_directly(
    n_sites: int, ends: NDArray[np.integer], rate: F64, demand: F64, modules: NDArray[np.integer]
) -> tuple[float, F64]:
    """Scale and flow on each link.

    The flow of all pairs with one site in common is one commodity, so the program has n
    commodities instead of n(n-1)/2.
    """
    n_links = len(ends)
    sources = np.flatnonzero(demand.any(axis=1))
    conservation = _conservation(n_sites, ends, demand, sources)

    # A link's time share is its flow over its rate, and so needs no variable of its own.
    share_of_flow = coo_array((1.0 / rate, (range(n_links), range(n_links))))
    limits = vstack([share_of_flow, incidence(n_sites, ends) @ share_of_flow])
    both_ways = hstack([limits, limits])
    upper = hstack([*([both_ways] * len(sources)), coo_array((limits.shape[0], 1))])
    bounds = np.concatenate([np.ones(n_links), modules])

    cost = np.tile(_THRIFT / rate, 2 * len(sources))
    solution = linprog(
        np.append(cost, -1.0),
        A_ub=upper.tocsr(),
        b_ub=bounds,
        A_eq=conservation,
        b_eq=np.zeros(conservation.shape[0]),
        method="highs-ds",
    )
    if solution.x is None:
        raise RuntimeError(f"The fluid plan was not solved: {solution.message}")
    flow = solution.x[:-1].reshape(-1, n_links).sum(axis=0)
    return max(0.0, float(solution.x[-1])), flow


def _conservation(
    n_sites: int, ends: NDArray[np.integer], demand: F64, sources: NDArray[np.integer]
) -> csr_array:
    """One row per source and other site: what arrives, minus what leaves, minus scale x demand."""
    signed = incidence(n_sites, ends, first=-1.0)
    arriving = block_diag([hstack([signed, -signed])] * len(sources))
    matrix = hstack([arriving, coo_array(-demand[sources].reshape(-1, 1))]).tocsr()
    # The source's own row follows from the others.
    return matrix[np.flatnonzero(np.arange(n_sites) != sources[:, None])]
