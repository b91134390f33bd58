"""What filters are told, what they keep, and what is drawn from it.

`seen_in` is the only code of the filters that touches a state. It takes from it:

- ``episodes``: ``network``, ``interval``, ``day_sin``, ``day_cos``, ``n_requests``;
- ``links``: ``observed_rate``, ``observed_qber``, ``freshness``;
- ``requests``: ``first`` and ``second`` of the past interval's requests, which have all been
  served by the end of it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qkd_gym.network.compiled.memory import zeros
from qkd_gym.network.state import LINK_ROW, Records, State

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
F32 = NDArray[np.float32]


class Seen(NamedTuple):
    """What an operator sees of B episodes at the end of an interval: views of the state."""

    network: I64  # (B,) index into the bank
    interval: I64  # (B,) intervals that have passed
    day_sin: F64  # (B,) of the angle of the time of day
    day_cos: F64  # (B,)
    observed_rate: F32  # (B, E) over the nominal one
    observed_qber: F32  # (B, E) over the protocol's threshold
    freshness: F32  # (B, E) exp(-age / 1 h), 0 before the first observation
    n_requests: I64  # (B,) of the past interval
    first: I64  # (B, R) their sites
    second: I64  # (B, R)


def seen_in(state: State) -> Seen:
    """What an operator sees of a state."""
    episodes, links, requests = state.episodes, state.links, state.requests
    return Seen(
        episodes["network"],
        episodes["interval"],
        episodes["day_sin"],
        episodes["day_cos"],
        links[:, LINK_ROW.observed_rate],
        links[:, LINK_ROW.observed_qber],
        links[:, LINK_ROW.freshness],
        episodes["n_requests"],
        requests["first"],
        requests["second"],
    )


class QualityRows(NamedTuple):
    """Rows of `Belief.quality`."""

    excess_loss_db: int
    """Excess loss at the last observation with key, NaN before the first."""
    error: int
    """Misalignment error at the last observation without a fault, NaN before the first."""
    error_at_s: int
    """Time of that observation since the start of the episode, negative if it was before."""


class FaultRows(NamedTuple):
    """Rows of `Belief.faults`; a fault lasts, as far as known, if it was seen after it was not."""

    clear_s: int
    """When the link was last seen without the fault, minus infinity before the first time."""
    first_s: int
    """When the fault that was seen last was first seen."""
    last_s: int
    """When it was last seen, minus infinity before the first time."""
    fraction: int
    """Share of the pulses that it intercepts; zero for outages."""


class FaultKinds(NamedTuple):
    """Kinds of faults, the second axis of `Belief.faults`."""

    outage: int
    attack: int


QUALITY_ROW = QualityRows(*range(len(QualityRows._fields)))
FAULT_ROW = FaultRows(*range(len(FaultRows._fields)))
FAULT = FaultKinds(*range(len(FaultKinds._fields)))


class Belief(NamedTuple):
    """What filters keep of B episodes."""

    is_kept: NDArray[np.bool_]  # (B,) whether all was seen from the start of the episode
    intervals: I64  # (B,) that have been taken in
    quality: F64  # (B, len(QUALITY_ROW), E)
    faults: F64  # (B, len(FAULT), len(FAULT_ROW), E)
    fog: F64  # (B, N) chance that the district with this index is in fog
    bursts: F64  # (B, P) chance that a burst runs between two sites
    hot_spot: F64  # (B, N) chance that a site is the hot spot


def allocate(batch: int, n_sites: int, max_links: int) -> Belief:
    """Nothing known of ``batch`` episodes.

    Raises:
        InvalidInput: If it needs too much memory.
    """
    arrays = zeros(
        f"num_envs is {batch}",
        is_kept=((batch,), np.bool_),
        intervals=((batch,), np.int64),
        quality=((batch, len(QUALITY_ROW), max_links), np.float64),
        faults=((batch, len(FAULT), len(FAULT_ROW), max_links), np.float64),
        fog=((batch, n_sites), np.float64),
        bursts=((batch, n_sites * (n_sites - 1) // 2), np.float64),
        hot_spot=((batch, n_sites), np.float64),
    )
    return Belief(**arrays)


class Hidden(NamedTuple):
    """Hidden states drawn for m futures of one episode with E links; units as in the state."""

    misalignment: F64  # (m, N) of sites
    fog: F64  # (m, N) 1 for districts in fog
    excess_loss_db: F64  # (m, E)
    drift: F64  # (m, E)
    outage_until_s: F64  # (m, E)
    attack_until_s: F64  # (m, E)
    attack_fraction: F64  # (m, E)
    bursts: Records  # (m, S) BURST
    hot_spot: I64  # (m,)
