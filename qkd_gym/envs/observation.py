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
from qkd_gym.network.bank import F_FREE_SPACE, F_LENGTH, F_NOMINAL_RATE, Bank
from qkd_gym.network.compiled import fill, inlined, whole
from qkd_gym.network.control import is_protected, least_needed, write_needs
from qkd_gym.network.elementary import exp, log1p_single
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

_LINK_FEATURES = len(LINK_FEATURES)
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
def _squash(column: F32, value: np.ndarray, n: int, per_hour: float) -> None:
    """Rates in pool capacities per hour, log1p."""
    factor = np.float32(per_hour)
    for i in range(whole(n)):
        column[i] = log1p_single(factor * np.float32(value[i]))


@inlined
def _write_nodes(o: Observation, s: State, bank: Bank, p: np.record, b: int, columns: F32) -> None:
    rows, sites, facts = o.nodes[b], s.sites[b], bank.sites[s.episodes[b].network]
    hourly, modules = 3600.0 / p.capacity, p.modules
    n = bank.n_sites
    _squash(columns[0], sites[S_DEMAND], n, hourly)
    _squash(columns[1], sites[S_BLOCKED], n, hourly)
    for v in range(n):
        row, fact = rows[v], facts[v]
        row[0] = fact.x_km * 0.02
        row[1] = fact.y_km * 0.02
        row[2] = fact.degree * 0.125
        row[3] = fact.betweenness
        row[4] = sites[S_MODULES_USED, v] / modules
        row[5] = columns[0, v]
        row[6] = columns[1, v]
        row[7] = 0.0


@inlined
def _fill_needs(s: State, bank: Bank, p: np.record, b: int, work: F64, columns: F32) -> None:
    """Columns `need`, `release_need` and `full_endpoints`."""
    g = s.episodes[b].network
    n_links = bank.networks[g].n_links
    links, ends, modules = s.links[b], bank.link_endpoints[g], p.modules
    running_s, active, full_endpoints = links[L_RUNNING], links[L_ACTIVE], columns[14]
    need, released, at_site, full = work[0], work[1], work[2], work[3]
    write_needs(links, s.pools[b, POOL], n_links, p.capacity, need)
    for v in range(bank.n_sites):
        held = s.held[b, v, : int(s.sites[b, S_MODULES_USED, v])]
        full[v], at_site[v] = 0.0, 0.0
        if len(held) >= modules:
            full[v] = 0.5
            at_site[v] = need[least_needed(held, running_s, need, p)]
    for e in range(n_links):
        u, v = ends[e, 0], ends[e, 1]
        inactive = 1.0 - active[e]
        released[e] = inactive * (at_site[u] + at_site[v])
        full_endpoints[e] = inactive * (full[u] + full[v])
    hourly = 3600.0 / p.capacity
    _squash(columns[15], need, n_links, hourly)
    _squash(columns[16], released, n_links, hourly)


@inlined
def _fill_pools(
    fill: F32, cover: F32, pool: np.ndarray, demand_average: F32, n: int, capacity: float
) -> None:
    per_capacity = np.float32(1.0 / capacity)
    for e in range(whole(n)):
        stored = np.float32(pool[e])
        fill[e] = stored * per_capacity
        wanted = stored + demand_average[e] * np.float32(1800.0)
        cover[e] = stored / max(wanted, np.float32(1.0))


@inlined
def _write_active(rows: F32, s: State, p: np.record, b: int, started: F64) -> None:
    """Features that only active links have."""
    links, active, n_active = s.links[b], s.active[b], s.episodes[b].n_active
    running_s = links[L_RUNNING]
    per_calibration = 1.0 / p.calibration_s if p.calibration_s > 0.0 else 0.0
    for i in range(whole(n_active)):
        started[i] = 1.0 - exp(-min(running_s[active[i]] / 600.0, 50.0))
    for i in range(n_active):
        e = np.uint32(active[i])  # unsigned indices need no check for being negative
        silent = links[L_FRESHNESS, e] == 1.0 and links[L_SEEN_SHARE, e] == 0.0
        row = rows[e]
        row[1] = links[L_CALIBRATION_LEFT, e] * per_calibration
        row[11] = started[i]
        row[12] = 1.0 if is_protected(running_s[e], p) else 0.0
        row[13] = 1.0 if silent else 0.0


@inlined
def _write_links(
    o: Observation, s: State, bank: Bank, p: np.record, b: int, work: F64, columns: F32
) -> None:
    """Fills column after column, which are vector instructions, then turns them into rows."""
    g = s.episodes[b].network
    n_links, hourly = bank.networks[g].n_links, 3600.0 / p.capacity
    links, facts, rows = s.links[b], bank.link_facts[g], o.links[b]
    demand_average = links[L_DEMAND_AVERAGE]
    _fill_pools(columns[2], columns[3], s.pools[b, POOL], demand_average, n_links, p.capacity)
    _squash(columns[4], facts[F_NOMINAL_RATE], n_links, hourly)
    _squash(columns[8], demand_average, n_links, hourly)
    _squash(columns[9], links[L_DEMAND_NOW], n_links, hourly / p.interval_s)
    _squash(columns[10], links[L_BLOCKED_AVERAGE], n_links, hourly)
    _fill_needs(s, bank, p, b, work, columns)
    for e in range(n_links):
        row = rows[e]
        row[0] = links[L_ACTIVE, e]
        row[1] = 0.0
        row[2] = columns[2, e]
        row[3] = columns[3, e]
        row[4] = columns[4, e]
        row[5] = min(links[L_SEEN_SHARE, e], np.float32(2.0))
        row[6] = links[L_SEEN_STRAIN, e]
        row[7] = links[L_FRESHNESS, e]
        row[8] = columns[8, e]
        row[9] = columns[9, e]
        row[10] = columns[10, e]
        row[11] = 0.0
        row[12] = 0.0
        row[13] = 0.0
        row[14] = columns[14, e]
        row[15] = columns[15, e]
        row[16] = columns[16, e]
        row[17] = facts[F_LENGTH, e] * np.float32(0.02)
        row[18] = facts[F_FREE_SPACE, e]
    for e in range(n_links, len(rows)):
        for k in range(_LINK_FEATURES):
            rows[e, k] = 0.0
    _write_active(rows, s, p, b, work[0])
    ends, end_rows = bank.link_endpoints[g], o.link_endpoints[b]
    for e in range(len(ends)):
        end_rows[e, 0], end_rows[e, 1] = ends[e, 0], ends[e, 1]
    fill(o.link_mask[b], 0, n_links, 1)
    fill(o.link_mask[b], n_links, len(rows), 0)


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
    pool, prices = s.pools[b, POOL], work[0]
    price_links(pool, bank.networks[g].n_links, p.capacity, prices)
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
    o: Observation,
    s: State,
    bank: Bank,
    p: np.record,
    b: int,
    decides: int,
    work: F64,
    columns: F32,
) -> None:
    """Writes row ``b`` of every buffer."""
    _write_nodes(o, s, bank, p, b, columns)
    _write_links(o, s, bank, p, b, work, columns)
    _write_context(o, s, bank, p, b)
    if decides != ACTIVATION:
        _write_request(o, s, bank, p, b, work)
    if decides != ROUTING:
        links, n_links = o.links.shape[1], bank.networks[s.episodes[b].network].n_links
        start = o.action_mask.shape[1] - links - 1
        fill(o.action_mask[b], start, start + n_links, 1)
        fill(o.action_mask[b], start + n_links, start + links, 0)
        o.action_mask[b, start + links] = 1
