"""Candidate paths between all pairs of sites."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import yen

# Relative size of the perturbation that breaks ties between equally long paths.
_TIE_BREAK = 1e-9


def pair_index(i: int, j: int, n: int) -> int:
    """Row of the pair i < j in arrays over all pairs of n sites: (0,1), (0,2), ..., (1,2), ..."""
    return i * n - i * (i + 1) // 2 + j - i - 1


def candidate_paths(
    link_endpoints: NDArray[np.integer],
    weights: NDArray[np.floating],
    n_sites: int,
    k: int,
    max_hops: int,
    between: NDArray[np.bool_] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> tuple[NDArray[np.int16], NDArray[np.int8]]:
    """The k shortest loopless paths between every pair of sites (Yen, 1971).

    Paths longer than ``max_hops`` are dropped, so a pair may have fewer than k, or none. Of
    parallel links only the lightest is used. Ties are broken the same way on every call.

    Args:
        link_endpoints: Sites of each link, shape (E, 2).
        weights: Positive length of each link, shape (E,).
        n_sites: Number of sites.
        k: Paths per pair.
        max_hops: Links of the longest path that is kept.
        between: Sites between which paths are wanted, shape (n,), by default all; other pairs
            have none.
        on_progress: Told for how many sites the paths to later ones are there, and of how many.

    Returns:
        ``path_links``, shape (P, k, max_hops): the links of each path from the lower to the higher
        site, padded with -1; and ``path_hops``, shape (P, k): their number, 0 for no path. Paths
        come lightest first; rows are ordered as by `pair_index`.
    """
    n_pairs = n_sites * (n_sites - 1) // 2
    path_links = np.full((n_pairs, k, max_hops), -1, np.int16)
    path_hops = np.zeros((n_pairs, k), np.int8)
    link_between = lightest_between(link_endpoints, weights, n_sites)
    noise = np.random.default_rng(0).random(len(weights))
    graph = link_graph(link_between, weights * (1.0 + _TIE_BREAK * noise))
    wanted = np.arange(n_sites) if between is None else np.flatnonzero(between)
    for number, source in enumerate(wanted[:-1].tolist()):
        if on_progress is not None:
            on_progress(number, len(wanted) - 1)
        sinks = wanted[number + 1 :]
        found = [yen(graph, source, sink, k, return_predecessors=True)[1] for sink in sinks]
        sink_of = np.repeat(sinks, [len(paths) for paths in found])
        rank = np.concatenate([np.arange(len(paths)) for paths in found])
        links, hops = _trace(np.concatenate(found), source, sink_of, link_between)
        # A path that is too long leaves no hole: the ones behind it move up.
        fits = hops <= max_hops
        row = (pair_index(source, source + 1, n_sites) + sink_of - source - 1)[fits]
        rank = (rank - _dropped_before(~fits, sink_of))[fits]
        width = min(max_hops, links.shape[1])
        path_links[row, rank, :width] = links[fits, :width]
        path_hops[row, rank] = hops[fits]
    return path_links, path_hops


def lightest_between(
    link_endpoints: NDArray[np.integer], weights: NDArray[np.floating], n_sites: int
) -> NDArray[np.int64]:
    """Lightest link between two sites, shape (n, n), -1 for none; the last one of equals."""
    table = np.full((n_sites, n_sites), -1, np.int64)
    # The lightest is written last.
    order = np.argsort(-weights, kind="stable")
    i, j = np.sort(link_endpoints[order], axis=1).T
    table[i, j] = order
    table[j, i] = table[i, j]
    return table


def link_graph(link_between: NDArray[np.int64], weights: NDArray[np.floating]) -> csr_array:
    """The links of a table of `lightest_between` as scipy's algorithms want them."""
    # yen wants 32-bit indices, and is faster on a directed graph with both directions.
    i, j = (axis.astype(np.int32) for axis in np.nonzero(link_between >= 0))
    return csr_array((weights[link_between[i, j]], (i, j)), shape=link_between.shape)


def _trace(
    predecessors: NDArray[np.int32],
    source: int,
    sinks: NDArray[np.int64],
    link_between: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Links and number of hops of each path, from its row of predecessors."""
    rows = np.arange(len(sinks))
    site, backwards = sinks, []
    hops = np.zeros(len(sinks), np.int64)
    while (moving := site != source).any():
        previous = np.where(moving, predecessors[rows, site], source)
        backwards.append(np.where(moving, link_between[previous, site], -1))
        hops += moving
        site = previous
    links = np.full((len(sinks), len(backwards)), -1, np.int64)
    for step, link in enumerate(backwards):
        on = link >= 0
        links[rows[on], hops[on] - 1 - step] = link[on]
    return links, hops


def _dropped_before(dropped: NDArray[np.bool_], group: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number of dropped entries up to each one within its group; groups are contiguous."""
    count = np.cumsum(dropped)
    first = np.searchsorted(group, group)
    return count - (count - dropped)[first]
