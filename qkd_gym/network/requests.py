"""Requests as compiled code has them, and recorded ones by decision interval."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qkd_gym.errors import InvalidInput
from qkd_gym.network.compiled.memory import zeros
from qkd_gym.network.config import NetworkConfig, interval_s, intervals_in

I64 = NDArray[np.int64]

REQUEST = np.dtype(
    [
        ("first", "i8"),  # site, below the second one
        ("second", "i8"),
        ("bits", "i8"),
        ("service", "i4"),  # its class
        ("until", "i4"),  # interval in which it is asked for the last time
    ]
)


class Recorded(NamedTuple):
    """The recorded requests of an episode of T intervals."""

    requests: NDArray[np.void]  # (R,) REQUEST, by interval
    # (T + 2,) index of the first one of each interval, and of two after the last, which have none;
    # (0,) if requests are generated.
    first: I64


def recorded_requests(config: NetworkConfig, n_sites: int) -> Recorded:
    """The recorded requests of a configuration that fall into an episode.

    Raises:
        InvalidInput: If none does, or there are too many intervals.
    """
    intervals = intervals_in(config.episode_s, n_sites)
    asked = _intervals_of(config, n_sites)
    played = asked[asked < intervals]
    if not len(asked):
        return Recorded(np.zeros(0, REQUEST), np.zeros(0, np.int64))
    if not len(played):
        raise InvalidInput(
            f"episode_s is {config.episode_s:g}, but must be longer where the first recorded "
            f"request comes at {config.demand.requests[0].time_s:g} s."  # type: ignore[union-attr]
        )
    requests = np.zeros(len(played), REQUEST)
    rows = np.array(
        [(each.source, each.target, each.bits) for each in config.demand.requests[: len(played)]]  # type: ignore[union-attr]
    )
    requests["first"], requests["second"] = rows[:, :2].min(axis=1), rows[:, :2].max(axis=1)
    requests["bits"] = rows[:, 2]
    first = zeros(f"episode_s is {config.episode_s:g}", first=((intervals + 2,), np.int64))["first"]
    np.cumsum(np.bincount(played, minlength=intervals), out=first[1:-1])
    first[-1] = len(played)
    return Recorded(requests, first)


def busiest_interval(config: NetworkConfig, n_sites: int) -> int:
    """Most recorded requests in one interval; 0 if requests are generated."""
    asked = _intervals_of(config, n_sites)
    return int(np.unique(asked, return_counts=True)[1].max(initial=0))


def _intervals_of(config: NetworkConfig, n_sites: int) -> I64:
    """The interval of each recorded request, ascending."""
    requests = () if config.demand is None else config.demand.requests
    times_s = np.array([request.time_s for request in requests])
    return np.floor(times_s / interval_s(n_sites) + 1e-9).astype(np.int64)
