"""What predictions are worth: key rate of the links that they would activate.

Every site has M modules, of which an active link holds one at both ends, so a set of active links
is a b-matching. Rules differ in what they expect a link to yield.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qkd_gym.features import LENGTH_SCALE_KM, LINK
from qkd_gym.gnn.data import ViabilityGraph
from qkd_gym.gnn.hidden import REFERENCE, HiddenQuality
from qkd_gym.gnn.model import LinkViabilityGNN
from qkd_gym.gnn.predict import predict, predict_rate_bps
from qkd_gym.gnn.study.classical_predictors import ClassicalPredictors, last_value
from qkd_gym.gnn.study.comparison import BOUND, GNN, bootstrap
from qkd_gym.gnn.study.inference import exact_posterior
from qkd_gym.planning.matching import greedy_matching, heaviest_matching

F64 = NDArray[np.float64]
Chosen = NDArray[np.bool_]

ORACLE = "oracle"
MODULES = 2


def network_level(
    model: LinkViabilityGNN,
    predictors: ClassicalPredictors,
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
        predictors: The classical predictors, fitted.
        graphs: Networks that none of them was trained on.
        setting: What they were drawn with, for the exact posterior.
        modules: Modules of every site.
        samples: Samples of the exact posterior per network; 0 leaves it out.
        seed: Seed of the random rule.

    Returns:
        By rule: ``rate_bps`` (mean over networks of the total), ``links``, ``qber`` and
        ``length_km`` (means over active links), ``share_of_oracle`` and ``difference`` (share
        of the oracle's rate by which the graph network is ahead of the rule), both with a 95 %
        interval over networks.
    """
    rng = np.random.default_rng(seed)
    shares = predictors.predict_rate_share(graphs)
    choices = []
    for number, graph in enumerate(graphs):
        expected = {name: share[number] * graph.nominal_rate_bps for name, share in shares.items()}
        expected[GNN] = predict_rate_bps(model, graph)
        if samples:
            expected[BOUND] = exact_posterior(graph, setting, samples, number)[1]
        expected[ORACLE] = graph.rate_bps
        chosen = simple_rules(graph, modules, predictors.mean_share, rng)
        for name, rates in expected.items():
            chosen[name] = heaviest_matching(graph.ends, rates, modules, len(graph.nodes))
        choices.append(chosen)
    outcomes = _outcomes(graphs, choices)
    best, ours = outcomes[ORACLE]["rate_bps"], outcomes[GNN]["rate_bps"]
    return {
        name: {
            **_means(values),
            "share_of_oracle": _share(values["rate_bps"], best),
            "difference": _share(ours - values["rate_bps"], best),
        }
        for name, values in outcomes.items()
    }


def simple_rules(
    graph: ViabilityGraph, modules: int, unseen_share: float, rng: np.random.Generator
) -> dict[str, Chosen]:
    """Links chosen by the rules that need no model, by name of the rule.

    Links never seen are taken to have ``unseen_share`` of their nominal key rate.
    """
    observed = last_value(graph, unseen_share) * graph.nominal_rate_bps
    return {
        "random": greedy_matching(graph.ends, rng.permutation(len(graph.ends)), modules),
        "nearest": greedy_matching(graph.ends, np.argsort(graph.links[:, LINK.length]), modules),
        "best estimated rate": greedy_matching(graph.ends, np.argsort(-observed), modules),
        "b-matching, last observed": heaviest_matching(
            graph.ends, observed, modules, len(graph.nodes)
        ),
    }


def outcome(graph: ViabilityGraph, chosen: Chosen) -> dict[str, float]:
    """What a choice of links, bool (E,), turns out to yield over the horizon.

    Total key rate (bit/s), number of links, and sums over them of QBER and length (km), from which
    means over many networks are taken.
    """
    return {
        "rate_bps": float(graph.rate_bps[chosen].sum()),
        "links": float(chosen.sum()),
        "qber": float(graph.qber[chosen].sum()),
        "length_km": float(graph.links[chosen, LINK.length].sum() * LENGTH_SCALE_KM),
    }


def _outcomes(
    graphs: Sequence[ViabilityGraph], choices: Sequence[dict[str, Chosen]]
) -> dict[str, dict[str, F64]]:
    """Outcomes by rule and key, one number per network."""
    found = {}
    for name in choices[0]:
        rows = [outcome(graph, chosen[name]) for graph, chosen in zip(graphs, choices, strict=True)]
        found[name] = {key: np.array([row[key] for row in rows]) for key in rows[0]}
    return found


def _means(values: dict[str, F64]) -> dict[str, float]:
    """Means over networks of rate and number of links, and over links of QBER and length."""
    links = max(values["links"].sum(), 1.0)
    return {
        "rate_bps": float(values["rate_bps"].mean()),
        "links": float(values["links"].mean()),
        "qber": float(values["qber"].sum() / links),
        "length_km": float(values["length_km"].sum() / links),
    }


def _share(part: F64, whole: F64) -> tuple[float, float, float]:
    return bootstrap(lambda rows: float(part[rows].sum() / whole[rows].sum()), len(part), 2000)


def without_limit(
    model: LinkViabilityGNN, graphs: Sequence[ViabilityGraph], modules: int = MODULES
) -> dict[str, dict[str, float]]:
    """Total key rate of all links that look viable, with and without limits of the sites' modules.

    Returns:
        For ``"all links"``, ``"all that look viable"`` and ``"b-matching"`` the mean total key
        rate (bit/s), mean number of links, and mean QBER and length (km) over them.
    """
    choices = [
        {
            "all links": np.ones(len(graph.ends), dtype=bool),
            "all that look viable": predict(model, graph) > 0.5,
            "b-matching": heaviest_matching(
                graph.ends, predict_rate_bps(model, graph), modules, len(graph.nodes)
            ),
        }
        for graph in graphs
    ]
    return {name: _means(values) for name, values in _outcomes(graphs, choices).items()}
