"""Compiled observations: from the simulator's state to the arrays that `layout` describes."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qkd_gym.features import (
    CONTEXT_FEATURES,
    LINK_FEATURES,
    NODE_FEATURES,
    PATH_FEATURES,
    REQUEST_FEATURES,
)
from qkd_gym.network.bank import (
    F_BETWEENNESS,
    F_DEGREE,
    F_FREE_SPACE,
    F_LENGTH,
    F_NOMINAL_HOURLY,
    F_X,
    F_Y,
    Bank,
)
from qkd_gym.network.compiled.elementary import exp_single, log1p_single
from qkd_gym.network.compiled.jit import fill, inlined, use_widest_vectors
from qkd_gym.network.compiled.memory import padded, zeros
from qkd_gym.network.compiled.workspace import Workspace
from qkd_gym.network.dynamics.relay import PRICE, count_lacking, pair_index, price_links
from qkd_gym.network.dynamics.step import ACTIVATION, BOTH, ROUTING
from qkd_gym.network.dynamics.switching import is_protected, link_need, pool_share
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

_SIGN = np.uint32(1 << 31)


class Observation(NamedTuple):
    """Buffers of a batch of observations; the request's part is empty if links alone are
    decided. Fields as in `qkd_gym.envs.spaces.observation_space`.

    The features of sites and links are kept one after the other, each for all sites or links and
    padded to whole vectors: `readable` turns them round.
    """

    nodes: F32  # (B, F, N)
    links: F32  # (B, F, E)
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
    arrays = zeros(
        nodes=((batch, len(NODE_FEATURES), padded(n)), np.float32),
        links=((batch, len(LINK_FEATURES), padded(links)), np.float32),
        link_endpoints=((batch, links, 2), np.int64),
        node_mask=((batch, n), np.int8),
        link_mask=((batch, links), np.int8),
        context=((batch, len(CONTEXT_FEATURES)), np.float32),
        action_mask=((batch, actions), np.int8),
        request=((batch, len(REQUEST_FEATURES)), np.float32),
        request_endpoints=((batch, 2), np.int64),
        paths=((batch, k, len(PATH_FEATURES)), np.float32),
        path_links=((batch, k, hops), np.int64),
    )
    arrays["node_mask"][:] = 1
    arrays["path_links"][:] = links
    return Observation(**arrays)


def readable(buffer: Observation) -> dict[str, NDArray[Any]]:
    """The observations as their readers know them: views, with a row per site and per link."""
    arrays = buffer._asdict()
    for name, mask in (("nodes", buffer.node_mask), ("links", buffer.link_mask)):
        arrays[name] = arrays[name].transpose(0, 2, 1)[:, : mask.shape[1]]
    return arrays


@inlined
def _copy(column: F32, values: F32) -> None:
    for i in range(len(column)):
        column[i] = values[i]


@inlined
def _squash(column: F32, value: np.ndarray, per_hour: float) -> None:
    """Rates in pool capacities per hour, log1p."""
    use_widest_vectors()
    factor = np.float32(per_hour)
    for i in range(len(column)):
        column[i] = log1p_single(factor * np.float32(value[i]))


@inlined
def _squash_itself(column: F32, per_hour: float) -> None:
    """`_squash` in place, where compiled code must know that it is."""
    use_widest_vectors()
    factor = np.float32(per_hour)
    for i in range(len(column)):
        column[i] = log1p_single(factor * column[i])


@inlined
def _write_nodes(o: Observation, s: State, bank: Bank, p: np.record, b: int) -> None:
    columns, sites, facts = o.nodes[b], s.sites[b], bank.site_facts[s.episodes[b].network]
    hourly, used, modules = 3600.0 / p.capacity, sites[S_MODULES_USED], p.modules
    _copy(columns[0], facts[F_X])
    _copy(columns[1], facts[F_Y])
    _copy(columns[2], facts[F_DEGREE])
    _copy(columns[3], facts[F_BETWEENNESS])
    for v in range(columns.shape[1]):
        columns[4, v] = used[v] / np.float32(modules)
    _squash(columns[5], sites[S_DEMAND], hourly)
    _squash(columns[6], sites[S_BLOCKED], hourly)
    fill(columns[7], 0, columns.shape[1], 0.0)


@inlined
def _write_pools(
    stored_share: F32, cover: F32, pool: np.ndarray, demand_average: F32, capacity: float
) -> None:
    use_widest_vectors()
    for e in range(len(stored_share)):
        stored = np.float32(pool[e])
        stored_share[e] = pool_share(pool[e], capacity)
        wanted = stored + demand_average[e] * np.float32(1800.0)
        cover[e] = stored / max(wanted, np.float32(1.0))


@inlined
def _write_control(columns: F32, links: F32, p: np.record) -> None:
    """Features that only active links have, and that are zero for the others."""
    use_widest_vectors()
    active, left_s = links[L_ACTIVE], links[L_CALIBRATION_LEFT]
    running_s, freshness, seen = links[L_RUNNING], links[L_FRESHNESS], links[L_SEEN_SHARE]
    n, per_calibration = columns.shape[1], np.float32(0.0)
    if p.calibration_s > 0.0:
        per_calibration = np.float32(1.0 / p.calibration_s)
    zero, one, per_memory = np.float32(0.0), np.float32(1.0), np.float32(1.0 / 600.0)
    _copy(columns[0], active)
    for e in range(n):
        columns[1, e] = left_s[e] * per_calibration
    for e in range(n):
        columns[11, e] = one - exp_single(max(running_s[e] * -per_memory, np.float32(-50.0)))
    for e in range(n):
        columns[12, e] = active[e] if is_protected(running_s[e], p) else zero
    for e in range(n):
        silent = (freshness[e] == one) & (seen[e] == zero)
        columns[13, e] = active[e] if silent else zero


@inlined
def _write_needs(columns: F32, s: State, bank: Bank, p: np.record, b: int, work: Workspace) -> None:
    """Columns `full_endpoints`, `need` and `release_need`."""
    use_widest_vectors()
    g, n = s.episodes[b].network, columns.shape[1]
    n_links, hourly = bank.networks[g].n_links, 3600.0 / p.capacity
    links, ends, used = s.links[b], bank.link_endpoints[g], s.sites[b, S_MODULES_USED]
    running_s, active, full_endpoints = links[L_RUNNING], links[L_ACTIVE], columns[14]
    stored_share, need, released = columns[2], columns[15], columns[16]
    at_site, full = work.rows[0], work.rows[1]
    order, modules = work.rows[2].view(np.uint32), np.float32(p.modules)
    zero, half = np.float32(0.0), np.float32(0.5)
    for e in range(n):
        need[e] = link_need(links, stored_share[e], e)
    # Bits of numbers that are not negative are in the numbers' order, so that `least_needed` is
    # the smallest of them where the sign of protected links is set.
    for e in range(n):
        bits = np.float32(need[e]).view(np.uint32)
        order[e] = bits | _SIGN if is_protected(running_s[e], p) else bits
    for v in range(bank.n_sites):
        least = order[np.uint32(s.held[b, v, 0])]
        for i in range(1, s.held.shape[2]):
            least = min(least, order[np.uint32(s.held[b, v, i])])
        is_full = used[v] >= modules
        full[v] = half if is_full else zero
        at_site[v] = np.uint32(least & ~_SIGN).view(np.float32) if is_full else zero
    for e in range(n_links):
        # Unsigned indices need no check for being negative.
        first, second = np.uint32(ends[e, 0]), np.uint32(ends[e, 1])
        inactive = np.float32(1.0) - active[e]
        released[e] = inactive * (at_site[first] + at_site[second])
        full_endpoints[e] = inactive * (full[first] + full[second])
    fill(released, n_links, n, 0.0)
    fill(full_endpoints, n_links, n, 0.0)
    _squash_itself(need, hourly)
    _squash_itself(released, hourly)


@inlined
def _write_links(
    o: Observation, s: State, bank: Bank, p: np.record, b: int, work: Workspace
) -> None:
    """Fills feature after feature: short loops over one or two rows become vector instructions.

    The padding of the state's rows and of the facts is zero, and so becomes zero here.
    """
    g, hourly = s.episodes[b].network, 3600.0 / p.capacity
    links, facts, columns = s.links[b], bank.link_facts[g], o.links[b]
    seen, demand_average = links[L_SEEN_SHARE], links[L_DEMAND_AVERAGE]
    _write_control(columns, links, p)
    _write_pools(columns[2], columns[3], s.pools[b, POOL], demand_average, p.capacity)
    _copy(columns[4], facts[F_NOMINAL_HOURLY])
    for e in range(columns.shape[1]):
        columns[5, e] = min(seen[e], np.float32(2.0))
    _copy(columns[6], links[L_SEEN_STRAIN])
    _copy(columns[7], links[L_FRESHNESS])
    _squash(columns[8], demand_average, hourly)
    _squash(columns[9], links[L_DEMAND_NOW], hourly / p.interval_s)
    _squash(columns[10], links[L_BLOCKED_AVERAGE], hourly)
    _write_needs(columns, s, bank, p, b, work)
    _copy(columns[17], facts[F_LENGTH])
    _copy(columns[18], facts[F_FREE_SPACE])
    n_links = bank.networks[g].n_links
    ends, end_rows = bank.link_endpoints[g].reshape(-1), o.link_endpoints[b].reshape(-1)
    for i in range(ends.size):
        end_rows[i] = ends[i]
    fill(o.link_mask[b], 0, n_links, 1)
    fill(o.link_mask[b], n_links, o.link_mask.shape[1], 0)


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
def _write_request(
    o: Observation, s: State, bank: Bank, p: np.record, b: int, work: Workspace
) -> None:
    """The waiting request and its candidate paths; all zero if the episode is over."""
    g = s.episodes[b].network
    candidates, padding = o.paths.shape[1], o.link_mask.shape[1]
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
    o.nodes[b, 7, first] = 1.0
    o.nodes[b, 7, second] = 1.0
    row_of_pair = pair_index(first, second, bank.n_sites)
    pool, prices = s.pools[b, POOL], work.rows[PRICE]
    price_links(pool, bank.networks[g].n_links, p.capacity, work)
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
    work: Workspace,
) -> None:
    """Writes row ``b`` of every buffer."""
    _write_nodes(o, s, bank, p, b)
    _write_links(o, s, bank, p, b, work)
    _write_context(o, s, bank, p, b)
    if decides != ACTIVATION:
        _write_request(o, s, bank, p, b, work)
    if decides != ROUTING:
        links, n_links = o.link_mask.shape[1], bank.networks[s.episodes[b].network].n_links
        start = o.action_mask.shape[1] - links - 1
        fill(o.action_mask[b], start, start + n_links, 1)
        fill(o.action_mask[b], start + n_links, start + links, 0)
        o.action_mask[b, start + links] = 1
