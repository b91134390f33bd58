"""Rules that refuse requests of little worth although a path holds their key."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qkd_gym.baselines.policy import Observation
from qkd_gym.baselines.routing import cheapest, fill_left
from qkd_gym.baselines.rules import Tunable, parameter
from qkd_gym.features import HOPS_SCALE, PATH, REQUEST

F64 = NDArray[np.float64]


def worth_per_hop(obs: Observation) -> F64:
    """Worth of the request per bit of key that each candidate path takes, shape (B, K)."""
    hops = np.maximum(np.rint(HOPS_SCALE * obs["paths"][..., PATH.hops].astype(np.float64)), 1.0)
    return np.asarray(obs["request"][:, REQUEST.value, None] / hops)


@dataclass(frozen=True)
class ClassReservation(Tunable):
    """The cheapest path whose pools keep a reserve, which is larger the less a request is worth.

    Trunk reservation by classes (Key, Probab. Eng. Inf. Sci. 4, 1990): what is worth little may
    only take key that is not soon wanted by what is worth more. Prices are those of
    `routing.ExponentialPrice`.

    Attributes:
        reserve: Fill that a request worth nothing must leave in every pool of its path.
        free_worth: Worth per bit of key taken, over that of the mean offered bit, from which on a
            request need leave nothing; below it the reserve falls linearly with the worth.
    """

    reserve: float = parameter(0.3, 0.0, 0.1, 0.2, 0.25, 0.3, 0.4, 0.5)
    free_worth: float = parameter(1.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)

    def __call__(self, obs: Observation, mask: NDArray[np.bool_]) -> NDArray[np.int64]:
        """One path per observation."""
        lacking = 1.0 - worth_per_hop(obs) / max(self.free_worth, 1e-6)
        allowed = mask.copy()
        allowed[:, :-1] &= fill_left(obs) >= self.reserve * np.maximum(lacking, 0.0)
        return cheapest(obs["paths"][..., PATH.price], allowed)
