"""Compiled observations: from the simulator's state to the arrays that `layout` describes."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qkd_gym.envs.layout import (
    CONTEXT_FEATURES,
    LINK_FEATURES,
    NODE_FEATURES,
    PATH_FEATURES,
    REQUEST_FEATURES,
)
from qkd_gym.network.bank import Bank
from qkd_gym.network.compiled import inlined
from qkd_gym.network.control import is_protected, least_needed, link_need
from qkd_gym.network.elementary import exp, log
from qkd_gym.network.kernel import ACTIVATION, BOTH, ROUTING
from qkd_gym.network.routing import count_lacking, pair_index, price_links
from qkd_gym.network.state import (
    L_ACTIVE,
    L_BLOCKED_AVERAGE,
    L_CALIBRATION_LEFT,
    L_DEMAND_AVERAGE,
    L_DEMAND_NOW,
    L_FRESHNESS,
    L_RUNNING,
    L_SEEN_SHARE,
    L_SEEN_STRAIN,
    POOL,
    S_BLOCKED,
    S_DEMAND,
    S_MODULES_USED,
    State,
)

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]


class Observation(NamedTuple):
    """Buffers of a batch of observations; the request's part is empty if links alone are
    decided. Fields as in `qkd_gym.envs.spaces.observation_space`."""

    nodes: F32  # (B, N, F)
    links: F32  # (B, E, F)
    link_endpoints: NDArray[np.int64]  # (B, E, 2)
    node_mask: NDArray[np.int8]  # (B, N)
    link_mask: NDArray[np.int8]  # (B, E)
    context: F32  # (B, F)
    action_mask: NDArray[np.int8]  # (B, actions)
    request: F32  # (B, F)
    request_endpoints: NDArray[np.int64]  # (B, 2)
    paths: F32  # (B, K, F)
    path_links: NDArray[np.int64]  # (B, K, H), E = padding


def allocate(batch: int, bank: Bank, decides: int) -> Observation:
    """Zeroed buffers for ``batch`` observations."""
    n, links = bank.n_sites, bank.link_endpoints.shape[1]
    k, hops = bank.path_links.shape[2:] if decides != ACTIVATION else (0, 0)
    actions = {ACTIVATION: links + 1, BOTH: k + 1 + links + 1}.get(decides, k + 1)
    return Observation(
        nodes=np.zeros((batch, n, len(NODE_FEATURES)), np.float32),
        links=np.zeros((batch, links, len(LINK_FEATURES)), np.float32),
        link_endpoints=np.zeros((batch, links, 2), np.int64),
        node_mask=np.ones((batch, n), np.int8),
        link_mask=np.zeros((batch, links), np.int8),
        context=np.zeros((batch, len(CONTEXT_FEATURES)), np.float32),
        action_mask=np.zeros((batch, actions), np.int8),
        request=np.zeros((batch, len(REQUEST_FEATURES)), np.float32),
        request_endpoints=np.zeros((batch, 2), np.int64),
        paths=np.zeros((batch, k, len(PATH_FEATURES)), np.float32),
        path_links=np.full((batch, k, hops), links, np.int64),
    )


@inlined
def _write_nodes(o: Observation, s: State, bank: Bank, p: np.record, b: int, work: F64) -> None:
    rows, sites, facts = o.nodes[b], s.sites[b], bank.sites[s.episodes[b].network]
    hourly = 3600.0 / p.capacity
    n = bank.n_sites
    for r in range(2):
        squashed, value = work[r], sites[S_DEMAND + r]
        for v in range(n):
            squashed[v] = log(1.0 + hourly * value[v])
    for v in range(n):
        row, fact = rows[v], facts[v]
        row[0] = fact.x_km / 50.0
        row[1] = fact.y_km / 50.0
        row[2] = fact.degree / 8.0
        row[3] = fact.betweenness
        row[4] = sites[S_MODULES_USED, v] / p.modules
        row[5] = work[0, v]
        row[6] = work[1, v]
        row[7] = 0.0


@inlined
def _link_needs(s: State, bank: Bank, p: np.record, b: int, work: F64) -> None:
    """Needs of the links and of what each would release, into rows 3 and 4; full ends into 5."""
    g = s.episodes[b].network
    n_links = bank.networks[g].n_links
    links, pool, ends = s.links[b], s.pools[b, POOL], bank.link_endpoints[g]
    need, released, full_ends, at_site, full = work[3], work[4], work[5], work[6], work[7]
    for e in range(n_links):
        need[e] = link_need(links, pool, e, p)
    for v in range(bank.n_sites):
        held = s.held[b, v, : int(s.sites[b, S_MODULES_USED, v])]
        full[v], at_site[v] = 0.0, 0.0
        if len(held) >= p.modules:
            full[v] = 0.5
            at_site[v] = need[least_needed(held, links[L_RUNNING], need, p)]
    for e in range(n_links):
        u, v = ends[e, 0], ends[e, 1]
        inactive = 1.0 - links[L_ACTIVE, e]
        released[e] = inactive * (at_site[u] + at_site[v])
        full_ends[e] = inactive * (full[u] + full[v])


@inlined
def _write_links(o: Observation, s: State, bank: Bank, p: np.record, b: int, work: F64) -> None:
    g = s.episodes[b].network
    n_links = bank.networks[g].n_links
    links, pool, facts, rows = s.links[b], s.pools[b, POOL], bank.links[g], o.links[b]
    hourly = 3600.0 / p.capacity
    _link_needs(s, bank, p, b, work)
    for e in range(n_links):
        work[0, e] = links[L_DEMAND_AVERAGE, e]
        work[1, e] = links[L_DEMAND_NOW, e] / p.interval_s
        work[2, e] = links[L_BLOCKED_AVERAGE, e]
    for r in range(5):
        squashed = work[r]
        for e in range(n_links):
            squashed[e] = log(1.0 + hourly * squashed[e])
    started = work[6]
    for e in range(n_links):
        started[e] = 1.0 - exp(-min(links[L_RUNNING, e] / 600.0, 50.0))
    per_calibration = 1.0 / p.calibration_s if p.calibration_s > 0.0 else 0.0
    for e in range(n_links):
        row, fact = rows[e], facts[e]
        active, stored = links[L_ACTIVE, e], float(pool[e])
        fresh, share = links[L_FRESHNESS, e], links[L_SEEN_SHARE, e]
        row[0] = active
        row[1] = links[L_CALIBRATION_LEFT, e] * per_calibration
        row[2] = stored / p.capacity
        row[3] = stored / max(stored + links[L_DEMAND_AVERAGE, e] * 1800.0, 1.0)
        row[4] = log(1.0 + fact.nominal_rate_bps * hourly)
        row[5] = min(share, 2.0)
        row[6] = links[L_SEEN_STRAIN, e]
        row[7] = fresh
        row[8] = work[0, e]
        row[9] = work[1, e]
        row[10] = work[2, e]
        row[11] = started[e]
        row[12] = active if is_protected(links[L_RUNNING, e], p) else 0.0
        row[13] = active if fresh == 1.0 and share == 0.0 else 0.0
        row[14] = work[5, e]
        row[15] = work[3, e]
        row[16] = work[4, e]
        row[17] = fact.length_km / 50.0
        row[18] = fact.free_space
    rows[n_links:] = 0.0
    o.link_endpoints[b] = bank.link_endpoints[g]
    o.link_mask[b, :n_links] = 1
    o.link_mask[b, n_links:] = 0


@inlined
def _write_context(o: Observation, s: State, bank: Bank, p: np.record, b: int) -> None:
    episode = s.episodes[b]
    demand, blocked = 0.0, 0.0
    for v in range(bank.n_sites):
        demand += s.sites[b, S_DEMAND, v]
        blocked += s.sites[b, S_BLOCKED, v]
    o.context[b, 0] = episode.day_sin
    o.context[b, 1] = episode.day_cos
    o.context[b, 2] = episode.interval / p.intervals
    o.context[b, 3] = blocked / demand if demand > 0.0 else 0.0


@inlined
def _write_request(o: Observation, s: State, bank: Bank, p: np.record, b: int, work: F64) -> None:
    """The waiting request and its candidate paths; all zero if the episode is over."""
    g = s.episodes[b].network
    candidates, padding = o.paths.shape[1], o.links.shape[1]
    o.paths[b] = 0.0
    o.path_links[b] = padding
    o.request[b] = 0.0
    o.request_endpoints[b] = 0
    o.action_mask[b, :candidates] = 0
    o.action_mask[b, candidates] = 1
    at = s.episodes[b].cursor
    if at >= s.episodes[b].n_requests:
        return
    request = s.requests[b, at]
    first, second, bits = request.first, request.second, request.bits
    o.request_endpoints[b, 0], o.request_endpoints[b, 1] = first, second
    o.nodes[b, first, 7] = 1.0
    o.nodes[b, second, 7] = 1.0
    row_of_pair = pair_index(first, second, bank.n_sites)
    pool, prices = s.pools[b, POOL, : bank.networks[g].n_links], work[0]
    price_links(pool, p, prices)
    feasible = 0
    for k in range(candidates):
        hops = bank.path_hops[g, row_of_pair, k]
        if hops == 0:
            break
        path = bank.path_links[g, row_of_pair, k]
        lacking = count_lacking(pool, path, hops, bits)
        length, strain, active, price, smallest = 0.0, 0.0, 0.0, 0.0, float(p.capacity)
        for h in range(hops):
            e = path[h]
            o.path_links[b, k, h] = e
            length += bank.links[g, e].length_km
            strain += s.links[b, L_SEEN_STRAIN, e]
            active += s.links[b, L_ACTIVE, e]
            price += prices[e]
            smallest = min(smallest, float(pool[e]))
        row = o.paths[b, k]
        row[0] = 1.0
        row[1] = 1.0 if lacking == 0 else 0.0
        row[2] = hops / 10.0
        row[3] = length / 50.0
        row[4] = smallest / p.capacity
        row[5] = smallest / (smallest + bits)
        row[6] = math.log1p(price)
        row[7] = strain / hops
        row[8] = active / hops
        feasible += lacking == 0
        o.action_mask[b, k] = 1 if lacking == 0 else 0
    o.request[b, 0] = math.log1p(bits / bank.networks[g].mean_request_bits)
    o.request[b, 1] = bank.path_hops[g, row_of_pair, 0] / 10.0
    o.request[b, 2] = feasible / candidates


@inlined
def observe_one(
    o: Observation, s: State, bank: Bank, p: np.record, b: int, decides: int, work: F64
) -> None:
    """Writes row ``b`` of every buffer."""
    _write_nodes(o, s, bank, p, b, work)
    _write_links(o, s, bank, p, b, work)
    _write_context(o, s, bank, p, b)
    if decides != ACTIVATION:
        _write_request(o, s, bank, p, b, work)
    if decides != ROUTING:
        links = o.links.shape[1]
        start = o.action_mask.shape[1] - links - 1
        o.action_mask[b, start : start + links] = o.link_mask[b]
        o.action_mask[b, start + links] = 1
