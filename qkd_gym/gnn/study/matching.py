"""Which links to activate under the module limits, by predictions and by simple rules.

The network-level experiment: every site has M modules, an active link holds one at both ends, so
a set of active links is a b-matching. Rules differ in what they believe a link will yield.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qkd_gym.features import LENGTH_SCALE_KM, LINK
from qkd_gym.gnn.data import ViabilityGraph
from qkd_gym.gnn.study.rivals import last_value
from qkd_gym.planning.matching import greedy_matching, heaviest_matching

F64 = NDArray[np.float64]
Chosen = NDArray[np.bool_]


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
        "random": greedy_matching(graph.ends, rng.permutation(len(graph.ends)), modules),
        "nearest": greedy_matching(graph.ends, np.argsort(graph.links[:, LINK.length]), modules),
        "best estimated rate": greedy_matching(graph.ends, np.argsort(-observed), modules),
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
