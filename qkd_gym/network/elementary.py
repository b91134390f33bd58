"""Logarithm, exponential, sine and cosine without branches, calls or tables.

Loops over these are turned into vector instructions, which loops over `math` are not. Errors are
below 1e-10 in the ranges stated, far below what single-precision features and random draws show,
and the same on every processor: only additions, multiplications and divisions are used.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from qkd_gym.network.compiled import inlined

_LN2 = math.log(2.0)
_LOG2E = 1.0 / _LN2
_HALF_PI = 0.5 * math.pi
# Adding 1.5 * 2^52 rounds to an integer and leaves it in the low bits.
_ROUND = 6755399441055744.0
_MANTISSA = np.int64((1 << 52) - 1)
_ONE = np.int64(1023 << 52)  # the bits of 1.0
_BIG = np.int64(1075 << 52)  # the bits of 2^52
_SHIFT = np.int64(52)

# The same for single precision.
_MANTISSA23, _ONE23 = np.int32((1 << 23) - 1), np.int32(127 << 23)
_BIG23, _SHIFT23 = np.int32(150 << 23), np.int32(23)
_F1, _F3, _F5, _F7, _F9 = (np.float32(1 / i) for i in (1, 3, 5, 7, 9))
_LN2_SINGLE = np.float32(_LN2)
_ROUND23 = np.float32(12582912.0)  # 1.5 * 2^23
_LN2_HIGH, _LN2_LOW = np.float32(0.693359375), np.float32(_LN2 - 0.693359375)
_E2, _E3, _E4, _E5, _E6 = (np.float32(1.0 / math.factorial(i)) for i in range(2, 7))


@inlined
def log(x: float) -> float:
    """Natural logarithm of a normal positive number."""
    bits = np.float64(x).view(np.int64)
    exponent = np.int64((bits >> _SHIFT) | _BIG).view(np.float64) - 4503599627371519.0
    m = np.int64((bits & _MANTISSA) | _ONE).view(np.float64)
    large = m > 1.4142135623730951
    m = 0.5 * m if large else m
    exponent = exponent + 1.0 if large else exponent
    s = (m - 1.0) / (m + 1.0)
    t = s * s
    series = t * (1 / 3 + t * (1 / 5 + t * (1 / 7 + t * (1 / 9 + t * (1 / 11 + t * (1 / 13))))))
    return exponent * _LN2 + 2.0 * s * (1.0 + series)


@inlined
def log1p_single(x: np.float32) -> np.float32:
    """log(1 + x) of a number above -1, as exact as 1 + x is in single precision."""
    bits = np.float32(_F1 + x).view(np.int32)
    exponent = np.int32((bits >> _SHIFT23) | _BIG23).view(np.float32) - np.float32(8388735.0)
    m = np.int32((bits & _MANTISSA23) | _ONE23).view(np.float32)
    large = m > np.float32(1.4142135)
    m = np.float32(0.5) * m if large else m
    exponent = exponent + _F1 if large else exponent
    s = (m - _F1) / (m + _F1)
    t = s * s
    series = t * (_F3 + t * (_F5 + t * (_F7 + t * _F9)))
    return exponent * _LN2_SINGLE + (s + s) * (_F1 + series)


@njit(cache=True)
def log1p_singles(x: np.ndarray) -> np.ndarray:
    """`log1p_single` of an array of single-precision numbers, (n,)."""
    values = np.empty_like(x)
    for i in range(len(x)):
        values[i] = log1p_single(x[i])
    return values


@inlined
def exp(x: float) -> float:
    """Exponential of a number between -700 and 700."""
    shifted = x * _LOG2E + _ROUND
    r = x - (shifted - _ROUND) * _LN2
    power = np.int64((np.float64(shifted).view(np.int64) + np.int64(1023)) << _SHIFT)
    series = 1 / 5040 + r * (1 / 40320 + r * (1 / 362880 + r * (1 / 3628800)))
    series = 1 / 6 + r * (1 / 24 + r * (1 / 120 + r * (1 / 720 + r * series)))
    return power.view(np.float64) * (1.0 + r * (1.0 + r * (0.5 + r * series)))


@inlined
def decay_single(x: np.float32) -> np.float32:
    """exp(-x) of a number from 0 to 80, as exact as single precision."""
    shifted = x * np.float32(-_LOG2E) + _ROUND23
    turns = shifted - _ROUND23
    r = (-x - turns * _LN2_HIGH) - turns * _LN2_LOW
    power = np.int32((np.float32(shifted).view(np.int32) + np.int32(127)) << _SHIFT23)
    series = _E2 + r * (_E3 + r * (_E4 + r * (_E5 + r * _E6)))
    return np.int32(power).view(np.float32) * (_F1 + r * (_F1 + r * series))


@inlined
def cos_sin(turn: float) -> tuple[float, float]:
    """Cosine and sine of ``turn`` quarter circles, between -1/2 and 1/2."""
    x = turn * _HALF_PI
    t = x * x
    c = 1 / 24 + t * (-1 / 720 + t * (1 / 40320 + t * (-1 / 3628800 + t * (1 / 479001600))))
    s = 1 / 120 + t * (-1 / 5040 + t * (1 / 362880 + t * (-1 / 39916800)))
    return 1.0 + t * (-0.5 + t * c), x * (1.0 + t * (-1 / 6 + t * s))
