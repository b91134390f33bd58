"""The catalogue of topohub: the Topology Zoo, SNDlib, backbones of CAIDA, Gabriel graphs."""

from __future__ import annotations

from importlib import resources
from importlib.resources.abc import Traversable

import networkx as nx

from qkd_gym.errors import require_choice
from qkd_gym.extras import require_extra
from qkd_gym.topology.readers.node_link import node_link_graph

PREFIX = "topohub:"


def topohub_graph(name: str) -> nx.Graph:
    """A network of topohub's catalogue.

    Args:
        name: ``"topohub:"`` and the name there, for instance ``"topohub:sndlib/polska"``.

    Raises:
        InvalidInput: If there is none of this name.
        ModuleNotFoundError: If topohub is not installed.
    """
    require_extra("topohub", "topohub")
    import topohub

    # topohub itself would open whatever file a name leads to.
    require_choice("topology", name, _names())
    key = name.removeprefix(PREFIX)
    graph = node_link_graph(topohub.get(key), name)
    graph.graph["source"] = f"topohub {topohub.__version__}: {key}"
    graph.graph["licence"] = "MIT (topohub); see there for the collection"
    return graph


def _names() -> list[str]:
    folder = resources.files("topohub") / "data"
    return [f"{PREFIX}{key}" for key in _keys(folder, "")]


def _keys(folder: Traversable, above: str) -> list[str]:
    found: list[str] = []
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            found += _keys(entry, f"{above}{entry.name}/")
        elif entry.name.endswith(".json"):
            found.append(above + entry.name.removesuffix(".json"))
    return found
