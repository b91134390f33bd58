"""Compiled: which links the environment would release for others, and what these cost."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qkd_gym.jit import compiled

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
Flags = NDArray[np.bool_]


class Occupancy(NamedTuple):
    """Who holds the modules in B networks of N sites and E links.

    Attributes:
        reluctance: A link with less of it is released first, of equals the one with the lowest
            number, shape (B, E).
        active: Links that hold modules, shape (B, E).
        full: Sites without a free module, shape (B, N).
        ends: Sites of each link, shape (B, E, 2).
    """

    reluctance: F64
    active: Flags
    full: Flags
    ends: I64


@compiled
def _find_first(reluctance: F64, active: Flags, full: Flags, ends: I64, b: int, first: I64) -> None:
    """For each site of network ``b``, the link that is released first, or E."""
    n_links = reluctance.shape[1]
    first[:] = n_links
    for e in range(n_links):
        if active[b, e]:
            for side in range(2):
                site = ends[b, e, side]
                best = first[site]
                least = best == n_links or reluctance[b, e] < reluctance[b, best]
                if full[b, site] and least:
                    first[site] = e


@compiled
def released(reluctance: F64, active: Flags, full: Flags, ends: I64) -> I64:
    """Links that activating each link would release at its two ends, E for none, (B, E, 2).

    Arguments are those of `Occupancy`, one by one: numba is slow to tell the type of a tuple with
    names.
    """
    goes = np.empty_like(ends)
    first = np.empty(full.shape[1], np.int64)
    for b in range(len(goes)):
        _find_first(reluctance, active, full, ends, b, first)
        for e in range(goes.shape[1]):
            for side in range(2):
                goes[b, e, side] = first[ends[b, e, side]]
    return goes


@compiled
def displaced(reluctance: F64, active: Flags, full: Flags, ends: I64, price: F64) -> F64:
    """Summed price, (B, E), of the links that activating each link would release."""
    total = np.empty_like(price)
    first = np.empty(full.shape[1], np.int64)
    n_links = price.shape[1]
    price_at = np.empty(len(first))
    for b in range(len(price)):
        _find_first(reluctance, active, full, ends, b, first)
        for v in range(len(first)):
            price_at[v] = price[b, first[v]] if first[v] < n_links else 0.0
        for e in range(n_links):
            total[b, e] = price_at[ends[b, e, 0]] + price_at[ends[b, e, 1]]
    return total
