"""Compiled search for the actions of one episode whose future is known.

A plan is one entry per interval: what the operator intends then. ``HOLD`` does nothing, ``e + 1``
switches link e on and ``-(e + 1)`` switches it off, unless it is already so; ``FOLLOW`` leaves the
choice to a demand-deficit rule.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qkd_gym.network.bank import Bank
from qkd_gym.network.compiled.jit import entry, inlined
from qkd_gym.network.compiled.workspace import Workspace
from qkd_gym.network.dynamics.step import ACTIVATION, step_one
from qkd_gym.network.dynamics.switching import least_needed, link_need, pool_share
from qkd_gym.network.state import (
    DELIVERED,
    L_ACTIVE,
    L_BLOCKED_AVERAGE,
    L_DEMAND_AVERAGE,
    L_FRESHNESS,
    L_RUNNING,
    L_SEEN_SHARE,
    POOL,
    S_MODULES_USED,
    State,
)

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

HOLD, FOLLOW = 0, 2**30


@inlined
def _release_choices(s: State, bank: Bank, p: np.record, b: int, out: I64, need: F32) -> None:
    """The link that each site would release, -1 if it has room; ``need`` is scratch, (E,)."""
    links, pool = s.links[b], s.pools[b, POOL]
    for e in range(bank.networks[s.episodes[b].network].n_links):
        need[e] = link_need(links, pool_share(pool[e], p.capacity), e)
    for v in range(bank.n_sites):
        count = int(s.sites[b, S_MODULES_USED, v])
        out[v] = -1
        if count >= p.modules:
            out[v] = least_needed(s.held[b, v], count, links[L_RUNNING], need, p)


@inlined
def _score(s: State, facts: np.record, p: np.record, b: int, e: int, w: F64) -> float:
    """`activation.DemandDeficit.score`; ``w`` as in `rule_weights`."""
    links, pool = s.links[b], float(s.pools[b, POOL, e])
    hourly = 3600.0 / p.capacity
    relative = 1.0 + links[L_FRESHNESS, e] * (min(links[L_SEEN_SHARE, e], 2.0) - 1.0)
    demand = links[L_DEMAND_AVERAGE, e] * hourly
    rate = facts.nominal_rate_bps * hourly * max(relative, 0.0)
    fill = pool / p.capacity
    cover = 0.0
    if pool > 0.0:
        cover = pool / (pool + links[L_DEMAND_AVERAGE, e] * 1800.0)
    stocked = fill + w[7] * (cover - fill)
    score = 0.0
    if relative > w[6]:
        score = demand ** w[4] * rate ** w[5] * (1.0 - stocked)
    served = min(1.0, rate / max(demand, 1e-9))
    return float(score + w[3] * links[L_BLOCKED_AVERAGE, e] * hourly * served)


@inlined
def _rule_action(
    s: State, bank: Bank, p: np.record, b: int, w: F64, work: Workspace, sites: I64
) -> int:
    """The link that the demand-deficit rule with weights ``w`` switches; -1 holds."""
    g = s.episodes[b].network
    links, facts, ends = s.links[b], bank.links[g], bank.link_endpoints[g]
    n_links = bank.networks[g].n_links
    score = work.stored
    _release_choices(s, bank, p, b, sites, work.rows[0])
    for e in range(n_links):
        score[e] = _score(s, facts[e], p, b, e, w)
    best, most = -1, w[1]
    for e in range(n_links):
        if links[L_ACTIVE, e] > 0.0:
            continue
        gain = score[e]
        for side in range(2):
            old = sites[ends[e, side]]
            if old >= 0:
                gain -= (1.0 + w[0]) * score[old]
                if links[L_RUNNING, old] < w[2]:
                    gain = -np.inf
        if gain > most:
            best, most = e, gain
    return best


@inlined
def _action(
    s: State, bank: Bank, p: np.record, b: int, entry: int, w: F64, work: Workspace, sites: I64
) -> int:
    """The environment's action that carries out an entry."""
    hold = bank.link_endpoints.shape[1]
    if entry == HOLD:
        return hold
    if entry == FOLLOW:
        e = _rule_action(s, bank, p, b, w, work, sites)
        return hold if e < 0 else e
    e = abs(entry) - 1
    return e if (s.links[b, L_ACTIVE, e] > 0.0) != (entry > 0) else hold


@entry
def action_of(s, bank, params, intent, w, work):  # type: ignore[no-untyped-def]
    """The action that carries out an entry of a plan in the first episode of a batch."""
    sites = np.empty(bank.n_sites, np.int64)
    return _action(s, bank, params[0], 0, intent, w, work, sites)


@entry
def try_entries(  # type: ignore[no-untyped-def]
    s, bank, params, entries, plan, start, stop, w, work, delivered
):
    """Plays entry b in copy b of the episode, then the plan, and adds up the delivered bits.

    Args:
        s: Equal states of the episode at interval ``start``, one per entry.
        bank: Networks.
        params: Parameters.
        entries: The first entry of each copy, (B,).
        plan: Entries of all intervals, (T,).
        start: Interval of ``entries``.
        stop: First interval that is not played.
        w: Weights of the rule.
        work: Scratch space.
        delivered: Written: bits, (B,).
    """
    p, sites = params[0], np.empty(bank.n_sites, np.int64)
    for b in range(len(entries)):
        total = 0
        for t in range(start, stop):
            entry = entries[b] if t == start else plan[t]
            action = _action(s, bank, p, b, entry, w, work, sites)
            step_one(s, bank, p, b, ACTIVATION, 0, action, work)
            total += s.bits[b, DELIVERED]
        delivered[b] = total


@entry
def next_entry(s, bank, params, wanted, ends, work):  # type: ignore[no-untyped-def]
    """The entry that leads the first episode of a batch towards a set of links.

    Starts the first missing link for which no link that is wanted would be released; if there is
    none, switches off a link that is in the way.

    Args:
        s: State.
        bank: Networks.
        params: Parameters.
        wanted: Links that should be on, (E,).
        ends: Sites of each link, (E, 2).
        work: Scratch space.
    """
    released = np.empty(bank.n_sites, np.int64)
    _release_choices(s, bank, params[0], 0, released, work.rows[0])
    active = s.links[0, L_ACTIVE]
    in_the_way = HOLD
    for e in range(len(wanted)):
        if not wanted[e] or active[e] > 0.0:
            continue
        free = True
        for side in range(2):
            v = ends[e, side]
            if released[v] < 0 or not wanted[released[v]]:
                continue
            free = False
            for other in range(len(wanted)):
                touches = ends[other, 0] == v or ends[other, 1] == v
                if touches and active[other] > 0.0 and not wanted[other]:
                    in_the_way = -(other + 1)
        if free:
            return e + 1
    return in_the_way
