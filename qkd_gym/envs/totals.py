"""What an episode adds up to, step by step, in compiled code.

Beside the accounts of its steps there are two more:

*Fairness* needs the demand and the blocked demand of every site. The averages that are observed are
exponential, ``a_t = k (a_{t-1} + g x_t)`` with ``a_0 = 0``, so their sum and their last value give
the total of the x without a step of history: ``g sum x_t = a_T / k + (1 / k - 1) sum_{t<T} a_t``.
Where every step decides one request, the request itself tells.

*Recovery* of a site: a fault begins when one of its active links stops yielding key (outage,
attack, fog, QBER alarm) and ends when as many of its links yield key as before, that one or others.
What it loses is the key that the site's links would have made more meanwhile at their rate just
before. A link that fails is seen from both its ends: each site has a fault and a loss of its own.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qkd_gym.features import HOUR_S, NODE
from qkd_gym.jit import inlined
from qkd_gym.network.accounts import ACCOUNT, ACCOUNT_NAMES, OF_FAULTS
from qkd_gym.network.bank import Bank
from qkd_gym.network.compiled.memory import zeros
from qkd_gym.network.compiled.vectors import fetch, use_widest_vectors
from qkd_gym.network.compiled.workspace import Workspace
from qkd_gym.network.simulator import Simulator
from qkd_gym.network.state import LINK_ROW, SITE_ROW, Records, State

F64 = NDArray[np.float64]
Totals = dict[str, F64]
"""What each of n episodes adds up to: bits, seconds, counts and the reward by name, each (n,)."""

SUM = np.dtype(
    [
        ("elapsed_s", "f8"),
        ("reward", "f8"),
        ("qber_weighted_bits", "f8"),
        ("offered_value_bits", "f8"),
        ("delivered_value_bits", "f8"),
        ("faults", "i8"),
        ("fault_s", "f8"),  # duration of the faults that have ended
        ("fault_lost_bits", "i8"),  # key not made during faults, in those that are open so far
    ]
)
# Of a link, in numbers whose sums tell both counts.
_NEITHER, _YIELDING, _DEAD = np.uint32(0), np.uint32(1), np.uint32(1 << 16)
_DEMAND, _BLOCKED = 0, 1
_FEATURES = [NODE.demand_average, NODE.blocked_average]
_FAIRNESS_DECIMALS = 6


class Sums(NamedTuple):
    """Sums over B episodes with N sites up to their last step, and what the next step needs."""

    sums: Records  # (B,) SUM
    accounts: NDArray[np.int64]  # (B, len(ACCOUNT_NAMES))
    demand: F64  # (B, 2, N), demand and blocked demand in a unit that cancels in shares
    counts: NDArray[np.uint32]  # (B, N) links that yield key and that do not, see `_look_at_sites`
    goals: NDArray[np.uint32]  # (B, N) links that must yield to end the open fault, 0 if none is
    since_s: F64  # (B, N) when the open fault began
    rates_bps: F64  # (B, N) key rate of each site, see `_look_at_sites`
    goal_rates_bps: F64  # (B, N) the same just before the open fault


def allocate_sums(s: State, n_sites: int) -> Sums:
    """Zeroed sums of the episodes of a state.

    Raises:
        InvalidInput: If they need too much memory.
    """
    batch = len(s.episodes)
    arrays = zeros(
        f"num_envs is {batch}",
        sums=((batch,), SUM),
        accounts=((batch, len(ACCOUNT_NAMES)), np.int64),
        demand=((batch, 2, n_sites), np.float64),
        counts=((batch, n_sites), np.uint32),
        goals=((batch, n_sites), np.uint32),
        since_s=((batch, n_sites), np.float64),
        rates_bps=((batch, n_sites), np.float64),
        goal_rates_bps=((batch, n_sites), np.float64),
    )
    return Sums(**arrays)


@inlined
def _look_at_sites(
    s: State, bank: Bank, b: int, counts: NDArray[np.uint32], rates_bps: F64, work: Workspace
) -> None:
    """Counts the active links of every site that yield key, and those that do not times `_DEAD`,
    and adds up the key rates that are seen of them; links that calibrate count for nothing."""
    use_widest_vectors()
    links, used, held = s.links[b], s.sites[b, SITE_ROW.modules_used], s.held[b]
    left_s, freshness = links[LINK_ROW.calibration_left_s], links[LINK_ROW.freshness]
    rate, facts = links[LINK_ROW.observed_rate], bank.links[s.episodes[b].network]
    counted, seen = work.rows[0].view(np.uint32), work.rows[1]
    zero, one = np.float32(0.0), np.float32(1.0)
    for e in range(links.shape[1]):
        kind = _DEAD if (freshness[e] == one) & (rate[e] == zero) else _YIELDING
        counted[e] = kind if left_s[e] <= zero else _NEITHER
        seen[e] = rate[e] if left_s[e] <= zero else zero
    for v in range(len(counts)):
        count, modules, rate_bps = _NEITHER, np.uint32(used[v]), 0.0
        for i in range(held.shape[1]):
            link = np.uint32(held[v, i])  # unsigned indices need no check for being negative
            is_held = np.uint32(i) < modules
            count += counted[link] if is_held else _NEITHER
            # A product of single precision is exact in double, on every processor.
            link_bps = np.float64(seen[link]) * np.float64(facts[link].nominal_rate_bps)
            rate_bps += link_bps if is_held else 0.0
        counts[v], rates_bps[v] = count, rate_bps


@inlined
def begin_sums(t: Sums, s: State, bank: Bank, b: int, work: Workspace) -> None:
    """Begins anew with an episode that has just started.

    Links that yield no key at the start are no fault of the episode.
    """
    sums = t.sums[b]
    sums.elapsed_s = sums.reward = sums.qber_weighted_bits = 0.0
    sums.offered_value_bits = sums.delivered_value_bits = sums.fault_s = 0.0
    sums.faults = sums.fault_lost_bits = 0
    t.accounts[b] = 0
    t.demand[b] = 0.0
    t.goals[b] = 0
    _look_at_sites(s, bank, b, t.counts[b], t.rates_bps[b], work)


@inlined
def _note_faults(
    t: Sums, s: State, bank: Bank, b: int, now_s: float, passed_s: float, work: Workspace
) -> None:
    """Opens and closes the faults of an episode's sites, and adds what the open ones lose.

    Args:
        t: Sums.
        s: State.
        bank: Networks.
        b: Episode.
        now_s: Time since its start.
        passed_s: How long links have had the rates that are seen now.
        work: Scratch space.
    """
    sums, counts, goals, since_s = t.sums[b], t.counts[b], t.goals[b], t.since_s[b]
    rates_bps, goal_rates_bps = t.rates_bps[b], t.goal_rates_bps[b]
    now = work.rows[2].view(np.uint32)[: len(counts)]
    now_bps = work.stored[: len(counts)]
    _look_at_sites(s, bank, b, now, now_bps, work)
    missing_bps = 0.0
    for v in range(len(counts)):
        if now[v] != counts[v]:
            yielding, yielded = now[v] % _DEAD, counts[v] % _DEAD
            if goals[v] > 0 and yielding >= goals[v]:
                sums.fault_s += now_s - since_s[v]
                goals[v] = 0
            elif goals[v] == 0 and now[v] // _DEAD > counts[v] // _DEAD and yielding < yielded:
                goals[v], goal_rates_bps[v] = yielded, rates_bps[v]
                since_s[v] = now_s
                sums.faults += 1
            counts[v] = now[v]
        if goals[v] > 0:
            missing_bps += max(goal_rates_bps[v] - now_bps[v], 0.0)
        rates_bps[v] = now_bps[v]
    # Whole bits: the product is rounded at once, on every processor.
    sums.fault_lost_bits += int(missing_bps * passed_s)


@inlined
def fetch_sums(t: Sums, b: int) -> None:
    """Has what `add_step` reads of an episode brought into the cache while it is stepped."""
    fetch(t.accounts[b])


@inlined
def add_step(  # type: ignore[no-untyped-def]
    t, s, bank, p, b, results, first, second, watches_sites, work
) -> None:
    """Adds a step of an episode.

    Args:
        t: Sums.
        s: State after the step.
        bank: Networks.
        p: What the kernel reads of the configuration.
        b: Episode.
        results: Of the step.
        first: Site that the decided request is from; -1 where no request was decided.
        second: Site that it is to.
        watches_sites: Whether to look at every site too, for fairness and recovery.
        work: Scratch space.
    """
    sums, accounts, now_s = t.sums[b], s.accounts[b], results.elapsed_s[b]
    for k in range(len(accounts)):
        t.accounts[b, k] += accounts[k]
    # This one counts from the start of the episode.
    t.accounts[b, ACCOUNT.widest_relay_requests] = accounts[ACCOUNT.widest_relay_requests]
    sums.reward += results.reward[b]
    sums.qber_weighted_bits += results.qber_weighted_bits[b]
    sums.offered_value_bits += results.offered_value_bits[b]
    sums.delivered_value_bits += results.delivered_value_bits[b]
    passed_s = now_s - sums.elapsed_s
    sums.elapsed_s = now_s
    if not watches_sites:
        return
    demand = t.demand[b]
    if first >= 0:
        for v in (first, second):
            demand[_DEMAND, v] += accounts[ACCOUNT.offered_bits]
            demand[_BLOCKED, v] += accounts[ACCOUNT.blocked_bits]
    if results.over[b]:
        return
    if passed_s > 0.0 and not p.decides_paths:
        sites = s.sites[b]
        for v in range(demand.shape[1]):
            demand[_DEMAND, v] += sites[SITE_ROW.demand_average, v]
            demand[_BLOCKED, v] += sites[SITE_ROW.blocked_average, v]
    if passed_s > 0.0 or accounts[ACCOUNT.switches] > 0:
        _note_faults(t, s, bank, b, now_s, passed_s, work)


def totals_of(
    t: Sums,
    members: NDArray[np.integer],
    simulator: Simulator,
    nodes: NDArray[np.float32],
    *,
    watches_sites: bool,
) -> Totals:
    """What episodes that are over add up to.

    Args:
        t: Sums up to their ends.
        members: Which episodes, (n,).
        simulator: Whose episodes they are.
        nodes: Features of their sites at the end, (n, len(NODE), at least N).
        watches_sites: Whether sites were looked at.

    Returns:
        The accounts of `qkd_gym.network.accounts` that add up, those of faults where the scenario
        has any; ``qber_weighted_bits``, ``reward`` and ``elapsed_s``; how many ``faults`` sites
        had, how long these took, ``fault_s``, what they cost, ``fault_lost_bits``, and
        ``fairness``, all NaN if nobody looked at sites.
        Where there are service classes, also the value of offered and delivered key, and what waits
        at the end; without them values are bits and nothing waits.
    """
    config, sums = simulator.config, t.sums[members]
    each = t.accounts[members].T.astype(np.float64)
    accounts = dict(zip(ACCOUNT_NAMES, each, strict=True))
    # What there is after each step is no sum over the episode.
    for name in ("stored_bits", "waiting_bits", *(() if config.faults else OF_FAULTS)):
        del accounts[name]
    if config.service_classes:
        decided = accounts["delivered_bits"] + accounts["blocked_bits"]
        accounts["waiting_bits"] = accounts["offered_bits"] - decided
        accounts["offered_value_bits"] = sums["offered_value_bits"]
        accounts["delivered_value_bits"] = sums["delivered_value_bits"]
    # A fault that is still open lasts until the end: a lower bound of its recovery.
    unknown = 0.0 if watches_sites else np.nan
    is_open = t.goals[members] > 0
    open_s = ((sums["elapsed_s"][:, None] - t.since_s[members]) * is_open).sum(axis=1)
    demand = t.demand[members]
    if not simulator.params["decides_paths"][0]:
        # The last averages are those observed at the end, logarithms of capacities per hour.
        # Afterwards the sum is in units of 1 / k - 1 times the total.
        keep = float(np.exp(-float(simulator.params["interval_s"][0]) / config.demand_memory_s))
        last = np.expm1(nodes[:, _FEATURES, : demand.shape[2]].astype(np.float64))
        demand += last * (config.pool_capacity_bits / HOUR_S) / (1.0 - keep)
    return {
        **accounts,
        "qber_weighted_bits": sums["qber_weighted_bits"],
        "reward": sums["reward"],
        "elapsed_s": sums["elapsed_s"],
        "faults": sums["faults"] + unknown,
        "fault_s": sums["fault_s"] + open_s + unknown,
        "fault_lost_bits": sums["fault_lost_bits"] + unknown,
        "fairness": _fairness(demand) + unknown,
    }


def _fairness(demand: F64) -> F64:
    """Jain's index of the sites' served shares, (n,); NaN where nothing was asked for.

    Args:
        demand: Demand and blocked demand of every site, (n, 2, N).
    """
    total, blocked = demand[:, _DEMAND], demand[:, _BLOCKED]
    asked = total > 1e-9
    share = np.where(asked, 1.0 - blocked / np.maximum(total, 1e-9), 0.0)
    below = asked.sum(axis=1) * (share**2).sum(axis=1)
    fairness = np.divide(
        share.sum(axis=1) ** 2, below, out=np.full(len(below), np.nan), where=below > 0
    )
    # Rounded, for the exponentials that it comes from have the processor's last bits.
    rounded: F64 = np.round(fairness, _FAIRNESS_DECIMALS)
    return rounded
