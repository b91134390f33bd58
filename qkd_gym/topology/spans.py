"""Where sites of a graph are, and how long the links must be of which nobody says so."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import networkx as nx
import numpy as np

from qkd_gym.errors import InvalidInput
from qkd_gym.physics.numerics import F64
from qkd_gym.topology.checks import link_words, some_of
from qkd_gym.topology.positions import great_circle_km, project

Node = Hashable
Link = tuple[Node, Node]

GLOBE, PLANE = ("lat", "lon"), ("x_km", "y_km")
_SHORTEST_KM = 1.0  # of computed lengths: coordinates of cities tell no less
_FIT = 2.0  # coordinates fit lengths that are on average off by less than this factor


class Places(NamedTuple):
    """Coordinates of the sites that have some."""

    keys: tuple[str, str]  # GLOBE or PLANE
    of: dict[Node, tuple[float, float]]

    def apart_km(self, links: Sequence[Link]) -> F64:
        """Distances by the shortest way between the ends of links that both have a place, (E,)."""
        first, second = (np.array([self.of[link[end]] for link in links]) for end in (0, 1))
        if self.keys == GLOBE:
            return great_circle_km(first, second)
        return np.asarray(np.linalg.norm(first - second, axis=-1))

    def misfit(self, graph: nx.Graph) -> float:
        """Mean factor, at least 1, between lengths and distances; infinite without any."""
        known = [
            (start, end, length)
            for start, end, length in graph.edges(data="length_km")
            if length is not None and start in self.of and end in self.of
        ]
        if not known:
            return np.inf
        apart_km = np.maximum(self.apart_km([link[:2] for link in known]), 1e-3)
        length_km = np.array([link[2] for link in known])
        return float(np.exp(np.abs(np.log(apart_km / length_km)).mean()))

    def on_plane(self) -> Places:
        """The same on a plane."""
        if self.keys == PLANE:
            return self
        positions_km, _ = project(*np.array(list(self.of.values())).T)
        return Places(PLANE, dict(zip(self.of, map(tuple, positions_km.tolist()), strict=True)))


def placed(points: dict[Node, tuple[float, float]], graph: nx.Graph, degrees: bool) -> Places:
    """Coordinates of an unknown kind as what fits the lengths.

    Args:
        points: Longitude and latitude in degrees, or x and y in km.
        graph: The network; lengths are ``length_km`` of its edges.
        degrees: Whether they are called longitude and latitude, so that no length need prove it.

    Returns:
        The places, of no site if nothing fits.
    """
    flat = Places(PLANE, points)
    globe = Places(GLOBE, {node: (north, east) for node, (east, north) in points.items()})
    on_globe = all(abs(north) <= 90 and abs(east) <= 360 for east, north in points.values())
    misfit = globe.misfit(graph) if on_globe else np.inf
    if flat.misfit(graph) < min(_FIT, misfit):
        return flat
    return globe if degrees or misfit < _FIT else Places(GLOBE, {})


def add_lengths(where: str, graph: nx.Graph, places: Places) -> list[Node]:
    """Gives a length to each edge without one, and tells which sites had to be guessed for it.

    A link is as long as the great circle, or on a plane the straight line, between its sites, and
    at least 1 km. Sites without coordinates are common where others have some, and few networks
    would stay whole without them: such a site is taken to be in the middle of its neighbours, and
    its links to be at least as long as the median of the others, since nothing says that they are
    shorter. Where that would make up most of a network, it is refused.

    Args:
        where: Beginning of a sentence.
        graph: A connected network, whose edges may have ``length_km`` and get it otherwise.
        places: Coordinates of its sites.

    Returns:
        The sites without coordinates that links without length lead to.

    Raises:
        InvalidInput: If more than half of the sites are such, or no other place or length is known.
    """
    bare = [ends for *ends, length in graph.edges(data="length_km") if length is None]
    touched = {node for link in bare for node in link}
    lost = [node for node in graph if node in touched and node not in places.of]
    known = [link for link in bare if not set(link) & set(lost)]
    if known:
        _lengthen(graph, known, places.apart_km(known), _SHORTEST_KM)
    if not lost:
        return lost
    others = [length for *_, length in graph.edges(data="length_km") if length is not None]
    if 2 * len(lost) > len(graph) or not (others and places.of):
        names = [graph.nodes[node]["name"] for node in lost]
        ends = [graph.nodes[node]["name"] for node in bare[0]]
        raise InvalidInput(
            f"{where}{link_words(*ends)} lacks length_km, and too many sites ({len(lost)} of "
            f"{len(graph)}) lack the coordinates to compute it: {some_of(names)}."
        )
    guessed = [link for link in bare if set(link) & set(lost)]
    between = _filled(graph, places.on_plane())
    _lengthen(graph, guessed, between.apart_km(guessed), float(np.median(others)))
    return lost


def _lengthen(graph: nx.Graph, links: Sequence[Link], apart_km: F64, least_km: float) -> None:
    for (start, end), distance in zip(links, apart_km.tolist(), strict=True):
        graph[start][end]["length_km"] = max(distance, least_km)


def _filled(graph: nx.Graph, places: Places) -> Places:
    """With every other site in the middle of its neighbours, from the known ones outwards."""
    of = dict(places.of)
    while len(of) < len(graph):
        near = {node: [of[other] for other in graph[node] if other in of] for node in graph}
        of |= {
            node: tuple(np.mean(around, axis=0).tolist())
            for node, around in near.items()
            if around and node not in of
        }
    return Places(places.keys, of)
