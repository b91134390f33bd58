"""Counter-based random numbers for compiled code.

Every exogenous process of an episode reads its own stream, addressed by (episode key, interval,
purpose). A stream is SplitMix64 (Steele, Lea and Flood, OOPSLA 2014) started from a hash of that
address, so that no draw depends on what an agent did, on the number of environments or on threads.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX2 = np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S11 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11)
_UNIT = 1.0 / 9007199254740992.0  # 2**-53

# Purposes. The shot noise of link e uses SHOT_NOISE + e.
RESET, DRIFT, WEATHER, FAULTS, TRAFFIC, SHOT_NOISE = 0, 1, 2, 3, 4, 5


@njit(cache=True)
def _mix(z: np.uint64) -> np.uint64:
    z = np.uint64((z ^ (z >> _S30)) * _MIX1)
    z = np.uint64((z ^ (z >> _S27)) * _MIX2)
    return np.uint64(z ^ (z >> _S31))


@njit(cache=True)
def stream(key: np.uint64, interval: int, purpose: int) -> np.uint64:
    """Starting state of the stream at this address."""
    address = np.uint64(np.uint64(interval) * np.uint64(1 << 20) + np.uint64(purpose))
    return _mix(np.uint64(key ^ _mix(np.uint64(address + _GOLDEN))))


@njit(cache=True)
def uniform(state: np.uint64) -> tuple[np.uint64, float]:
    """Next state and a draw from [0, 1)."""
    state = np.uint64(state + _GOLDEN)
    return state, float(_mix(state) >> _S11) * _UNIT


@njit(cache=True)
def normal_pair(state: np.uint64) -> tuple[np.uint64, float, float]:
    """Next state and two independent standard normals (Box and Muller)."""
    state, first = uniform(state)
    state, second = uniform(state)
    radius = math.sqrt(-2.0 * math.log(1.0 - first))
    angle = 2.0 * math.pi * second
    return state, radius * math.cos(angle), radius * math.sin(angle)


@njit(cache=True)
def exponential(state: np.uint64, mean: float) -> tuple[np.uint64, float]:
    """Next state and a draw from the exponential distribution with this mean."""
    state, draw = uniform(state)
    return state, -mean * math.log(1.0 - draw)


@njit(cache=True)
def poisson(state: np.uint64, mean: float) -> tuple[np.uint64, int]:
    """Next state and a Poisson draw, by counting exponential gaps (exact for every mean)."""
    count = 0
    state, gap = exponential(state, 1.0)
    while gap < mean:
        count += 1
        state, step = exponential(state, 1.0)
        gap += step
    return state, count


@njit(cache=True)
def search(cumulative: np.ndarray, value: float) -> int:
    """First index whose cumulative weight exceeds ``value``."""
    low, high = 0, len(cumulative) - 1
    while low < high:
        middle = (low + high) // 2
        if cumulative[middle] > value:
            high = middle
        else:
            low = middle + 1
    return low
