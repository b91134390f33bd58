"""Compiled: computes a scorer's inputs from an observation."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from qkd_gym.features import CONTEXT, LINK, NODE, SETTING
from qkd_gym.jit import inlined
from qkd_gym.network.compiled.elementary import exp_single, log1p_single
from qkd_gym.network.compiled.vectors import fill, use_widest_vectors
from qkd_gym.scoring.inputs import INPUT

F32 = NDArray[np.float32]

_PRODUCTS = (
    (INPUT.lack_detour, INPUT.lack, INPUT.detour),
    (INPUT.lack_detour_demand, INPUT.lack, INPUT.detour_demand),
    (INPUT.lack_detour_rate, INPUT.lack, INPUT.detour_rate),
    (INPUT.lack_demand, INPUT.lack, INPUT.demand),
    (INPUT.lack_rate, INPUT.lack, INPUT.rate),
    (INPUT.lack_site_blocked, INPUT.lack, INPUT.site_blocked),
    (INPUT.lack_scarcity, INPUT.lack, INPUT.scarcity),
    (INPUT.lack_lack, INPUT.lack, INPUT.lack),
    (INPUT.demand_rate, INPUT.demand, INPUT.rate),
    (INPUT.blocked_rate, INPUT.blocked, INPUT.rate),
    (INPUT.demand_age, INPUT.demand, INPUT.age),
    (INPUT.site_rate_age, INPUT.site_rate, INPUT.age),
    (INPUT.site_error_age, INPUT.site_error, INPUT.age),
    (INPUT.network_rate_age, INPUT.network_rate, INPUT.age),
)
_SETTINGS = (
    (INPUT.calibration, SETTING.calibration),
    (INPUT.interval, SETTING.interval),
    (INPUT.modules, SETTING.modules),
    (INPUT.pool, SETTING.pool),
)
_ZERO, _ONE, _WORKS = np.float32(0.0), np.float32(1.0), np.float32(0.1)
_HALF = np.float32(0.5)


@inlined
def _rate_per_hour(nominal: np.float32, freshness: np.float32, observed: np.float32) -> np.float32:
    """Estimated key rate in pool capacities per hour."""
    relative = max(_ONE + freshness * (observed - _ONE), _ZERO)
    return relative * (exp_single(nominal) - _ONE)


@inlined
def _write_stock(x: F32, links: F32, works: F32) -> None:
    use_widest_vectors()
    for e in range(x.shape[1]):
        relative = _ONE + links[LINK.freshness, e] * (links[LINK.observed_rate, e] - _ONE)
        works[e] = _ONE if relative > _WORKS else _ZERO
    for e in range(x.shape[1]):
        filled = links[LINK.pool_fill, e]
        x[INPUT.lack, e] = (_ONE - filled) * works[e]
        x[INPUT.empty, e] = exp_single(np.float32(-8.0) * filled) * works[e]
        x[INPUT.uncovered, e] = (_ONE - links[LINK.pool_cover, e]) * works[e]


@inlined
def _write_links(x: F32, links: F32) -> None:
    use_widest_vectors()
    n = x.shape[1]
    for e in range(n):
        freshness = links[LINK.freshness, e]
        rate = _rate_per_hour(links[LINK.nominal_rate, e], freshness, links[LINK.observed_rate, e])
        x[INPUT.rate, e] = log1p_single(rate)
        x[INPUT.age, e] = _ONE - freshness
        x[INPUT.error, e] = links[LINK.observed_qber, e] * freshness
    for e in range(n):
        x[INPUT.one, e] = _ONE
        x[INPUT.demand, e] = links[LINK.demand_average, e]
        x[INPUT.demand_now, e] = links[LINK.demand_now, e]
        x[INPUT.blocked, e] = links[LINK.blocked_average, e]
        x[INPUT.length, e] = links[LINK.length, e]
        x[INPUT.running, e] = links[LINK.running_time, e]
        x[INPUT.calibrating, e] = links[LINK.calibration_left, e]


@inlined
def _write_sites(x: F32, links: F32, nodes: F32, ends: np.ndarray, n_links: int, site: F32) -> None:
    """What the two sites of a link have in common with the others there."""
    demand, blocked = nodes[NODE.demand_average], nodes[NODE.blocked_average]
    fill(site, 0, len(site), 0.0)
    for e in range(n_links):
        site[ends[e, 0]] += links[LINK.pool_fill, e]
        site[ends[e, 1]] += links[LINK.pool_fill, e]
    for v in range(len(site)):
        site[v] = _ONE / (_ONE + site[v])
    for e in range(n_links):
        u, v = ends[e, 0], ends[e, 1]
        x[INPUT.site_demand, e] = demand[u] + demand[v]
        x[INPUT.site_blocked, e] = blocked[u] + blocked[v]
        x[INPUT.scarcity, e] = site[u] + site[v]


@inlined
def _write_quality(
    x: F32, links: F32, ends: np.ndarray, n_links: int, seen: F32, rate: F32, error: F32
) -> None:
    """How good the links at both sites have been found; a site without a measurement has zeros."""
    n_sites = len(seen)
    fill(seen, 0, n_sites, 0.5)  # half a measurement that says nothing
    fill(rate, 0, n_sites, 0.0)
    fill(error, 0, n_sites, 0.0)
    for e in range(n_links):
        freshness = links[LINK.freshness, e]
        for side in range(2):
            v = ends[e, side]
            seen[v] += freshness
            rate[v] += freshness * (links[LINK.observed_rate, e] - _ONE)
            error[v] += freshness * links[LINK.observed_qber, e]
    overall, measured = _ZERO, _ZERO
    for v in range(n_sites):
        measured += _ONE if seen[v] > _HALF else _ZERO
        rate[v] /= seen[v]
        error[v] /= seen[v]
        overall += rate[v]
    overall /= max(measured, _ONE)
    for e in range(n_links):
        u, v = ends[e, 0], ends[e, 1]
        x[INPUT.site_rate, e] = _HALF * (rate[u] + rate[v])
        x[INPUT.site_error, e] = _HALF * (error[u] + error[v])
    fill(x[INPUT.network_rate], 0, x.shape[1], overall)


@inlined
def _write_detours(x: F32, links: F32, ends: np.ndarray, n_links: int, pairs: F32) -> None:
    """What leads round a link over one other site; leaves the scratch space as it was, of zeros."""
    use_widest_vectors()
    fills, demands, rates = pairs[0], pairs[1], pairs[2]
    for e in range(n_links):
        u, v = ends[e, 0], ends[e, 1]
        fills[u, v] = fills[v, u] = links[LINK.pool_fill, e]
        demands[u, v] = demands[v, u] = links[LINK.demand_average, e]
        rates[u, v] = rates[v, u] = links[LINK.active, e] * x[INPUT.rate, e]
    for e in range(n_links):
        u, v = ends[e, 0], ends[e, 1]
        fullest, busiest, fastest = _ZERO, _ZERO, _ZERO
        for w in range(len(fills)):
            fullest = max(fullest, min(fills[u, w], fills[v, w]))
            busiest = max(busiest, min(demands[u, w], demands[v, w]))
            fastest = max(fastest, min(rates[u, w], rates[v, w]))
        x[INPUT.detour, e] = fullest
        x[INPUT.detour_demand, e] = busiest
        x[INPUT.detour_rate, e] = fastest
    for e in range(n_links):
        u, v = ends[e, 0], ends[e, 1]
        fills[u, v] = fills[v, u] = _ZERO
        demands[u, v] = demands[v, u] = _ZERO
        rates[u, v] = rates[v, u] = _ZERO


@inlined
def write_inputs(
    x: F32,
    links: F32,
    nodes: F32,
    ends: np.ndarray,
    n_links: int,
    context: F32,
    setting: F32,
    works: F32,
    sites: F32,
    pairs: F32,
) -> None:
    """Writes the inputs of all links of one observation.

    Args:
        x: Written to, (len(INPUT), E); what is beyond ``n_links`` means nothing.
        links: Features of the links, (len(LINK), at least E).
        nodes: Features of the sites, (len(NODE), N).
        ends: Sites of each link, (E, 2).
        n_links: Links that are no padding.
        context: Features of the network, (len(CONTEXT),).
        setting: Features of the setting, (len(SETTING),).
        works: Scratch, (E,).
        sites: Scratch, (3, N).
        pairs: Scratch, (3, N, N), of zeros.
    """
    use_widest_vectors()
    n = x.shape[1]
    _write_stock(x, links, works)
    _write_links(x, links)
    _write_sites(x, links, nodes, ends, n_links, sites[0])
    _write_quality(x, links, ends, n_links, sites[0], sites[1], sites[2])
    setup_h = math.expm1(setting[SETTING.calibration]) / 60.0
    left_h = (1.0 - context[CONTEXT.elapsed]) * math.expm1(setting[SETTING.episode])
    _write_detours(x, links, ends, n_links, pairs)
    fill(x[INPUT.blocked_share], 0, n, context[CONTEXT.blocked_share])
    fill(x[INPUT.end], 0, n, setup_h / (setup_h + left_h) if setup_h > 0.0 else 0.0)
    for to, given in _SETTINGS:
        fill(x[to], 0, n, setting[given])
    for to, first, second in _PRODUCTS:
        for e in range(n):
            x[to, e] = x[first, e] * x[second, e]
