"""Random networks: clustered metro networks, and the setting of the source study."""

from __future__ import annotations

import zlib

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from qkd_gym.errors import require_integer
from qkd_gym.physics.numerics import F64
from qkd_gym.topology.media import default_loss_db
from qkd_gym.topology.topology import Topology

Seed = int | np.random.Generator

_CLUSTER_SITES = 5
_NEAREST = 3  # links from each site into its own cluster
_NEIGHBOURS = 2  # clusters that each cluster is joined to
_GATEWAYS = 2  # links to each of them
_MIN_KM, _MAX_KM = 1.0, 60.0
_FREE_SPACE_SHARE, _FREE_SPACE_KM = 0.25, 10.0


def clustered_max_links(n_sites: int) -> int:
    """An upper bound of the links that `clustered` makes for this number of sites."""
    sizes = np.bincount(_cluster_of(n_sites))
    inside = sum(min(size * (size - 1) // 2, _NEAREST * size) for size in sizes.tolist())
    # A repaired network has at most one more link per cluster.
    between = len(sizes) * min(_NEIGHBOURS, len(sizes) - 1) * _GATEWAYS + len(sizes)
    return int(inside + between)


def clustered(n_sites: int = 20, seed: Seed = 0) -> Topology:
    """A metro network: clusters of about five sites, joined by gateway links.

    Every site is joined to the three nearest of its cluster, every cluster by two gateway links
    to each of the two nearest clusters. Links are 1 to 60 km long; of those below 10 km a quarter
    cross free space.

    Args:
        n_sites: Number of sites, 6 to 1000.
        seed: Integer or generator; the same integer makes the same network.

    Returns:
        A connected topology of about 2.2 links per site.

    Raises:
        InvalidInput: If the number of sites is out of range.
    """
    require_integer("n_sites", n_sites, 6, 1000)
    rng = np.random.default_rng(seed)
    district = _cluster_of(n_sites)
    clusters = int(district.max()) + 1
    # The side grows with the number of clusters so that neighbours stay 15 to 40 km apart.
    centres = _spread_out(clusters, 25.0 * np.sqrt(clusters), rng)
    positions = centres[district] + rng.normal(0.0, 5.0, (n_sites, 2))
    gap = _distances(positions)

    graph = nx.empty_graph(n_sites)
    for site in range(n_sites):
        own = np.flatnonzero((district == district[site]) & (np.arange(n_sites) != site))
        nearest = own[np.argsort(gap[site, own], kind="stable")][:_NEAREST]
        graph.add_edges_from((site, other) for other in nearest.tolist())
    for cluster, distance in enumerate(_distances(centres)):
        for other in np.argsort(distance, kind="stable")[1 : _NEIGHBOURS + 1]:
            graph.add_edges_from(_gateways(district, cluster, other, gap))
    _bridge(graph, gap)
    # Fibre follows streets: it is longer than the straight line.
    detour = 1.2
    return _assemble("clustered", positions, graph, gap * detour, district, rng)


def source_study(n_sites: int = 20, seed: Seed = 0) -> Topology:
    """The source study's setting: dense clustered graphs under a distance threshold.

    A 20 km square, one cluster per ten sites with a standard deviation of 4 km, and a link
    between any two sites less than 12 km apart. Gives average degrees of 8.0 at 10 sites and 128 at
    250, with standard deviations over seeds of 0.8 and 10, and a mean link of about 7 km.

    Args:
        n_sites: Number of sites, 6 to 1000.
        seed: Integer or generator; the same integer makes the same network.

    Returns:
        A connected topology, all of fibre.

    Raises:
        InvalidInput: If the number of sites is out of range, or there are more links than a
            `Topology` holds, as from some 370 sites on.
    """
    require_integer("n_sites", n_sites, 6, 1000)
    rng = np.random.default_rng(seed)
    clusters = max(1, round(n_sites / 10))
    district = np.arange(n_sites) % clusters
    centres = rng.uniform(0.0, 20.0, (clusters, 2))
    positions = centres[district] + rng.normal(0.0, 4.0, (n_sites, 2))
    gap = _distances(positions)
    graph = nx.from_numpy_array(np.triu(gap < 12.0, 1))
    _bridge(graph, gap)
    return _assemble("source-study", positions, graph, gap, district, None)


def _cluster_of(n_sites: int) -> NDArray[np.int64]:
    return np.arange(n_sites) % max(2, round(n_sites / _CLUSTER_SITES))


def _spread_out(points: int, side: float, rng: np.random.Generator) -> F64:
    """Points in a square, each the remotest of ten candidates from those before it."""
    chosen = rng.uniform(0.0, side, (1, 2))
    while len(chosen) < points:
        candidates = rng.uniform(0.0, side, (10, 2))
        nearest = np.linalg.norm(candidates[:, None] - chosen[None], axis=-1).min(axis=1)
        chosen = np.vstack([chosen, candidates[nearest.argmax()]])
    return chosen


def _distances(positions: F64) -> F64:
    return np.asarray(np.linalg.norm(positions[:, None] - positions[None], axis=-1))


def _gateways(
    district: NDArray[np.int64], first: int, second: int, gap: F64
) -> list[tuple[int, int]]:
    """The shortest links between two clusters that share no site."""
    links: list[tuple[int, int]] = []
    left, right = np.flatnonzero(district == first), np.flatnonzero(district == second)
    for flat in np.argsort(gap[np.ix_(left, right)], axis=None, kind="stable").tolist():
        a, b = int(left[flat // len(right)]), int(right[flat % len(right)])
        if all(a != c and b != d for c, d in links):
            links.append((a, b))
    return links[:_GATEWAYS]


def _bridge(graph: nx.Graph, gap: F64) -> None:
    """Adds the shortest links that join what is not connected yet."""
    while not nx.is_connected(graph):
        part = sorted(nx.node_connected_component(graph, 0))
        rest = sorted(set(graph) - set(part))
        flat = int(gap[np.ix_(part, rest)].argmin())
        graph.add_edge(part[flat // len(rest)], rest[flat % len(rest)])


def _assemble(
    name: str,
    positions: F64,
    graph: nx.Graph,
    distance_km: F64,
    district: NDArray[np.int64],
    rng: np.random.Generator | None,
) -> Topology:
    # The nodes come in order, and so do the ends of every edge.
    ends = np.array(sorted(graph.edges), dtype=np.int64)
    length = np.clip(distance_km[ends[:, 0], ends[:, 1]], _MIN_KM, _MAX_KM)
    free_space = np.zeros(len(ends), dtype=bool)
    if rng is not None:
        free_space = (rng.random(len(ends)) < _FREE_SPACE_SHARE) & (length < _FREE_SPACE_KM)
    n = len(positions)
    return Topology(
        name=f"{name}-{n}-{zlib.crc32(positions.tobytes()):08x}",
        site_names=tuple(f"S{site}" for site in range(n)),
        positions_km=positions,
        link_endpoints=ends,
        length_km=length,
        loss_db=default_loss_db(length, free_space),
        free_space=free_space,
        district=np.asarray(district, dtype=np.int64),
        site_weight=np.ones(n),
        source="generated",
        licence="MIT",
    )
