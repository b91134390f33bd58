"""Every feature of an observation: name, order, unit and scale, defined here and nowhere else.

``LINK.pool_fill`` is the column of a feature in ``observation["links"][..., column]``, in Python as
in compiled code; ``LINK_FEATURES`` are the names in that order. Likewise ``NODE``, ``CONTEXT``,
``SETTING``, ``REQUEST``, ``PATH`` and ``ALARM``. Trained weights hang on the order.

Every feature is float32 and of order one. Rates and demands are in *pool capacities per hour*,
``x_bps * HOUR_S / pool_capacity_bits``, squashed by ``log1p``, so that they mean the same in every
network.
"""

from __future__ import annotations

from typing import NamedTuple

# Features lie in [-FEATURE_LIMIT, FEATURE_LIMIT]; the limit tells tools that they are bounded.
FEATURE_LIMIT = 100.0

LENGTH_SCALE_KM = 50.0  # of positions and lengths
DEGREE_SCALE = 8.0
HOPS_SCALE = 10.0
HOUR_S = 3600.0  # rates are in pool capacities per this time
COVER_S = 1800.0  # a pool covers this much recent demand
RUNNING_SCALE_S = 600.0  # time constant of `running_time`
FRESHNESS_SCALE_S = 3600.0  # time constant of `freshness`
OBSERVED_RATE_CAP = 2.0  # largest `observed_rate`


class NodeFeatures(NamedTuple):
    """Features of a site."""

    x: int
    """Position east of the network's centre / 50 km."""
    y: int
    """Position north of the network's centre / 50 km."""
    degree: int
    """Candidate links at the site / 8."""
    betweenness: int
    """Betweenness centrality over candidate links weighted by length, normalised to [0, 1]."""
    modules_used: int
    """QKD modules held by active links / modules of the site."""
    demand_average: int
    """Recent demand with the site as an end, log1p(pool capacities per hour)."""
    blocked_average: int
    """Recent blocked demand with the site as an end, log1p(pool capacities per hour)."""
    endpoint: int
    """1 at the two ends of the request being decided, else 0."""


class LinkFeatures(NamedTuple):
    """Features of a candidate link."""

    active: int
    """1 while the link holds a module at each end."""
    calibration_left: int
    """Time until key flows / calibration time."""
    pool_fill: int
    """Stored key / pool capacity."""
    pool_cover: int
    """Stored key / (stored key + 30 minutes of recent demand)."""
    nominal_rate: int
    """Key rate that length and medium promise, log1p(pool capacities per hour)."""
    observed_rate: int
    """Last observed key rate / nominal rate, at most 2; 0 if never observed."""
    observed_qber: int
    """Last observed QBER / QBER threshold of the link's protocol; 0 if never observed."""
    freshness: int
    """exp(-age of that observation / 1 h); 0 if never observed."""
    demand_average: int
    """Recent demand on the link, log1p(pool capacities per hour)."""
    demand_now: int
    """Demand on the link in the last interval, log1p(pool capacities per hour)."""
    blocked_average: int
    """Recent demand blocked for want of this link's key, log1p(pool capacities per hour)."""
    running_time: int
    """1 - exp(-time since activation / 10 min); 0 when inactive."""
    protected: int
    """1 while the dwell time after activation lasts."""
    no_key: int
    """1 if the link is active and calibrated but yields no key (outage, QBER alarm)."""
    full_endpoints: int
    """Ends without a free module / 2; 0 for an active link."""
    need: int
    """Demand average x (1 - pool fill) if the link seems to work, plus blocked average,
    log1p(pool capacities per hour)."""
    release_need: int
    """Summed need of the links that activating this one would release, log1p likewise."""
    length: int
    """Length / 50 km."""
    free_space: int
    """1 for a free-space link."""


class ContextFeatures(NamedTuple):
    """Features of the network as a whole."""

    time_of_day_sin: int
    """Sine of the angle of the time of day."""
    time_of_day_cos: int
    """Cosine of the angle of the time of day."""
    elapsed: int
    """Share of the episode that has passed."""
    blocked_share: int
    """Recent blocked / offered key over the network."""


class SettingFeatures(NamedTuple):
    """What the operator knows of the network and the equipment beforehand."""

    calibration: int
    """log1p(calibration time in minutes)."""
    episode: int
    """log1p(length of the episode in hours)."""
    interval: int
    """Length of a decision interval in minutes."""
    modules: int
    """log(QKD modules of a site)."""
    pool: int
    """log1p(pool capacity / mean request size) / 10."""


class RequestFeatures(NamedTuple):
    """Features of the request that waits for a decision."""

    size: int
    """log1p(requested bits / mean request size)."""
    hops: int
    """Hops of the lightest candidate path / 10."""
    feasible_paths: int
    """Candidate paths that can serve the request / number of candidates."""
    value: int
    """Worth of a bit of its service class / that of the mean offered bit, at most 100; 1 where
    there are no classes."""
    patience: int
    """log1p(minutes for which it may still wait); 0 if refusing it blocks it."""


class PathFeatures(NamedTuple):
    """Features of a candidate path of the request."""

    exists: int
    """1 for a candidate path, 0 for padding."""
    feasible: int
    """1 if every pool on the path holds the requested key."""
    hops: int
    """Hops / 10."""
    length: int
    """Length / 50 km, at most 100."""
    bottleneck: int
    """Smallest pool on the path / pool capacity."""
    cover: int
    """Smallest pool / (smallest pool + requested bits)."""
    price: int
    """log1p of the summed exponential prices of the path's links."""
    qber: int
    """Mean over the path's links of the last observed QBER / QBER threshold."""
    active_share: int
    """Share of the path's links that are active."""


class AlarmFeatures(NamedTuple):
    """What the operator knows of the faults of a link, where the scenario has `faults`."""

    alarm: int
    """1 while there is an alarm: a fault has been detected and not ended."""
    alarm_age: int
    """log1p(minutes since the first alarm that lasts); 0 without one."""
    window: int
    """1 while an announced event, such as maintenance, lies ahead or lasts."""
    window_in: int
    """log1p(minutes until the first of these begins); 0 while it lasts."""
    window_left: int
    """log1p(minutes until it ends)."""


NODE_FEATURES = NodeFeatures._fields
LINK_FEATURES = LinkFeatures._fields
CONTEXT_FEATURES = ContextFeatures._fields
SETTING_FEATURES = SettingFeatures._fields
REQUEST_FEATURES = RequestFeatures._fields
PATH_FEATURES = PathFeatures._fields
ALARM_FEATURES = AlarmFeatures._fields

NODE = NodeFeatures(*range(len(NODE_FEATURES)))
LINK = LinkFeatures(*range(len(LINK_FEATURES)))
CONTEXT = ContextFeatures(*range(len(CONTEXT_FEATURES)))
SETTING = SettingFeatures(*range(len(SETTING_FEATURES)))
REQUEST = RequestFeatures(*range(len(REQUEST_FEATURES)))
PATH = PathFeatures(*range(len(PATH_FEATURES)))
ALARM = AlarmFeatures(*range(len(ALARM_FEATURES)))
