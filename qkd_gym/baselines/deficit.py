"""The demand-deficit score of links, compiled: one pass over each network while it is in cache."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qkd_gym.features import LINK
from qkd_gym.jit import compiled, inlined
from qkd_gym.network.compiled.elementary import exp, log_single
from qkd_gym.network.compiled.vectors import whole

F64 = NDArray[np.float64]

_LEAST = 1e-30  # smaller numbers count as zero


class Weights(NamedTuple):
    """Parameters of the score, see `qkd_gym.baselines.activation.DemandDeficit`."""

    kappa: float
    demand_power: float
    rate_power: float
    rate_gate: float
    cover_weight: float


@compiled
def deficit_scores(links: np.ndarray, weights: Weights) -> F64:
    """Scores as `qkd_gym.baselines.activation.DemandDeficit` defines them, (B, E).

    Args:
        links: Features of the links, (B, E, features) float32, in any layout.
        weights: Parameters of the score.
    """
    n_links = links.shape[1]
    scores = np.empty((len(links), n_links))
    # Features and what is made of them: with arrays of their own, as long as whole vectors, loops
    # become vector instructions.
    n = whole(n_links)
    fill, cover, demand, blocked = np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n)
    nominal, observed, freshness = np.zeros(n), np.zeros(n), np.zeros(n)
    relative, rate, score = np.zeros(n), np.zeros(n), np.zeros(n)
    for b in range(len(links)):
        own = links[b]
        _read(own, LINK.pool_fill, fill)
        _read(own, LINK.pool_cover, cover)
        _read(own, LINK.demand_average, demand)
        _read(own, LINK.blocked_average, blocked)
        _read(own, LINK.nominal_rate, nominal)
        _read(own, LINK.observed_rate, observed)
        _read(own, LINK.freshness, freshness)
        _estimate(demand, nominal, observed, freshness, relative, rate)
        _lacking(fill, cover, weights.cover_weight, score)
        _multiply_by_power(demand, weights.demand_power, score)
        _multiply_by_power(rate, weights.rate_power, score)
        _add_blocked(blocked, demand, rate, relative, weights, score)
        scores[b] = score[:n_links]
    return scores


@inlined
def _read(links: np.ndarray, column: int, out: F64) -> None:
    for e in range(len(links)):
        out[e] = links[e, column]


@inlined
def _estimate(
    demand: F64, nominal: F64, observed: F64, freshness: F64, relative: F64, rate: F64
) -> None:
    """Estimated rate over nominal rate, that rate and, in place, the demand; the latter two in
    pool capacities per hour."""
    for e in range(len(rate)):
        relative[e] = 1.0 + freshness[e] * (observed[e] - 1.0)
        rate[e] = (exp(nominal[e]) - 1.0) * max(relative[e], 0.0)
        demand[e] = exp(demand[e]) - 1.0


@inlined
def _lacking(fill: F64, cover: F64, cover_weight: float, out: F64) -> None:
    for e in range(len(out)):
        out[e] = 1.0 - (fill[e] + cover_weight * (cover[e] - fill[e]))


@inlined
def _multiply_by_power(base: F64, exponent: float, product: F64) -> None:
    """Multiplies by powers of numbers from 0 to 1e30; their errors are below 1e-9 of them."""
    if exponent == 0.0:
        return
    for e in range(len(product)):
        x = max(base[e], _LEAST)
        rough = np.float64(log_single(np.float32(x)))
        # A step of Newton's method doubles the digits.
        logarithm = rough + (x * exp(-rough) - 1.0)
        product[e] *= exp(exponent * logarithm) if x > _LEAST else 0.0


@inlined
def _add_blocked(
    blocked: F64, demand: F64, rate: F64, relative: F64, weights: Weights, score: F64
) -> None:
    """Leaves what links lack that seem to work, and adds what of the blocked demand they serve."""
    for e in range(len(score)):
        unmet = score[e] if relative[e] > weights.rate_gate else 0.0
        served = min(1.0, rate[e] / max(demand[e], 1e-9))
        score[e] = unmet + weights.kappa * (exp(blocked[e]) - 1.0) * served
