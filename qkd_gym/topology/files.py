"""The package's own topology files."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import msgspec
import networkx as nx
import numpy as np

from qkd_gym.errors import InvalidInput, require_choice, require_number, shown
from qkd_gym.reading import convert
from qkd_gym.topology.checks import LIMITS, check_counts, title
from qkd_gym.topology.demand import Demand
from qkd_gym.topology.topology import Topology

_KINDS = ("fibre", "free-space")


class _Node(msgspec.Struct, forbid_unknown_fields=True):
    """A site."""

    id: str | int
    name: str | None = None
    x_km: float | None = None
    y_km: float | None = None
    lat: float | None = None
    lon: float | None = None
    population: float | None = None
    district: int | None = None
    role: Any = None  # for the reader


class _Edge(msgspec.Struct, forbid_unknown_fields=True):
    """A link."""

    source: str | int
    target: str | int
    length_km: float
    loss_db: float | None = None
    kind: str = "fibre"
    preset: str = ""
    # What a source reports, for the reader.
    system: Any = None
    skr_bps: Any = None
    skr_sd_bps: Any = None
    skr_note: Any = None
    qber: Any = None
    qber_sd: Any = None
    length_alt_km: Any = None
    endpoint_note: Any = None
    derived: Any = None
    geodesic_km: Any = None
    inferred: Any = None
    aerial_km: Any = None
    buried_km: Any = None
    deployed: Any = None  # equipment, see `qkd_gym.topology.deployed`


class _Demand(msgspec.Struct, forbid_unknown_fields=True):
    """What sites ask of each other, see `qkd_gym.topology.Demand`."""

    matrix: list[list[float]] = []
    unit: str = Demand.unit
    requests: list[tuple[float, str | int, str | int, int]] = []


class _File(msgspec.Struct, forbid_unknown_fields=True):
    """A topology file."""

    name: str
    nodes: list[_Node]
    edges: list[_Edge]
    source: str = "unknown"
    licence: str = "unknown"
    demand: _Demand | None = None
    # For the reader.
    note: Any = None
    derived: Any = None
    position_note: Any = None
    operational_facts: Any = None


def from_mapping(content: Mapping[str, Any]) -> Topology:
    """A network from what a topology file holds; undoes `Topology.to_mapping`.

    A file is an object with ``name``, ``nodes`` and ``edges``. A node has an ``id``, text or an
    integer, and optionally a ``name``, ``x_km`` and ``y_km`` or ``lat`` and ``lon`` in degrees, a
    ``district``, and a ``population``; one without counts as an average one. An edge has
    ``source``, ``target``, ``length_km``, and optionally ``loss_db``, ``kind``, ``"fibre"`` or
    ``"free-space"``, and ``preset``, a named link preset of `qkd_gym.physics`. What is left out
    follows as in `Topology.from_networkx`. The object may have a ``demand`` with the fields of
    `qkd_gym.topology.Demand`: a ``matrix`` in the order of the nodes and its ``unit``, or
    ``requests``, rows of time_s, source, target and bits.

    Args:
        content: The object.

    Warns:
        UserWarning: As `Topology.from_networkx`.

    Raises:
        InvalidInput: If the object is malformed; the sentence names the field, its value and what
            is allowed.
    """
    checked = convert(content, _File, "topology")
    return _build(checked, checked.name, checked.source)


def from_file(content: Any, path: Path | Traversable) -> Topology:
    """A network from the content of a file, after which it is named; see `from_mapping`.

    Args:
        content: What the JSON file holds.
        path: The file.

    Raises:
        InvalidInput: As `from_mapping`, naming the file.
    """
    checked = convert(content, _File, f"topology {shown(str(path))}")
    return _build(checked, path.name.removesuffix(".json"), f"{checked.name}: {checked.source}")


def _build(content: _File, name: str, source: str) -> Topology:
    where = title(name)
    check_counts(where, len(content.nodes), len(content.edges))
    # One that tells parallel edges, for `Topology.from_networkx` to refuse.
    graph = nx.MultiGraph(name=name, source=source, licence=content.licence)
    populations = [node.population for node in content.nodes if node.population is not None]
    for number, node in enumerate(content.nodes):
        place = f"{where}nodes[{number}]"
        if str(node.id) in graph:
            raise InvalidInput(f"{place}.id is {shown(node.id)}, but must be unique as text.")
        if node.population is not None:
            require_number(f"{place}.population", node.population, *LIMITS["site_weight"][:2])
        given = {
            "name": str(node.id) if node.name is None else node.name,
            **{"x_km": node.x_km, "y_km": node.y_km, "lat": node.lat, "lon": node.lon},
            "weight": node.population or np.mean(populations or [1.0]),
            "district": node.district,
        }
        graph.add_node(str(node.id), **{k: v for k, v in given.items() if v is not None})
    for number, edge in enumerate(content.edges):
        place = f"{where}edges[{number}]"
        ends = str(edge.source), str(edge.target)
        for key, end in zip(("source", "target"), ends, strict=True):
            require_choice(f"{place}.{key}", end, graph)
        require_choice(f"{place}.kind", edge.kind, _KINDS)
        graph.add_edge(
            *ends,
            length_km=edge.length_km,
            loss_db=edge.loss_db,
            free_space=edge.kind == "free-space",
            preset=edge.preset,
        )
    if content.demand is not None:
        rows = content.demand.requests
        requests = [(time_s, str(first), str(second), bits) for time_s, first, second, bits in rows]
        graph.graph["demand"] = {**msgspec.structs.asdict(content.demand), "requests": requests}
    return Topology.from_networkx(graph)
