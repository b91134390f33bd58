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
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qkd_gym.envs import QKDVectorEnv
from qkd_gym.envs.transition import Results
from qkd_gym.features import HOUR_S, LINK, NODE
from qkd_gym.jit import TypedOnce, compiled_without_references, inlined
from qkd_gym.network.accounts import ACCOUNT_NAMES
from qkd_gym.network.compiled.vectors import fill
from qkd_gym.network.state import SITE_ROW

F64 = NDArray[np.float64]
Totals = dict[str, F64]
Observation = Mapping[str, NDArray[Any]]

_ACTIVE, _LEFT, _NO_KEY = LINK.active, LINK.calibration_left, LINK.no_key
_GOAL = 2  # row of `_Sums.sites`
_FEATURES = [NODE.demand_average, NODE.blocked_average]
_FAIRNESS_DECIMALS = 6


class _Sums(NamedTuple):
    """Sums over the episodes of B members with N sites, and what the next step needs."""

    running: NDArray[np.bool_]  # (B,) whether the counted episode still runs
    ends_now: NDArray[np.bool_]  # (B,) whether the last step ended it
    steps: NDArray[np.int64]  # (B,)
    elapsed_s: F64  # (B,)
    accounts: F64  # (len(ACCOUNT_NAMES), B)
    reward: F64  # (B,)
    qber_weighted_bits: F64  # (B,)
    offered_value_bits: F64  # (B,)
    delivered_value_bits: F64  # (B,)
    demand: F64  # (B, 2, N), demand and blocked demand in a unit that cancels in shares
    # (B, 5, N): links that yield key and that do not, as of the last step; how many must yield to
    # end the open fault, 0 if none is; scratch.
    sites: NDArray[np.int16]
    since_s: F64  # (B, N) when the open fault began
    faults: NDArray[np.int64]  # (B,)
    down_s: F64  # (B,) duration of the faults that have ended


@inlined
def _note_faults(
    links: np.ndarray,
    ends: np.ndarray,
    active: np.ndarray,
    n_active: int,
    now_s: float,
    sites: np.ndarray,
    since_s: F64,
) -> tuple[int, float]:
    """Opens and closes the faults of a member's sites: how many began, and how long others took."""
    yielding, dead, goal, here, broken = sites[0], sites[1], sites[2], sites[3], sites[4]
    fill(here, 0, len(here), 0)
    fill(broken, 0, len(broken), 0)
    for i in range(n_active):
        e = active[i]
        if links[_LEFT, e] <= 0.0:
            counted = broken if links[_NO_KEY, e] > 0.5 else here
            counted[ends[e, 0]] += 1
            counted[ends[e, 1]] += 1
    began, down_s, changed = 0, 0.0, False
    for v in range(len(goal)):
        changed |= (here[v] != yielding[v]) | (broken[v] != dead[v])
    if not changed:
        return began, down_s
    for v in range(len(goal)):
        if goal[v] > 0 and here[v] >= goal[v]:
            down_s += now_s - since_s[v]
            goal[v] = 0
        elif goal[v] == 0 and broken[v] > dead[v] and here[v] < yielding[v]:
            goal[v] = yielding[v]
            since_s[v] = now_s
            began += 1
        yielding[v], dead[v] = here[v], broken[v]
    return began, down_s


@TypedOnce
@compiled_without_references
def _add_step(
    sums: _Sums,
    results: Results,
    links: np.ndarray,
    link_endpoints: np.ndarray,
    active: np.ndarray,
    episodes: np.ndarray,
    sites: np.ndarray,
    by_request: bool,
) -> int:
    """Adds a step of the members that run; returns how many of them it ended."""
    ended, running = 0, sums.running
    for k in range(len(results.accounts)):
        for b in range(len(running)):
            sums.accounts[k, b] += results.accounts[k, b] if running[b] else 0
    for b in range(len(running)):
        sums.reward[b] += results.reward[b] if running[b] else 0.0
        if running[b]:
            sums.qber_weighted_bits[b] += results.qber_weighted_bits[b]
            sums.offered_value_bits[b] += results.offered_value_bits[b]
            sums.delivered_value_bits[b] += results.delivered_value_bits[b]
    for b in range(len(running)):
        sums.ends_now[b] = running[b] and results.over[b]
        if not running[b]:
            continue
        sums.steps[b] += 1
        time_passed = results.elapsed_s[b] > sums.elapsed_s[b]
        sums.elapsed_s[b] = results.elapsed_s[b]
        if results.over[b]:
            # The next episode has begun already.
            running[b] = False
            ended += 1
            continue
        if time_passed and not by_request:
            for v in range(sums.demand.shape[2]):
                sums.demand[b, 0, v] += sites[b, SITE_ROW.demand_average, v]
                sums.demand[b, 1, v] += sites[b, SITE_ROW.blocked_average, v]
        began, down_s = _note_faults(
            links[b], link_endpoints[b], active[b],
            episodes[b].n_active, results.elapsed_s[b], sums.sites[b],
            sums.since_s[b],
        )  # fmt: skip
        sums.faults[b] += began
        sums.down_s[b] += down_s
    return ended


class Account:
    """Totals of the members of a vector environment, from reset to their end.

    Args:
        env: The environment, just reset.
        obs: Its first observations.
    """

    def __init__(self, env: QKDVectorEnv, obs: Observation) -> None:
        batch, n_sites = obs["nodes"].shape[:2]
        self._core = env.core
        self._sums = _Sums(
            running=np.ones(batch, np.bool_),
            ends_now=np.zeros(batch, np.bool_),
            steps=np.zeros(batch, np.int64),
            elapsed_s=np.zeros(batch),
            accounts=np.zeros((len(ACCOUNT_NAMES), batch)),
            reward=np.zeros(batch),
            qber_weighted_bits=np.zeros(batch),
            offered_value_bits=np.zeros(batch),
            delivered_value_bits=np.zeros(batch),
            demand=np.zeros((batch, 2, n_sites)),
            sites=np.zeros((batch, 5, n_sites), np.int16),
            since_s=np.zeros((batch, n_sites)),
            faults=np.zeros(batch, np.int64),
            down_s=np.zeros(batch),
        )
        self.steps, self.left = self._sums.steps, batch
        config, interval_s = env.config, float(env.core.simulator.params["interval_s"][0])
        self._keep = float(np.exp(-interval_s / config.demand_memory_s))
        # The observed features are logarithms of averages in capacities per hour.
        self._feature_bps = config.pool_capacity_bits / HOUR_S
        self._rows = np.arange(batch)
        self._ends = obs["request_endpoints"].copy() if env.task.decides_paths else None
        # Links that yield no key at the start are no fault of the episode.
        links = obs["links"]
        members, on = np.nonzero((links[..., _ACTIVE] > 0.5) & (links[..., _LEFT] <= 0.0))
        broken = (links[members, on, _NO_KEY] > 0.5).astype(np.int64)
        for side in obs["link_endpoints"][members, on].T:
            np.add.at(self._sums.sites, (members, broken, side), 1)

    def add(self, obs: Observation, infos: Mapping[str, Any]) -> None:
        """Adds a step of the members that still run, and notes whose episode it ended."""
        core, sums = self._core, self._sums
        by_request = self._ends is not None
        if self._ends is not None:
            self._add_requests(self._ends, infos)
            self._ends = obs["request_endpoints"].copy()
        buffer, state = core.frame.buffer, core.simulator.arrays
        ended = _add_step(
            sums, core.results, buffer.links, buffer.link_endpoints, state.active,
            state.episodes, state.sites, by_request,
        )  # fmt: skip
        if not ended:
            return
        self.left -= ended
        at = np.flatnonzero(sums.ends_now)
        now_s = sums.elapsed_s[at]
        # A fault that is still open lasts until the end: a lower bound of its recovery.
        is_open = sums.sites[at, _GOAL] > 0
        sums.down_s[at] += ((now_s[:, None] - sums.since_s[at]) * is_open).sum(axis=1)
        if not by_request:
            # The last averages are those observed at the end. Afterwards the sum is in units of
            # 1 / k - 1 times the total.
            last = np.stack([infos["final_obs"][b]["nodes"][:, _FEATURES].T for b in at])
            last_bps = np.expm1(last.astype(np.float64)) * self._feature_bps
            sums.demand[at] += last_bps / (1.0 - self._keep)

    def finish(self) -> Totals:
        """All totals, with faults, their duration and the fairness of the episode.

        Where there are service classes, also the value of offered and delivered key, and what
        waits at the end. Without them values are bits and nothing waits.
        """
        accounts = dict(zip(ACCOUNT_NAMES, self._sums.accounts, strict=True))
        # What there is after each step is no sum over the episode.
        del accounts["stored_bits"], accounts["waiting_bits"]
        if self._core.config.service_classes:
            decided = accounts["delivered_bits"] + accounts["blocked_bits"]
            accounts["waiting_bits"] = accounts["offered_bits"] - decided
            accounts["offered_value_bits"] = self._sums.offered_value_bits
            accounts["delivered_value_bits"] = self._sums.delivered_value_bits
        demand, blocked = self._sums.demand[:, 0], self._sums.demand[:, 1]
        asked = demand > 1e-9
        share = np.where(asked, 1.0 - blocked / np.maximum(demand, 1e-9), 0.0)
        below = asked.sum(axis=1) * (share**2).sum(axis=1)
        fairness = np.divide(
            share.sum(axis=1) ** 2, below, out=np.full(len(below), np.nan), where=below > 0
        )
        # Rounded, for the exponentials that it comes from have the processor's last bits.
        fairness = np.round(fairness, _FAIRNESS_DECIMALS)
        return {
            **accounts,
            "qber_weighted_bits": self._sums.qber_weighted_bits,
            "reward": self._sums.reward,
            "elapsed_s": self._sums.elapsed_s,
            "faults": self._sums.faults.astype(np.float64),
            "fault_s": self._sums.down_s,
            "fairness": fairness,
        }

    def _add_requests(self, ends: NDArray[np.int64], infos: Mapping[str, Any]) -> None:
        running = self._sums.running
        for row, key in enumerate(("offered_bits", "blocked_bits")):
            for side in range(2):
                at = (self._rows[running], row, ends[running, side])
                self._sums.demand[at] += infos[key][running]
