"""What a networkx graph says about a network, checked and completed."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, NamedTuple

import networkx as nx
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import shortest_path

from qkd_gym.errors import (
    InvalidInput,
    require_flag,
    require_instance,
    require_integer,
    require_number,
    shown,
)
from qkd_gym.physics.numerics import F64
from qkd_gym.topology.checks import (
    LIMITS,
    check_counts,
    check_links,
    check_text,
    link_words,
    site_words,
    title,
)
from qkd_gym.topology.media import default_loss_db
from qkd_gym.topology.positions import place, project

_PLANE, _GLOBE = ("x_km", "y_km"), ("lat", "lon")
_WORST_PROJECTION = 0.05  # relative error of a distance that goes without a warning

Attributes = Mapping[str, Any]


def read_graph(graph: nx.Graph) -> dict[str, Any]:
    """The fields of the `Topology` that a graph describes, see `Topology.from_networkx`.

    Args:
        graph: The graph.

    Raises:
        InvalidInput: If it is no such graph.
    """
    require_instance("graph", graph, nx.Graph)
    where = title(str(graph.name))
    check_counts(where, len(graph), graph.number_of_edges() // (1 + graph.is_directed()))
    sites: dict[str, Attributes] = {}
    for node, attributes in graph.nodes(data=True):
        if str(node) in sites:
            raise InvalidInput(f"{where}two sites are {shown(str(node))}, but must differ as text.")
        sites[str(node)] = attributes
    ids = list(sites)
    ends, links = _links(where, graph, ids)
    check_links(where, ids, ends)
    length = np.array([each.length_km for each in links])
    free_space = np.array([each.free_space for each in links])
    loss = default_loss_db(length, free_space)
    measured = [number for number, each in enumerate(links) if each.loss_db is not None]
    loss[measured] = [links[number].loss_db for number in measured]
    return {
        "name": str(graph.name),
        "site_names": tuple(attributes.get("name", node) for node, attributes in sites.items()),
        "positions_km": _positions(where, sites, ends, length),
        "link_endpoints": ends,
        "length_km": length,
        "loss_db": loss,
        "free_space": free_space,
        "district": _districts(where, graph, sites),
        "site_weight": np.array([_weight(where, *pair) for pair in sites.items()]),
        "link_presets": tuple(each.preset for each in links),
        "source": graph.graph.get("source", ""),
        "licence": graph.graph.get("licence", ""),
    }


def _number(owner: str, attributes: Attributes, key: str, limits: str = "") -> float:
    low, high, unit = LIMITS[limits or key]
    require_number(f"{owner}: {key}", attributes[key], low, high, unit=unit)
    return float(attributes[key])


class _Link(NamedTuple):
    """What an edge says about a link."""

    length_km: float
    loss_db: float | None
    free_space: bool
    preset: str


def _link(owner: str, attributes: Attributes) -> _Link:
    if "length_km" not in attributes:
        raise InvalidInput(f"{owner} lacks length_km, but must have it.")
    length = _number(owner, attributes, "length_km")
    measured = attributes.get("loss_db") is not None
    loss = _number(owner, attributes, "loss_db") if measured else None
    free_space, preset = attributes.get("free_space", False), attributes.get("preset", "")
    require_flag(f"{owner}: free_space", free_space)
    check_text(f"{owner}: preset", preset)
    return _Link(length, loss, bool(free_space), preset)


def _links(where: str, graph: nx.Graph, ids: list[str]) -> tuple[NDArray[np.int64], list[_Link]]:
    """Sites of the links in order, and what the edges say about them.

    The two directions of a directed graph are one link if they agree.
    """
    # An edge may name its ends in another way than the nodes do: True, 1 and 1.0 are the same.
    number_of = {node: number for number, node in enumerate(graph)}
    found: dict[tuple[int, int], tuple[str, _Link]] = {}
    for start, end, attributes in graph.edges(data=True):
        i, j = number_of[start], number_of[end]
        first, second = ids[i], ids[j]
        owner = f"{where}{link_words(first, second)}"
        if i == j:
            raise InvalidInput(f"{owner} joins a site to itself, but must join two sites.")
        new = _link(owner, attributes)
        key = min(i, j), max(i, j)
        if key not in found:
            found[key] = first, new
            continue
        other_start, other = found[key]
        if not graph.is_directed() or first == other_start:
            raise InvalidInput(f"{owner} is there twice, but its sites are joined already.")
        for name, there, back in zip(_Link._fields, other, new, strict=True):
            if there != back:
                raise InvalidInput(
                    f"{owner}: {name} is {shown(back, 40)}, but {shown(there, 40)} in the other "
                    "direction: both must agree."
                )
    ordered = sorted(found)
    ends = np.array(ordered, dtype=np.int64).reshape(-1, 2)
    return ends, [found[key][1] for key in ordered]


def _weight(where: str, name: str, attributes: Attributes) -> float:
    if "weight" not in attributes:
        return 1.0
    return _number(f"{where}{site_words(name)}", attributes, "weight", "site_weight")


def _positions(
    where: str, sites: Mapping[str, Attributes], ends: NDArray[np.int64], length: F64
) -> F64:
    """Positions in km, (n, 2): those given, on globe or plane, and places for the others."""
    positions = np.full((len(sites), 2), np.nan)
    first_with: dict[tuple[str, ...], str] = {}
    for number, (name, attributes) in enumerate(sites.items()):
        owner = f"{where}{site_words(name)}"
        keys = tuple(key for key in (*_PLANE, *_GLOBE) if key in attributes)
        if keys not in ((), _PLANE, _GLOBE):
            raise InvalidInput(
                f"{owner} has {' and '.join(keys)}, but must have x_km and y_km, or lat and lon, "
                "or none of them."
            )
        if keys:
            first_with.setdefault(keys, name)
            positions[number] = [_number(owner, attributes, key) for key in keys]
    if len(first_with) > 1:
        raise InvalidInput(
            f"{where}{site_words(first_with[_PLANE])} has x_km and y_km, but "
            f"{site_words(first_with[_GLOBE])} has lat and lon: all must have the same."
        )
    known = ~np.isnan(positions[:, 0])
    if _GLOBE in first_with:
        positions[known], deviation = project(*positions[known].T)
        if deviation > _WORST_PROJECTION:
            warnings.warn(
                f"{where}distances on the plane differ from great circles by up to "
                f"{100.0 * deviation:.0f} %: the network is too large to be drawn flat.",
                stacklevel=2,
            )
    if not known.all():
        lengths = coo_array((length, ends.T), shape=(len(sites), len(sites)))
        positions = place(positions, shortest_path(lengths.tocsr(), directed=False))
    return positions


def _districts(where: str, graph: nx.Graph, sites: Mapping[str, Attributes]) -> NDArray[np.int64]:
    """Districts as given; if none are, communities."""
    without = [name for name, attributes in sites.items() if "district" not in attributes]
    if not without:
        for name, attributes in sites.items():
            high = len(sites) - 1
            require_integer(f"{where}{site_words(name)}: district", attributes["district"], 0, high)
        return np.array([attributes["district"] for attributes in sites.values()], np.int64)
    if len(without) < len(sites):
        raise InvalidInput(f"{where}{site_words(without[0])} lacks district, but others have it.")
    # Clauset, Newman, Moore, PRE 70, 066111 (2004). Equals are told apart by their names and the
    # order of the edges.
    plain = nx.Graph()
    plain.add_nodes_from(sites)
    name_of = dict(zip(graph, sites, strict=True))
    plain.add_edges_from((name_of[first], name_of[second]) for first, second in graph.edges())
    groups = nx.community.greedy_modularity_communities(plain)
    numbers = {name: number for number, group in enumerate(groups) for name in group}
    return np.array([numbers[name] for name in sites], dtype=np.int64)
