"""The load that policies carry at an equal delivered share.

A point of delivered share is worth more at one load than at another. Optical networking compares
the load that policies support at an equal share of blocked requests (learned ones too: XLRON, arXiv
2605.02075), which says how much more traffic the same equipment carries.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from qkd_gym.evaluation.intervals import Interval

F64 = NDArray[np.float64]
Policy = TypeVar("Policy", bound=Hashable)
_RESAMPLES = 2000


def supported_loads(
    shares: Mapping[Policy, Mapping[float, F64]], reference: Policy, load: float
) -> dict[Policy, Interval]:
    """The load at which each policy delivers the share that a reference delivers at some load.

    Between the loads that were played, mean shares are interpolated linearly. Intervals are 95 %
    bootstrap intervals over episodes, which are paired: the reference's own is a point.

    Args:
        shares: Delivered share of every episode, of the same seeds in the same order, shape (n,),
            by policy and load.
        reference: One of the policies.
        load: One of its loads.

    Returns:
        Loads by policy; NaN, also as an end of an interval, where a share is not reached between
        the lowest and the highest load that were played.
    """
    rng = np.random.default_rng(0)
    (count,) = {len(each) for of_one in shares.values() for each in of_one.values()}
    draws = np.vstack([np.arange(count), rng.integers(count, size=(_RESAMPLES, count))])
    levels = shares[reference][load][draws].mean(axis=1)
    found = {}
    for policy, by_load in shares.items():
        loads = np.array(sorted(by_load))
        means = np.stack([by_load[each][draws].mean(axis=1) for each in loads.tolist()], axis=1)
        supported = np.array([_where(*one, loads) for one in zip(levels, means, strict=True)])
        low, high = np.quantile(supported[1:], [0.025, 0.975])
        found[policy] = Interval(float(supported[0]), float(low), float(high))
    return found


def _where(level: float, shares: F64, loads: F64) -> float:
    """The load of a share, which falls with the load."""
    falling = np.minimum.accumulate(shares)
    return float(np.interp(level, falling[::-1], loads[::-1], left=np.nan, right=np.nan))
