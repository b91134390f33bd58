"""The demand-deficit score of links, compiled: one pass over each network while it is in cache."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qkd_gym.baselines.occupancy import count_links, write_gains
from qkd_gym.features import LINK
from qkd_gym.jit import called, compiled, inlined
from qkd_gym.network.compiled.elementary import exp, log_single
from qkd_gym.network.compiled.vectors import whole

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
Flags = NDArray[np.bool_]

_LEAST = 1e-30  # smaller numbers count as zero


class Weights(NamedTuple):
    """Parameters of the rule, see `qkd_gym.baselines.activation.DemandDeficit`."""

    hysteresis: float
    dwell_s: float
    kappa: float
    demand_power: float
    rate_power: float
    rate_gate: float
    cover_weight: float


class _Scratch(NamedTuple):
    """Features of a network's links and what is made of them.

    With arrays of their own, as long as whole vectors, loops become vector instructions.
    """

    fill: F64
    cover: F64
    demand: F64
    blocked: F64
    nominal: F64
    observed: F64
    freshness: F64
    relative: F64
    rate: F64
    score: F64


@called
def _write_score(links: F32, w: Weights, x: _Scratch) -> None:
    """Scores the links of one network, (E, features)."""
    n = whole(len(links))
    _read(links, LINK.pool_fill, x.fill)
    _read(links, LINK.pool_cover, x.cover)
    _read(links, LINK.demand_average, x.demand)
    _read(links, LINK.blocked_average, x.blocked)
    _read(links, LINK.nominal_rate, x.nominal)
    _read(links, LINK.observed_rate, x.observed)
    _read(links, LINK.freshness, x.freshness)
    _estimate(x.demand, x.nominal, x.observed, x.freshness, x.relative, x.rate, n)
    _lacking(x.fill, x.cover, w.cover_weight, x.score, n)
    _multiply_by_power(x.demand, w.demand_power, x.score, n)
    _multiply_by_power(x.rate, w.rate_power, x.score, n)
    _add_blocked(x.blocked, x.demand, x.rate, x.relative, w, x.score, n)


@compiled
def deficit_scores(links: F32, weights: Weights) -> F64:
    """Scores as `qkd_gym.baselines.activation.DemandDeficit` defines them, (B, E).

    Args:
        links: Features of the links, (B, E, features), in any layout.
        weights: Parameters of the rule.
    """
    n_links = links.shape[1]
    scores = np.empty((len(links), n_links))
    scratch = _allocate(whole(n_links))
    for b in range(len(links)):
        _write_score(links[b], weights, scratch)
        scores[b] = scratch.score[:n_links]
    return scores


@compiled
def deficit_gains(links: F32, nodes: F32, ends: I64, legal: Flags, weights: Weights) -> F64:
    """Gains as `qkd_gym.baselines.occupancy.gains` has them of these scores, (B, E).

    Network by network, nothing but the gains goes through memory, which takes half the time.
    """
    gain = np.empty(ends.shape[:2])
    first, cost = np.empty(nodes.shape[1], np.int64), np.empty(nodes.shape[1])
    scratch = _allocate(whole(ends.shape[1]))
    score, price = scratch.score, np.empty_like(scratch.score)
    for b in range(len(gain)):
        n = count_links(ends[b])
        _write_score(links[b, :n], weights, scratch)
        for e in range(n):
            price[e] = (1.0 + weights.hysteresis) * score[e]
        write_gains(
            links[b], nodes[b], ends[b, :n], legal[b], score, price, weights.dwell_s,
            first, cost, gain[b, :n],
        )  # fmt: skip
        gain[b, n:] = -np.inf
    return gain


@compiled
def _allocate(n: int) -> _Scratch:
    return _Scratch(
        np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n),
        np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n),
    )  # fmt: skip


@inlined
def _read(links: F32, column: int, out: F64) -> None:
    for e in range(len(links)):
        out[e] = links[e, column]


@inlined
def _estimate(
    demand: F64, nominal: F64, observed: F64, freshness: F64, relative: F64, rate: F64, n: int
) -> None:
    """Estimated rate over nominal rate, that rate and, in place, the demand; the latter two in
    pool capacities per hour."""
    for e in range(n):
        relative[e] = 1.0 + freshness[e] * (observed[e] - 1.0)
        rate[e] = (exp(nominal[e]) - 1.0) * max(relative[e], 0.0)
        demand[e] = exp(demand[e]) - 1.0


@inlined
def _lacking(fill: F64, cover: F64, cover_weight: float, out: F64, n: int) -> None:
    for e in range(n):
        out[e] = 1.0 - (fill[e] + cover_weight * (cover[e] - fill[e]))


@inlined
def _multiply_by_power(base: F64, exponent: float, product: F64, n: int) -> None:
    """Multiplies by powers of numbers from 0 to 1e30; their errors are below 1e-9 of them."""
    if exponent == 0.0:
        return
    for e in range(n):
        x = max(base[e], _LEAST)
        rough = np.float64(log_single(np.float32(x)))
        # A step of Newton's method doubles the digits.
        logarithm = rough + (x * exp(-rough) - 1.0)
        product[e] *= exp(exponent * logarithm) if x > _LEAST else 0.0


@inlined
def _add_blocked(
    blocked: F64, demand: F64, rate: F64, relative: F64, w: Weights, score: F64, n: int
) -> None:
    """Leaves what links lack that seem to work, and adds what of the blocked demand they serve."""
    for e in range(n):
        unmet = score[e] if relative[e] > w.rate_gate else 0.0
        served = min(1.0, rate[e] / max(demand[e], 1e-9))
        score[e] = unmet + w.kappa * (exp(blocked[e]) - 1.0) * served
