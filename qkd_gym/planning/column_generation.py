"""The fluid plan of large networks, by column generation.

A column routes the whole demand of one site along a tree of paths, so that the program has a row
per site instead of one per site and commodity. Prices of modules and links tell which trees are
missing (Ford and Fulkerson, Management Science 5, 1958), and bound the optimum from above.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.sparse import block_array, coo_array, csr_array
from scipy.sparse.csgraph import dijkstra

from qkd_gym.jit import compiled
from qkd_gym.planning.matching import incidence
from qkd_gym.planning.paths import lightest_between, link_graph

F64 = NDArray[np.float64]
I64 = NDArray[np.integer]

_PRICE_STEPS = 300  # of the price search before the first linear program
_AVERAGED = 50  # steps whose trees are averaged into columns
_FIRST_STEP = 0.3  # of that search; its result is flat between 0.1 and 1
_KEPT_ROUNDS = 4  # a column that has not been used for this long is forgotten
_MAX_ROUNDS = 200
# Weight of the module time in the objective beside a scale of about one: every length is positive,
# and no scale is traded away.
_THRIFT = 1e-6
# Prices are rounded, so that the last bits of a processor's functions choose no path.
_PRICE_DECIMALS = 12


class Problem(NamedTuple):
    """Rates and demands in units of their means, so that tolerances mean something."""

    ends: I64  # (E, 2) sites of each link
    rate: F64  # (E,) positive
    demand: F64  # (n, n) upper triangle, sums to one
    limits: F64  # (n + E,) modules of the sites, then one per link


class Solution(NamedTuple):
    """A plan and how much better another one could be at most."""

    scale: float
    time_share: F64  # (E,)
    upper_bound: float  # no plan has a larger scale


class _Trees(NamedTuple):
    """Cheapest paths from every site, carrying the demand of which it is the first end."""

    time: F64  # (n, E) time share of each link, by source
    prices: F64  # (n + E,) scaled so that all demand costs one
    bound: float  # on the scale: what all modules and links are worth at these prices


def solve(
    problem: Problem, tolerance: float, on_progress: Callable[[int, int], None] | None = None
) -> Solution:
    """Maximum concurrent flow under module limits, see `concurrent_flow.max_concurrent_flow`.

    Args:
        problem: The network; all demand must be reachable.
        tolerance: Relative gap between the plan's scale and the upper bound at which to stop.
        on_progress: Told how many steps are done, and 0 for the unknown number of all.

    Returns:
        The plan within the tolerance, or the best one found if the search ends before.
    """
    tell = on_progress or (lambda done, total: None)
    best, averages = _search_prices(problem, tell)
    # In this unit of demand the scale is about one.
    unit = best.bound
    problem = problem._replace(demand=problem.demand * unit)
    best, averages = _cheapest_trees(problem, best.prices), [flow * unit for flow in averages]
    sources = np.flatnonzero(problem.demand.any(axis=1))
    time = np.concatenate([flow[sources] for flow in (best.time, *averages)])
    source = np.tile(sources, 1 + len(averages))
    unused = np.zeros(len(source), np.int64)
    tight: I64 = np.zeros(0, np.int64)
    plan = _even_plan(problem, averages[-1].sum(axis=0))
    own = 0.5
    for round_ in range(_MAX_ROUNDS):
        tell(_PRICE_STEPS + round_, 0)
        program = _master(problem, time, source, sources, tight)
        if program is None:
            break
        scale, flow, duals, tight = program
        plan = scale, csr_array(time).T @ flow
        # Half way to the best prices known, for the duals alone swing wildly; but where that
        # bounds no better, it may find no new tree, and the duals alone do.
        trees = _cheapest_trees(problem, own * duals + (1.0 - own) * best.prices)
        own = 0.5 if trees.bound < best.bound else 1.0
        best = min(best, trees, key=lambda known: known.bound)
        if best.bound - scale <= tolerance * best.bound:
            break
        unused = np.where(flow > 0.0, 0, unused + 1)
        kept = unused < _KEPT_ROUNDS
        time = np.concatenate([time[kept], trees.time[sources]])
        source = np.concatenate([source[kept], sources])
        unused = np.concatenate([unused[kept], np.zeros(len(sources), np.int64)])
    scale, time_share = plan
    return Solution(scale * unit, time_share, best.bound * unit)


def _even_plan(problem: Problem, time: F64) -> tuple[float, F64]:
    """Scale and time shares of the largest plan that uses links in these proportions, (E,)."""
    used = np.concatenate([incidence(len(problem.demand), problem.ends) @ time, time])
    wanted = used > 0.0
    scale = float((problem.limits[wanted] / used[wanted]).min())
    return scale, scale * time


def _search_prices(problem: Problem, tell: Callable[[int, int], None]) -> tuple[_Trees, list[F64]]:
    """Nearly optimal prices by multiplicative weights (Arora, Hazan and Kale, 2012).

    Returns:
        The trees at the best prices, and averages of the trees on the way, which are nearly
        optimal plans themselves.
    """
    n, n_links = problem.demand.shape[0], len(problem.ends)
    log_worth = np.log(np.concatenate([np.full(n, 1.0 / n), np.full(n_links, 0.01 / n_links)]))
    best, averages, total = None, [], np.zeros((n, n_links))
    at_site = incidence(n, problem.ends)
    for step in range(_PRICE_STEPS):
        tell(step, 0)
        worth = np.round(np.exp(log_worth - log_worth.max()), _PRICE_DECIMALS)
        trees = _cheapest_trees(problem, worth / problem.limits)
        if best is None or trees.bound < best.bound:
            best = trees
        time = trees.time.sum(axis=0)
        used = np.concatenate([at_site @ time, time]) / problem.limits
        log_worth += _FIRST_STEP / np.sqrt(1.0 + step) * (used * trees.bound - 1.0)
        total += trees.time
        if (step + 1) % _AVERAGED == 0:
            averages.append(total / _AVERAGED)
            total = np.zeros((n, n_links))
    assert best is not None
    return best, averages


def _cheapest_trees(problem: Problem, prices: F64) -> _Trees:
    n = problem.demand.shape[0]
    # A price of the thrift on all module time keeps every length positive.
    prices = prices.copy()
    prices[:n] += _THRIFT / 2.0
    length = (prices[:n][problem.ends].sum(axis=1) + prices[n:]) / problem.rate
    between = lightest_between(problem.ends, length, n)
    distance, previous = dijkstra(link_graph(between, length), return_predecessors=True)
    flow = np.zeros((n, len(problem.ends)))
    _send(np.argsort(distance, axis=1, kind="stable"), previous, between, problem.demand, flow)
    wanted = problem.demand > 0.0
    # Sums of products instead of the linear algebra library's, whose order is the processor's.
    cost = float((problem.demand[wanted] * distance[wanted]).sum())
    worth = float((problem.limits * prices).sum())
    return _Trees(flow / problem.rate, prices / cost, worth / cost)


@compiled
def _send(nearest: I64, previous: I64, between: I64, demand: F64, flow: F64) -> None:
    """Adds up the flow on the links of every source's tree, from the leaves to the root."""
    for source in range(len(demand)):
        carried = demand[source].copy()
        for rank in range(len(demand) - 1, 0, -1):
            site = nearest[source, rank]
            towards = previous[source, site]
            if towards >= 0:
                flow[source, between[towards, site]] += carried[site]
                carried[towards] += carried[site]


def _master(
    problem: Problem, time: F64, source: I64, sources: I64, tight: I64
) -> tuple[float, F64, F64, I64] | None:
    """The best plan that uses these trees alone.

    Args:
        problem: The network.
        time: Time share of each link per tree, (trees, E).
        source: Source of each tree, (trees,).
        sources: Sites with demand.
        tight: Links whose limit has mattered so far; the others get no row until it does.

    Returns:
        Scale, flow along each tree, prices of all limits, and the new ``tight``; None if the
        solver found no plan.
    """
    n, n_trees = problem.demand.shape[0], len(time)
    cost = np.append(_THRIFT * time.sum(axis=1), -1.0)
    at_sites = csr_array(incidence(n, problem.ends) @ time.T)
    of_source = coo_array(
        (-np.ones(n_trees), (np.searchsorted(sources, source), np.arange(n_trees))),
        shape=(len(sources), n_trees),
    )
    scale_column = csr_array(np.ones((len(sources), 1)))
    while True:
        limited = csr_array(time[:, tight]).T
        upper = block_array([[at_sites, None], [limited, None], [of_source, scale_column]])
        rows = np.concatenate([np.arange(n), n + tight])
        right = np.concatenate([problem.limits[rows], np.zeros(len(sources))])
        solution = linprog(cost, A_ub=upper.tocsc(), b_ub=right, method="highs-ds")
        if solution.x is None:
            return None
        flow = solution.x[:-1]
        over = np.setdiff1d(np.flatnonzero(csr_array(time).T @ flow > 1.0 + 1e-6), tight)
        if len(over) == 0:
            prices = np.zeros(len(problem.limits))
            prices[rows] = -solution.ineqlin.marginals[: len(rows)]
            return float(solution.x[-1]), flow, prices, tight
        tight = np.concatenate([tight, over])
