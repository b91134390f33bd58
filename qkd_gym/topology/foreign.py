"""Graphs that others made, told in the terms of `Topology.from_networkx`."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import networkx as nx
import numpy as np

from qkd_gym.errors import require_instance, require_number
from qkd_gym.topology.checks import LIMITS, check_counts, link_words, site_words, some_of, title
from qkd_gym.topology.spans import PLANE, Node, Places, add_lengths, placed

# Names of attributes, in small letters: topohub has `pos` and `dist`, the Topology Zoo `Latitude`
# and `Longitude`. What is called length or weight elsewhere may be in any unit.
_LATITUDE, _LONGITUDE = ("lat", "latitude"), ("lon", "lng", "long", "longitude")
_LENGTH = ("length_km", "dist", "distance_km")

Facts = Mapping[str, Any]
Point = tuple[float, float]


def in_own_terms(graph: nx.Graph, name: str) -> nx.Graph:
    """A graph for `Topology.from_networkx` of what somebody else's graph says of a network.

    Sites with ``Internal`` 0 belong to others and are left out, as are links from a site to
    itself; of parallel links the shortest counts, and of a network in several parts the largest.
    Lengths that are missing follow from coordinates, see `qkd_gym.topology.spans.add_lengths`.

    Args:
        graph: Nodes with ``lat`` and ``lon`` or ``Latitude`` and ``Longitude`` in degrees, ``x_km``
            and ``y_km``, or ``pos``, which is longitude and latitude or x and y in km, whichever
            fits the lengths; edges with ``length_km`` or ``dist`` in km; and otherwise with the
            attributes of `Topology.from_networkx`. Other attributes say nothing.
        name: Name of the network.

    Warns:
        UserWarning: If sites or links are left out, or a site is put between its neighbours.

    Raises:
        InvalidInput: If it is no graph, a length or coordinate is no number or out of range, or
            some link has no length and none can be found.
    """
    require_instance("graph", graph, nx.Graph)
    where = title(name)
    facts = {node: _known(attributes) for node, attributes in graph.nodes(data=True)}
    own = nx.Graph(name=name, **_provenance(graph))
    own.add_nodes_from((node, _site(where, node, facts[node])) for node in graph)
    external = [node for node in graph if facts[node].get("internal") == 0]
    notes = _leave_out(own, external, f"{where}external sites")
    notes += _add_links(where, own, graph)
    main: set[Node] = max(nx.connected_components(own), key=len, default=set())
    apart = [node for node in own if node not in main]
    notes += _leave_out(own, apart, f"{where}sites without a way to the others")
    check_counts(where, len(own), own.number_of_edges())

    places = _places(where, own, facts)
    lost = add_lengths(where, own, places)
    if lost:
        named = _named(own, lost)
        notes.append(f"{where}sites without coordinates are put between their neighbours: {named}.")
    populations = [own.nodes[node]["weight"] for node in own if "population" in facts[node]]
    for node, site in own.nodes(data=True):
        site.update(zip(places.keys, places.of.get(node, ()), strict=False))
        if populations:  # whoever has none counts as an average site
            site.setdefault("weight", np.mean(populations))
    for note in notes:
        warnings.warn(note, stacklevel=2)
    return own


def _known(attributes: Mapping[Any, Any]) -> dict[str, Any]:
    """Attributes by their name in small letters, without those that have no value."""
    found: dict[str, Any] = {}
    for key, value in attributes.items():
        # The Topology Zoo writes None where it knows no name.
        empty = value is None or (isinstance(value, str) and value.strip() in ("", "None"))
        missing = empty or (isinstance(value, float) and value != value)
        if isinstance(key, str) and not missing:
            found.setdefault(key.lower(), value)
    return found


def _first(facts: Facts, keys: Sequence[str]) -> Any:
    """The value of the first of these names that there is, None if there is none."""
    return next((facts[key] for key in keys if key in facts), None)


def _provenance(graph: nx.Graph) -> dict[str, str]:
    """Source and licence, where a graph names them."""
    facts = _known(graph.graph)
    return {key: facts[key] for key in ("source", "licence") if isinstance(facts.get(key), str)}


def _site(where: str, node: Node, facts: Facts) -> dict[str, Any]:
    """What is known of a site but for its position."""
    called = _first(facts, ("name", "label"))
    name = str(node if called is None else called)
    site: dict[str, Any] = {"name": name}
    weight = _first(facts, ("weight", "population"))
    if weight is not None:
        low, high, _ = LIMITS["site_weight"]
        require_number(f"{where}{site_words(name)}: population", weight, low, high)
        site["weight"] = weight
    if "district" in facts:
        site["district"] = facts["district"]
    return site


def _named(own: nx.Graph, nodes: Collection[Node]) -> str:
    return some_of([own.nodes[node]["name"] for node in nodes])


def _leave_out(own: nx.Graph, nodes: Collection[Node], what: str) -> list[str]:
    """Removes sites; a sentence on it unless there are none."""
    if not nodes:
        return []
    note = f"{what} are left out: {_named(own, nodes)}."
    own.remove_nodes_from(nodes)
    return [note]


def _link(owner: str, facts: Facts) -> dict[str, Any]:
    """What is known of a link."""
    found = {key: facts[key] for key in ("loss_db", "free_space", "preset") if key in facts}
    if found.get("free_space") in (0, 1):  # as formats without truth values have them
        found["free_space"] = bool(found["free_space"])
    length = _first(facts, _LENGTH)
    # topohub has 0 between sites of one city, which it knows to be in one place.
    if length is None or ("length_km" not in facts and length == 0):
        return found
    low, high, unit = LIMITS["length_km"]
    require_number(f"{owner}: length_km", length, low, high, unit=unit)
    return {"length_km": float(length), **found}


def _add_links(where: str, own: nx.Graph, graph: nx.Graph) -> list[str]:
    """Adds one link for all edges between two sites; sentences on what is left out by that."""
    index = {node: number for number, node in enumerate(own)}
    links: dict[tuple[Node, ...], dict[str, Any]] = {}
    loops, parallel, directions = dict[Node, None](), dict[str, None](), set[tuple[Node, Node]]()
    for start, end, attributes in graph.edges(data=True):
        if start not in own or end not in own:
            continue
        if start == end:
            loops[start] = None
            continue
        first, second = own.nodes[start]["name"], own.nodes[end]["name"]
        new = _link(f"{where}{link_words(first, second)}", _known(attributes))
        ends = tuple(sorted((start, end), key=index.__getitem__))
        old = links.setdefault(ends, new)
        # The two directions of a directed graph may well say the same.
        if (start, end) in directions or old != new:
            parallel[f"{first} to {second}"] = None
        if new.get("length_km", np.inf) < old.get("length_km", np.inf):
            links[ends] = new
        directions.add((start, end))
    own.add_edges_from((*ends, link) for ends, link in links.items())
    notes = []
    if loops:
        notes.append(f"{where}links from a site to itself are left out: {_named(own, loops)}.")
    if parallel:
        notes.append(f"{where}of parallel links the shortest counts: {some_of([*parallel])}.")
    return notes


def _places(where: str, own: nx.Graph, facts: Mapping[Node, Facts]) -> Places:
    """Coordinates of the sites that have some: on the globe, on a plane, or whichever fits."""
    plane, points, degrees = dict[Node, Point](), dict[Node, Point](), False
    for node, name in own.nodes(data="name"):
        site, owner = facts[node], f"{where}{site_words(name)}"
        latitude, longitude = _first(site, _LATITUDE), _first(site, _LONGITUDE)
        position = site.get("pos")
        if "x_km" in site and "y_km" in site:
            plane[node] = _point(owner, "x_km", site["x_km"], "y_km", site["y_km"])
        elif latitude is not None and longitude is not None:
            points[node] = _point(owner, "lon", longitude, "lat", latitude)
            degrees = True
        elif isinstance(position, (list, tuple)) and len(position) == 2:
            points[node] = _point(owner, "pos", position[0], "pos", position[1])
    return Places(PLANE, plane) if plane else placed(points, own, degrees)


def _point(owner: str, first_key: str, first: Any, second_key: str, second: Any) -> Point:
    require_number(f"{owner}: {first_key}", first)
    require_number(f"{owner}: {second_key}", second)
    return float(first), float(second)
