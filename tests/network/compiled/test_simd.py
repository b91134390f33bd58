"""Vectors of compiled code do what NumPy does."""

import numpy as np
import pytest

from qkd_gym.jit import compiled
from qkd_gym.network.compiled.simd import (
    largest,
    load,
    load_one,
    spread,
    store,
    total,
    where_positive,
)
from qkd_gym.network.compiled.vectors import LANES


@compiled
def play(x, y, out):
    """Writes one vector after the other."""
    a, b, two = load(x, 1), load(y, 2), np.float32(2.0)
    store(out, 0, a + b)
    store(out, 16, a - b)
    store(out, 32, a * b)
    store(out, 48, two * a)
    store(out, 64, a + two)
    store(out, 80, largest(a, b))
    store(out, 96, where_positive(a, b))
    store(out, 112, spread(total(a)))
    store(out, 128, load_one(x, 3))


@pytest.mark.parametrize("seed", range(3))
def test_arithmetic(seed):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(2, LANES + 2)).astype(np.float32)
    a, b = x[1 : LANES + 1], y[2 : LANES + 2]
    out = np.full(9 * LANES + 1, 7.0, np.float32)
    play(x, y, out)
    expected = [
        a + b, a - b, a * b, 2 * a, a + 2, np.maximum(a, b), np.where(a > 0, b, 0),
        np.full(LANES, a.sum()), np.full(LANES, x[3]),
    ]  # fmt: skip
    np.testing.assert_allclose(out[:-1].reshape(9, LANES), expected, rtol=1e-5, atol=1e-6)
    assert out[-1] == 7.0
