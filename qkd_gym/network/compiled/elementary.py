"""Logarithm, exponential, sine and cosine without branches, calls or tables.

Loops over these are turned into vector instructions, which loops over `math` are not. Those in
single precision err by a few units in the last place, and `exp` by less than 1e-10; the errors are
the same on every processor: only sums, products, quotients and multiply-adds that round once.
"""

from __future__ import annotations

import math

import numpy as np

from qkd_gym.jit import compiled, inlined
from qkd_gym.network.compiled.vectors import fma

_LN2 = math.log(2.0)
_LOG2E = 1.0 / _LN2
# Adding 1.5 * 2^52 rounds to an integer and leaves it in the low bits.
_ROUND = 6755399441055744.0
_SHIFT = np.int64(52)

# The same for single precision.
_MANTISSA23, _ONE23 = np.int32((1 << 23) - 1), np.int32(127 << 23)
_BIG23, _SHIFT23 = np.int32(150 << 23), np.int32(23)
_F1, _F3, _F5, _F7, _F9 = (np.float32(1 / i) for i in (1, 3, 5, 7, 9))
_LN2_SINGLE = np.float32(_LN2)
_ROUND23 = np.float32(12582912.0)  # 1.5 * 2^23
_LN2_HIGH, _LN2_LOW = np.float32(0.693359375), np.float32(_LN2 - 0.693359375)
_E2, _E3, _E4, _E5, _E6, _E7, _E8, _E9 = (np.float32(1 / math.factorial(i)) for i in range(2, 10))
_LOG2E_SINGLE, _HALF_PI = np.float32(_LOG2E), np.float32(0.5 * math.pi)


@inlined
def log_single(x: np.float32) -> np.float32:
    """Natural logarithm of a normal positive number."""
    bits = np.float32(x).view(np.int32)
    exponent = np.int32((bits >> _SHIFT23) | _BIG23).view(np.float32) - np.float32(8388735.0)
    m = np.int32((bits & _MANTISSA23) | _ONE23).view(np.float32)
    large = m > np.float32(1.4142135)
    m = np.float32(0.5) * m if large else m
    exponent = exponent + _F1 if large else exponent
    s = (m - _F1) / (m + _F1)
    t = s * s
    series = t * fma(t, fma(t, fma(t, _F9, _F7), _F5), _F3)
    return fma(exponent, _LN2_SINGLE, fma(s + s, series, s + s))


@inlined
def log1p_single(x: np.float32) -> np.float32:
    """log(1 + x) of a number above -1, as exact as 1 + x is in single precision."""
    return log_single(_F1 + x)


@compiled
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
def exp_single(x: np.float32) -> np.float32:
    """Exponential of a number between -80 and 80."""
    shifted = fma(x, _LOG2E_SINGLE, _ROUND23)
    turns = shifted - _ROUND23
    r = fma(-turns, _LN2_LOW, fma(-turns, _LN2_HIGH, x))
    power = np.int32((np.float32(shifted).view(np.int32) + np.int32(127)) << _SHIFT23)
    series = fma(r, fma(r, fma(r, fma(r, _E6, _E5), _E4), _E3), _E2)
    return np.int32(power).view(np.float32) * fma(r, fma(r, series, _F1), _F1)


@inlined
def cos_sin_single(turn: np.float32) -> tuple[np.float32, np.float32]:
    """Cosine and sine of ``turn`` quarter circles, between -1/2 and 1/2."""
    x = turn * _HALF_PI
    t = x * x
    c = fma(t, fma(t, fma(t, fma(t, _E8, -_E6), _E4), -_E2), _F1)
    s = fma(x * t, fma(t, fma(t, fma(t, _E9, -_E7), _E5), -_E3), x)
    return c, s
