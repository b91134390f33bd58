"""Compiled: what a scorer reads of a link, its sites and the setting, from an observation."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qkd_gym.features import CONTEXT, LINK, NODE, SETTING
from qkd_gym.jit import inlined
from qkd_gym.network.compiled.elementary import exp_single, log1p_single
from qkd_gym.network.compiled.vectors import fill, use_widest_vectors

F32 = NDArray[np.float32]


class Inputs(NamedTuple):
    """Inputs of a scorer, one number per link; all are of order one."""

    one: int
    """The constant 1."""
    lack: int
    """1 - pool fill, of a link that seems to work."""
    empty: int
    """exp(-8 x pool fill), of a link that seems to work."""
    uncovered: int
    """1 - pool cover, of a link that seems to work."""
    demand: int
    """Feature `demand_average`."""
    demand_now: int
    """Feature `demand_now`."""
    blocked: int
    """Feature `blocked_average`."""
    rate: int
    """log1p of the estimated key rate in pool capacities per hour: the last one seen, fading to the
    nominal one with its age."""
    age: int
    """1 - freshness."""
    error: int
    """Last observed QBER over its threshold, fading with its age."""
    site_demand: int
    """Summed `demand_average` of the two sites."""
    site_blocked: int
    """Summed `blocked_average` of the two sites."""
    scarcity: int
    """Sum of 1 / (1 + fill of all pools at the site) over the two sites."""
    site_rate: int
    """Observed over nominal key rate, less 1, of all links at a site, weighted by their freshness;
    mean of the two sites. It tells of a link that nobody has measured."""
    site_error: int
    """The same of the observed QBER over its threshold."""
    network_rate: int
    """Mean of the same over all sites with a measurement."""
    length: int
    """Feature `length`."""
    running: int
    """Feature `running_time`."""
    calibrating: int
    """Feature `calibration_left`."""
    end: int
    """Calibration time / (calibration time + what is left of the episode)."""
    lack_demand: int
    """Product, as the following ones: of few links much of both is asked."""
    lack_rate: int
    """lack x rate."""
    lack_site_blocked: int
    """lack x site_blocked."""
    lack_scarcity: int
    """lack x scarcity."""
    lack_lack: int
    """lack x lack."""
    demand_rate: int
    """demand x rate."""
    blocked_rate: int
    """blocked x rate."""
    demand_age: int
    """demand x age."""
    site_rate_age: int
    """site_rate x age."""
    site_error_age: int
    """site_error x age."""
    network_rate_age: int
    """network_rate x age."""
    calibration: int
    """Feature `calibration` of the setting, as the following ones."""
    interval: int
    """Length of a decision interval."""
    modules: int
    """QKD modules of a site."""
    pool: int
    """Pool capacity in requests."""


INPUT_NAMES = Inputs._fields
INPUT = Inputs(*range(len(INPUT_NAMES)))

_PRODUCTS = (
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
    """
    use_widest_vectors()
    n = x.shape[1]
    _write_stock(x, links, works)
    _write_links(x, links)
    _write_sites(x, links, nodes, ends, n_links, sites[0])
    _write_quality(x, links, ends, n_links, sites[0], sites[1], sites[2])
    setup_h = math.expm1(setting[SETTING.calibration]) / 60.0
    left_h = (1.0 - context[CONTEXT.elapsed]) * math.expm1(setting[SETTING.episode])
    fill(x[INPUT.end], 0, n, setup_h / (setup_h + left_h) if setup_h > 0.0 else 0.0)
    for to, given in _SETTINGS:
        fill(x[to], 0, n, setting[given])
    for to, first, second in _PRODUCTS:
        for e in range(n):
            x[to, e] = x[first, e] * x[second, e]
