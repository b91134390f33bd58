"""The compiled generator must have the distributions that it claims.

Each statistical test rejects a correct generator with probability below 1e-4; seeds are fixed.
"""

import numpy as np
import pytest
from numba import njit
from scipy import stats

from qkd_gym.network.compiled import rng

N = 100_000
ALPHA = 1e-4


@njit
def _uniforms(key, purpose, n):
    out = np.empty(n)
    state = rng.stream(np.uint64(key), 3, purpose)
    for i in range(n):
        state, out[i] = rng.uniform(state)
    return out


@njit
def _normals(key, n):
    out = np.empty(n)
    state = rng.stream(np.uint64(key), 3, 1)
    for i in range(0, n, 2):
        state, out[i], out[i + 1] = rng.normal_pair(state)
    return out


@njit
def _first_of_streams(n):
    out = np.empty(n)
    for i in range(n):
        _, out[i] = rng.uniform(rng.stream(np.uint64(12345), i, 2))
    return out


@njit
def _poissons(mean, n):
    out = np.empty(n, dtype=np.int64)
    state = rng.stream(np.uint64(99), 0, 4)
    for i in range(n):
        state, out[i] = rng.poisson(state, mean)
    return out


@njit
def _exponentials(mean, n):
    out = np.empty(n)
    state = rng.stream(np.uint64(7), 0, 3)
    for i in range(n):
        state, out[i] = rng.exponential(state, mean)
    return out


def test_uniform():
    assert stats.kstest(_uniforms(1, 0, N), "uniform").pvalue > ALPHA


def test_first_draws_of_consecutive_streams_are_uniform_and_uncorrelated():
    draws = _first_of_streams(N)
    assert stats.kstest(draws, "uniform").pvalue > ALPHA
    assert stats.pearsonr(draws[:-1], draws[1:]).pvalue > ALPHA


def test_streams_of_other_purpose_or_key_are_independent():
    first, purpose, key = _uniforms(1, 0, N), _uniforms(1, 1, N), _uniforms(2, 0, N)
    assert stats.pearsonr(first, purpose).pvalue > ALPHA
    assert stats.pearsonr(first, key).pvalue > ALPHA


def test_normal():
    draws = _normals(5, N)
    assert stats.kstest(draws, "norm").pvalue > ALPHA
    assert stats.pearsonr(draws[::2], draws[1::2]).pvalue > ALPHA


def test_exponential():
    assert stats.kstest(_exponentials(3.0, N), stats.expon(scale=3.0).cdf).pvalue > ALPHA


@pytest.mark.parametrize("mean", [0.05, 2.5, 40.0])
def test_poisson(mean):
    draws = _poissons(mean, N)
    top = int(stats.poisson.ppf(1 - 20 / N, mean))
    observed = np.bincount(np.minimum(draws, top), minlength=top + 1)
    expected = stats.poisson.pmf(np.arange(top + 1), mean) * N
    expected[-1] = stats.poisson.sf(top - 1, mean) * N
    keep = expected >= 10
    if not keep.all():
        observed = np.append(observed[keep], observed[~keep].sum())
        expected = np.append(expected[keep], expected[~keep].sum())
    assert stats.chisquare(observed, expected).pvalue > ALPHA


def test_search_finds_the_first_larger_entry():
    cumulative = np.array([0.25, 0.25, 1.0])
    assert [rng.search(cumulative, x) for x in (0.0, 0.2499, 0.25, 0.9, 1.0)] == [0, 0, 2, 2, 2]
