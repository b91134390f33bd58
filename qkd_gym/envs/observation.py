"""Compiled observations: from the simulator's state to the arrays that `layout` describes."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from qkd_gym.envs.layout import (
    CONTEXT_FEATURES,
    LINK_FEATURES,
    NODE_FEATURES,
    PATH_FEATURES,
    REQUEST_FEATURES,
)
from qkd_gym.network.bank import Bank
from qkd_gym.network.kernel import ACTIVATION, BOTH, is_protected, link_need
from qkd_gym.network.routing import measure_path, pair_index
from qkd_gym.network.state import State

F32 = NDArray[np.float32]


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


@njit(cache=True)
def _release_needs(
    links: np.ndarray, ends: np.ndarray, needs: np.ndarray, p: np.record, at_site: np.ndarray
) -> None:
    """For each site, the need of the link that `kernel.release_choice` would give up there."""
    chosen_protected = np.ones(len(at_site), dtype=np.bool_)
    at_site[:] = np.inf
    for e in range(len(needs)):
        if links[e].active == 0:
            continue
        protected = is_protected(links[e], p)
        for side in range(2):
            v = ends[e, side]
            if (chosen_protected[v] and not protected) or (
                chosen_protected[v] == protected and needs[e] < at_site[v]
            ):
                at_site[v] = needs[e]
                chosen_protected[v] = protected


@njit(cache=True)
def _write_nodes(rows: F32, sites: np.ndarray, facts: np.ndarray, p: np.record) -> None:
    hourly = 3600.0 / p.capacity
    for v in range(len(sites)):
        row, site, fact = rows[v], sites[v], facts[v]
        row[0] = fact.x_km / 50.0
        row[1] = fact.y_km / 50.0
        row[2] = fact.degree / 8.0
        row[3] = fact.betweenness
        row[4] = site.modules_used / p.modules
        row[5] = math.log1p(site.demand * hourly)
        row[6] = math.log1p(site.blocked * hourly)
        row[7] = 0.0


@njit(cache=True)
def _write_link(row: F32, link: np.record, facts: np.record, p: np.record) -> None:
    """All features of a link but those that depend on its ends."""
    hourly = 3600.0 / p.capacity
    pool = float(link.pool)
    row[:] = 0.0
    row[0] = link.active
    if p.calibration_s > 0.0:
        row[1] = link.calibration_left_s / p.calibration_s
    row[2] = pool / p.capacity
    if pool > 0.0:
        row[3] = pool / (pool + link.demand_average * 1800.0)
    row[4] = math.log1p(facts.nominal_rate_bps * hourly)
    if link.seen:
        if facts.nominal_rate_bps > 0.0:
            row[5] = min(link.seen_rate_bps / facts.nominal_rate_bps, 2.0)
        row[6] = link.seen_qber / facts.qber_threshold
        row[7] = math.exp(-link.seen_age_s / 3600.0)
    row[8] = math.log1p(link.demand_average * hourly)
    row[9] = math.log1p(link.demand_now / p.interval_s * hourly)
    row[10] = math.log1p(link.blocked_average * hourly)
    if link.active:
        row[11] = -math.expm1(-link.running_s / 600.0)
        row[12] = is_protected(link, p)
        row[13] = link.seen and link.seen_age_s == 0.0 and link.seen_rate_bps == 0.0
    row[17] = facts.length_km / 50.0
    row[18] = facts.free_space


@njit(cache=True)
def _write_links(o: Observation, s: State, bank: Bank, p: np.record, b: int) -> None:
    g = s.episodes[b].network
    n_links = bank.networks[g].n_links
    links, facts, sites = s.links[b], bank.links[g], s.sites[b]
    ends, rows, out = bank.link_endpoints[g], o.links[b], o.link_endpoints[b]
    hourly = 3600.0 / p.capacity
    needs = np.empty(n_links)
    at_site = np.empty(bank.n_sites)
    for e in range(n_links):
        needs[e] = link_need(links[e], facts[e], p)
    _release_needs(links, ends, needs, p, at_site)
    for e in range(n_links):
        row = rows[e]
        _write_link(row, links[e], facts[e], p)
        row[15] = math.log1p(needs[e] * hourly)
        released = 0.0
        for side in range(2):
            v = ends[e, side]
            out[e, side] = v
            if links[e].active == 0 and sites[v].modules_used >= p.modules:
                row[14] += 0.5
                released += at_site[v]
        row[16] = math.log1p(released * hourly)
        o.link_mask[b, e] = 1
    for e in range(n_links, len(rows)):
        rows[e, :] = 0.0
        out[e, 0], out[e, 1] = 0, 0
        o.link_mask[b, e] = 0


@njit(cache=True)
def _write_context(o: Observation, s: State, bank: Bank, p: np.record, b: int) -> None:
    angle = (
        2.0
        * math.pi
        * (s.episodes[b].phase_s + s.episodes[b].interval * p.interval_s)
        / p.diurnal_period_s
    )
    demand, blocked = 0.0, 0.0
    for v in range(bank.n_sites):
        demand += s.sites[b, v].demand
        blocked += s.sites[b, v].blocked
    o.context[b, 0] = math.sin(angle)
    o.context[b, 1] = math.cos(angle)
    o.context[b, 2] = s.episodes[b].interval / p.intervals
    o.context[b, 3] = blocked / demand if demand > 0.0 else 0.0


@njit(cache=True)
def _write_request(o: Observation, s: State, bank: Bank, p: np.record, b: int) -> None:
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
    feasible = 0
    for k in range(candidates):
        hops = bank.path_hops[g, row_of_pair, k]
        if hops == 0:
            break
        path = bank.path_links[g, row_of_pair, k]
        lacking, price = measure_path(s.links[b], path, hops, p.capacity, bits)
        length, qber, active, smallest = 0.0, 0.0, 0.0, float(p.capacity)
        for h in range(hops):
            e = path[h]
            link = s.links[b, e]
            o.path_links[b, k, h] = e
            length += bank.links[g, e].length_km
            qber += link.seen_qber / bank.links[g, e].qber_threshold
            active += link.active
            smallest = min(smallest, float(link.pool))
        row = o.paths[b, k]
        row[0] = 1.0
        row[1] = 1.0 if lacking == 0 else 0.0
        row[2] = hops / 10.0
        row[3] = length / 50.0
        row[4] = smallest / p.capacity
        row[5] = smallest / (smallest + bits)
        row[6] = math.log1p(price)
        row[7] = qber / hops
        row[8] = active / hops
        feasible += lacking == 0
        o.action_mask[b, k] = 1 if lacking == 0 else 0
    o.request[b, 0] = math.log1p(bits / bank.networks[g].mean_request_bits)
    o.request[b, 1] = bank.path_hops[g, row_of_pair, 0] / 10.0
    o.request[b, 2] = feasible / candidates


@njit(cache=True)
def observe_one(o: Observation, s: State, bank: Bank, p: np.record, b: int, decides: int) -> None:
    """Writes row ``b`` of every buffer."""
    _write_nodes(o.nodes[b], s.sites[b], bank.sites[s.episodes[b].network], p)
    _write_links(o, s, bank, p, b)
    _write_context(o, s, bank, p, b)
    if decides != ACTIVATION:
        _write_request(o, s, bank, p, b)
    if decides in (ACTIVATION, BOTH):
        links = o.links.shape[1]
        start = o.action_mask.shape[1] - links - 1
        for e in range(links):
            o.action_mask[b, start + e] = o.link_mask[b, e]
        o.action_mask[b, start + links] = 1


@njit(cache=True, nogil=True)
def observe_range(start, stop, o, s, bank, params, decides):  # type: ignore[no-untyped-def]
    """Writes the observations of the episodes from ``start`` to ``stop`` - 1."""
    for b in range(start, stop):
        observe_one(o, s, bank, params[0], b, decides)
