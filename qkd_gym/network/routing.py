"""Compiled key relay: candidate paths, their prices, and serving a request hop by hop."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from qkd_gym.network.bank import Bank
from qkd_gym.network.state import (
    BLOCKED,
    CONSUMED,
    DELIVERED,
    ILLEGAL,
    OFFERED,
    REQUESTS,
    State,
)

# Steepness of the exponential price, and its size beside the constant cost of a hop. Chosen on
# training episodes; the built-in router's quality is flat around them.
PRICE_STEEPNESS = 5.0
PRICE_WEIGHT = 10.0
_PRICE_SCALE = PRICE_WEIGHT / math.expm1(PRICE_STEEPNESS)


@njit(cache=True)
def pair_index(first: int, second: int, n: int) -> int:
    """Row of the pair first < second in the path tables of n sites."""
    return first * n - first * (first + 1) // 2 + second - first - 1


@njit(cache=True)
def link_price(pool: int, capacity: int) -> float:
    """Exponential price of drawing on a pool (Awerbuch, Azar and Plotkin, FOCS 1993): the
    emptier, the dearer, plus one for the hop."""
    empty = 1.0 - pool / capacity
    return 1.0 + _PRICE_SCALE * math.expm1(PRICE_STEEPNESS * empty)


@njit(cache=True)
def measure_path(
    links: np.ndarray, path: np.ndarray, hops: int, capacity: int, bits: int
) -> tuple[int, float]:
    """Number of links on a path that lack the key, and the path's price.

    Args:
        links: LINK records of the episode, (E,).
        path: Links of the path, (H,).
        hops: How many of them count.
        capacity: Pool capacity in bits.
        bits: Requested key.
    """
    lacking, price = 0, 0.0
    for h in range(hops):
        pool = links[path[h]].pool
        if pool < bits:
            lacking += 1
        price += link_price(pool, capacity)
    return lacking, price


@njit(cache=True)
def best_path(
    links: np.ndarray, paths: np.ndarray, hops: np.ndarray, capacity: int, bits: int
) -> tuple[int, int]:
    """The candidate path that lacks key on the fewest links, the cheapest if several do.

    Args:
        links: LINK records of the episode, (E,).
        paths: Links of the candidate paths, (K, H).
        hops: Their lengths, (K,); the first zero ends the list.
        capacity: Pool capacity in bits.
        bits: Requested key.

    Returns:
        The path (-1 if there is none) and the number of its links that lack the key.
    """
    best, fewest, cheapest = -1, 0, 0.0
    for k in range(len(hops)):
        if hops[k] == 0:
            break
        lacking, price = measure_path(links, paths[k], hops[k], capacity, bits)
        if best < 0 or lacking < fewest or (lacking == fewest and price < cheapest):
            best, fewest, cheapest = k, lacking, price
    return best, fewest


@njit(cache=True)
def draw_key(
    links: np.ndarray, facts: np.ndarray, path: np.ndarray, hops: int, bits: int
) -> tuple[float, float]:
    """Takes the key from every pool of a path.

    Returns:
        The mean QBER of what was taken, as it is and in units of the protocols' thresholds.
    """
    qber, strain = 0.0, 0.0
    for h in range(hops):
        link = links[path[h]]
        link.pool -= bits
        link.left_ever += bits
        link.demand_now += bits
        qber += link.pool_qber
        strain += link.pool_qber / facts[path[h]].qber_threshold
    return qber / hops, strain / hops


@njit(cache=True)
def note_shortage(links: np.ndarray, path: np.ndarray, hops: int, bits: int) -> None:
    """Remembers demand that a path could not serve, and which of its links lacked the key."""
    for h in range(hops):
        link = links[path[h]]
        link.demand_now += bits
        if link.pool < bits:
            link.blocked_now += bits


@njit(cache=True)
def settle(s: State, bank: Bank, p: np.record, b: int, k: int) -> None:
    """Serves the current request over candidate path ``k``, or blocks it.

    Args:
        s: State.
        bank: Networks.
        p: Parameters.
        b: Episode.
        k: Candidate path; the number of candidates refuses; -1 lets the built-in router choose
            the cheapest path that holds the key. A path that lacks the key is illegal.
    """
    episode, links = s.episodes[b], s.links[b]
    request = s.requests[b, episode.cursor]
    bits = request.bits
    row = pair_index(request.first, request.second, bank.n_sites)
    paths, hops = bank.path_links[episode.network, row], bank.path_hops[episode.network, row]
    lacking = 1
    if k < 0:
        k, lacking = best_path(links, paths, hops, p.capacity, bits)
    elif k < len(hops) and hops[k] > 0:
        lacking, _ = measure_path(links, paths[k], hops[k], p.capacity, bits)
        s.bits[b, ILLEGAL] += lacking > 0
    elif k != len(hops):
        s.bits[b, ILLEGAL] += 1

    gain = (1.0 - p.demand_decay) / p.interval_s * bits
    first, second = s.sites[b, request.first], s.sites[b, request.second]
    first.demand += gain
    second.demand += gain
    if lacking == 0:
        qber, strain = draw_key(links, bank.links[episode.network], paths[k], hops[k], bits)
        s.bits[b, DELIVERED] += bits
        s.bits[b, CONSUMED] += bits * hops[k]
        episode.qber_bits += bits * qber
        episode.strained_bits += bits * strain
    else:
        nearest, _ = best_path(links, paths, hops, p.capacity, bits)
        if nearest >= 0:
            note_shortage(links, paths[nearest], hops[nearest], bits)
        s.bits[b, BLOCKED] += bits
        first.blocked += gain
        second.blocked += gain
    s.bits[b, OFFERED] += bits
    s.bits[b, REQUESTS] += 1
    episode.cursor += 1
