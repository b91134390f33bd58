"""XML files: GraphML and SNDlib, told apart by what they hold."""

from __future__ import annotations

import io
from pathlib import Path

import networkx as nx

from qkd_gym.errors import InvalidInput, shown
from qkd_gym.reading import read_bytes
from qkd_gym.topology.readers.guarded import parse_xml, refusals
from qkd_gym.topology.readers.sndlib import sndlib_graph


def read_xml(path: Path) -> nx.Graph:
    """The graph of a GraphML or SNDlib file; of several graphs in a GraphML file the first.

    Raises:
        InvalidInput: If the file cannot be read, is malformed, or is some other XML.
    """
    where = f"topology {shown(str(path))}"
    content = read_bytes(path, "topology")
    root = parse_xml(content, where)
    kind = root.tag.rpartition("}")[2]
    if kind == "network":
        return sndlib_graph(root, where)
    if kind != "graphml":
        raise InvalidInput(
            f"{where} holds {shown(kind, 40)}, but must be GraphML or SNDlib: an XML file that "
            "begins with <graphml> or <network>."
        )
    with refusals(where, "GraphML"):
        return nx.read_graphml(io.BytesIO(content))
