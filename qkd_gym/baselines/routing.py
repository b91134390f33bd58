"""Rules for the path of a request; all refuse it if no candidate path holds the key."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qkd_gym.baselines.policy import Observation
from qkd_gym.baselines.rules import Tunable, parameter
from qkd_gym.envs.layout import LINK, PATH


def cheapest(cost: NDArray[np.floating], mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The legal path of least cost, shape (B,); the first of equals, and refusal if there is none.

    Args:
        cost: Cost of the candidate paths, shape (B, K).
        mask: Legal choices, shape (B, K + 1).
    """
    refusal = np.full((len(mask), 1), np.finfo(np.float64).max)
    costs = np.where(mask, np.hstack([cost, refusal]), np.inf)
    return np.asarray(costs.argmin(axis=1))


class ShortestPath:
    """Fewest hops; of equals, the lightest."""

    def __call__(self, obs: Observation, mask: NDArray[np.bool_]) -> NDArray[np.int64]:
        """One path per observation."""
        return cheapest(obs["paths"][..., PATH["hops"]], mask)


class WidestPath:
    """Fullest smallest pool; of equals, the lightest."""

    def __call__(self, obs: Observation, mask: NDArray[np.bool_]) -> NDArray[np.int64]:
        """One path per observation."""
        return cheapest(-obs["paths"][..., PATH["bottleneck"]], mask)


@dataclass(frozen=True)
class ExponentialPrice(Tunable):
    """Least sum of prices that grow exponentially as a pool empties.

    A hop costs one besides (Awerbuch, Azar and Plotkin, FOCS 1993).

    Attributes:
        steepness: Exponent of an empty pool.
        price_weight: Price of an empty pool, in hops.
    """

    steepness: float = parameter(5.0, 1.0, 2.0, 3.0, 5.0, 8.0)
    price_weight: float = parameter(10.0, 0.5, 1.0, 3.0, 10.0, 30.0)

    def __call__(self, obs: Observation, mask: NDArray[np.bool_]) -> NDArray[np.int64]:
        """One path per observation."""
        empty = 1.0 - np.asarray(obs["links"][..., LINK["pool_fill"]], dtype=np.float64)
        steepness = max(self.steepness, 1e-6)  # the limit is a linear price
        price = 1.0 + self.price_weight * np.expm1(steepness * empty) / np.expm1(steepness)
        padded = np.pad(price, ((0, 0), (0, 1)))
        rows = np.arange(len(price))[:, None, None]
        return cheapest(padded[rows, obs["path_links"]].sum(axis=-1), mask)
