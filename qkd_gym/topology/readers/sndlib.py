"""SNDlib XML: Orlowski et al., Networks 55, 276 (2010), http://sndlib.zib.de."""

from __future__ import annotations

import warnings
from xml.etree.ElementTree import Element

import networkx as nx

from qkd_gym.errors import InvalidInput, require_choice, shown

# Names of coordinates by their type: longitude and latitude, or a drawing.
_COORDINATES = {"geographical": ("lon", "lat"), "pixel": ("x_km", "y_km")}


def sndlib_graph(root: Element, where: str) -> nx.Graph:
    """Sites and links of an SNDlib network; its demands and capacities are not used.

    Args:
        root: The element ``network``.
        where: What the file is, for errors.

    Warns:
        UserWarning: If the coordinates are pixels of a drawing, which count as kilometres.

    Raises:
        InvalidInput: If there is no network structure, a coordinate is no number, or a link leads
            to a site that is not there.
    """
    nodes = root.find("{*}networkStructure/{*}nodes")
    if nodes is None:
        raise InvalidInput(f"{where} lacks networkStructure/nodes, but must have it.")
    kind = nodes.get("coordinatesType", "pixel")
    require_choice(f"{where}: coordinatesType", kind, _COORDINATES)
    if kind == "pixel":
        warnings.warn(
            f"{where}: its coordinates are pixels, which count as kilometres: scale tells how many "
            "a pixel is.",
            stacklevel=2,
        )
    # Directed, for some have a link per direction.
    graph = nx.MultiDiGraph(source="SNDlib, Orlowski et al., Networks 55, 276 (2010)")
    for number, node in enumerate(nodes.findall("{*}node")):
        name, place = node.get("id"), f"{where}: node {number}"
        if not name or name in graph:
            raise InvalidInput(f"{place}: id is {shown(name)}, but must be there and unique.")
        east, north = (_number(node, axis, place) for axis in ("x", "y"))
        graph.add_node(name, **dict(zip(_COORDINATES[kind], (east, north), strict=True)))
    for number, link in enumerate(root.findall("{*}networkStructure/{*}links/{*}link")):
        ends = [(link.findtext(f"{{*}}{end}") or "").strip() for end in ("source", "target")]
        for end, name in zip(("source", "target"), ends, strict=True):
            require_choice(f"{where}: link {number}: {end}", name, graph)
        graph.add_edge(*ends)
    return graph


def _number(node: Element, axis: str, place: str) -> float | None:
    """A coordinate of a node, None where it has none."""
    text = node.findtext(f"{{*}}coordinates/{{*}}{axis}")
    if text is None:
        return None
    try:
        return float(text)
    except ValueError:
        raise InvalidInput(f"{place}: {axis} is {shown(text)}, but must be a number.") from None
