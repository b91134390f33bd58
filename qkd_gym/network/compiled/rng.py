"""Counter-based random numbers for compiled code.

Every exogenous process of an episode reads its own stream, addressed by (episode key, interval,
purpose). A stream is SplitMix64 (Steele, Lea and Flood, OOPSLA 2014) started from a hash of that
address, so that no draw depends on what an agent did, on the number of environments or on threads.
"""

from __future__ import annotations

import math

import numpy as np

from qkd_gym.jit import compiled, inlined
from qkd_gym.network.compiled.elementary import cos_sin_single, exp, log_single
from qkd_gym.network.compiled.vectors import use_widest_vectors, whole

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX2 = np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S11 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11)
_S32, _UNIT32, _F1 = np.uint64(32), np.float32(2.0**-32), np.float32(1.0)
_LOW22, _BIT22, _BIT23 = np.uint32((1 << 22) - 1), np.uint32(1 << 22), np.uint32(1 << 23)
_ZERO, _ONE_BIT, _ONE23 = np.uint32(0), np.uint32(1), np.uint32(127 << 23)  # the bits of 1.0
_UNIT = 1.0 / 9007199254740992.0  # 2**-53

# Purposes. Link e uses pair e of the stream SHOT_NOISE, and draw e of BLOCKS.
RESET, DRIFT, WEATHER, FAULTS, TRAFFIC, SHOT_NOISE, SERVICES, BLOCKS, LASTING = range(9)
EVENTS = 1024  # of the first fault of a scenario, and of each other one the number after


@inlined
def _mix(z: np.uint64) -> np.uint64:
    z = np.uint64((z ^ (z >> _S30)) * _MIX1)
    z = np.uint64((z ^ (z >> _S27)) * _MIX2)
    return np.uint64(z ^ (z >> _S31))


@inlined
def stream(key: np.uint64, interval: int, purpose: int) -> np.uint64:
    """Starting state of the stream at this address."""
    address = np.uint64(np.uint64(interval) * np.uint64(1 << 20) + np.uint64(purpose))
    return _mix(np.uint64(key ^ _mix(np.uint64(address + _GOLDEN))))


@inlined
def uniform(state: np.uint64) -> tuple[np.uint64, float]:
    """Next state and a draw from [0, 1)."""
    state = np.uint64(state + _GOLDEN)
    return state, float(_mix(state) >> _S11) * _UNIT


@inlined
def normal_pair(state: np.uint64) -> tuple[np.uint64, np.float32, np.float32]:
    """Next state and two independent standard normals (Box and Muller) in single precision.

    One word makes both: 32 bits the radius, which ends at 6.6, and 24 the direction. The n-th
    pair of a stream is also the first pair of ``skip(state, n)``, so that loops need not draw
    one after the other.
    """
    state = np.uint64(state + _GOLDEN)
    word = _mix(state)
    above_zero = np.float32(np.uint32(word >> _S32)) + _F1
    radius = math.sqrt(np.float32(-2.0) * log_single(above_zero * _UNIT32))
    low = np.uint32(word)
    turn = np.uint32(((low & _LOW22) << _ONE_BIT) | _ONE23).view(np.float32) - np.float32(1.5)
    c, s = cos_sin_single(turn)
    c = -c if low & _BIT22 else c
    flip = (low & _BIT23) != _ZERO
    return state, radius * (s if flip else c), radius * (c if flip else s)


@inlined
def skip(state: np.uint64, draws: int) -> np.uint64:
    """The state after this many draws."""
    return np.uint64(state + np.uint64(draws) * _GOLDEN)


@inlined
def fill_normals(state: np.uint64, count: int, out: np.ndarray, second: np.ndarray) -> None:
    """Writes the first halves of the first pairs of a stream, then their second halves.

    Args:
        state: Start of the stream.
        count: How many normals; ``out`` is two vectors longer.
        out: Filled in, (count,) single precision.
        second: Overwritten, (count / 2,) single precision.
    """
    use_widest_vectors()
    half = (count + 1) // 2
    for i in range(whole(half)):
        _, out[i], second[i] = normal_pair(skip(state, i))
    for i in range(whole(half)):
        out[half + i] = second[i]


@inlined
def exponential(state: np.uint64, mean: float) -> tuple[np.uint64, float]:
    """Next state and a draw from the exponential distribution with this mean."""
    state, draw = uniform(state)
    return state, -mean * math.log(1.0 - draw)


@inlined
def poisson(state: np.uint64, mean: float) -> tuple[np.uint64, int]:
    """Next state and a Poisson draw: how many uniforms multiply to more than exp(-mean)."""
    count = 0
    while mean > 0.0:
        part = min(mean, 500.0)  # exp(-part) must not vanish
        mean -= part
        state, product = uniform(state)
        if product <= 1.0 - part:  # which is below exp(-part): most draws of rare events
            continue
        floor = exp(-part)
        while product > floor:
            count += 1
            state, draw = uniform(state)
            product *= draw
    return state, count


# A column of an alias table: the part of it that is its own outcome, and the outcome of the rest.
ALIAS = np.dtype([("share", "f4"), ("other", "i4")])


@compiled
def fill_alias_table(weight: np.ndarray, table: np.ndarray) -> None:
    """Prepares `draw_alias` (Vose, IEEE Trans. Softw. Eng. 17, 1991).

    Args:
        weight: Weights of the n outcomes, of positive sum, (n,).
        table: Filled, (n,) ALIAS.
    """
    n = len(weight)
    share = weight * (n / weight.sum())
    waiting = np.empty(n, np.int64)  # columns with too little from the left, too much from right
    low, high = 0, n
    for i in range(n):
        table[i].other = i
        if share[i] < 1.0:
            waiting[low] = i
            low += 1
        else:
            high -= 1
            waiting[high] = i
    while low > 0 and high < n:
        low -= 1
        poor, rich = waiting[low], waiting[high]
        table[poor].other = rich
        share[rich] -= 1.0 - share[poor]
        if share[rich] < 1.0:
            high += 1
            waiting[low] = rich
            low += 1
    # What is left differs from one by rounding alone.
    for i in range(low):
        share[waiting[i]] = 1.0
    for i in range(high, n):
        share[waiting[i]] = 1.0
    for i in range(n):
        table[i].share = share[i]


@inlined
def draw_alias(table: np.ndarray, draw: float) -> int:
    """Outcome of a uniform draw under the weights of `fill_alias_table`."""
    scaled = draw * len(table)
    column = np.uint32(scaled)
    other = table[column].other
    # Arithmetic instead of a branch, since the outcome is a coin's.
    return other + (scaled - column < table[column].share) * (np.int64(column) - other)


@compiled
def search(cumulative: np.ndarray, value: float) -> int:
    """First index whose cumulative weight exceeds ``value``."""
    index = int(np.searchsorted(cumulative, value, side="right"))
    return min(index, len(cumulative) - 1)
