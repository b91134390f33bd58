"""Compiled: which links the environment would release for others, and what these cost."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
Flags = NDArray[np.bool_]


@njit(cache=True)
def least_reluctant(reluctance: F64, active: Flags, full: Flags, ends: I64) -> I64:
    """At both ends of each link, the active link that goes first if a module is needed.

    Args:
        reluctance: Least for the links that go first, of equals the one with the lowest number,
            shape (B, E).
        active: Links that hold modules, shape (B, E).
        full: Sites without a free module, shape (B, N); nothing goes at others.
        ends: Sites of each link, shape (B, E, 2).

    Returns:
        Links, E for none, shape (B, E, 2).
    """
    batch, n_links = reluctance.shape
    goes = np.empty((batch, n_links, 2), np.int64)
    first = np.empty(full.shape[1], np.int64)
    for b in range(batch):
        first[:] = n_links
        for e in range(n_links):
            if not active[b, e]:
                continue
            for site in ends[b, e]:
                best = first[site]
                if full[b, site] and (best == n_links or reluctance[b, e] < reluctance[b, best]):
                    first[site] = e
        for e in range(n_links):
            for side in range(2):
                goes[b, e, side] = first[ends[b, e, side]]
    return goes


@njit(cache=True)
def displaced(price: F64, released: I64) -> F64:
    """Summed price of the links that each link displaces, shape (B, E).

    Args:
        price: Price of each link, shape (B, E).
        released: Links that each link displaces, E for none, shape (B, E, 2).
    """
    batch, n_links = price.shape
    total = np.zeros((batch, n_links))
    for b in range(batch):
        for e in range(n_links):
            for gone in released[b, e]:
                if gone < n_links:
                    total[b, e] += price[b, gone]
    return total
