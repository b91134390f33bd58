"""One function for every source of a network: a name, a file, or an object."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import networkx as nx

from qkd_gym.errors import InvalidInput, require_number, shown
from qkd_gym.reading import read_json
from qkd_gym.topology.catalogue import shipped
from qkd_gym.topology.files import from_file
from qkd_gym.topology.foreign import in_own_terms
from qkd_gym.topology.readers.gml import read_gml
from qkd_gym.topology.readers.markup import read_xml
from qkd_gym.topology.readers.node_link import is_node_link, node_link_graph
from qkd_gym.topology.readers.table import read_csv
from qkd_gym.topology.readers.topohub import PREFIX, topohub_graph
from qkd_gym.topology.topology import Topology

Source: TypeAlias = str | Path | Topology | nx.Graph

# Readers of other formats, by the end of a file's name.
_READERS: dict[str, Callable[[Path], nx.Graph]] = {
    ".csv": read_csv,
    ".gml": read_gml,
    ".graphml": read_xml,
    ".xml": read_xml,
}
_SUFFIXES = (".json", *_READERS)


def load(source: Source, scale: float = 1.0, max_span_km: float | None = None) -> Topology:
    """A network of the catalogue, from a file, from topohub, or from a graph.

    Args:
        source: A name of `available`; the path of a file, see `docs/networks.md` for its format,
            which the end of its name tells: ``.json`` for a file of the package's own, see
            `from_mapping`, or node-link data, ``.gml``, ``.graphml``, ``.xml`` for SNDlib's, and
            ``.csv``; ``"topohub:"`` and a name of topohub's catalogue, with the extra
            ``topohub``; a graph of networkx; or a `Topology`. A graph, and what a file of others
            says, is completed as `qkd_gym.topology.foreign.in_own_terms` says.
        scale: What all lengths, losses and positions are multiplied with, above 0.
        max_span_km: Longest link in km; a longer one, once scaled, is divided into equal spans by
            trusted relays, see `Topology.with_relays`. None leaves all as they are.

    Warns:
        UserWarning: As `Topology.from_networkx`, and if sites or links of a graph are left out, or
            some that have no coordinates are put between their neighbours.

    Raises:
        InvalidInput: If there is no such network or file, or it is malformed; the sentence names
            the file, the field, its value and what is allowed.
        ModuleNotFoundError: If a network of topohub is asked for and it is not installed.
    """
    require_number("scale", scale, 0.0, low_open=True)
    if max_span_km is not None:
        require_number("max_span_km", max_span_km, 0.0, low_open=True, unit="km")
    network = _read(source)
    if scale != 1.0:
        network = network.scaled(scale)
    return network if max_span_km is None else network.with_relays(max_span_km)


def is_own(source: object) -> bool:
    """Whether this stands for a network of the user's own, rather than for one that ships.

    Args:
        source: Anything; a text is one if it begins with ``topohub:`` or ends as files that `load`
            reads do.
    """
    if isinstance(source, str):
        return source.startswith(PREFIX) or source.lower().endswith(_SUFFIXES)
    return isinstance(source, (Path, Topology, nx.Graph))


def _read(source: Any) -> Topology:
    if isinstance(source, Topology):
        return source
    if isinstance(source, nx.Graph):
        return _told(source, str(source.name) or "graph")
    if not isinstance(source, (str, Path)):
        raise InvalidInput(
            f"topology is {shown(source)}, but must be a name, a path, a Topology or a graph of "
            "networkx."
        )
    name = str(source)
    if name.startswith(PREFIX):
        return _told(topohub_graph(name), name)
    if is_own(source):
        return _read_file(Path(source))
    return shipped(name)


def _read_file(path: Path) -> Topology:
    suffix = path.suffix.lower()
    if suffix in _READERS:
        return _told(_READERS[suffix](path), path.stem)
    if suffix != ".json":
        raise InvalidInput(
            f"topology {shown(str(path))} must end in one of {', '.join(_SUFFIXES)}."
        )
    content: Any = read_json(path, object, "topology")
    if is_node_link(content):
        return _told(node_link_graph(content, f"topology {shown(str(path))}"), path.stem)
    return from_file(content, path)


def _told(graph: nx.Graph, name: str) -> Topology:
    return Topology.from_networkx(in_own_terms(graph, name))
