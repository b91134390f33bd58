"""Scored paths as a policy that sees observations alone."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from qkd_gym.envs.observation import Observation
from qkd_gym.envs.tasks import ROUTING, task_of
from qkd_gym.errors import InvalidInput, shown
from qkd_gym.features import ALARM, SETTING
from qkd_gym.network.compiled.memory import padded
from qkd_gym.scoring.paths.choice import new_scratch
from qkd_gym.scoring.paths.play import choose_all
from qkd_gym.scoring.paths.weights import PathWeights
from qkd_gym.scoring.weights import as_vector

_TYPES: dict[str, Any] = {
    **dict.fromkeys(("link_endpoints", "request_endpoints", "path_links"), np.int64),
    **dict.fromkeys(("node_mask", "link_mask", "action_mask"), np.int8),
}  # of the fields that hold no features


@dataclass(frozen=True)
class ScoredPaths:
    """Serves a request over the path of the largest score, and refuses it if none exceeds zero.

    It plays `Routing` with networks of any size.

    Attributes:
        weights: What paths are worth.
        name: Name for reports.
    """

    env_id: ClassVar[str] = ROUTING.env_id

    weights: PathWeights
    name: str = "scored-paths"

    def digest(self) -> str:
        """Changes with the weights, as hexadecimal digits."""
        return hashlib.sha256(as_vector(self.weights).tobytes()).hexdigest()

    def predict(
        self,
        obs: Mapping[str, NDArray[Any]],
        state: Any = None,
        episode_start: NDArray[np.bool_] | None = None,
        deterministic: bool = True,
    ) -> tuple[NDArray[np.int64], Any]:
        """Actions for one observation or, with a leading axis on every array, for a batch.

        Raises:
            InvalidInput: If the observations are not of `Routing`.
        """
        if obs["links"].ndim == 2:
            single = {name: np.asarray(array)[None] for name, array in obs.items()}
            return self.predict(single)[0][0], state
        if task_of(obs) is not ROUTING:
            raise InvalidInput(
                f"policy is {shown(self.name)}, but must be one that plays {task_of(obs).name}."
            )
        observation = as_compiled(obs)
        batch, n_links = obs["link_mask"].shape
        choices = np.empty(batch, np.int64)
        scratch = new_scratch(n_links, obs["nodes"].shape[1])
        choose_all(self.weights, observation, scratch, 0, choices)
        return choices, state


def as_compiled(obs: Mapping[str, NDArray[Any]]) -> Observation:
    """Observations as compiled code has them.

    Args:
        obs: Observations of `Routing` with a leading axis B.
    """
    batch, n_links, n_features = obs["links"].shape
    links = np.zeros((batch, n_features, padded(n_links)), np.float32)
    links[:, :, :n_links] = obs["links"].transpose(0, 2, 1)
    others: dict[str, Any] = {
        name: np.ascontiguousarray(array, _TYPES.get(name, np.float32))
        for name, array in obs.items()
        if name not in ("links", "nodes")
    }
    absent: dict[str, Any] = {
        "past_endpoints": np.zeros((batch, 0, 2), np.int64),
        "past_sizes": np.zeros((batch, 0), np.float32),
        "setting": np.zeros((batch, len(SETTING)), np.float32),
        "blocks": np.zeros((batch, 0), np.float32),
        "alarms": np.zeros((batch, 0, len(ALARM)), np.float32),
    }
    nodes = np.ascontiguousarray(obs["nodes"].transpose(0, 2, 1), np.float32)
    return Observation(links=links, nodes=nodes, **(absent | others))
