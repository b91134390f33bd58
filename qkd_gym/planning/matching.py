"""Sets of links that fit the modules of the sites: b-matchings, exact and by greedy rules.

An active link holds a module at both ends, so links that can run together are a b-matching.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array

from qkd_gym.errors import InvalidInput, require_integer
from qkd_gym.jit import compiled

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
Chosen = NDArray[np.bool_]

# The integer program is solved up to a part in ten thousand of the weight, within a minute.
_RELATIVE_GAP = 1e-4
_TIME_LIMIT_S = 60.0
_PASSES = 4  # of exchanges after the greedy choice


def incidence(n_sites: int, ends: NDArray[np.integer], first: float = 1.0) -> csr_array:
    """Sites by links: ``first`` at the first end of a link and 1 at the second."""
    n_links = len(ends)
    at = ends.T.ravel(), np.tile(np.arange(n_links), 2)
    return csr_array((np.repeat([first, 1.0], n_links), at), shape=(n_sites, n_links))


def heaviest_matching(ends: NDArray[np.integer], weight: F64, modules: int, n_sites: int) -> Chosen:
    """The links of a maximum-weight b-matching, by an integer program solved with HiGHS.

    Args:
        ends: Sites of each link, shape (E, 2).
        weight: Weight of each link, shape (E,); links of weight 0 or less stay out.
        modules: Links that every site can hold.
        n_sites: Number of sites.

    Returns:
        Whether each link is chosen, shape (E,); the weight is the greatest up to a relative gap
        of 1e-4.

    Raises:
        InvalidInput: If ``modules`` is no positive integer, or no matching was found in a minute.
    """
    require_integer("modules", modules, 1)
    useful = np.flatnonzero(weight > 0.0)
    chosen = np.zeros(len(ends), dtype=bool)
    if len(useful) == 0:
        return chosen
    found = milp(
        -weight[useful] / weight[useful].max(),
        constraints=LinearConstraint(incidence(n_sites, ends[useful]), ub=float(modules)),
        bounds=Bounds(0.0, 1.0),
        integrality=np.ones(len(useful)),
        options={"mip_rel_gap": _RELATIVE_GAP, "time_limit": _TIME_LIMIT_S},
    )
    if found.x is None:
        raise InvalidInput(f"weight of {len(useful)} links: {found.message}")
    chosen[useful] = found.x > 0.5
    return chosen


def greedy_matching(
    ends: NDArray[np.integer],
    order: NDArray[np.integer],
    modules: int | NDArray[np.integer],
) -> Chosen:
    """Chooses links one by one while both ends have a free module.

    Args:
        ends: Sites of each link, shape (E, 2).
        order: Links in the order in which they are tried.
        modules: Modules at each site, one number or shape (n,).

    Returns:
        Whether each link is chosen, shape (E,).
    """
    n_sites = np.size(modules) if np.ndim(modules) else int(ends.max()) + 1
    free = np.full(n_sites, modules, dtype=np.int64)
    chosen = np.zeros(len(ends), dtype=bool)
    # Copies, for compiled code wants one type whatever the caller's arrays are.
    _choose_in_order(np.array(ends, np.int64), np.array(order, np.int64), free, chosen)
    return chosen


def round_plan(
    time_share: F64,
    rate_bps: F64,
    ends: NDArray[np.integer],
    modules: int | NDArray[np.integer],
) -> Chosen:
    """Links to run all the time, close to a fractional plan.

    Tries links in the order of their time share, then of their key rate; a greedy b-matching is
    at least half as heavy as the heaviest one.

    Args:
        time_share: Time share of each link in the plan, shape (E,).
        rate_bps: Key rate of each link, shape (E,); links without rate never run.
        ends: Sites of each link, shape (E, 2).
        modules: Modules at each site, one number or shape (n,).

    Returns:
        Whether each link runs, shape (E,). No further link would fit.
    """
    # Solver noise must not order links whose time shares are equal.
    order = np.lexsort((-rate_bps, -np.round(time_share, 6)))
    return greedy_matching(ends, order[rate_bps[order] > 0.0], modules)


def heavy_matching(weight: F64, ends: I64, modules: I64, n_sites: int) -> Chosen:
    """A b-matching of great weight: greedy, then improved by exchanges until none helps.

    The greedy b-matching has at least half of the greatest weight (Mestre, ESA 2006), and an
    exchange of one link for those it displaces only adds to it.

    Args:
        weight: Weight of each link, shape (B, E); links of weight 0 or less stay out.
        ends: Sites of each link, shape (B, E, 2).
        modules: Links that a site can hold, shape (B,).
        n_sites: Number of sites.

    Returns:
        Whether each link is chosen, shape (B, E).
    """
    return np.asarray(_match_all(np.ascontiguousarray(weight), ends, modules, n_sites))


@compiled
def _match_all(weight: F64, ends: I64, modules: I64, n_sites: int) -> np.ndarray:
    chosen = np.zeros(weight.shape, dtype=np.bool_)
    free = np.empty(n_sites, dtype=np.int64)
    for b in range(len(weight)):
        free[:] = modules[b]
        order = np.argsort(-weight[b], kind="mergesort")
        order = order[weight[b][order] > 0.0]
        _choose_in_order(ends[b], order, free, chosen[b])
        for _ in range(_PASSES):
            if not _exchange(weight[b], ends[b], order, free, chosen[b]):
                break
    return chosen


@compiled
def _choose_in_order(ends: I64, order: I64, free: I64, chosen: np.ndarray) -> None:
    """Adds links to ``chosen`` while both ends have a ``free`` module, of which they hold one."""
    for e in order:
        i, j = ends[e, 0], ends[e, 1]
        if free[i] > 0 and free[j] > 0:
            chosen[e] = True
            free[i] -= 1
            free[j] -= 1


@compiled
def _exchange(weight: F64, ends: I64, order: I64, free: I64, chosen: np.ndarray) -> bool:
    """Adds each link that outweighs the links it displaces; whether there was one."""
    better = False
    for e in order:
        if chosen[e]:
            continue
        i, j = ends[e, 0], ends[e, 1]
        first = lightest_link(chosen, weight, ends, i, -1) if free[i] == 0 else -1
        second = lightest_link(chosen, weight, ends, j, first) if free[j] == 0 else -1
        lost = weight[first] if first >= 0 else 0.0
        lost += weight[second] if second >= 0 else 0.0
        # Equal weights must not go round in circles.
        if weight[e] <= lost * (1.0 + 1e-9):
            continue
        better = True
        for gone in (first, second):
            if gone >= 0:
                chosen[gone] = False
                free[ends[gone, 0]] += 1
                free[ends[gone, 1]] += 1
        chosen[e] = True
        free[i] -= 1
        free[j] -= 1
    return better


@compiled
def lightest_link(chosen: Chosen, weight: F64, ends: I64, site: int, excluded: int) -> int:
    """The chosen link of least weight at a site other than ``excluded``, -1 if there is none.

    Args:
        chosen: Whether each link is chosen, shape (E,).
        weight: Weight of each link, shape (E,).
        ends: Sites of each link, shape (E, 2).
        site: The site.
        excluded: A link to pass over, -1 for none.
    """
    lightest = -1
    for e in range(len(weight)):
        here = ends[e, 0] == site or ends[e, 1] == site
        if here and chosen[e] and e != excluded and (lightest < 0 or weight[e] < weight[lightest]):
            lightest = e
    return lightest
