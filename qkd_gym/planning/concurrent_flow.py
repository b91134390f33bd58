"""The fluid plan: how much demand a network can carry if modules may be shared in time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.sparse import block_diag, coo_array, csr_array, hstack, vstack
from scipy.sparse.csgraph import connected_components

from qkd_gym.errors import InvalidInput
from qkd_gym.planning import column_generation
from qkd_gym.planning.matching import incidence

F64 = NDArray[np.float64]

# Networks up to this size are solved as one linear program, larger ones by column generation.
_LARGEST_DIRECT = 30
_TOLERANCE = 1e-3
# A plan of least module time may miss the largest scale by this part of it, as solvers do anyway.
_SLACK = 1e-7
# What the last link's time counts more than the first one's where time is what is saved.
_LAST_LINK = 0.01


@dataclass(frozen=True)
class FluidPlan:
    """A fractional plan, optimal up to its gap.

    Attributes:
        scale: Multiple of the demand matrix that it carries.
        time_share: Share of the time each link runs, shape (E,).
        flow_bps: Key that crosses each link per second, shape (E,).
        upper_bound: No plan has a larger scale.
    """

    scale: float
    time_share: F64
    flow_bps: F64
    upper_bound: float

    @property
    def gap(self) -> float:
        """How much larger the scale could be at most, as a part of the upper bound."""
        return 1.0 - self.scale / self.upper_bound if self.upper_bound > 0.0 else 0.0


def max_concurrent_flow(
    n_sites: int,
    link_endpoints: NDArray[np.integer],
    rate_bps: F64,
    demand_bps: F64,
    modules_per_site: int | NDArray[np.integer],
    on_progress: Callable[[int, int], None] | None = None,
) -> FluidPlan:
    """Maximum concurrent flow when a link needs a module at each end while it runs.

    Maximises s such that s times the demand can be routed, in fractions, over links that run a
    share x of the time and carry at most x times their rate, with the shares at a site adding up
    to at most its modules (Shahrokhi and Matula, J. ACM 37, 1990, for the problem without
    modules). Up to 30 sites the plan is optimal, and of all optimal ones it is that of the least
    module time, where the time of link e of E counts 1 + e / (100 E): the same plan from every
    solver. Beyond, its scale is at least 99.9 % of the optimum unless its `FluidPlan.gap` says
    otherwise.

    Args:
        n_sites: Number of sites n.
        link_endpoints: Sites of each link, shape (E, 2).
        rate_bps: Key rate of each link while it runs, shape (E,); a link without rate is unused.
        demand_bps: Symmetric demand, shape (n, n); entry (i, j) is the demand of the pair, once.
        modules_per_site: Modules at each site, one number or shape (n,).
        on_progress: Told, in large networks, how many steps of the search are done, and 0, since
            nobody knows of how many.

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
    plan = None
    if n_sites <= _LARGEST_DIRECT:
        plan = _solve_directly(n_sites, ends, rate, demand, modules)
    if plan is None:
        limits = np.concatenate([modules, np.ones(n_links)])
        plan = column_generation.solve(
            column_generation.Problem(ends, rate, demand, limits), _TOLERANCE, on_progress
        )
    flow = plan.time_share * rate
    flow_bps[usable] = flow * rate_unit
    time_share[usable] = np.clip(plan.time_share, 0.0, 1.0)
    unit = rate_unit / demand_unit
    return FluidPlan(plan.scale * unit, time_share, flow_bps, plan.upper_bound * unit)


def _all_reachable(n_sites: int, ends: NDArray[np.integer], demand: F64) -> bool:
    graph = coo_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(n_sites, n_sites))
    _, component = connected_components(graph, directed=False)
    i, j = np.nonzero(demand)
    return bool((component[i] == component[j]).all())


def _solve_directly(
    n_sites: int, ends: NDArray[np.integer], rate: F64, demand: F64, modules: NDArray[np.integer]
) -> column_generation.Solution | None:
    """The plan by two linear programs: the largest scale, then the least time that carries it.

    The flow of all pairs with one site in common is one commodity, so a program has n commodities
    instead of n(n-1)/2. None if the solver fails, as it may where rates differ by many powers.
    """
    n_links = len(ends)
    sources = np.flatnonzero(demand.any(axis=1))
    conservation = _conservation(n_sites, ends, demand, sources)

    # A link's time share is its flow over its rate, and so needs no variable of its own.
    share_of_flow = coo_array((1.0 / rate, (range(n_links), range(n_links))))
    limits = vstack([share_of_flow, incidence(n_sites, ends) @ share_of_flow])
    both_ways = hstack([limits, limits])
    program: dict[str, Any] = {
        "A_ub": hstack(
            [*([both_ways] * len(sources)), coo_array((limits.shape[0], 1))], format="csr"
        ),
        "b_ub": np.concatenate([np.ones(n_links), modules]),
        "A_eq": conservation,
        "b_eq": np.zeros(conservation.shape[0]),
        "method": "highs-ds",
    }
    of_scale = np.zeros(conservation.shape[1])
    of_scale[-1] = 1.0
    largest = linprog(-of_scale, **program)
    if largest.x is None:
        return None
    scale = max(0.0, float(largest.x[-1]))
    counts = 1.0 + _LAST_LINK * np.arange(n_links) / n_links
    of_time = np.append(np.tile(counts / rate, 2 * len(sources)), 0.0)
    at_least = (1.0 - _SLACK) * scale * of_scale
    cheapest = linprog(
        of_time, bounds=np.stack([at_least, np.full_like(at_least, np.inf)], 1), **program
    )
    if cheapest.x is None:
        cheapest = largest
    flow = cheapest.x[:-1].reshape(-1, n_links).sum(axis=0)
    return column_generation.Solution(scale, flow / rate, scale)


def _conservation(
    n_sites: int, ends: NDArray[np.integer], demand: F64, sources: NDArray[np.integer]
) -> csr_array:
    """One row per source and other site: what arrives, minus what leaves, minus scale x demand."""
    signed = incidence(n_sites, ends, first=-1.0)
    arriving = block_diag([hstack([signed, -signed])] * len(sources))
    matrix = hstack([arriving, coo_array(-demand[sources].reshape(-1, 1))]).tocsr()
    # The source's own row follows from the others.
    return matrix[np.flatnonzero(np.arange(n_sites) != sources[:, None])]
