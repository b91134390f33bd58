"""Classical predictors of link viability, for comparison with the graph network.

All read the same observations. The strongest is a posterior over the hidden misalignment of the
sites, a linear mixed model solved exactly, whose prediction joins a link's own features in
gradient boosting.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from qkd_gym.features import LINK
from qkd_gym.gnn.data import ViabilityGraph
from qkd_gym.gnn.hidden import REFERENCE, HiddenQuality
from qkd_gym.gnn.model import LINK_INPUTS
from qkd_gym.gnn.study.inference import site_posterior

F64 = NDArray[np.float64]
Graphs = Sequence[ViabilityGraph]

PER_LINK = ("last value", "logistic per link", "boosting per link")
SITE_POSTERIOR = "site posterior + boosting"
_OWN = [getattr(LINK, name) for name in LINK_INPUTS]
_LEAVES = {"max_iter": 300, "learning_rate": 0.05, "early_stopping": True, "random_state": 0}


def last_value(graph: ViabilityGraph, unseen_share: float = 0.5) -> F64:
    """Key rate of each link when last seen as a share of nominal, (E,).

    Args:
        graph: The network as the operator sees it.
        unseen_share: Value of links that were never seen.
    """
    seen = graph.links[:, LINK.freshness] > 0.0
    share = np.where(seen, graph.links[:, LINK.observed_rate], unseen_share)
    return share.astype(np.float64)


class ClassicalPredictors:
    """Predictors fitted on the same networks as the graph network.

    Args:
        graphs: Training networks.
        setting: Distribution that they were drawn from, known to the site posterior.

    Attributes:
        names: Names of the predictors of viability.
        mean_share: Mean key rate of the training links as a share of nominal.
    """

    names = (*PER_LINK, SITE_POSTERIOR)

    def __init__(self, graphs: Graphs, setting: HiddenQuality = REFERENCE) -> None:
        self.setting = setting
        last, own, joint = self._inputs(graphs)
        viable = np.concatenate([graph.viable for graph in graphs])
        share = np.concatenate([graph.rate_share for graph in graphs])
        self._last = LogisticRegression().fit(last, viable)
        self._logistic = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
        self._logistic.fit(own, viable)
        self._own = HistGradientBoostingClassifier(**_LEAVES).fit(own, viable)
        self._joint = HistGradientBoostingClassifier(**_LEAVES).fit(joint, viable)
        self._own_share = HistGradientBoostingRegressor(**_LEAVES).fit(own, share)
        self._joint_share = HistGradientBoostingRegressor(**_LEAVES).fit(joint, share)
        self.mean_share = float(share.mean())

    def _inputs(self, graphs: Graphs) -> tuple[F64, F64, F64]:
        """Last value, all that is known of a link itself, and that with its sites' posterior.

        Each has a row for every link of all networks.
        """
        own = np.concatenate([graph.links[:, _OWN].astype(np.float64) for graph in graphs])
        sites = np.concatenate([site_posterior(graph, self.setting) for graph in graphs])
        last = np.concatenate([last_value(graph) for graph in graphs])
        return last[:, None], own, np.hstack([own, sites])

    def predict(self, graph: ViabilityGraph) -> dict[str, F64]:
        """Probability of each link to be viable, (E,), by name of the predictor."""
        return {name: chances[0] for name, chances in self.predict_many([graph]).items()}

    def predict_many(self, graphs: Graphs) -> dict[str, list[F64]]:
        """Probability of each link to be viable, by predictor one array (E,) per network.

        Faster than a call of `predict` for every network.
        """
        last, own, joint = self._inputs(graphs)
        chances = (
            self._last.predict_proba(last),
            self._logistic.predict_proba(own),
            self._own.predict_proba(own),
            self._joint.predict_proba(joint),
        )
        return {
            name: _split(chance[:, 1], graphs)
            for name, chance in zip(self.names, chances, strict=True)
        }

    def predict_rate_share(self, graphs: Graphs) -> dict[str, list[F64]]:
        """Expected key rates as shares of nominal, by predictor one array (E,) per network."""
        _, own, joint = self._inputs(graphs)
        return {
            PER_LINK[-1]: _split(self._own_share.predict(own), graphs),
            SITE_POSTERIOR: _split(self._joint_share.predict(joint), graphs),
        }


def _split(values: F64, graphs: Graphs) -> list[F64]:
    return np.split(values, np.cumsum([len(graph.ends) for graph in graphs[:-1]]))
