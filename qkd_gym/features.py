"""Names, order and scaling of the observation's features: the one place that defines them.

Every feature is float32 and of order one. Rates and demands of a link are expressed in *pool
capacities per hour* (``x_bps * 3600 / pool_capacity_bits``) and squashed with ``log1p``, so that
they mean the same in every network. Graph models read these names instead of column numbers.
"""

from __future__ import annotations

NODE_FEATURES: tuple[str, ...] = (
    "x",  # position relative to the network's centre, in units of 50 km
    "y",
    "degree",  # candidate links at the site / 8
    "betweenness",  # normalised betweenness centrality over candidate links, weighted by length
    "modules_used",  # modules held by active links / modules of the site
    "demand_average",  # recent demand with the site as an endpoint, log1p(capacities per hour)
    "blocked_average",  # recent blocked demand with the site as an endpoint, likewise
    "endpoint",  # 1 at the two ends of the request being decided, else 0
)

LINK_FEATURES: tuple[str, ...] = (
    "active",  # 1 while the link holds a module at each end
    "calibration_left",  # remaining share of the calibration time
    "pool_fill",  # stored key / pool capacity
    "pool_cover",  # stored key / (stored key + 30 minutes of recent demand)
    "nominal_rate",  # what an operator expects from length and medium, log1p(capacities per hour)
    "observed_rate",  # last observed key rate / nominal rate, 0 if never observed
    "observed_qber",  # last observed QBER / QBER threshold, 0 if never observed
    "freshness",  # exp(-age of that observation / 1 h), 0 if never observed
    "demand_average",  # recent demand on the link, log1p(capacities per hour)
    "demand_now",  # demand on the link in the last interval, likewise
    "blocked_average",  # recent demand blocked for want of this link's key, likewise
    "running_time",  # 1 - exp(-time since activation / 10 min), 0 when inactive
    "protected",  # 1 while the dwell time after activation lasts
    "no_key",  # 1 if the link is active and calibrated but yields no key (outage, QBER alarm)
    "full_endpoints",  # endpoints without a free module / 2, 0 for an active link
    "need",  # log1p of demand average * (1 - fill) if viable, plus blocked average
    "release_need",  # the same for the links that activating this one would release
    "length",  # length / 50 km
    "free_space",  # 1 for a free-space link
)

CONTEXT_FEATURES: tuple[str, ...] = (
    "time_of_day_sin",
    "time_of_day_cos",
    "elapsed",  # share of the episode that has passed
    "blocked_share",  # recent blocked / offered key over the network
)

REQUEST_FEATURES: tuple[str, ...] = (
    "size",  # log1p(requested bits / mean request size)
    "hops",  # hops of the shortest candidate path / 10
    "feasible_paths",  # candidate paths that can serve the request / number of candidates
)

PATH_FEATURES: tuple[str, ...] = (
    "exists",  # 1 for a candidate path, 0 for padding
    "feasible",  # 1 if every pool on the path holds the requested key
    "hops",  # hops / 10
    "length",  # path length / 50 km
    "bottleneck",  # smallest pool on the path / pool capacity
    "cover",  # smallest pool / (smallest pool + requested bits)
    "price",  # log1p of the summed exponential price of the path's links
    "qber",  # mean of the links' last observed QBER / QBER threshold
    "active_share",  # share of the path's links that are active
)

LINK = {name: index for index, name in enumerate(LINK_FEATURES)}
NODE = {name: index for index, name in enumerate(NODE_FEATURES)}
PATH = {name: index for index, name in enumerate(PATH_FEATURES)}
