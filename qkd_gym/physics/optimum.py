"""Best settings of a source, and the element-wise maximisation behind them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from qkd_gym.errors import require_between
from qkd_gym.physics.entropy import F64, binary_entropy

_GOLDEN = (np.sqrt(5.0) - 1.0) / 2.0


def maximise(function: Callable[[F64], F64], low: F64, high: F64, grid: int = 97) -> F64:
    """Argument in [low, high] at which each element of ``function`` is largest.

    A logarithmic grid finds the peak, golden sections refine it, so the function need only be
    unimodal near its maximum.

    Args:
        function: Maps an array of arguments to values; broadcasts.
        low: Lower ends, positive.
        high: Upper ends.
        grid: Number of grid points.

    Returns:
        The maximisers, in the shape of the function's values.
    """
    fractions = np.linspace(0.0, 1.0, grid)
    start, span = np.log(low), np.log(high) - np.log(low)
    best = function(np.asarray(np.exp(start)))
    where = np.zeros(best.shape)
    for fraction in fractions[1:]:
        value = function(np.asarray(np.exp(start + fraction * span)))
        better = value > best
        best, where = np.where(better, value, best), np.where(better, fraction, where)
    step = fractions[1]
    a = start + np.maximum(where - step, 0.0) * span
    b = start + np.minimum(where + step, 1.0) * span
    c, d = b - _GOLDEN * (b - a), a + _GOLDEN * (b - a)
    value_c, value_d = function(np.exp(c)), function(np.exp(d))
    for _ in range(40):
        left = value_c >= value_d
        a, b = np.where(left, a, c), np.where(left, d, b)
        inner = np.where(left, b - _GOLDEN * (b - a), a + _GOLDEN * (b - a))
        value = function(np.exp(inner))
        c, d = np.where(left, inner, d), np.where(left, c, inner)
        value_c, value_d = np.where(left, value, value_d), np.where(left, value_c, value)
    return np.asarray(np.exp((a + b) / 2.0))


def efficient_sifting(key_basis_probability: ArrayLike, both_bases: bool = False) -> F64:
    """Share of clicks that become key when both parties choose the key basis with probability p.

    Args:
        key_basis_probability: p in [0, 1].
        both_bases: Whether bits of the other basis make key too: p^2 + (1 - p)^2, else p^2.

    Raises:
        InvalidInput: If p is outside [0, 1].
    """
    require_between("key_basis_probability", key_basis_probability, 0.0, 1.0)
    p = np.asarray(key_basis_probability, dtype=np.float64)
    return np.asarray(p**2 + (1.0 - p) ** 2 * both_bases)


def optimal_mean_photon_number(
    misalignment: ArrayLike, error_correction_efficiency: ArrayLike
) -> F64:
    """Optimal mu for infinite decoys where loss is high and noise negligible.

    Solves (1 - mu) exp(-mu) = f h(e_d) / (1 - h(e_d)); MQZL Eq. 12. Zero where no key is possible.

    Raises:
        InvalidInput: If the misalignment is outside [0, 1/2].
    """
    require_between("misalignment", misalignment, 0.0, 0.5)
    entropy = binary_entropy(misalignment)
    goal = np.asarray(error_correction_efficiency) * entropy / np.maximum(1.0 - entropy, 1e-300)
    low, high = np.zeros_like(goal), np.ones_like(goal)
    for _ in range(60):
        middle = (low + high) / 2.0
        left = (1.0 - middle) * np.exp(-middle) > goal
        low, high = np.where(left, middle, low), np.where(left, high, middle)
    return np.asarray(low)
