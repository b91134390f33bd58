"""Binary entropy, its inverse and the error rates at which one-way key distillation stops."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import entr, xlog1py

from qkd_gym.physics.numerics import F64, bisect

MAX_ERROR_CORRECTION = 100.0
"""Largest number of bits that error correction may reveal per bit of entropy."""
_LN2 = float(np.log(2.0))


def binary_entropy(p: ArrayLike) -> F64:
    """Shannon entropy in bits of a coin that falls heads with probability ``p`` in [0, 1]."""
    x = np.asarray(p, dtype=np.float64)
    return np.asarray((entr(x) - xlog1py(1.0 - x, -x)) / _LN2)


def inverse_binary_entropy(entropy: ArrayLike) -> F64:
    """The p in [0, 1/2] whose binary entropy is ``entropy`` bits, to machine precision."""
    target = np.clip(np.asarray(entropy, dtype=np.float64), 0.0, 1.0)
    low, high = bisect(lambda p: binary_entropy(p) < target, 0.0, 0.5)
    return np.asarray((low + high) / 2.0)


def threshold(error_correction_efficiency: ArrayLike) -> F64:
    """QBER at which 1 - (1 + f) h(E) vanishes: 11.00 % at f = 1.

    Args:
        error_correction_efficiency: Bits revealed per bit of entropy, f >= 1, any shape.

    Source: Shor, Preskill, PRL 85, 441 (2000), with a correction leak of f h(E) per bit.
    """
    f = np.asarray(error_correction_efficiency, dtype=np.float64)
    return inverse_binary_entropy(1.0 / (1.0 + f))


def six_state_threshold() -> float:
    """QBER at which the six-state protocol's 1 - h(3E/2) - (3E/2) log2(3) vanishes: 12.62 %.

    Source: Lo, Quant. Inf. Comput. 1, 81 (2001).
    """

    def secret(qber: F64) -> F64:
        any_error = 1.5 * qber
        return np.asarray(1.0 - binary_entropy(any_error) - any_error * float(np.log2(3.0)))

    return float(bisect(lambda qber: secret(qber) > 0.0, 0.0, 0.5)[0])
