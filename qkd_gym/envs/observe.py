"""Writes observations in compiled code: from the simulator's state to `qkd_gym.features`."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from qkd_gym.envs.observation import Observation
from qkd_gym.features import (
    ALARM,
    CONTEXT,
    COVER_S,
    FEATURE_LIMIT,
    HOPS_SCALE,
    HOUR_S,
    LENGTH_SCALE_KM,
    LINK,
    NODE,
    OBSERVED_RATE_CAP,
    PATH,
    REQUEST,
    RUNNING_SCALE_S,
    SETTING,
)
from qkd_gym.jit import inlined
from qkd_gym.network.bank import Bank
from qkd_gym.network.compiled.elementary import exp_single, log1p_single
from qkd_gym.network.compiled.vectors import fill, use_widest_vectors
from qkd_gym.network.compiled.workspace import Workspace
from qkd_gym.network.dynamics.relay import (
    PRICE,
    count_lacking,
    current_request,
    is_asked,
    pair_index,
    price_links,
    value_of,
)
from qkd_gym.network.dynamics.switching import is_protected, link_need, pool_fill
from qkd_gym.network.faults import STRUCK_ROW
from qkd_gym.network.state import BLOCK_ROW, LINK_ROW, POOL_ROW, SITE_ROW, State

F32 = NDArray[np.float32]

_SIGN = np.uint32(1 << 31)


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
    columns, sites, fixed = o.nodes[b], s.sites[b], bank.node_features[s.episodes[b].network]
    hourly, used, modules = HOUR_S / p.capacity, sites[SITE_ROW.modules_used], p.modules
    _copy(columns[NODE.x], fixed[NODE.x])
    _copy(columns[NODE.y], fixed[NODE.y])
    _copy(columns[NODE.degree], fixed[NODE.degree])
    _copy(columns[NODE.betweenness], fixed[NODE.betweenness])
    for v in range(columns.shape[1]):
        columns[NODE.modules_used, v] = used[v] / np.float32(modules)
    _squash(columns[NODE.demand_average], sites[SITE_ROW.demand_average], hourly)
    _squash(columns[NODE.blocked_average], sites[SITE_ROW.blocked_average], hourly)
    fill(columns[NODE.endpoint], 0, columns.shape[1], 0.0)


@inlined
def _write_pools(columns: F32, pool: np.ndarray, demand_average: F32, capacity: float) -> None:
    use_widest_vectors()
    filled, cover = columns[LINK.pool_fill], columns[LINK.pool_cover]
    for e in range(columns.shape[1]):
        stored = np.float32(pool[e])
        filled[e] = pool_fill(pool[e], capacity)
        wanted = stored + demand_average[e] * np.float32(COVER_S)
        cover[e] = stored / max(wanted, np.float32(1.0))


@inlined
def _write_control(columns: F32, links: F32, p: np.record) -> None:
    """Features that only active links have, and that are zero for the others."""
    use_widest_vectors()
    active, left_s = links[LINK_ROW.active], links[LINK_ROW.calibration_left_s]
    running_s, freshness = links[LINK_ROW.running_time_s], links[LINK_ROW.freshness]
    seen = links[LINK_ROW.observed_rate]
    n, per_calibration = columns.shape[1], np.float32(0.0)
    if p.calibration_s > 0.0:
        per_calibration = np.float32(1.0 / p.calibration_s)
    zero, one, per_memory = np.float32(0.0), np.float32(1.0), np.float32(1.0 / RUNNING_SCALE_S)
    _copy(columns[LINK.active], active)
    for e in range(n):
        columns[LINK.calibration_left, e] = left_s[e] * per_calibration
    for e in range(n):
        ran = max(running_s[e] * -per_memory, np.float32(-50.0))
        columns[LINK.running_time, e] = one - exp_single(ran)
    for e in range(n):
        columns[LINK.protected, e] = active[e] if is_protected(running_s[e], p) else zero
    for e in range(n):
        silent = (freshness[e] == one) & (seen[e] == zero)
        columns[LINK.no_key, e] = active[e] if silent else zero


@inlined
def _write_needs(columns: F32, s: State, bank: Bank, p: np.record, b: int, work: Workspace) -> None:
    """Writes `full_endpoints`, `need` and `release_need`."""
    use_widest_vectors()
    g, n = s.episodes[b].network, columns.shape[1]
    n_links, hourly = bank.networks[g].n_links, HOUR_S / p.capacity
    links, ends, used = s.links[b], bank.link_endpoints[g], s.sites[b, SITE_ROW.modules_used]
    running_s, active = links[LINK_ROW.running_time_s], links[LINK_ROW.active]
    filled, full_endpoints = columns[LINK.pool_fill], columns[LINK.full_endpoints]
    need, released = columns[LINK.need], columns[LINK.release_need]
    at_site, full = work.rows[0], work.rows[1]
    order, modules = work.rows[2].view(np.uint32), np.float32(p.modules)
    zero, half = np.float32(0.0), np.float32(0.5)
    for e in range(n):
        need[e] = link_need(links, filled[e], e)
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
    g, hourly = s.episodes[b].network, HOUR_S / p.capacity
    links, fixed, columns = s.links[b], bank.link_features[g], o.links[b]
    seen, demand_average = links[LINK_ROW.observed_rate], links[LINK_ROW.demand_average]
    _write_control(columns, links, p)
    _write_pools(columns, s.pools[b, POOL_ROW.pool], demand_average, p.capacity)
    _copy(columns[LINK.nominal_rate], fixed[LINK.nominal_rate])
    for e in range(columns.shape[1]):
        columns[LINK.observed_rate, e] = min(seen[e], np.float32(OBSERVED_RATE_CAP))
    _copy(columns[LINK.observed_qber], links[LINK_ROW.observed_qber])
    _copy(columns[LINK.freshness], links[LINK_ROW.freshness])
    _squash(columns[LINK.demand_average], demand_average, hourly)
    _squash(columns[LINK.demand_now], links[LINK_ROW.demand_now], hourly / p.interval_s)
    _squash(columns[LINK.blocked_average], links[LINK_ROW.blocked_average], hourly)
    _write_needs(columns, s, bank, p, b, work)
    _copy(columns[LINK.length], fixed[LINK.length])
    _copy(columns[LINK.free_space], fixed[LINK.free_space])
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
        demand += s.sites[b, SITE_ROW.demand_average, v]
        blocked += s.sites[b, SITE_ROW.blocked_average, v]
    o.context[b, CONTEXT.time_of_day_sin] = episode.day_sin
    o.context[b, CONTEXT.time_of_day_cos] = episode.day_cos
    o.context[b, CONTEXT.elapsed] = episode.interval / p.intervals
    o.context[b, CONTEXT.blocked_share] = blocked / demand if demand > 0.0 else 0.0


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
    episode = s.episodes[b]
    if not is_asked(episode):
        return
    request = current_request(s, b)
    first, second, bits = request.first, request.second, request.bits
    o.request_endpoints[b, 0], o.request_endpoints[b, 1] = first, second
    o.nodes[b, NODE.endpoint, first] = 1.0
    o.nodes[b, NODE.endpoint, second] = 1.0
    row_of_pair = pair_index(first, second, bank.n_sites)
    pool, prices = s.pools[b, POOL_ROW.pool], work.rows[PRICE]
    price_links(pool, bank.networks[g].n_links, p.capacity, work)
    feasible = 0
    for k in range(candidates):
        hops = bank.path_hops[g, row_of_pair, k]
        if hops == 0:
            break
        path = bank.path_links[g, row_of_pair, k]
        lacking = count_lacking(pool, path, hops, bits)
        length, qber, active, price, smallest = 0.0, 0.0, 0.0, 0.0, float(p.capacity)
        for h in range(hops):
            e = path[h]
            o.path_links[b, k, h] = e
            length += bank.links[g, e].length_km
            qber += s.links[b, LINK_ROW.observed_qber, e]
            active += s.links[b, LINK_ROW.active, e]
            price += prices[e]
            smallest = min(smallest, float(pool[e]))
        row = o.paths[b, k]
        row[PATH.exists] = 1.0
        row[PATH.feasible] = 1.0 if lacking == 0 else 0.0
        row[PATH.hops] = hops / HOPS_SCALE
        row[PATH.length] = min(length / LENGTH_SCALE_KM, FEATURE_LIMIT)
        row[PATH.bottleneck] = smallest / p.capacity
        row[PATH.cover] = smallest / (smallest + bits)
        row[PATH.price] = math.log1p(price)
        row[PATH.qber] = qber / hops
        row[PATH.active_share] = active / hops
        feasible += lacking == 0
        o.action_mask[b, k] = 1 if lacking == 0 else 0
    o.request[b, REQUEST.size] = math.log1p(bits / bank.networks[g].mean_request_bits)
    o.request[b, REQUEST.hops] = bank.path_hops[g, row_of_pair, 0] / HOPS_SCALE
    o.request[b, REQUEST.feasible_paths] = feasible / candidates
    patience_s = max(request.until - episode.interval, 0) * p.interval_s
    o.request[b, REQUEST.value] = min(value_of(bank, request), FEATURE_LIMIT)
    o.request[b, REQUEST.patience] = math.log1p(patience_s / 60.0)


@inlined
def _write_past(o: Observation, s: State, bank: Bank, b: int) -> None:
    """The requests of the past interval, then padding of size zero."""
    episode, requests = s.episodes[b], s.requests[b]
    ends, sizes = o.past_endpoints[b], o.past_sizes[b]
    mean_bits = bank.networks[episode.network].mean_request_bits
    for i in range(episode.n_requests):
        ends[i, 0], ends[i, 1] = requests[i].first, requests[i].second
        sizes[i] = math.log1p(requests[i].bits / mean_bits)
    for i in range(episode.n_requests, len(sizes)):
        ends[i, 0], ends[i, 1] = 0, 0
        sizes[i] = 0.0


@inlined
def _write_setting(o: Observation, s: State, bank: Bank, p: np.record, b: int) -> None:
    row, mean_bits = o.setting[b], bank.networks[s.episodes[b].network].mean_request_bits
    row[SETTING.calibration] = math.log1p(p.calibration_s / 60.0)
    row[SETTING.episode] = math.log1p(p.intervals * p.interval_s / HOUR_S)
    row[SETTING.interval] = p.interval_s / 60.0
    row[SETTING.modules] = math.log(p.modules)
    row[SETTING.pool] = math.log1p(p.capacity / mean_bits) / 10.0


@inlined
def _write_alarms(o: Observation, s: State, b: int) -> None:
    """What the operator knows of faults; padding stays zero."""
    struck, columns = s.struck[b], o.alarms[b]
    for e in range(len(columns)):
        row = columns[e]
        row[ALARM.alarm] = struck[STRUCK_ROW.alarm, e]
        row[ALARM.alarm_age] = math.log1p(struck[STRUCK_ROW.alarm_s, e] / 60.0)
        row[ALARM.window] = struck[STRUCK_ROW.window, e]
        row[ALARM.window_in] = math.log1p(struck[STRUCK_ROW.window_in_s, e] / 60.0)
        row[ALARM.window_left] = math.log1p(struck[STRUCK_ROW.window_left_s, e] / 60.0)


@inlined
def observe_one(
    o: Observation,
    s: State,
    bank: Bank,
    p: np.record,
    b: int,
    work: Workspace,
) -> None:
    """Writes row ``b`` of every buffer."""
    _write_nodes(o, s, bank, p, b)
    _write_links(o, s, bank, p, b, work)
    _write_context(o, s, bank, p, b)
    if o.blocks.shape[1] > 0:
        _copy(o.blocks[b], s.blocks[b, BLOCK_ROW.filled])
    if p.decides_paths:
        _write_request(o, s, bank, p, b, work)
    if p.decides_links:
        links, n_links = o.link_mask.shape[1], bank.networks[s.episodes[b].network].n_links
        start = o.action_mask.shape[1] - links - 1
        fill(o.action_mask[b], start, start + n_links, 1)
        fill(o.action_mask[b], start + n_links, start + links, 0)
        o.action_mask[b, start + links] = 1
    if len(bank.faults) > 0:
        _write_alarms(o, s, b)
    if p.decides_releases:
        _write_past(o, s, bank, b)
        _write_setting(o, s, bank, p, b)
        for e in range(bank.networks[s.episodes[b].network].n_links):
            o.action_mask[b, e] = s.links[b, LINK_ROW.switched, e] == 0.0
