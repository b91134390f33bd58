"""Classical predictors of link viability, for comparison with the graph network.

All read the same observations. The strongest is a posterior over the hidden misalignment of the
sites, a linear mixed model solved exactly, whose prediction joins a link's own features in
gradient boosting.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from qkd_gym.envs.layout import LINK
from qkd_gym.gnn.data import ViabilityGraph
from qkd_gym.gnn.hidden import REFERENCE, HiddenQuality
from qkd_gym.gnn.model import LINK_INPUTS
from qkd_gym.network.tables import rate_table

F64 = NDArray[np.float64]
Graphs = Sequence[ViabilityGraph]

_OWN = [LINK[name] for name in LINK_INPUTS]
_LEAVES = {"max_iter": 300, "learning_rate": 0.05, "early_stopping": True, "random_state": 0}


def last_value(graph: ViabilityGraph) -> F64:
    """A link's rate when last seen, as a share of nominal; of unseen links the usual share."""
    seen = graph.links[:, LINK["freshness"]] > 0.0
    return np.where(seen, graph.links[:, LINK["observed_rate"]], 0.5).astype(np.float64)


def own_features(graph: ViabilityGraph) -> F64:
    """What is known of each link by itself, (E, features)."""
    return graph.links[:, _OWN].astype(np.float64)


def site_posterior(graph: ViabilityGraph, setting: HiddenQuality = REFERENCE) -> F64:
    """Mean and standard deviation of the misalignment that each link will have, (E, 4).

    Linear mixed model: misalignment of a link = base + effect of either site + drift, with normal
    effects of the half-normal's mean and variance. A measurement is the sum at its time; drift
    decays between it and the middle of the horizon. Also gives mean and deviation of the two
    sites' sum alone.
    """
    table = rate_table(setting.preset)
    clean, spoilt = (table.look_up(_loss_db(graph, setting), m)[1] for m in (0.0, 0.1))
    links = graph.links.astype(np.float64)
    seen = links[:, LINK["freshness"]] > 0.0
    qber = links[:, LINK["observed_qber"]] * table.qber_threshold
    # At a given loss the QBER is linear in the misalignment.
    error = (qber - clean) * 0.1 / np.maximum(spoilt - clean, 1e-9)

    n = len(graph.nodes)
    ends = graph.ends
    mean = setting.site_misalignment * np.sqrt(2.0 / np.pi)
    variance = max(setting.site_misalignment**2 * (1.0 - 2.0 / np.pi), 1e-12)
    noise = setting.drift_std**2 + 1e-8
    member = np.zeros((int(seen.sum()), n))
    rows = np.arange(len(member))
    member[rows, ends[seen, 0]] = 1.0
    member[rows, ends[seen, 1]] = 1.0
    covariance = np.linalg.inv(np.eye(n) / variance + member.T @ member / noise)
    residual = error[seen] - setting.misalignment - 2.0 * mean
    sites = mean + covariance @ (member.T @ residual) / noise

    pair = sites[ends].sum(axis=1)
    own = np.diag(covariance)
    pair_variance = own[ends].sum(axis=1) + 2.0 * covariance[ends[:, 0], ends[:, 1]]
    age_s = -3600.0 * np.log(np.where(seen, links[:, LINK["freshness"]], 1.0))
    kept = np.where(seen, np.exp(-(age_s + 900.0) / setting.drift_memory_s), 0.0)
    future = kept * (np.where(seen, error, 0.0) - setting.misalignment) + (1.0 - kept) * pair
    spread = (1.0 - kept) ** 2 * pair_variance + setting.drift_std**2 * (1.0 - kept**2)
    return np.stack([future, np.sqrt(spread), pair, np.sqrt(pair_variance)], axis=1)


def _loss_db(graph: ViabilityGraph, setting: HiddenQuality) -> F64:
    """The loss that a nominal key rate belongs to, (E,)."""
    table = rate_table(setting.preset)
    grid = np.arange(0.0, 60.0, 0.25)
    rate = np.log1p(table.look_up(grid, setting.misalignment)[0] * 3600.0 / 30e6)
    return np.interp(-graph.links[:, LINK["nominal_rate"]].astype(np.float64), -rate, grid)


class Rivals:
    """Predictors fitted on the same networks as the graph network.

    Args:
        graphs: Training networks.
        setting: Distribution that they were drawn from, known to the site posterior.
    """

    names = ("last value", "logistic per link", "boosting per link", "site posterior + boosting")

    def __init__(self, graphs: Graphs, setting: HiddenQuality = REFERENCE) -> None:
        self.setting = setting
        own = np.concatenate([own_features(graph) for graph in graphs])
        joint = np.concatenate([self._joint(graph) for graph in graphs])
        viable = np.concatenate([graph.viable for graph in graphs])
        last = np.concatenate([last_value(graph) for graph in graphs])[:, None]
        self._last = LogisticRegression().fit(last, viable)
        self._logistic = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
        self._logistic.fit(own, viable)
        self._own = HistGradientBoostingClassifier(**_LEAVES).fit(own, viable)
        self._joint_model = HistGradientBoostingClassifier(**_LEAVES).fit(joint, viable)

    def _joint(self, graph: ViabilityGraph) -> F64:
        return np.hstack([own_features(graph), site_posterior(graph, self.setting)])

    def predict(self, graph: ViabilityGraph) -> dict[str, F64]:
        """Probability of each link to be viable, (E,), by name of the predictor."""
        chances = (
            self._last.predict_proba(last_value(graph)[:, None]),
            self._logistic.predict_proba(own_features(graph)),
            self._own.predict_proba(own_features(graph)),
            self._joint_model.predict_proba(self._joint(graph)),
        )
        return {name: chance[:, 1] for name, chance in zip(self.names, chances, strict=True)}
