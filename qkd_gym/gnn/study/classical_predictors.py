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

    Links that were never seen have ``unseen_share``.
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
        viable = np.concatenate([graph.viable for graph in graphs])
        share = np.concatenate([graph.rate_share for graph in graphs])
        inputs = self._inputs(graphs)
        models = (
            LogisticRegression(),
            make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)),
            HistGradientBoostingClassifier(**_LEAVES),
            HistGradientBoostingClassifier(**_LEAVES),
        )
        self._of_viability = {
            name: model.fit(inputs[name], viable)
            for name, model in zip(self.names, models, strict=True)
        }
        self._of_share = {
            name: HistGradientBoostingRegressor(**_LEAVES).fit(inputs[name], share)
            for name in self.names[-2:]
        }
        self.mean_share = float(share.mean())

    def _inputs(self, graphs: Graphs) -> dict[str, F64]:
        """What each predictor reads, a row for every link of all networks.

        The last value, all that is known of a link itself, or that with its sites' posterior.
        """
        last = np.concatenate([last_value(graph) for graph in graphs])[:, None]
        own = np.concatenate([graph.links[:, _OWN].astype(np.float64) for graph in graphs])
        sites = np.concatenate([site_posterior(graph, self.setting) for graph in graphs])
        return dict(zip(self.names, (last, own, own, np.hstack([own, sites])), strict=True))

    def predict(self, graph: ViabilityGraph) -> dict[str, F64]:
        """Probability of each link to be viable, (E,), by name of the predictor."""
        return {name: chances[0] for name, chances in self.predict_many([graph]).items()}

    def predict_many(self, graphs: Graphs) -> dict[str, list[F64]]:
        """Probability of each link to be viable, by predictor one array (E,) per network.

        Faster than a call of `predict` for every network.
        """
        inputs = self._inputs(graphs)
        return {
            name: _split(model.predict_proba(inputs[name])[:, 1], graphs)
            for name, model in self._of_viability.items()
        }

    def predict_rate_share(self, graphs: Graphs) -> dict[str, list[F64]]:
        """Expected key rates as shares of nominal, by predictor one array (E,) per network."""
        inputs = self._inputs(graphs)
        return {
            name: _split(model.predict(inputs[name]), graphs)
            for name, model in self._of_share.items()
        }


def _split(values: F64, graphs: Graphs) -> list[F64]:
    return np.split(values, np.cumsum([len(graph.ends) for graph in graphs[:-1]]))
