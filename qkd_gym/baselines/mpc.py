"""Model predictive control: a program over the next half hour, of which the first switch is taken.

The controllers see what every policy sees. Their model takes a link's recent demand to continue,
and each link to serve its own demand; what they differ in is the key rate they expect of a link.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from qkd_gym.baselines.activation import hourly, relative_rate
from qkd_gym.baselines.occupancy import modules_per_site, released_links
from qkd_gym.baselines.policy import Observation
from qkd_gym.baselines.rules import Tunable, feature, parameter
from qkd_gym.features import HOUR_S
from qkd_gym.network.config import interval_s
from qkd_gym.planning.schedule import Program, optimise

F64 = NDArray[np.float64]

_SLOTS = 8
_WHOLE_SLOTS = 1  # slots in which links are on or off; later ones may share modules in time
_GAP = 0.02
_FAILED = 0.1  # a link that was seen with less than this share of its nominal rate has failed


@dataclass(frozen=True)
class PredictiveControl(Tunable):
    """Certainty equivalence: the last rate seen, fading to nominal with its age, is the future.

    Attributes:
        calibration_s: Time from activation until key flows, as the network is configured.
        slot_s: Length of a slot of the program, which looks eight slots ahead.
        stock_value: Worth of key that is left in a pool after the horizon, over that of served key.
        base_demand: Demand added to every link's, in pool capacities per hour, for what nobody
            has asked for yet.
    """

    solves_programs: ClassVar[bool] = True

    calibration_s: float = parameter(180.0)
    slot_s: float = parameter(180.0, 120.0, 180.0, 300.0)
    stock_value: float = parameter(0.3, 0.0, 0.1, 0.2, 0.3, 0.5, 0.7)
    base_demand: float = parameter(0.1, 0.0, 0.05, 0.1, 0.2, 0.4)

    @classmethod
    def search_space(cls) -> dict[str, Sequence[float]]:
        """Values that tuning tries; the calibration time is a fact."""
        return {name: values for name, values in super().search_space().items() if values}

    def expected_rate(self, obs: Observation) -> F64:
        """Expected key rate over nominal, shape (B, E)."""
        return np.maximum(relative_rate(obs), 0.0)

    def __call__(self, obs: Observation, mask: NDArray[np.bool_]) -> NDArray[np.int64]:
        """The switch that the plan begins with."""
        members = ({k: v[b : b + 1] for k, v in obs.items()} for b in range(len(mask)))
        return np.array([self._switch(*one) for one in zip(members, mask, strict=True)])

    def _switch(self, obs: Observation, mask: NDArray[np.bool_]) -> int:
        """The switch of the only member of a batch."""
        real, hold = np.flatnonzero(mask[:-1]), len(mask) - 1
        rate = (hourly(obs, "nominal_rate") * self.expected_rate(obs))[0, real]
        demand = hourly(obs, "demand_average")[0, real] + self.base_demand
        fill, active = feature(obs, "pool_fill")[0, real], feature(obs, "active")[0, real] > 0.5
        ends = np.asarray(obs["link_endpoints"][0][real], dtype=np.int64)
        left_s = feature(obs, "calibration_left")[0, real] * self.calibration_s
        n_sites, hours = obs["nodes"].shape[1], self.slot_s / HOUR_S
        slot, link = np.divmod(np.arange(_SLOTS * len(real)), len(real))
        plan = optimise(
            Program(
                link_endpoints=ends,
                modules=int(modules_per_site(obs)[0]),
                n_sites=n_sites,
                made=np.tile(rate * hours, (_SLOTS, 1)),
                pool=fill,
                active=active,
                calibrating=np.rint(left_s / self.slot_s).astype(np.int64),
                calibration=round(self.calibration_s / self.slot_s),
                starts_per_slot=self.slot_s / interval_s(n_sites),
                request_slot=slot,
                request_size=demand[link] * hours,
                request_paths=link[:, None, None],
                stock_value=self.stock_value,
            ),
            whole_slots=_WHOLE_SLOTS,
            relative_gap=_GAP,
        )
        assert plan is not None
        wanted, released = plan.on[0] > 0.5, released_links(obs)[0, real]
        unwanted, starts = active & ~wanted, np.flatnonzero(wanted & ~active)
        starts = starts[np.argsort(-(demand * (1.0 - fill))[starts], kind="stable")]
        # The most urgent link for which the environment would release no link that is wanted; if
        # there is none, an unwanted link that is in the way goes first.
        for k in starts:
            if np.isin(released[k], [hold, *real[unwanted]]).all():
                return int(real[k])
        for k in starts:
            touching = unwanted & np.isin(ends, ends[k]).any(axis=1)
            if touching.any():
                return int(real[touching][0])
        return hold


@dataclass(frozen=True)
class BeliefControl(PredictiveControl):
    """Beliefs about hidden rates: what is seen of a link also tells of others at its sites.

    The logarithm of a link's rate over nominal is the sum of an effect of either site, one of the
    link and a drift, all normal: a linear mixed model (Henderson, Biometrics 31, 1975), whose
    posterior mean is exact. A link that was seen to fail tells nothing about its sites; it is
    expected back with a mean time of forty minutes.

    Attributes:
        site_spread: Standard deviation of a site's effect.
        link_spread: Standard deviation of a link's own effect.
        drift_spread: Standard deviation of the drift, whose memory is an hour.
    """

    site_spread: float = parameter(0.1, 0.02, 0.1, 0.3)
    link_spread: float = parameter(0.1, 0.02, 0.1, 0.3)
    drift_spread: float = parameter(0.15, 0.05, 0.15, 0.3)

    def expected_rate(self, obs: Observation) -> F64:
        """Expected key rate over nominal, shape (B, E)."""
        return np.stack([self._posterior(obs, b) for b in range(len(obs["links"]))])

    def _posterior(self, obs: Observation, b: int) -> F64:
        seen_rate, fresh = feature(obs, "observed_rate")[b], feature(obs, "freshness")[b]
        failed = (fresh > 0.0) & (seen_rate < _FAILED)
        seen = np.flatnonzero((fresh > 0.0) & ~failed)
        at_site = np.zeros((len(fresh), obs["nodes"].shape[1]))
        np.add.at(at_site, (np.arange(len(fresh))[:, None], obs["link_endpoints"][b]), 1.0)
        lasting = self.site_spread**2 * at_site @ at_site.T
        lasting += self.link_spread**2 * np.eye(len(fresh))
        drift = self.drift_spread**2 * np.eye(len(fresh))
        # The drift between the measurement and now has lost part of its memory.
        measured = lasting[np.ix_(seen, seen)] + drift[np.ix_(seen, seen)]
        measured += 1e-6 * np.eye(len(seen))
        now = lasting[:, seen] + drift[:, seen] * fresh[seen]
        belief = now @ np.linalg.solve(measured, np.log(seen_rate[seen]))
        # exp(-age / 40 min) from exp(-age / 1 h).
        back = np.where(failed, 1.0 - fresh**1.5, 1.0)
        return np.asarray(np.exp(belief) * back)
