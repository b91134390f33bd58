"""The source study's task: which pairs of sites are linked, in noise-free geometry.

A fifth of the links is hidden; the rest of the network is given, and hidden links are told from as
many pairs without a link. Cross-validated over networks. Distance alone decides the answer on such
graphs, so this shows that a model can learn, and nothing about quantum links.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import networkx as nx
import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, roc_auc_score
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy
from tqdm import tqdm

from qkd_gym.features import LINK, NODE
from qkd_gym.gnn.graphs import FeatureGraph, GraphBatch, join_graphs, join_pairs
from qkd_gym.gnn.model import LinkViabilityGNN
from qkd_gym.gnn.training import EarlyStopping
from qkd_gym.topology import Topology
from qkd_gym.topology.generators import source_study

F64 = NDArray[np.float64]

FOLDS = 5
_EPOCHS = 200
_PATIENCE = 20
_BATCH = 4
_HIDDEN_SHARE = 0.2
# Betweenness of large dense graphs is estimated from so many sites.
_PIVOTS = 32
_SPAN_KM = 10.0
_METRICS = {"auc": roc_auc_score, "average_precision": average_precision_score}


@dataclass(frozen=True)
class PredictionTask(FeatureGraph):
    """A `FeatureGraph` of the given links, and pairs of sites that a hidden link may join.

    Attributes:
        given: The given links as a networkx graph.
        pairs: (P, 2) pairs of sites to predict.
        distance_km: (P,) distance between the two sites of each pair.
        linked: (P,) 1 for a hidden link, 0 for a pair without a link.
    """

    given: nx.Graph
    pairs: NDArray[np.int64]
    distance_km: F64
    linked: F64


def hide_links(topology: Topology, rng: np.random.Generator) -> PredictionTask:
    """Hides a fifth of the links and draws as many pairs that are not linked."""
    ends, n = topology.link_endpoints, len(topology.site_names)
    order = rng.permutation(len(ends))
    count = max(1, round(_HIDDEN_SHARE * len(ends)))
    hidden, shown = ends[order[:count]], np.sort(order[count:])
    free = np.triu(np.ones((n, n), dtype=bool), 1)
    free[ends[:, 0], ends[:, 1]] = False
    apart = np.argwhere(free)
    apart = apart[rng.permutation(len(apart))[:count]]
    pairs = np.concatenate([hidden, apart])

    given = nx.Graph()
    given.add_nodes_from(range(n))
    given.add_edges_from(ends[shown].tolist())
    between = nx.betweenness_centrality(given, k=min(n, _PIVOTS), seed=0)
    nodes = np.zeros((n, len(NODE)), dtype=np.float32)
    centred = topology.positions_km - topology.positions_km.mean(axis=0)
    nodes[:, [NODE.x, NODE.y]] = centred / _SPAN_KM
    nodes[:, NODE.degree] = np.bincount(ends[shown].ravel(), minlength=n) / n
    nodes[:, NODE.betweenness] = list(between.values())
    links = np.zeros((len(shown), len(LINK)), dtype=np.float32)
    links[:, LINK.length] = topology.length_km[shown] / _SPAN_KM
    gap = topology.positions_km[pairs[:, 0]] - topology.positions_km[pairs[:, 1]]
    return PredictionTask(
        nodes=nodes,
        links=links,
        ends=ends[shown],
        given=given,
        pairs=pairs,
        distance_km=np.linalg.norm(gap, axis=1),
        linked=np.repeat([1.0, 0.0], [len(hidden), len(apart)]),
    )


def _join(tasks: Sequence[PredictionTask]) -> tuple[GraphBatch, torch.Tensor, torch.Tensor]:
    """Several networks as one, the pairs to predict (2, P), and their labels (P,)."""
    pairs = join_pairs([task.pairs for task in tasks], tasks)
    linked = torch.as_tensor(np.concatenate([task.linked for task in tasks])).float()
    return join_graphs(tasks), pairs, linked


def _logits(model: LinkViabilityGNN, graph: GraphBatch, pairs: torch.Tensor) -> torch.Tensor:
    """Logit that each pair is linked, (P,), from the embeddings of its sites."""
    known = model.link_in(graph.links[:, model.link_columns])
    sites = model.embed_sites(graph, known)
    nothing = known.new_zeros(pairs.shape[1], known.shape[1])
    return model.decode(model.embed_pairs(sites, pairs, nothing))[0]


def _fit(
    training: Sequence[PredictionTask], validation: Sequence[PredictionTask], seed: int
) -> LinkViabilityGNN:
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    # Geometry needs no refinement by further passes, which blur positions.
    model = LinkViabilityGNN(passes=1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=1e-4)
    known, asked, answer = _join(validation)
    stopping = EarlyStopping(model, _PATIENCE)
    for _ in range(_EPOCHS):
        order = rng.permutation(len(training))
        for first in range(0, len(order), _BATCH):
            graph, pairs, linked = _join([training[i] for i in order[first : first + _BATCH]])
            loss = cross_entropy(_logits(model, graph, pairs), linked)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        with torch.no_grad():
            now = float(cross_entropy(_logits(model, known, asked), answer))
        if stopping.check(model, now):
            break
    model.load_state_dict(stopping.weights)
    return model


def neighbourhood_scores(task: PredictionTask) -> dict[str, F64]:
    """Scores of the pairs by the heuristics of link prediction, each (P,)."""
    pairs = [tuple(pair) for pair in task.pairs.tolist()]
    indices = {
        "adamic-adar": nx.adamic_adar_index,
        "jaccard": nx.jaccard_coefficient,
        "preferential attachment": nx.preferential_attachment,
    }
    shared = [len(list(nx.common_neighbors(task.given, u, v))) for u, v in pairs]
    found = {"common neighbours": np.array(shared, dtype=np.float64)}
    for name, index in indices.items():
        found[name] = np.array([score for _, _, score in index(task.given, pairs)])
    return found


def study_size(n_sites: int, networks: int, seed: int = 0) -> dict[str, dict[str, float]]:
    """AUC and average precision per predictor, means over five folds of at least five networks."""
    rng = np.random.default_rng([seed, n_sites])
    tasks: list[PredictionTask] = []
    while len(tasks) < networks:
        task = hide_links(source_study(n_sites, rng), rng)
        # Small networks may link all pairs, which leaves nothing to tell apart.
        if not task.linked.all():
            tasks.append(task)
    found: dict[str, list[list[float]]] = {}
    for held in tqdm(range(FOLDS), desc=f"{n_sites} sites", unit="fold"):
        rest = (held + 1) % FOLDS
        training = [task for i, task in enumerate(tasks) if i % FOLDS not in (held, rest)]
        model = _fit(training, tasks[rest::FOLDS], seed)
        distance = LogisticRegression().fit(
            np.concatenate([task.distance_km for task in training])[:, None],
            np.concatenate([task.linked for task in training]),
        )
        for task in tasks[held::FOLDS]:
            with torch.no_grad():
                graph, pairs, _ = _join([task])
                scores = {"gnn": _logits(model, graph, pairs).numpy()}
            scores |= neighbourhood_scores(task)
            scores["distance"] = distance.decision_function(task.distance_km[:, None])
            for name, score in scores.items():
                both = [metric(task.linked, score) for metric in _METRICS.values()]
                found.setdefault(name, []).append(both)
    return {
        name: dict(zip(_METRICS, np.mean(rows, axis=0), strict=True))
        for name, rows in found.items()
    }
