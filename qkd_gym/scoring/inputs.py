"""What a scorer reads of a link, its sites and the setting: names and meaning."""

from __future__ import annotations

from typing import NamedTuple


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
    detour: int
    """Fill of the emptier of two pools that lead round the link over one other site, the best."""
    detour_demand: int
    """Feature `demand_average` of the less used of such two links, the largest."""
    detour_rate: int
    """`rate` of the slower of such two links that both run, the largest."""
    blocked_share: int
    """Feature `blocked_share` of the network."""
    lack_detour: int
    """Product, as the following ones: of few links much of both is asked. This one is lack x
    detour."""
    lack_detour_demand: int
    """lack x detour_demand."""
    lack_detour_rate: int
    """lack x detour_rate."""
    lack_demand: int
    """lack x demand."""
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
