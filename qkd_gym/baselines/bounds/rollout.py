"""Compiled search for the actions of one episode whose future is known.

A plan is one entry per interval: what the operator intends then. ``HOLD`` does nothing, ``e + 1``
switches link e on and ``-(e + 1)`` switches it off, unless it is already so; ``FOLLOW`` leaves the
choice to a demand-deficit rule.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from qkd_gym.network.bank import Bank
from qkd_gym.network.kernel import ACTIVATION, is_protected, link_need, step_one
from qkd_gym.network.state import DELIVERED, State

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

HOLD, FOLLOW = 0, 2**30


@njit(cache=True)
def _release_choices(s: State, bank: Bank, p: np.record, b: int, out: np.ndarray) -> None:
    """The link that each site would release, as `kernel.release_choice`; -1 if it has room."""
    g = s.episodes[b].network
    links, facts, ends = s.links[b], bank.links[g], bank.link_endpoints[g]
    need = np.empty(len(out))
    protection = np.empty(len(out), np.bool_)
    out[:] = -1
    for e in range(bank.networks[g].n_links):
        if links[e].active == 0:
            continue
        protected = is_protected(links[e], p)
        wanted = link_need(links[e], facts[e], p)
        for side in range(2):
            v = ends[e, side]
            if s.sites[b, v].modules_used < p.modules:
                continue
            if (
                out[v] < 0
                or (protection[v] and not protected)
                or (protection[v] == protected and wanted < need[v])
            ):
                out[v], need[v], protection[v] = e, wanted, protected


@njit(cache=True)
def _score(link: np.record, facts: np.record, p: np.record, w: np.ndarray) -> float:
    """`activation.DemandDeficit.score`; ``w`` as in `rule_weights`."""
    hourly = 3600.0 / p.capacity
    relative = 1.0
    if link.seen and facts.nominal_rate_bps > 0.0:
        seen = min(link.seen_rate_bps / facts.nominal_rate_bps, 2.0)
        relative += np.exp(-link.seen_age_s / 3600.0) * (seen - 1.0)
    demand = link.demand_average * hourly
    rate = facts.nominal_rate_bps * hourly * max(relative, 0.0)
    fill = link.pool / p.capacity
    cover = 0.0
    if link.pool > 0:
        cover = link.pool / (link.pool + link.demand_average * 1800.0)
    stocked = fill + w[7] * (cover - fill)
    score = 0.0
    if relative > w[6]:
        score = demand ** w[4] * rate ** w[5] * (1.0 - stocked)
    served = min(1.0, rate / max(demand, 1e-9))
    return float(score + w[3] * link.blocked_average * hourly * served)


@njit(cache=True)
def rule_action(s: State, bank: Bank, p: np.record, b: int, w: np.ndarray) -> int:
    """The link that the demand-deficit rule with weights ``w`` switches; -1 holds."""
    g = s.episodes[b].network
    links, facts, ends = s.links[b], bank.links[g], bank.link_endpoints[g]
    n_links = bank.networks[g].n_links
    released = np.empty(bank.n_sites, np.int64)
    _release_choices(s, bank, p, b, released)
    score = np.empty(n_links)
    for e in range(n_links):
        score[e] = _score(links[e], facts[e], p, w)
    best, most = -1, w[1]
    for e in range(n_links):
        if links[e].active:
            continue
        gain = score[e]
        for side in range(2):
            old = released[ends[e, side]]
            if old >= 0:
                gain -= (1.0 + w[0]) * score[old]
                if links[old].running_s < w[2]:
                    gain = -np.inf
        if gain > most:
            best, most = e, gain
    return best


@njit(cache=True)
def _action(s: State, bank: Bank, p: np.record, b: int, entry: int, w: np.ndarray) -> int:
    """The environment's action that carries out an entry."""
    hold = s.links.shape[1]
    if entry == HOLD:
        return hold
    if entry == FOLLOW:
        e = rule_action(s, bank, p, b, w)
        return hold if e < 0 else e
    e = abs(entry) - 1
    return e if (s.links[b, e].active != 0) != (entry > 0) else hold


@njit(cache=True)
def action_of(s, bank, params, entry, w):  # type: ignore[no-untyped-def]
    """The action that carries out an entry of a plan in the first episode of a batch."""
    return _action(s, bank, params[0], 0, entry, w)


@njit(cache=True, nogil=True)
def try_entries(  # type: ignore[no-untyped-def]
    s, bank, params, entries, plan, start, stop, w, delivered
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
        delivered: Written: bits, (B,).
    """
    p = params[0]
    for b in range(len(entries)):
        total = 0
        for t in range(start, stop):
            entry = entries[b] if t == start else plan[t]
            step_one(s, bank, p, b, ACTIVATION, 0, _action(s, bank, p, b, entry, w))
            total += s.bits[b, DELIVERED]
        delivered[b] = total


@njit(cache=True)
def next_entry(s, bank, params, wanted, ends):  # type: ignore[no-untyped-def]
    """The entry that leads the first episode of a batch towards a set of links.

    Starts the first missing link for which no link that is wanted would be released; if there is
    none, switches off a link that is in the way.

    Args:
        s: State.
        bank: Networks.
        params: Parameters.
        wanted: Links that should be on, (E,).
        ends: Sites of each link, (E, 2).
    """
    released = np.empty(bank.n_sites, np.int64)
    _release_choices(s, bank, params[0], 0, released)
    in_the_way = HOLD
    for e in range(len(wanted)):
        if not wanted[e] or s.links[0, e].active:
            continue
        free = True
        for side in range(2):
            v = ends[e, side]
            if released[v] < 0 or not wanted[released[v]]:
                continue
            free = False
            for other in range(len(wanted)):
                touches = ends[other, 0] == v or ends[other, 1] == v
                if touches and s.links[0, other].active and not wanted[other]:
                    in_the_way = -(other + 1)
        if free:
            return e + 1
    return in_the_way
