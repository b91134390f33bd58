"""What a scorer of paths reads of a request, its path and the network: names and meaning."""

from __future__ import annotations

from typing import NamedTuple

from qkd_gym.scoring.inputs import INPUT, INPUT_NAMES

PRICED = (
    INPUT.one,
    INPUT.lack,
    INPUT.lack_lack,
    INPUT.empty,
    INPUT.uncovered,
    INPUT.demand,
    INPUT.demand_now,
    INPUT.blocked,
    INPUT.rate,
    INPUT.running,
    INPUT.error,
    INPUT.site_demand,
    INPUT.site_blocked,
    INPUT.scarcity,
    INPUT.detour,
    INPUT.detour_demand,
    INPUT.detour_rate,
    INPUT.lack_demand,
    INPUT.lack_rate,
    INPUT.lack_detour,
    INPUT.demand_rate,
)
"""The inputs of a link, see `qkd_gym.scoring.inputs`, that the price of its key hangs on."""

PRICED_NAMES = tuple(INPUT_NAMES[column] for column in PRICED)


class PathInputs(NamedTuple):
    """Inputs of a scorer, one number per candidate path; all are of order one.

    Those that are the same for all paths of a request say how much it takes to refuse it.
    """

    one: int
    """The constant 1."""
    value: int
    """Logarithm of the worth of a bit over that of the mean offered bit."""
    value_value: int
    """Its square: with both, three service classes may each be treated by its own measure."""
    size: int
    """Feature `size` of the request."""
    patience: int
    """Feature `patience` of the request."""
    waits: int
    """1 if the request may wait."""
    hops: int
    """Logarithm of the path's hops."""
    left: int
    """Fill that the request leaves in the emptiest pool of the path."""
    scarce: int
    """exp(-8 x left)."""
    active: int
    """Feature `active_share` of the path."""
    feasible: int
    """Feature `feasible_paths` of the request."""
    demand: int
    """Mean of the feature `demand_average` of the two ends."""
    blocked: int
    """Mean of the feature `blocked_average` of the two ends."""
    blocked_share: int
    """Feature `blocked_share` of the network."""
    elapsed: int
    """Share of the episode that has passed."""
    ending: int
    """exp(-10 x share of the episode that is left)."""
    value_left: int
    """value x left, as the following ones are products."""
    value_patience: int
    """value x patience."""
    value_blocked_share: int
    """value x blocked_share."""
    value_ending: int
    """value x ending."""
    left_size: int
    """left x size."""
    left_patience: int
    """left x patience."""


PATH_INPUT_NAMES = PathInputs._fields
PATH_INPUT = PathInputs(*range(len(PATH_INPUT_NAMES)))
