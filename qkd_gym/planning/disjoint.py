"""Relaying over several paths at once, so that no relay alone learns the key.

Each path carries a random share, and the key is the XOR of all of them: whoever controls the relays
of all paths but one learns nothing. Where the paths have no relay in common, it takes at least one
relay of each. Key is spent on every path.

Source: Salvail et al., "Security of trusted repeater quantum key distribution networks", J. Comput.
Secur. 18, 61 (2010).
"""

from __future__ import annotations

import itertools

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from qkd_gym.planning.paths import lightest_between

_Path = tuple[int, ...]  # its links


def disjoint_bundles(
    path_links: NDArray[np.integer],
    path_hops: NDArray[np.integer],
    link_endpoints: NDArray[np.integer],
    weights: NDArray[np.floating],
    n_sites: int,
    k: int,
    paths: int,
) -> tuple[NDArray[np.int16], NDArray[np.int8]]:
    """The lightest bundles of paths without a common relay, between every pair of sites.

    A link between the two sites needs no relay, so it is a bundle of its own. Of the others a pair
    has those of ``paths`` paths, or of as many as the network has between the two. They are put
    together greedily: each path with the lightest of the following ones that fit. Where that misses
    one, a bundle of the most paths is found as a flow.

    Args:
        path_links: Links of many paths between each pair, lightest first, padded with -1, shape
            (P, many, H), as by `candidate_paths`.
        path_hops: Their number, 0 for no path, shape (P, many).
        link_endpoints: Sites of each link, shape (E, 2).
        weights: Positive length of each link, shape (E,).
        n_sites: Number of sites.
        k: Bundles per pair.
        paths: Paths of a bundle, at least 2.

    Returns:
        The links of each bundle, one path after the other, each from the lower to the higher site,
        padded with -1, shape (P, k, W); and their number, 0 for no bundle, shape (P, k). Bundles
        come lightest first.
    """
    pairs = list(itertools.combinations(range(n_sites), 2))
    width = paths * path_links.shape[2]
    links = np.full((len(pairs), k, width), -1, np.int16)
    hops = np.zeros((len(pairs), k), np.int8)
    flows = _Flows(link_endpoints, weights, n_sites, path_links.shape[2])
    for row, (first, second) in enumerate(pairs):
        found = [
            tuple(path[:count].tolist())
            for path, count in zip(path_links[row], path_hops[row], strict=True)
            if count
        ]
        bundles = _bundles(found, link_endpoints, paths)
        if found and not any(len(bundle) == paths for bundle in bundles):
            bundles += flows.between(first, second, paths)
        joined = [sum(bundle, ()) for bundle in _best(bundles)]
        joined.sort(key=lambda bundle: float(weights[list(bundle)].sum()))  # stable
        for rank, bundle in enumerate(list(dict.fromkeys(joined))[:k]):
            links[row, rank, : len(bundle)] = bundle
            hops[row, rank] = len(bundle)
    return links, hops


def _bundles(
    found: list[_Path], link_endpoints: NDArray[np.integer], paths: int
) -> list[tuple[_Path, ...]]:
    """Each path with the lightest following ones that have no site in common with it."""
    sites = [set(link_endpoints[list(path)].ravel().tolist()) for path in found]
    bundles = []
    for i, path in enumerate(found):
        bundle, used = [path], sites[i]
        for j in range(i + 1, len(found)):
            # The two ends are common; a link between them joins no others.
            fits = len(path) > 1 and len(found[j]) > 1 and len(used & sites[j]) == 2
            if fits and len(bundle) < paths:
                bundle.append(found[j])
                used = used | sites[j]
        bundles.append(tuple(bundle))
    return bundles


def _best(bundles: list[tuple[_Path, ...]]) -> list[tuple[_Path, ...]]:
    """Those without a relay, and those of the most paths."""
    most = max(map(len, bundles), default=0)
    return [each for each in bundles if len(each) == most or len(each[0]) == 1]


class _Flows:
    """Disjoint paths as a maximum flow, for the few pairs that have them where few are light."""

    def __init__(
        self,
        link_endpoints: NDArray[np.integer],
        weights: NDArray[np.floating],
        n_sites: int,
        max_hops: int,
    ) -> None:
        self._between = lightest_between(link_endpoints, weights, n_sites)
        self._graph = nx.Graph(link_endpoints.tolist())
        self._max_hops = max_hops

    def between(self, first: int, second: int, paths: int) -> list[tuple[_Path, ...]]:
        """One bundle of the most paths, or none if it has one path only."""
        graph = self._graph
        if graph.has_edge(first, second):  # needs no relay
            return []
        routes = list(nx.node_disjoint_paths(graph, first, second, cutoff=paths))
        if len(routes) < 2 or max(map(len, routes)) > self._max_hops + 1:
            return []
        return [
            tuple(
                tuple(int(self._between[pair]) for pair in itertools.pairwise(route))
                for route in routes
            )
        ]
