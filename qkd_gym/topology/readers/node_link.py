"""Node-link JSON, as networkx, topohub and d3 write it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import networkx as nx

from qkd_gym.errors import InvalidInput, shown
from qkd_gym.topology.readers.guarded import refusals

# What the package's own files do not have.
_MARKS = {"directed", "multigraph", "graph", "links"}


def is_node_link(content: Any) -> bool:
    """Whether JSON is node-link data and no topology file of the package's own."""
    return isinstance(content, Mapping) and not _MARKS.isdisjoint(content)


def node_link_graph(content: Mapping[str, Any], where: str) -> nx.Graph:
    """The graph of node-link data, whose edges are called ``edges`` or ``links``.

    Args:
        content: What the JSON file holds.
        where: What it is, for errors.

    Raises:
        InvalidInput: If it is malformed, or an edge leads to a node that is not there.
    """
    edges = "links" if "links" in content else "edges"
    for key, kind, words in (
        ("nodes", list, "a list"),
        (edges, list, "a list"),
        ("graph", dict, "an object"),
    ):
        value = content.get(key, {} if key == "graph" else None)
        if not isinstance(value, kind):
            raise InvalidInput(f"{where}: {key} is {shown(value)}, but must be {words}.")
    with refusals(where, "node-link JSON"):
        # As a multigraph, since d3 and others do not say whether it is one.
        graph = nx.node_link_graph({**content, "multigraph": True}, edges=edges)
    if graph.number_of_nodes() != len(content["nodes"]):
        raise InvalidInput(
            f"{where} has {len(content['nodes'])} nodes for {graph.number_of_nodes()} different "
            "ids: ids must be unique, and edges lead to nodes that are there."
        )
    return graph
