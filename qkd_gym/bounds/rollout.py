"""Compiled search for the actions of one episode whose future is known.

A plan is one intent per interval: what the operator wants then. ``HOLD`` does nothing, ``e + 1``
switches link e on and ``-(e + 1)`` switches it off, unless it is already so; ``FOLLOW`` leaves the
choice to a demand-deficit rule.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qkd_gym.features import COVER_S, HOUR_S, OBSERVED_RATE_CAP
from qkd_gym.jit import compiled, inlined
from qkd_gym.network.accounts import ACCOUNT
from qkd_gym.network.bank import Bank
from qkd_gym.network.compiled.workspace import Workspace
from qkd_gym.network.dynamics.step import step_one
from qkd_gym.network.dynamics.switching import least_needed, link_need, pool_fill
from qkd_gym.network.state import LINK_ROW, POOL_ROW, SITE_ROW, State

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

HOLD, FOLLOW = 0, 2**30


class RuleWeights(NamedTuple):
    """Parameters of the demand-deficit rule, see `qkd_gym.baselines.activation.DemandDeficit`."""

    hysteresis: float
    least_gain: float
    dwell_s: float
    kappa: float
    demand_power: float
    rate_power: float
    rate_gate: float
    cover_weight: float


@inlined
def _release_choices(s: State, bank: Bank, p: np.record, b: int, out: I64, need: F32) -> None:
    """The link that each site would release, -1 if it has room; ``need`` is scratch, (E,)."""
    links, pool = s.links[b], s.pools[b, POOL_ROW.pool]
    for e in range(bank.networks[s.episodes[b].network].n_links):
        need[e] = link_need(links, pool_fill(pool[e], p.capacity), e)
    for v in range(bank.n_sites):
        count = int(s.sites[b, SITE_ROW.modules_used, v])
        out[v] = -1
        if count >= p.modules:
            out[v] = least_needed(s.held[b, v], count, links[LINK_ROW.running_time_s], need, p)


@inlined
def rule_score(s: State, facts: np.record, p: np.record, b: int, e: int, w: RuleWeights) -> float:
    """What `DemandDeficit.score` gives link ``e`` of episode ``b``."""
    links, pool = s.links[b], float(s.pools[b, POOL_ROW.pool, e])
    hourly = HOUR_S / p.capacity
    observed_rate = min(links[LINK_ROW.observed_rate, e], OBSERVED_RATE_CAP)
    relative = 1.0 + links[LINK_ROW.freshness, e] * (observed_rate - 1.0)
    demand = links[LINK_ROW.demand_average, e] * hourly
    rate = facts.nominal_rate_bps * hourly * max(relative, 0.0)
    fill = pool / p.capacity
    cover = 0.0
    if pool > 0.0:
        cover = pool / (pool + links[LINK_ROW.demand_average, e] * COVER_S)
    stocked = fill + w.cover_weight * (cover - fill)
    score = 0.0
    if relative > w.rate_gate:
        score = demand**w.demand_power * rate**w.rate_power * (1.0 - stocked)
    served = min(1.0, rate / max(demand, 1e-9))
    return float(score + w.kappa * links[LINK_ROW.blocked_average, e] * hourly * served)


@inlined
def _rule_action(
    s: State, bank: Bank, p: np.record, b: int, w: RuleWeights, work: Workspace, sites: I64
) -> int:
    """The link that the demand-deficit rule with weights ``w`` switches; -1 holds."""
    g = s.episodes[b].network
    links, facts, ends = s.links[b], bank.links[g], bank.link_endpoints[g]
    n_links = bank.networks[g].n_links
    score = work.stored
    _release_choices(s, bank, p, b, sites, work.rows[0])
    for e in range(n_links):
        score[e] = rule_score(s, facts[e], p, b, e, w)
    best, most = -1, w.least_gain
    for e in range(n_links):
        if links[LINK_ROW.active, e] > 0.0:
            continue
        gain = score[e]
        for side in range(2):
            old = sites[ends[e, side]]
            if old >= 0:
                gain -= (1.0 + w.hysteresis) * score[old]
                if links[LINK_ROW.running_time_s, old] < w.dwell_s:
                    gain = -np.inf
        if gain > most:
            best, most = e, gain
    return best


@inlined
def _action(
    s: State,
    bank: Bank,
    p: np.record,
    b: int,
    intent: int,
    w: RuleWeights,
    work: Workspace,
    sites: I64,
) -> int:
    """The environment's action that carries out an intent."""
    hold = bank.link_endpoints.shape[1]
    if intent == HOLD:
        return hold
    if intent == FOLLOW:
        e = _rule_action(s, bank, p, b, w, work, sites)
        return hold if e < 0 else e
    e = abs(intent) - 1
    return e if (s.links[b, LINK_ROW.active, e] > 0.0) != (intent > 0) else hold


@compiled
def action_of(s, bank, params, intent, w, work):  # type: ignore[no-untyped-def]
    """The action that carries out an intent of a plan in the first episode of a batch."""
    sites = np.empty(bank.n_sites, np.int64)
    return _action(s, bank, params[0], 0, intent, w, work, sites)


@compiled
def try_intents(  # type: ignore[no-untyped-def]
    s, bank, params, intents, plan, start, stop, w, work, delivered
):
    """Plays ``intents[b]`` at ``start`` in copy b of the episode, then the plan until ``stop``.

    Writes the bits that each copy delivers into ``delivered``, (B,).
    """
    p, sites = params[0], np.empty(bank.n_sites, np.int64)
    for b in range(len(intents)):
        delivered[b] = 0
        for t in range(start, stop):
            intent = intents[b] if t == start else plan[t]
            action = _action(s, bank, p, b, intent, w, work, sites)
            step_one(s, bank, p, b, 0, action, work)
            delivered[b] += s.accounts[b, ACCOUNT.delivered_bits]


@compiled
def next_intent(s, bank, params, wanted, ends, work):  # type: ignore[no-untyped-def]
    """The intent that leads the first episode of a batch towards the ``wanted`` links, (E,).

    Starts the first missing link for which no link that is wanted would be released; if there is
    none, switches off a link that is in the way.
    """
    released = np.empty(bank.n_sites, np.int64)
    _release_choices(s, bank, params[0], 0, released, work.rows[0])
    active = s.links[0, LINK_ROW.active]
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
