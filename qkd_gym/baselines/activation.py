"""Rules for which link to switch.

The scored rules value every link and switch when a link is worth enough more than the links that
the environment would release for it. Hysteresis makes up for the key that is lost while a link
calibrates; without it max-weight is not throughput-optimal (Celik, Borst, Whiting and Modiano,
Queueing Systems 83, 2016).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qkd_gym.baselines.deficit import Weights, deficit_gains, deficit_scores
from qkd_gym.baselines.occupancy import gains, networks, switch_gains, switches
from qkd_gym.baselines.policy import Observation
from qkd_gym.baselines.rules import Tunable, feature, parameter
from qkd_gym.envs.tasks import task_of
from qkd_gym.errors import require_between
from qkd_gym.features import RUNNING_SCALE_S

F64 = NDArray[np.float64]


class StaticPlan:
    """Never switches: the links that run at the start, the rounded fluid plan, stay on.

    A weak reference: with two modules per site these links leave most networks in parts, between
    which nothing can be delivered.
    """

    def __call__(self, obs: Observation, mask: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Holds everywhere."""
        return np.full(len(mask), mask.shape[1] - 1)


def hourly(obs: Observation, name: str) -> F64:
    """A rate or demand of the links in pool capacities per hour, shape (B, E)."""
    return np.expm1(feature(obs, name))


def relative_rate(obs: Observation) -> F64:
    """Estimated key rate over nominal rate: the last one seen, fading to 1 with its age."""
    return 1.0 + feature(obs, "freshness") * (feature(obs, "observed_rate") - 1.0)


def estimated_rate(obs: Observation) -> F64:
    """Estimated key rate in pool capacities per hour, shape (B, E)."""
    return hourly(obs, "nominal_rate") * np.maximum(relative_rate(obs), 0.0)


def ran_s(obs: Observation) -> F64:
    """Time since the activation of each link, in seconds, shape (B, E); 0 when inactive."""
    return -RUNNING_SCALE_S * np.log(np.maximum(1.0 - feature(obs, "running_time"), 1e-9))


@dataclass(frozen=True)
class ScoredActivation(Tunable, ABC):
    """Activates the link whose score exceeds that of the links it displaces by the most.

    Attributes:
        hysteresis: The score of the displaced links counts 1 + this many times.
        least_gain: Smallest gain in score that is worth a switch.
        dwell_s: Links that have run for less than this are not displaced.
    """

    hysteresis: float = parameter(0.5, 0.0, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5)
    least_gain: float = parameter(0.01, 0.0, 0.01, 0.03, 0.1, 0.3)
    dwell_s: float = parameter(540.0, 0.0, 240.0, 360.0, 540.0, 720.0, 900.0, 1200.0)

    @abstractmethod
    def score(self, obs: Observation) -> F64:
        """Worth of running each link, shape (B, E), at least zero."""

    def price(self, obs: Observation, score: F64) -> F64:
        """What giving up each link costs, shape (B, E)."""
        return (1.0 + self.hysteresis) * score

    def gain(self, obs: Observation, mask: NDArray[np.bool_]) -> F64:
        """Gain in score of switching each link on, (B, E); minus infinity where that is no option.

        Args:
            obs: Observations with a leading batch axis B.
            mask: Legal choices, (B, E + 1).
        """
        score = self.score(obs)
        price = self.price(obs, score)
        return np.asarray(gains(*networks(obs), mask, score, price, self.dwell_s))

    def switch_gain(
        self, obs: Observation, mask: NDArray[np.bool_]
    ) -> tuple[F64, NDArray[np.int64]]:
        """The same where the operator says which links make way, (B, E), and the link that makes
        way at each site, (B, N), -1 for none.

        Args:
            obs: Observations with a leading batch axis B.
            mask: Legal choices, (B, E + 1).
        """
        score = self.score(obs)
        price = self.price(obs, score)
        gain, makes_way = switch_gains(*networks(obs), mask, score, price, self.dwell_s)
        return gain, makes_way

    def __call__(self, obs: Observation, mask: NDArray[np.bool_]) -> NDArray[np.int64]:
        """The link to activate, or to hold; where the operator says which links make way, first
        those of the least price."""
        if task_of(obs).decides_releases:
            gain, makes_way = self.switch_gain(obs, mask)
            return np.asarray(switches(gain, makes_way, networks(obs).ends, self.least_gain))
        gain = self.gain(obs, mask)
        worth = gain.max(axis=1) > self.least_gain
        return np.asarray(np.where(worth, gain.argmax(axis=1), mask.shape[1] - 1))


@dataclass(frozen=True)
class MaxWeight(ScoredActivation):
    """Estimated key rate times a power of the pool's deficit.

    Max-weight (Tassiulas and Ephremides, IEEE Trans. Autom. Control 37, 1992) has the first power;
    any other is as stable and keeps the emptiest pools shorter (Stolyar, Ann. Appl. Probab. 14,
    2004).

    Attributes:
        alpha: Exponent of the deficit.
    """

    hysteresis: float = parameter(4.0, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
    least_gain: float = parameter(0.6, 0.0, 0.03, 0.1, 0.3, 0.6, 1.0)
    dwell_s: float = parameter(0.0, 0.0, 240.0, 360.0, 540.0)
    alpha: float = parameter(2.0, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0)

    def score(self, obs: Observation) -> F64:
        """See `ScoredActivation.score`."""
        return estimated_rate(obs) * (1.0 - feature(obs, "pool_fill")) ** self.alpha


@dataclass(frozen=True)
class LowestPoolFirst(ScoredActivation):
    """Refills the emptiest pool whose link seems to work.

    Attributes:
        rate_gate: Least estimated rate, over nominal, of a link that seems to work.
    """

    dwell_s: float = parameter(0.0, 0.0, 240.0, 360.0, 540.0)
    rate_gate: float = parameter(0.3, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6)

    def score(self, obs: Observation) -> F64:
        """See `ScoredActivation.score`."""
        works = relative_rate(obs) > self.rate_gate
        return np.where(works, 1.0 - feature(obs, "pool_fill"), 0.0)


class MaxWeightNoHysteresis(MaxWeight):
    """Max-weight as the theorem without calibration has it: any gain is worth a switch."""

    def __init__(self) -> None:
        super().__init__(hysteresis=0.0, least_gain=0.0, dwell_s=0.0)

    @classmethod
    def search_space(cls) -> dict[str, Sequence[float]]:
        """Nothing to tune."""
        return {}


@dataclass(frozen=True)
class Threshold(ScoredActivation):
    """Activates the emptiest pool below one level, where only pools above another one pay for it.

    The plain rule of an operator: it knows neither demand nor rates.

    Attributes:
        low: Fill below which a pool wants its link.
        high: Fill above which a pool can do without.
    """

    hysteresis: float = parameter(0.0, 0.0)
    least_gain: float = parameter(0.0, 0.0)
    dwell_s: float = parameter(540.0, 0.0, 240.0, 360.0, 540.0, 900.0)
    low: float = parameter(0.7, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 1.0)
    high: float = parameter(0.9, 0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 0.97)

    def score(self, obs: Observation) -> F64:
        """How far a pool is below ``low``."""
        return np.maximum(self.low - feature(obs, "pool_fill"), 0.0)

    def price(self, obs: Observation, score: F64) -> F64:
        """Nothing above ``high``, and too much below."""
        return np.where(feature(obs, "pool_fill") >= self.high, 0.0, np.inf)


@dataclass(frozen=True)
class Shortfall(ScoredActivation):
    """Activates the link whose pool would miss the most key within a horizon, if it can make it.

    Attributes:
        horizon_h: How far ahead to look, in hours.
        setup_h: Time in which a link that is switched on makes no key, in hours.
    """

    hysteresis: float = parameter(0.0, 0.0)
    least_gain: float = parameter(0.01, 0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3)
    dwell_s: float = parameter(540.0, 0.0, 240.0, 360.0, 540.0)
    horizon_h: float = parameter(0.25, 0.1, 0.25, 0.35, 0.5, 1.0, 1.5, 2.0, 4.0)
    setup_h: float = parameter(0.2, 0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.35)

    def score(self, obs: Observation) -> F64:
        """Key that the link would add within the horizon and that will be asked for."""
        return self._worth(obs, max(self.horizon_h - self.setup_h, 0.0))

    def price(self, obs: Observation, score: F64) -> F64:
        """The same for a link that makes key already."""
        return self._worth(obs, self.horizon_h)

    def _worth(self, obs: Observation, making_h: float) -> F64:
        demand = hourly(obs, "demand_average")
        missing = np.maximum(demand * self.horizon_h - feature(obs, "pool_fill"), 0.0)
        return np.minimum(estimated_rate(obs) * making_h, missing)


@dataclass(frozen=True)
class DemandDeficit(ScoredActivation):
    """What the pool lacks, weighted by demand and rate, plus recent demand that was blocked.

    score = demand^demand_power x rate^rate_power x deficit, if the link seems to work,
    + kappa x blocked average x min(1, rate / demand), with demand and rate in pool capacities per
    hour. The deficit mixes what is missing from a full pool with what is missing from half an
    hour of recent demand.

    The defaults were tuned on training episodes of `metro`.

    Attributes:
        kappa: Weight of blocked demand.
        demand_power: Exponent of the recent demand.
        rate_power: Exponent of the estimated key rate.
        rate_gate: Least estimated rate, over nominal, of a link that seems to work.
        cover_weight: Weight of the second deficit, at most 1.
    """

    hysteresis: float = parameter(0.5, 0.0, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0)
    least_gain: float = parameter(0.4, 0.0, 0.03, 0.1, 0.2, 0.3, 0.4, 0.5)
    dwell_s: float = parameter(0.0, 0.0, 240.0, 360.0, 540.0, 720.0)
    kappa: float = parameter(0.25, 0.0, 0.1, 0.175, 0.25, 0.35, 0.5, 1.0, 2.0)
    demand_power: float = parameter(0.0, 0.0, 0.125, 0.25, 0.5, 0.75, 1.0)
    rate_power: float = parameter(0.25, 0.0, 0.125, 0.25, 0.375, 0.5, 0.75, 1.0)
    rate_gate: float = parameter(0.0, 0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5)
    cover_weight: float = parameter(0.25, 0.0, 0.15, 0.25, 0.3, 0.4, 0.5, 0.6, 0.75, 1.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        require_between("cover_weight", self.cover_weight, 0.0, 1.0)

    def score(self, obs: Observation) -> F64:
        """See `ScoredActivation.score`."""
        return np.asarray(deficit_scores(obs["links"], self._weights()))

    def gain(self, obs: Observation, mask: NDArray[np.bool_]) -> F64:
        """See `ScoredActivation.gain`."""
        return np.asarray(deficit_gains(*networks(obs), mask, self._weights()))

    def _weights(self) -> Weights:
        return Weights(*(getattr(self, name) for name in Weights._fields))
