"""Rules that follow a target set of links: matchings, time shares and plans by the clock.

Every one of them makes a weight per link, takes a b-matching of great weight as its target, and
switches towards it link by link.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qkd_gym.baselines.activation import estimated_rate, hourly, ran_s
from qkd_gym.baselines.occupancy import approach, modules_per_site
from qkd_gym.baselines.policy import Memory, Observation, RuleWithMemory
from qkd_gym.baselines.rules import Tunable, feature, parameter
from qkd_gym.features import CONTEXT, LENGTH_SCALE_KM, NODE
from qkd_gym.planning.concurrent_flow import max_concurrent_flow
from qkd_gym.planning.matching import heavy_matching

F64 = NDArray[np.float64]


def elapsed(obs: Observation) -> F64:
    """Share of the episode that has passed, shape (B,)."""
    return np.asarray(obs["context"][:, CONTEXT.elapsed], dtype=np.float64)


def match(obs: Observation, weight: F64) -> NDArray[np.bool_]:
    """The target that weights make."""
    n_sites = obs["nodes"].shape[1]
    return heavy_matching(weight, obs["link_endpoints"], modules_per_site(obs), n_sites)


def refreshed(
    memory: Memory, name: str, fresh: NDArray[Any], starting: NDArray[np.bool_]
) -> NDArray[Any]:
    """What is remembered, with fresh values for the members that begin an episode."""
    if name not in memory:
        return fresh
    shape = (-1,) + (1,) * (fresh.ndim - 1)
    return np.where(starting.reshape(shape), fresh, memory[name])


@dataclass(frozen=True)
class MaxWeightMatching(Tunable):
    """Follows the b-matching of greatest rate times a power of the deficit, see `MaxWeight`.

    Attributes:
        alpha: Exponent of the deficit.
        hysteresis: The weight of an active link counts 1 + this many times.
        dwell_s: Links that have run for less than this stay in the target.
    """

    hysteresis: float = parameter(8.0, 0.0, 0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 12.0)
    dwell_s: float = parameter(0.0, 0.0, 240.0, 360.0, 540.0, 900.0)
    alpha: float = parameter(2.0, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0)

    def __call__(self, obs: Observation, mask: NDArray[np.bool_]) -> NDArray[np.int64]:
        """The next switch towards the matching."""
        weight = estimated_rate(obs) * (1.0 - feature(obs, "pool_fill")) ** self.alpha
        active = feature(obs, "active") > 0.5
        weight = np.where(active, (1.0 + self.hysteresis) * weight, weight)
        young = active & (ran_s(obs) < self.dwell_s)
        return approach(obs, weight, match(obs, np.where(young, 1e6 + weight, weight)))


@dataclass(frozen=True)
class ProportionalFair(Tunable, RuleWithMemory):
    """Follows the b-matching of greatest rate over the average rate that a link has been given.

    The index of proportional fair scheduling (Tse's rule, as in Viswanath, Tse and Laroia, IEEE
    Trans. Inf. Theory 48, 2002). Links with a full pool have nothing to gain.

    Attributes:
        memory_share: Time constant of the average, as a share of the episode.
        hysteresis: The index of an active link counts 1 + this many times.
        full: Fill above which a pool counts as full.
    """

    memory_share: float = parameter(0.8, 0.05, 0.1, 0.2, 0.4, 0.8, 1.5, 3.0)
    hysteresis: float = parameter(4.0, 0.0, 0.5, 1.0, 2.0, 4.0, 6.0, 9.0)
    full: float = parameter(0.8, 0.5, 0.7, 0.8, 0.9, 0.97)

    def decide(
        self, obs: Observation, mask: NDArray[np.bool_], memory: Memory, starting: NDArray[np.bool_]
    ) -> tuple[NDArray[np.int64], Memory]:
        """The next switch towards the matching; remembers the average rates."""
        rate, now = estimated_rate(obs), elapsed(obs)
        active = feature(obs, "active") > 0.5
        given = refreshed(memory, "given", np.zeros_like(rate), starting)
        before = refreshed(memory, "elapsed", now, starting)
        gain = -np.expm1(-(now - before) / max(self.memory_share, 1e-6))[:, None]
        given = given + gain * (np.where(active, rate, 0.0) - given)
        # A tenth of the mean rate keeps links that never ran from an infinite index.
        floor = 0.1 * rate.mean(axis=1, keepdims=True) + 1e-9
        index = np.where(feature(obs, "pool_fill") < self.full, rate / (given + floor), 0.0)
        weight = np.where(active, (1.0 + self.hysteresis) * index, index)
        return approach(obs, weight, match(obs, weight)), {"given": given, "elapsed": now}


@dataclass(frozen=True)
class LPRoundRobin(Tunable, RuleWithMemory):
    """Gives every link the time share that the fluid plan gives it.

    The plan is the linear program of `qkd_gym.planning.concurrent_flow` for gravity demand between
    the sites as they lie, at nominal rates. A link that has run for less than its share so far is
    owed the difference; the target is the b-matching that owes the most.

    Attributes:
        quantum_share: What an active link is owed beside, so that turns are long, as a share of
            the episode.
        gravity_distance_km: Distance over which demand falls by e.
    """

    quantum_share: float = parameter(0.07, 0.01, 0.02, 0.04, 0.07, 0.1, 0.15, 0.25)
    gravity_distance_km: float = parameter(60.0, 60.0)

    def decide(
        self, obs: Observation, mask: NDArray[np.bool_], memory: Memory, starting: NDArray[np.bool_]
    ) -> tuple[NDArray[np.int64], Memory]:
        """The next switch; remembers the plan and the time that every link has run."""
        now = elapsed(obs)
        active = feature(obs, "active") > 0.5
        first = starting if memory else np.ones(len(now), dtype=bool)
        plan = memory.get("plan", np.zeros(active.shape)).copy()
        for b in np.flatnonzero(first):
            plan[b] = self._time_shares(obs, int(b))
        run = refreshed(memory, "run", np.zeros(active.shape), starting)
        before = refreshed(memory, "elapsed", now, starting)
        run = run + active * (now - before)[:, None]
        owed = plan * now[:, None] - run
        weight = np.where(plan > 0.0, owed + self.quantum_share * active, 0.0)
        return approach(obs, weight, match(obs, weight)), {"plan": plan, "run": run, "elapsed": now}

    def _time_shares(self, obs: Observation, b: int) -> F64:
        nodes = obs["nodes"][b]
        xy = np.stack([nodes[:, NODE.x], nodes[:, NODE.y]]).astype(np.float64)
        rate = hourly({"links": obs["links"][b : b + 1]}, "nominal_rate")[0]
        modules = int(modules_per_site({k: v[b : b + 1] for k, v in obs.items()})[0])
        return _planned_shares(
            obs["link_endpoints"][b].tobytes(),
            rate.tobytes(),
            (LENGTH_SCALE_KM * xy).tobytes(),
            modules,
            self.gravity_distance_km,
        )


@lru_cache(maxsize=4096)
def _planned_shares(
    ends_bytes: bytes, rate_bytes: bytes, xy_bytes: bytes, modules: int, distance_km: float
) -> F64:
    """Time shares of the fluid plan of a network, which comes back episode after episode."""
    ends = np.frombuffer(ends_bytes, np.int64).reshape(-1, 2)
    rate, xy = np.frombuffer(rate_bytes), np.frombuffer(xy_bytes).reshape(2, -1)
    gap = np.hypot(*(xy[:, :, None] - xy[:, None, :]))
    demand = np.exp(-gap / max(distance_km, 1e-6))
    # Rounded, so that a plan does not hang on the last bits of a processor's functions.
    demand, rate = np.round(demand, 12), np.round(rate, 9)
    return max_concurrent_flow(xy.shape[1], ends, rate, demand, modules).time_share


@dataclass(frozen=True)
class PeriodicPlan(Tunable, RuleWithMemory):
    """Plans anew at fixed times, and keeps to the plan in between.

    Once per frame the target becomes the b-matching of the links that can make the most of the
    key that will be missing within a horizon, at recent demand and estimated rates: max-weight by
    frames, which calibrate rarely (Celik, Borst, Whiting and Modiano, 2016).

    Attributes:
        frames: Plans per episode.
        horizon_h: How far ahead a plan looks, in hours.
        keep: The weight of an active link counts 1 + this many times.
    """

    frames: float = parameter(16.0, 2.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0)
    horizon_h: float = parameter(0.25, 0.1, 0.25, 0.5, 1.0, 1.5, 2.5)
    keep: float = parameter(0.5, 0.0, 0.25, 0.5, 1.0, 2.0)

    def decide(
        self, obs: Observation, mask: NDArray[np.bool_], memory: Memory, starting: NDArray[np.bool_]
    ) -> tuple[NDArray[np.int64], Memory]:
        """The next switch towards the plan; remembers the plan and its frame."""
        active = feature(obs, "active") > 0.5
        frame = np.floor(elapsed(obs) * self.frames + 1e-9)
        due = frame != refreshed(memory, "frame", frame - 1.0, starting)
        # Where an episode begins there is no demand to plan for yet.
        due &= ~starting
        weight = self._weight(obs)
        target = refreshed(memory, "target", active.astype(np.float64), starting) > 0.5
        if due.any():
            target = np.where(due[:, None], match(obs, weight), target)
        return approach(obs, weight, target), {"frame": frame, "target": target.astype(np.float64)}

    def _weight(self, obs: Observation) -> F64:
        demand = hourly(obs, "demand_average") + hourly(obs, "blocked_average")
        missing = np.maximum(demand * self.horizon_h - feature(obs, "pool_fill"), 0.0)
        weight = np.minimum(estimated_rate(obs) * self.horizon_h, missing)
        return np.where(feature(obs, "active") > 0.5, (1.0 + self.keep) * weight, weight)
