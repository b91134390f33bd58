"""Topology files, and the catalogue of real networks that the package ships."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import msgspec
import networkx as nx
import numpy as np

from qkd_gym.errors import InvalidInput, require_choice, require_number, shown
from qkd_gym.reading import convert, read_json
from qkd_gym.topology.checks import LIMITS, check_counts, title
from qkd_gym.topology.demand import Demand
from qkd_gym.topology.topology import Topology

# No span of these continental networks is short enough for a quantum link, so the catalogue
# offers them scaled, and their names say so.
_SCALED = {
    "cost239-x0.05": ("cost239", 0.05),
    "dt14-x0.1": ("dt14", 0.1),
    "geant-x0.01": ("geant", 0.01),
    "germany50-x0.2": ("germany50", 0.2),
    "nobel-germany-x0.2": ("nobel-germany", 0.2),
    "nsfnet-x0.05": ("nsfnet", 0.05),
    "polska-x0.2": ("polska", 0.2),
    "uknet-x0.15": ("uknet", 0.15),
    "usnet-x0.05": ("usnet", 0.05),
}

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


def available() -> tuple[str, ...]:
    """Names of the catalogue, which `load` accepts."""
    too_long = {base for base, _ in _SCALED.values()}
    return tuple(sorted([*(name for name in _files() if name not in too_long), *_SCALED]))


def load(name_or_path: str | Path) -> Topology:
    """A network of the catalogue, or one from a JSON file.

    A file is an object with ``name``, ``nodes`` and ``edges``. A node has an ``id``, text or an
    integer, and optionally a ``name``, ``x_km`` and ``y_km`` or ``lat`` and ``lon`` in degrees, a
    ``district``, and a ``population``; one without counts as an average one. An edge has
    ``source``, ``target``, ``length_km``, and optionally ``loss_db``, ``kind``, ``"fibre"`` or
    ``"free-space"``, and ``preset``, a named link preset of `qkd_gym.physics`. What is left out
    follows as in `Topology.from_networkx`. The object may have a ``demand`` with the fields of
    `qkd_gym.topology.Demand`: a ``matrix`` in the order of the nodes and its ``unit``, or
    ``requests``, rows of time_s, source, target and bits.

    Args:
        name_or_path: A name of `available`, or a path that ends in ``.json``.

    Warns:
        UserWarning: As `Topology.from_networkx`.

    Raises:
        InvalidInput: If there is no such network or file, or the file is malformed; the sentence
            names the file, the field, its value and what is allowed.
    """
    name = str(name_or_path)
    if name.endswith(".json"):
        return _read(Path(name))
    require_choice("topology", name, available())
    shipped, factor = _SCALED.get(name, (name, None))
    network = _read(_files()[shipped])
    return network if factor is None else network.scaled(factor)


@lru_cache(maxsize=1)
def _files() -> dict[str, Traversable]:
    folder = resources.files("qkd_gym.topology") / "data"
    files = [file for file in folder.iterdir() if file.name.endswith(".json")]
    return {file.name.removesuffix(".json"): file for file in files}


def from_mapping(content: Mapping[str, Any]) -> Topology:
    """A network from what a topology file holds, see `load`; undoes `Topology.to_mapping`.

    Args:
        content: An object with ``name``, ``nodes`` and ``edges``.

    Warns:
        UserWarning: As `Topology.from_networkx`.

    Raises:
        InvalidInput: As `load`.
    """
    checked = convert(content, _File, "topology")
    return _build(checked, checked.name, checked.source)


def _read(path: Path | Traversable) -> Topology:
    content = read_json(path, _File, "topology")
    return _build(content, path.name.removesuffix(".json"), f"{content.name}: {content.source}")


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
