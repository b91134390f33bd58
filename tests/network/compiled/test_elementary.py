"""Elementary functions in single precision against NumPy's in double."""

import numpy as np
import pytest
from numba import njit

from qkd_gym.network.compiled import elementary

N = 100_000


@njit
def _log(x, out):
    for i in range(len(x)):
        out[i] = elementary.log_single(x[i])


@njit
def _exp(x, out):
    for i in range(len(x)):
        out[i] = elementary.exp_single(x[i])


@njit
def _cos(x, out):
    for i in range(len(x)):
        out[i], _ = elementary.cos_sin_single(x[i])


@njit
def _sin(x, out):
    for i in range(len(x)):
        _, out[i] = elementary.cos_sin_single(x[i])


@pytest.mark.parametrize(
    ("function", "reference", "low", "high"),
    [
        (_log, np.log, 2.0**-32, 1.0),
        (_log, np.log, 1.0, 1e12),
        (_exp, np.exp, -80.0, 80.0),
        (_cos, lambda x: np.cos(0.5 * np.pi * x), -0.5, 0.5),
        (_sin, lambda x: np.sin(0.5 * np.pi * x), -0.5, 0.5),
    ],
)
def test_errors_are_a_few_units_in_the_last_place(function, reference, low, high):
    rng = np.random.default_rng(0)
    if function is _log:  # evenly over the exponents
        x = np.exp(rng.uniform(np.log(low), np.log(high), N)).astype(np.float32)
    else:
        x = rng.uniform(low, high, N).astype(np.float32)
    out = np.empty_like(x)
    function(x, out)
    exact = reference(x.astype(np.float64))
    assert (np.abs(out - exact) <= 4 * 2.0**-24 * np.abs(exact)).all()
