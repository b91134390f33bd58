"""Compiled layers against NumPy."""

import numpy as np
import pytest

from qkd_gym.gnn.compiled import layers
from qkd_gym.jit import compiled


def matrix(rows, columns, seed=0):
    return np.random.default_rng([rows, columns, seed]).normal(size=(rows, columns)).astype("f")


@compiled
def multiply(a, weights, out):
    layers.add_linear(a, weights, out)


@compiled
def weigh(a, gradient, out):
    layers.add_weight_gradient(a, gradient, out)


@pytest.mark.parametrize("rows", [0, 1, 3, 4, 5, 45])
@pytest.mark.parametrize("width", [16, 32, 96])
def test_products_are_added(rows, width):
    a, weights, out = matrix(rows, 7), matrix(7, width), matrix(rows, width, 1)
    expected = out + a @ weights
    multiply(a, weights, out)
    np.testing.assert_allclose(out, expected, atol=1e-5)
    gradient, of_weights = matrix(rows, width, 2), matrix(7, width, 3)
    expected = of_weights + a.T @ gradient
    weigh(a, gradient, of_weights)
    np.testing.assert_allclose(of_weights, expected, atol=1e-5)


@compiled
def normalise(x, scale, shift):
    layers.layer_norm(x, scale, shift)


def test_layer_norm():
    x, (scale, shift) = 3.0 + 2.0 * matrix(9, 32), matrix(2, 32, 1)
    centred = x - x.mean(1, keepdims=True)
    expected = centred / np.sqrt(x.var(1, keepdims=True) + 1e-5) * scale + shift
    normalise(x, scale, shift)
    np.testing.assert_allclose(x, expected, atol=1e-5)


@compiled
def soften(logits, ends, highest, summed):
    layers.softmax_at_sites(logits, ends, highest, summed)


@pytest.mark.parametrize("size", [1.0, 50.0])
def test_softmax_sums_to_one_over_what_enters_a_site(size):
    ends = np.array([[0, 1], [1, 2], [0, 2], [3, 0]])
    logits = size * matrix(8, 2).reshape(4, 2, 2)
    before, work = logits.astype(float), np.empty((2, 5, 2), "f")
    soften(logits, ends, work[0], work[1])
    for site in range(4):
        entering = np.exp(before[ends == site] - before[ends == site].max(0))
        np.testing.assert_allclose(logits[ends == site], entering / entering.sum(0), atol=1e-6)
