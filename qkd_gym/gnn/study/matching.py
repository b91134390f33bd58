"""Which links to activate under the module limits, by predictions and by simple rules.

The network-level experiment: every site has M modules, an active link holds one at both ends, so
a set of active links is a b-matching. Rules differ in what they believe a link will yield.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array

from qkd_gym.errors import InvalidInput, require_integer
from qkd_gym.features import LENGTH_SCALE_KM, LINK
from qkd_gym.gnn.data import ViabilityGraph
from qkd_gym.gnn.study.rivals import last_value
from qkd_gym.planning.concurrent_flow import take_in_order

F64 = NDArray[np.float64]
Chosen = NDArray[np.bool_]

# Optimal up to a part in ten thousand of the weight.
_GAP = 1e-4
_LIMIT_S = 60.0


def heaviest_matching(ends: NDArray[np.integer], weight: F64, modules: int, n_sites: int) -> Chosen:
    """The links of a maximum-weight b-matching: at most ``modules`` at every site, (E,) bool.

    Solved as an integer program with HiGHS to a relative gap of 1e-4; links without positive
    weight are left out.

    Args:
        ends: Sites of each link, (E, 2).
        weight: Weight of each link, (E,).
        modules: Modules of every site.
        n_sites: Number of sites.

    Raises:
        InvalidInput: If ``modules`` is no positive integer, or no matching was found in a minute.
    """
    require_integer("modules", modules, 1)
    useful = np.flatnonzero(weight > 0.0)
    chosen = np.zeros(len(ends), dtype=bool)
    if len(useful) == 0:
        return chosen
    rows = ends[useful].ravel()
    columns = np.repeat(np.arange(len(useful)), 2)
    at_site = csr_array((np.ones(len(rows)), (rows, columns)), shape=(n_sites, len(useful)))
    found = milp(
        -weight[useful] / weight[useful].max(),
        constraints=LinearConstraint(at_site, ub=float(modules)),
        bounds=Bounds(0.0, 1.0),
        integrality=np.ones(len(useful)),
        options={"mip_rel_gap": _GAP, "time_limit": _LIMIT_S},
    )
    if found.x is None:
        raise InvalidInput(f"weight of {len(useful)} links: {found.message}")
    chosen[useful] = found.x > 0.5
    return chosen


def in_order(ends: NDArray[np.integer], order: NDArray[np.integer], modules: int) -> Chosen:
    """Takes links in an order while both ends have a free module, (E,) bool."""
    require_integer("modules", modules, 1)
    return take_in_order(ends, order, np.full(int(ends.max()) + 1, modules))


def last_observed_bps(graph: ViabilityGraph, unseen_share: float) -> F64:
    """Key rate when last seen (bit/s); of unseen links the usual share of nominal; (E,)."""
    return last_value(graph, unseen_share) * graph.nominal_rate_bps


def simple_rules(
    graph: ViabilityGraph, modules: int, unseen_share: float, rng: np.random.Generator
) -> dict[str, Chosen]:
    """Links chosen by the rules that need no model, by name of the rule.

    Args:
        graph: What the operator sees.
        modules: Modules of every site.
        unseen_share: Mean key rate of links as a share of nominal, for links never seen.
        rng: For the random rule.
    """
    observed = last_observed_bps(graph, unseen_share)
    return {
        "random": in_order(graph.ends, rng.permutation(len(graph.ends)), modules),
        "nearest": in_order(graph.ends, np.argsort(graph.links[:, LINK.length]), modules),
        "best estimated rate": in_order(graph.ends, np.argsort(-observed), modules),
        "b-matching, last observed": heaviest_matching(
            graph.ends, observed, modules, len(graph.nodes)
        ),
    }


def outcome(graph: ViabilityGraph, chosen: Chosen) -> dict[str, float]:
    """What a choice of links turns out to yield over the horizon.

    Returns:
        Total key rate (bit/s), number of links, and sums over them of QBER and length (km), from
        which means over many networks are taken.
    """
    return {
        "rate_bps": float(graph.rate_bps[chosen].sum()),
        "links": float(chosen.sum()),
        "qber": float(graph.qber[chosen].sum()),
        "length_km": float(graph.links[chosen, LINK.length].sum() * LENGTH_SCALE_KM),
    }
