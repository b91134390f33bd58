"""Bursts and the hot spot: what the sites of the past requests say of them.

Requests between two sites are a Poisson process whose rate is the sum of a known part, of the hot
spot's part and of that of a burst. Whether a burst runs is filtered for each pair by itself, with
the hot spot's part at its mean, and the hot spot with bursts at theirs.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from qkd_gym.belief.records import F64, Seen
from qkd_gym.jit import inlined
from qkd_gym.network.dynamics.relay import pair_index
from qkd_gym.network.state import BURST, Records

_TINY = 1e-300  # for zero, where there is a logarithm of it or a division by it


@inlined
def start_demand(
    bursts: np.ndarray, hot_spot: np.ndarray, traffic: np.ndarray, p: np.record, sources: int
) -> None:
    """What is to be expected at the start of an episode.

    Args:
        bursts: Chance that a burst runs between two sites, (P,).
        hot_spot: Chance that a site is the hot spot, (N,).
        traffic: Share of each ordered pair of sites in the demand, (N, N).
        p: Parameters.
        sources: Number of burst sources.
    """
    n = len(hot_spot)
    for u in range(n):
        hot_spot[u] = traffic[u].sum()
        for v in range(u + 1, n):
            on = sources * p.burst_on_share * 2.0 * traffic[u, v]
            bursts[pair_index(u, v, n)] = min(on, 1.0)


@inlined
def _predict(
    bursts: np.ndarray, hot_spot: np.ndarray, traffic: np.ndarray, p: np.record, sources: int
) -> None:
    """Lets the changes at the beginning of an interval happen."""
    n = len(hot_spot)
    starting = max(sources - bursts.sum(), 0.0) * p.burst_start
    for u in range(n):
        hot_spot[u] += p.hot_spot_change * (traffic[u].sum() - hot_spot[u])
        for v in range(u + 1, n):
            q = pair_index(u, v, n)
            on = bursts[q]
            bursts[q] = on * (1.0 - p.burst_stop) + (1.0 - on) * starting * 2.0 * traffic[u, v]


@inlined
def _count_requests(seen: Seen, b: int, n_sites: int, counts: np.ndarray) -> None:
    counts[:] = 0.0
    for i in range(seen.n_requests[b]):
        counts[pair_index(seen.first[b, i], seen.second[b, i], n_sites)] += 1.0


@inlined
def update_demand(  # type: ignore[no-untyped-def]
    bursts, hot_spot, traffic, sites, seen, b, p, sources, counts, tilt
):
    """Lets an interval pass, and takes in its requests.

    Args:
        bursts: Chance that a burst runs between two sites, (P,).
        hot_spot: Chance that a site is the hot spot, (N,).
        traffic: Share of each ordered pair of sites in the demand, (N, N).
        sites: Facts of the sites, (N,).
        seen: What operators see.
        b: Episode.
        p: Parameters.
        sources: Number of burst sources.
        counts: Scratch, (P,).
        tilt: Scratch, (N,).
    """
    n = len(hot_spot)
    _predict(bursts, hot_spot, traffic, p, sources)
    _count_requests(seen, b, n, counts)
    # The clock has moved on since the requests were drawn.
    day_sin = seen.day_sin[b] * p.interval_cos - seen.day_cos[b] * p.interval_sin
    day_cos = seen.day_cos[b] * p.interval_cos + seen.day_sin[b] * p.interval_sin
    tilt[:] = 0.0
    for u in range(n):
        for v in range(u + 1, n):
            q = pair_index(u, v, n)
            busy_sin = sites[u].phase_sin + sites[v].phase_sin
            busy_cos = sites[u].phase_cos + sites[v].phase_cos
            swing = day_sin * busy_cos + day_cos * busy_sin
            mean = p.requests_per_site_s * n * p.interval_s
            mean *= 1.0 + 0.5 * p.diurnal_amplitude * swing
            base = mean * (1.0 - p.burst_share - p.hot_spot_share) * 2.0 * traffic[u, v]
            # As the hot spot, a site sends its share of all requests to its peers.
            from_u = mean * p.hot_spot_share * traffic[u, v] / max(traffic[u].sum(), _TINY)
            from_v = mean * p.hot_spot_share * traffic[v, u] / max(traffic[v].sum(), _TINY)
            burst = mean * p.burst_share / (sources * p.burst_on_share)
            on, k = bursts[q], counts[q]
            # The hot spot, with bursts at their mean.
            cold = max(base + burst * on, _TINY)
            tilt[u] += k * math.log1p(from_u / cold) - from_u
            tilt[v] += k * math.log1p(from_v / cold) - from_v
            # The burst, with the hot spot at its mean.
            quiet = max(base + from_u * hot_spot[u] + from_v * hot_spot[v], _TINY)
            odds = math.exp(min(k * math.log1p(burst / quiet) - burst, 600.0))
            bursts[q] = on * odds / (1.0 - on + on * odds)
    most, total = tilt[0], 0.0
    for u in range(n):
        most = max(most, tilt[u])
    for u in range(n):
        hot_spot[u] *= math.exp(tilt[u] - most)
        total += hot_spot[u]
    for u in range(n):
        hot_spot[u] /= total


def draw_demand(
    bursts: F64, hot_spot: F64, sources: int, count: int, rng: np.random.Generator
) -> tuple[Records, NDArray[np.int64]]:
    """Draws running bursts and the hot spot.

    Args:
        bursts: Chance that a burst runs between two sites, (P,).
        hot_spot: Chance that a site is the hot spot, (N,).
        sources: Number of burst sources, S.
        count: How many draws, m.
        rng: Source of randomness.

    Returns:
        BURST records, (m, S), and sites, (m,).
    """
    first, second = np.triu_indices(len(hot_spot), 1)
    drawn = np.zeros((count, sources), BURST)
    # Below one where a burst runs; there cannot be more of them than sources.
    rank = rng.random((count, len(bursts))) / np.maximum(bursts, _TINY)
    most = min(sources, len(bursts))
    pairs = np.argpartition(rank, most - 1, axis=1)[:, :most]
    drawn["on"][:, :most] = np.take_along_axis(rank, pairs, axis=1) < 1.0
    drawn["first"][:, :most], drawn["second"][:, :most] = first[pairs], second[pairs]
    return drawn, rng.choice(len(hot_spot), count, p=hot_spot / hot_spot.sum())
