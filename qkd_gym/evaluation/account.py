"""What a batch of episodes adds up to, step by step.

Beside the accounts that ``infos`` has, read where the environment keeps them, since ten dictionary
entries per step would cost as much as all the rest, there are two more:

*Fairness* needs the demand and the blocked demand of every site. The averages that are observed are
exponential, ``a_t = k (a_{t-1} + g x_t)`` with ``a_0 = 0``, so their sum and their last value give
the total of the x without a step of history: ``g sum x_t = a_T / k + (1 / k - 1) sum_{t<T} a_t``.
Where every step decides one request, the request itself tells.

*Recovery* of a site: a fault begins when one of its active links stops yielding key (outage,
attack, fog, QBER alarm) and ends when as many of its links yield key as before, that one or others.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from qkd_gym.envs import QKDVectorEnv
from qkd_gym.envs.core import ACTIVATION
from qkd_gym.envs.layout import LINK, NODE
from qkd_gym.envs.transition import AMOUNT_NAMES
from qkd_gym.network.state import BIT_NAMES, S_BLOCKED, S_DEMAND

F64 = NDArray[np.float64]
Totals = dict[str, F64]
Observation = Mapping[str, NDArray[Any]]

COUNTED = (*(name for name in BIT_NAMES if name != "stored_bits"), "qber_weighted_bits")
_ACTIVE, _LEFT, _NO_KEY = LINK["active"], LINK["calibration_left"], LINK["no_key"]
_AVERAGES = slice(S_DEMAND, S_BLOCKED + 1)
_FEATURES = [NODE["demand_average"], NODE["blocked_average"]]


@njit(cache=True)
def _note_faults(
    links: np.ndarray,
    ends: np.ndarray,
    now_s: F64,
    running: np.ndarray,
    yielding: np.ndarray,
    dead: np.ndarray,
    goal: np.ndarray,
    since_s: F64,
    faults: F64,
    down_s: F64,
) -> None:
    """Opens and closes the faults of every site; ``goal`` is 0 where none is open."""
    n_sites = yielding.shape[1]
    here, broken = np.zeros(n_sites, np.int64), np.zeros(n_sites, np.int64)
    for b in range(len(links)):
        if not running[b]:
            continue
        here[:] = 0
        broken[:] = 0
        for e in range(links.shape[1]):
            if links[b, e, _ACTIVE] < 0.5 or links[b, e, _LEFT] > 0.0:
                continue
            for side in range(2):
                if links[b, e, _NO_KEY] > 0.5:
                    broken[ends[b, e, side]] += 1
                else:
                    here[ends[b, e, side]] += 1
        for v in range(n_sites):
            if goal[b, v] > 0 and here[v] >= goal[b, v]:
                down_s[b] += now_s[b] - since_s[b, v]
                goal[b, v] = 0
            elif goal[b, v] == 0 and broken[v] > dead[b, v] and here[v] < yielding[b, v]:
                goal[b, v] = yielding[b, v]
                since_s[b, v] = now_s[b]
                faults[b] += 1.0
            yielding[b, v], dead[b, v] = here[v], broken[v]


@njit(cache=True)
def _add_step(
    running: np.ndarray,
    over: np.ndarray,
    bits: NDArray[np.int64],
    amounts: F64,
    averages: np.ndarray,
    bits_sum: F64,
    amounts_sum: F64,
    averages_sum: F64,
) -> None:
    """Adds the results of a step of the members that run, and the averages of those that go on."""
    for k in range(len(bits)):
        for b in range(len(running)):
            if running[b]:
                bits_sum[k, b] += bits[k, b]
    for k in range(len(amounts)):
        for b in range(len(running)):
            if running[b]:
                amounts_sum[k, b] += amounts[k, b]
    for b in range(len(averages)):
        if running[b] and not over[b]:
            for k in range(averages.shape[1]):
                for v in range(averages.shape[2]):
                    averages_sum[b, k, v] += averages[b, k, v]


class Account:
    """Totals of the members of a vector environment, from reset to their end.

    Args:
        env: The environment, just reset.
        obs: Its first observations.
    """

    def __init__(self, env: QKDVectorEnv, obs: Observation) -> None:
        batch, n_sites = obs["nodes"].shape[:2]
        self._core = env.core
        self.running = np.ones(batch, dtype=bool)
        self._bits = np.zeros((len(BIT_NAMES), batch))
        self._amounts = np.zeros((len(AMOUNT_NAMES), batch))
        self._elapsed_s = np.zeros(batch)
        config, interval_s = env.config, float(env.core.simulator.params["interval_s"][0])
        self._keep = float(np.exp(-interval_s / config.demand_memory_s))
        # The observed features are logarithms of averages in capacities per hour.
        self._feature_bps = config.pool_capacity_bits / 3600.0
        # Demand and blocked demand of each site, in a unit that cancels in shares.
        self._site = np.zeros((batch, 2, n_sites))
        self._rows = np.arange(batch)
        by_request = env.decides != ACTIVATION
        self._ends = obs["request_endpoints"].copy() if by_request else None
        self._yielding = np.zeros((batch, n_sites), np.int64)
        self._dead = np.zeros((batch, n_sites), np.int64)
        self._goal = np.zeros((batch, n_sites), np.int64)
        self._since_s = np.zeros((batch, n_sites))
        self._faults, self._down_s = np.zeros(batch), np.zeros(batch)
        self._read_faults(obs, np.zeros(batch))
        # Links that yield no key at the start are no fault of the episode.
        self._goal[:] = 0
        self._faults[:] = 0.0

    def add(self, obs: Observation, over: NDArray[np.bool_], infos: Mapping[str, Any]) -> None:
        """Adds a step of the members that still run, and notes whose episode it ended."""
        running, results = self.running, self._core.results
        now_s = infos["elapsed_s"]
        _add_step(
            running,
            over,
            results.bits,
            results.amounts,
            self._averages(),
            self._bits,
            self._amounts,
            self._site,
        )
        if self._ends is not None:
            self._add_requests(self._ends, infos)
            self._ends = obs["request_endpoints"].copy()
        ended = np.flatnonzero(running & over) if over.any() else ()
        if len(ended):
            self.running = running & ~over
        self._read_faults(obs, now_s)
        for b in ended:
            self._elapsed_s[b] = now_s[b]
            # A fault that is still open lasts until the end: a lower bound of its recovery.
            left = self._goal[b] > 0
            self._down_s[b] += (now_s[b] - self._since_s[b, left]).sum()
            if self._ends is None:
                # The next episode has begun already, so the last averages are those observed at
                # the end. Afterwards the sum is in units of 1 / k - 1 times the total.
                last = infos["final_obs"][b]["nodes"][:, _FEATURES].T.astype(np.float64)
                self._site[b] += np.expm1(last) * self._feature_bps / (1.0 - self._keep)

    def finish(self) -> Totals:
        """All totals, with faults, their duration and the fairness of the episode."""
        sums = dict(zip((*BIT_NAMES, *AMOUNT_NAMES), [*self._bits, *self._amounts], strict=True))
        demand, blocked = self._site[:, 0], self._site[:, 1]
        asked = demand > 1e-9
        share = np.where(asked, 1.0 - blocked / np.maximum(demand, 1e-9), 0.0)
        below = asked.sum(axis=1) * (share**2).sum(axis=1)
        fairness = np.divide(
            share.sum(axis=1) ** 2, below, out=np.full(len(below), np.nan), where=below > 0
        )
        return {
            **{name: sums[name] for name in COUNTED},
            "reward": sums["reward"],
            "elapsed_s": self._elapsed_s,
            "faults": self._faults,
            "fault_s": self._down_s,
            "fairness": fairness,
        }

    def _averages(self) -> np.ndarray:
        """Averages of demand and blocked demand, (B, 2, N), or nothing if requests tell."""
        sites = self._core.simulator.arrays.sites
        return sites[:0] if self._ends is not None else sites[:, _AVERAGES]

    def _add_requests(self, ends: NDArray[np.int64], infos: Mapping[str, Any]) -> None:
        running = self.running
        for row, key in enumerate(("offered_bits", "blocked_bits")):
            for side in range(2):
                at = (self._rows[running], row, ends[running, side])
                self._site[at] += infos[key][running]

    def _read_faults(self, obs: Observation, now_s: F64) -> None:
        _note_faults(
            obs["links"],
            obs["link_endpoints"],
            now_s,
            self.running,
            self._yielding,
            self._dead,
            self._goal,
            self._since_s,
            self._faults,
            self._down_s,
        )
