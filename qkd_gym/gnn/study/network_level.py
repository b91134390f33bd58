"""What predictions are worth: key rate of the links that they would activate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qkd_gym.gnn.data import ViabilityGraph
from qkd_gym.gnn.hidden import REFERENCE, HiddenQuality
from qkd_gym.gnn.model import LinkViabilityGNN
from qkd_gym.gnn.predict import predict, predict_rate_bps
from qkd_gym.gnn.scores import bootstrap
from qkd_gym.gnn.study.comparison import BOUND, GNN
from qkd_gym.gnn.study.inference import exact_posterior
from qkd_gym.gnn.study.matching import outcome, simple_rules
from qkd_gym.gnn.study.rivals import Rivals
from qkd_gym.planning.matching import heaviest_matching

F64 = NDArray[np.float64]

ORACLE = "oracle"
MODULES = 2


def network_level(
    model: LinkViabilityGNN,
    rivals: Rivals,
    graphs: Sequence[ViabilityGraph],
    setting: HiddenQuality = REFERENCE,
    modules: int = MODULES,
    samples: int = 300,
    seed: int = 0,
) -> dict[str, dict[str, Any]]:
    """Total key rate of the links that each rule activates under the module limits.

    The graph network, the two boostings and the exact posterior choose a maximum-weight b-matching
    on their expected rates, the oracle one on the rates that come true; see `simple_rules` for the
    others.

    Args:
        model: The graph network.
        rivals: The classical predictors, fitted.
        graphs: Networks that none of them was trained on.
        setting: What they were drawn with, for the exact posterior.
        modules: Modules of every site.
        samples: Samples of the exact posterior per network; 0 leaves it out.
        seed: Seed of the random rule.

    Returns:
        By rule: ``rate_bps`` (mean over networks of the total), ``links``, ``qber`` and
        ``length_km`` (means over active links), ``share_of_oracle`` and ``lead`` (share of the
        oracle's rate by which the graph network is ahead of the rule), both with a 95 % interval
        over networks.
    """
    rng = np.random.default_rng(seed)
    rows: dict[str, list[dict[str, float]]] = {}
    shares = rivals.predict_rate_share(graphs)
    for number, graph in enumerate(graphs):
        beliefs = {name: share[number] * graph.nominal_rate_bps for name, share in shares.items()}
        beliefs[GNN] = predict_rate_bps(model, graph)
        if samples:
            beliefs[BOUND] = exact_posterior(graph, setting, samples, number)[1]
        beliefs[ORACLE] = graph.rate_bps
        chosen = simple_rules(graph, modules, rivals.mean_share, rng)
        for name, belief in beliefs.items():
            chosen[name] = heaviest_matching(graph.ends, belief, modules, len(graph.nodes))
        for name, links in chosen.items():
            rows.setdefault(name, []).append(outcome(graph, links))
    columns = {name: _columns(of_rule) for name, of_rule in rows.items()}
    best, ours = columns[ORACLE]["rate_bps"], columns[GNN]["rate_bps"]
    return {
        name: {
            **_means(column),
            "share_of_oracle": _share(column["rate_bps"], best),
            "lead": _share(ours - column["rate_bps"], best),
        }
        for name, column in columns.items()
    }


def _columns(rows: Sequence[dict[str, float]]) -> dict[str, F64]:
    """Outcomes of a rule by key, one number per network."""
    return {key: np.array([row[key] for row in rows]) for key in rows[0]}


def _means(column: dict[str, F64]) -> dict[str, float]:
    """Means over networks of rate and number of links, and over links of QBER and length."""
    links = max(column["links"].sum(), 1.0)
    return {
        "rate_bps": float(column["rate_bps"].mean()),
        "links": float(column["links"].mean()),
        "qber": float(column["qber"].sum() / links),
        "length_km": float(column["length_km"].sum() / links),
    }


def _share(part: F64, whole: F64) -> tuple[float, float, float]:
    return bootstrap(lambda rows: float(part[rows].sum() / whole[rows].sum()), len(part), 2000)


def without_limit(
    model: LinkViabilityGNN, graphs: Sequence[ViabilityGraph], modules: int = MODULES
) -> dict[str, dict[str, float]]:
    """Total key rate of all links that look viable, with and without module limits.

    Returns:
        For ``"all links"``, ``"all that look viable"`` and ``"b-matching"`` the mean total key
        rate (bit/s), mean number of links, and mean QBER and length (km) over them.
    """
    rows: dict[str, list[dict[str, float]]] = {}
    for graph in graphs:
        chosen = {
            "all links": np.ones(len(graph.ends), dtype=bool),
            "all that look viable": predict(model, graph) > 0.5,
            "b-matching": heaviest_matching(
                graph.ends, predict_rate_bps(model, graph), modules, len(graph.nodes)
            ),
        }
        for name, links in chosen.items():
            rows.setdefault(name, []).append(outcome(graph, links))
    return {name: _means(_columns(of_rule)) for name, of_rule in rows.items()}
