"""What a batch of episodes adds up to, step by step.

Accounts in bits come from ``infos``. Two more are read off the observations:

*Fairness* needs the demand and the blocked demand of every site. The observed averages are
exponential, ``a_t = k (a_{t-1} + g x_t)`` with ``a_0 = 0``, so their sum and their last value give
the total of the x without a step of history: ``g sum x_t = a_T / k + (1 / k - 1) sum_{t<T} a_t``.
Where every step decides one request, the request itself tells.

*Recovery* of a site: a fault begins when one of its active links stops yielding key (outage,
attack, fog, QBER alarm) and ends when as many of its links yield key as before, that one or others.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from qkd_gym.envs import QKDVectorEnv
from qkd_gym.envs.core import ACTIVATION
from qkd_gym.envs.layout import LINK, NODE

F64 = NDArray[np.float64]
Totals = dict[str, F64]
Observation = Mapping[str, NDArray[Any]]

BITS = (
    "offered_bits",
    "delivered_bits",
    "blocked_bits",
    "generated_bits",
    "consumed_bits",
    "overflow_bits",
    "expired_bits",
    "qber_weighted_bits",
    "switches",
    "illegal_actions",
)
_ACTIVE, _LEFT, _NO_KEY = LINK["active"], LINK["calibration_left"], LINK["no_key"]
_DEMAND, _BLOCKED = NODE["demand_average"], NODE["blocked_average"]


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
def _note_averages(nodes: np.ndarray, counted: np.ndarray, site: F64) -> None:
    """Adds the observed averages of demand and blocked demand of the members that count."""
    for b in range(len(nodes)):
        if counted[b]:
            for v in range(site.shape[1]):
                site[b, v, 0] += math.expm1(nodes[b, v, _DEMAND])
                site[b, v, 1] += math.expm1(nodes[b, v, _BLOCKED])


class Account:
    """Totals of the members of a vector environment, from reset to their end.

    Args:
        env: The environment, just reset.
        obs: Its first observations.
    """

    def __init__(self, env: QKDVectorEnv, obs: Observation) -> None:
        batch, n_sites = obs["nodes"].shape[:2]
        self.running = np.ones(batch, dtype=bool)
        self.totals: Totals = {key: np.zeros(batch) for key in (*BITS, "reward", "elapsed_s")}
        self._by_request = env.decides != ACTIVATION
        config, interval_s = env.config, float(env.core.simulator.params["interval_s"][0])
        self._keep = float(np.exp(-interval_s / config.demand_memory_s))
        # Demand and blocked demand of each site, in a unit that cancels in shares.
        self._site = np.zeros((batch, n_sites, 2))
        self._rows = np.arange(batch)
        self._ends = obs["request_endpoints"].copy() if self._by_request else None
        self._yielding = np.zeros((batch, n_sites), np.int64)
        self._dead = np.zeros((batch, n_sites), np.int64)
        self._goal = np.zeros((batch, n_sites), np.int64)
        self._since_s = np.zeros((batch, n_sites))
        self._faults, self._down_s = np.zeros(batch), np.zeros(batch)
        self._read_faults(obs, np.zeros(batch))
        # Links that yield no key at the start are no fault of the episode.
        self._goal[:] = 0
        self._faults[:] = 0.0

    def add(
        self, obs: Observation, rewards: F64, over: NDArray[np.bool_], infos: Mapping[str, Any]
    ) -> None:
        """Adds a step of the members that still run, and notes whose episode it ended."""
        running, totals = self.running, self.totals
        everyone = bool(running.all())
        for key in BITS:
            if everyone:
                totals[key] += infos[key]
            else:
                totals[key][running] += infos[key][running]
        if everyone:
            totals["reward"] += rewards
        else:
            totals["reward"][running] += rewards[running]
        totals["elapsed_s"][running] = infos["elapsed_s"][running]
        self._read_sites(obs, over, infos)
        ending = running & over
        self.running = running & ~over
        self._read_faults(obs, infos["elapsed_s"])
        for b in np.flatnonzero(ending):
            # A fault that is still open lasts until the end: a lower bound of its recovery.
            left = self._goal[b] > 0
            self._down_s[b] += (totals["elapsed_s"][b] - self._since_s[b, left]).sum()

    def finish(self) -> Totals:
        """All totals, with faults, their duration and the fairness of the episode."""
        demand, blocked = self._site[..., 0], self._site[..., 1]
        asked = demand > 1e-9
        share = np.where(asked, 1.0 - blocked / np.maximum(demand, 1e-9), 0.0)
        squares, count = (share**2).sum(axis=1), asked.sum(axis=1)
        below = count * squares
        fairness = np.divide(
            share.sum(axis=1) ** 2, below, out=np.full(len(below), np.nan), where=below > 0
        )
        return {
            **self.totals,
            "faults": self._faults,
            "fault_s": self._down_s,
            "fairness": fairness,
        }

    def _read_sites(
        self, obs: Observation, over: NDArray[np.bool_], infos: Mapping[str, Any]
    ) -> None:
        running = self.running
        if self._ends is not None:
            for column, key in enumerate(("offered_bits", "blocked_bits")):
                for side in range(2):
                    at = (self._rows[running], self._ends[running, side], column)
                    self._site[at] += infos[key][running]
            self._ends = obs["request_endpoints"].copy()
            return
        _note_averages(obs["nodes"], running & ~over, self._site)
        for b in np.flatnonzero(running & over):
            # Afterwards the sum is in units of 1 / k - 1 times the total.
            last = infos["final_obs"][b]["nodes"][:, [_DEMAND, _BLOCKED]]
            self._site[b] += np.expm1(last, dtype=np.float64) / (1.0 - self._keep)

    def _read_faults(self, obs: Observation, now_s: F64) -> None:
        _note_faults(
            obs["links"],
            obs["link_endpoints"],
            np.asarray(now_s, dtype=np.float64),
            self.running,
            self._yielding,
            self._dead,
            self._goal,
            self._since_s,
            self._faults,
            self._down_s,
        )
