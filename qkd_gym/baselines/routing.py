"""Rules for the path of a request; all refuse it if no candidate path holds the key."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qkd_gym.baselines.activation import estimated_rate, hourly
from qkd_gym.baselines.policy import Observation
from qkd_gym.baselines.rules import Tunable, feature, parameter
from qkd_gym.features import HOPS_SCALE, PATH


def cheapest(cost: NDArray[np.floating], mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The legal path of least cost, shape (B,); the first of equals, and refusal if there is none.

    Args:
        cost: Cost of the candidate paths, shape (B, K).
        mask: Legal choices, shape (B, K + 1).
    """
    refusal = np.full((len(mask), 1), np.finfo(np.float64).max)
    costs = np.where(mask, np.hstack([cost, refusal]), np.inf)
    return np.asarray(costs.argmin(axis=1))


def along(obs: Observation, values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Values, shape (B, E), at the links of every candidate path, (B, K, H); padding is zero."""
    padded = np.pad(values, ((0, 0), (0, 1)))
    return np.asarray(padded[np.arange(len(values))[:, None, None], obs["path_links"]])


def fill_left(obs: Observation) -> NDArray[np.float64]:
    """Fill of the emptiest pool of every candidate path after the request, shape (B, K)."""
    paths = np.asarray(obs["paths"], dtype=np.float64)
    fill = paths[..., PATH.bottleneck]
    cover = np.maximum(paths[..., PATH.cover], 1e-9)  # fill / (fill + request)
    return np.asarray(fill - fill * (1.0 / cover - 1.0))


class ShortestPath:
    """Fewest hops; of equals, the lightest."""

    def __call__(self, obs: Observation, mask: NDArray[np.bool_]) -> NDArray[np.int64]:
        """One path per observation."""
        return cheapest(obs["paths"][..., PATH.hops], mask)


class ShortestDistance:
    """Fewest kilometres."""

    def __call__(self, obs: Observation, mask: NDArray[np.bool_]) -> NDArray[np.int64]:
        """One path per observation."""
        return cheapest(obs["paths"][..., PATH.length], mask)


class WidestPath:
    """Fullest smallest pool; of equals, the lightest."""

    def __call__(self, obs: Observation, mask: NDArray[np.bool_]) -> NDArray[np.int64]:
        """One path per observation."""
        return cheapest(-obs["paths"][..., PATH.bottleneck], mask)


class WidestShortestPath:
    """Fewest hops; of equals, the fullest smallest pool (Guerin, Orda and Williams, 1997)."""

    def __call__(self, obs: Observation, mask: NDArray[np.bool_]) -> NDArray[np.int64]:
        """One path per observation."""
        # A fill is at most one.
        hops = np.rint(HOPS_SCALE * obs["paths"][..., PATH.hops].astype(np.float64))
        return cheapest(hops - 0.5 * obs["paths"][..., PATH.bottleneck], mask)


class LeastLoadedPath:
    """Of the candidate paths, the one whose busiest link is the least busy.

    A link's load is its recent demand over its key rate, which counts for little while the link
    is off: only its pool can serve then.
    """

    _IDLE = 0.1

    def __call__(self, obs: Observation, mask: NDArray[np.bool_]) -> NDArray[np.int64]:
        """One path per observation."""
        rate = estimated_rate(obs) * np.maximum(feature(obs, "active"), self._IDLE)
        load = hourly(obs, "demand_average") / np.maximum(rate, 1e-3)
        return cheapest(along(obs, load).max(axis=-1), mask)


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
        steepness = max(self.steepness, 1e-6)  # the limit is a linear price
        empty = steepness * (1.0 - feature(obs, "pool_fill"))
        price = 1.0 + self.price_weight * np.expm1(empty) / np.expm1(steepness)
        return cheapest(along(obs, price).sum(axis=-1), mask)


class InverseKey:
    """Least sum of the reciprocals of the stored key, as link-state routing weighs bandwidth."""

    def __call__(self, obs: Observation, mask: NDArray[np.bool_]) -> NDArray[np.int64]:
        """One path per observation."""
        price = 1.0 / np.maximum(feature(obs, "pool_fill"), 1e-6)
        return cheapest(along(obs, price).sum(axis=-1), mask)


@dataclass(frozen=True)
class BackPressure(Tunable):
    """Least sum of the backlogs of key, and refusal where they weigh more than the request.

    What a pool lacks is the backlog of the virtual queue of its link: requests are its arrivals
    and key is its service (tandem queue decomposition after Sinha and Modiano's universal
    max-weight, IEEE/ACM Trans. Networking 26, 2018). A request earns a fixed reward, from which
    the admission of drift plus penalty follows.

    Attributes:
        reward: Worth of a request, in empty pools; a path whose pools lack more refuses it.
    """

    reward: float = parameter(8.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0)

    def __call__(self, obs: Observation, mask: NDArray[np.bool_]) -> NDArray[np.int64]:
        """One path per observation."""
        backlog = along(obs, 1.0 - feature(obs, "pool_fill")).sum(axis=-1)
        worth = mask.copy()
        worth[:, :-1] &= backlog <= self.reward
        return cheapest(backlog, worth)


@dataclass(frozen=True)
class TrunkReservation(Tunable):
    """The first path while it holds the key; others only where they leave a reserve.

    Alternative routes take more hops of key, and without a reserve for direct requests they can
    drive a network into the state in which everything goes the long way (Akinpelu, 1984).

    Attributes:
        reserve: Fill that an alternative path must leave in each of its pools.
    """

    reserve: float = parameter(0.05, 0.0, 0.01, 0.03, 0.05, 0.1, 0.2, 0.3)

    def __call__(self, obs: Observation, mask: NDArray[np.bool_]) -> NDArray[np.int64]:
        """One path per observation."""
        left = fill_left(obs)
        allowed = mask.copy()
        allowed[:, 1:-1] &= left[:, 1:] >= self.reserve
        # The first path is the lightest; of the others, the one that leaves the most.
        cost = -left
        cost[:, 0] = -np.inf
        return cheapest(cost, allowed)
