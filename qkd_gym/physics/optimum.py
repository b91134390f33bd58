"""Element-wise maximisation of a vectorised function of one positive variable."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from qkd_gym.physics.entropy import F64

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
