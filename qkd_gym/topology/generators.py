"""Random networks: clustered metro networks, and the setting of the source study."""

from __future__ import annotations

import zlib

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from qkd_gym.errors import require_integer
from qkd_gym.physics import FreeSpace
from qkd_gym.physics.numerics import F64
from qkd_gym.topology.topology import FIBER, Topology

Seed = int | np.random.Generator

_CLUSTER_SITES = 5
_NEAREST = 3  # links from each site into its own cluster
_NEIGHBOURS = 2  # clusters that each cluster is joined to
_GATEWAYS = 2  # links to each of them
_MIN_KM, _MAX_KM = 1.0, 60.0
_FREE_SPACE_SHARE, _FREE_SPACE_KM = 0.25, 10.0
FREE_SPACE = FreeSpace()


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

    links: set[tuple[int, int]] = set()
    for site in range(n_sites):
        own = np.flatnonzero((district == district[site]) & (np.arange(n_sites) != site))
        for other in own[np.argsort(gap[site, own], kind="stable")][:_NEAREST].tolist():
            links.add((min(site, other), max(site, other)))
    between = _distances(centres)
    for cluster in range(clusters):
        nearest = np.argsort(between[cluster], kind="stable")[1 : _NEIGHBOURS + 1]
        for other in nearest.tolist():
            links |= _gateways(district, cluster, other, gap, _GATEWAYS)
    links |= _bridges(n_sites, links, gap)
    # Fibre follows streets: it is longer than the straight line.
    detour = 1.2
    return _assemble(f"clustered-{n_sites}", positions, links, gap * detour, district, rng)


def source_study(n_sites: int = 20, seed: Seed = 0) -> Topology:
    """The source study's setting: dense clustered graphs under a distance threshold.

    A 20 km square, one cluster per ten sites with a standard deviation of 4 km, and a link
    between any two sites less than 12 km apart. Gives average degrees of about 8 at 10 sites and
    138 at 250, and a mean link of about 7 km.

    Args:
        n_sites: Number of sites, 6 to 1000.
        seed: Integer or generator; the same integer makes the same network.

    Returns:
        A connected topology, all of fibre.

    Raises:
        InvalidInput: If the number of sites is out of range.
    """
    require_integer("n_sites", n_sites, 6, 1000)
    rng = np.random.default_rng(seed)
    clusters = max(1, round(n_sites / 10))
    district = np.arange(n_sites) % clusters
    centres = rng.uniform(0.0, 20.0, (clusters, 2))
    positions = centres[district] + rng.normal(0.0, 4.0, (n_sites, 2))
    gap = _distances(positions)
    first, second = np.nonzero(np.triu(gap < 12.0, 1))
    links = set(zip(first.tolist(), second.tolist(), strict=True))
    links |= _bridges(n_sites, links, gap)
    return _assemble(f"source-study-{n_sites}", positions, links, gap, district, None)


def _cluster_of(n_sites: int) -> NDArray[np.int64]:
    clusters = max(2, round(n_sites / _CLUSTER_SITES))
    return np.arange(n_sites) % clusters


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
    district: NDArray[np.int64], first: int, second: int, gap: F64, count: int
) -> set[tuple[int, int]]:
    """The shortest links between two clusters that share no site."""
    links: set[tuple[int, int]] = set()
    left, right = np.flatnonzero(district == first), np.flatnonzero(district == second)
    used: set[int] = set()
    for flat in np.argsort(gap[np.ix_(left, right)], axis=None, kind="stable").tolist():
        a, b = int(left[flat // len(right)]), int(right[flat % len(right)])
        if a not in used and b not in used:
            links.add((min(a, b), max(a, b)))
            used |= {a, b}
        if len(links) == count:
            break
    return links


def _bridges(n_sites: int, links: set[tuple[int, int]], gap: F64) -> set[tuple[int, int]]:
    """The shortest links that join what is not connected yet."""
    graph = nx.Graph()
    graph.add_nodes_from(range(n_sites))
    graph.add_edges_from(links)
    added: set[tuple[int, int]] = set()
    while not nx.is_connected(graph):
        part = sorted(nx.node_connected_component(graph, 0))
        rest = sorted(set(range(n_sites)) - set(part))
        flat = int(gap[np.ix_(part, rest)].argmin())
        a, b = part[flat // len(rest)], rest[flat % len(rest)]
        graph.add_edge(a, b)
        added.add((min(a, b), max(a, b)))
    return added


def _assemble(
    name: str,
    positions: F64,
    links: set[tuple[int, int]],
    distance_km: F64,
    district: NDArray[np.int64],
    rng: np.random.Generator | None,
) -> Topology:
    ends = np.array(sorted(links), dtype=np.int64)
    length = np.clip(distance_km[ends[:, 0], ends[:, 1]], _MIN_KM, _MAX_KM)
    free_space = np.zeros(len(ends), dtype=bool)
    if rng is not None:
        free_space = (rng.random(len(ends)) < _FREE_SPACE_SHARE) & (length < _FREE_SPACE_KM)
    loss = np.where(free_space, FREE_SPACE.loss_db(length), FIBER.loss_db(length))
    n = len(positions)
    return Topology(
        name=f"{name}-{zlib.crc32(positions.tobytes()):08x}",
        site_names=tuple(f"S{site}" for site in range(n)),
        positions_km=positions,
        link_endpoints=ends,
        length_km=length,
        loss_db=loss,
        free_space=free_space,
        district=np.asarray(district, dtype=np.int64),
        site_weight=np.ones(n),
        source="generated",
        licence="MIT",
    )
