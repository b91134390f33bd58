"""Topology files, and the catalogue of real networks that the package ships."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np

from qkd_gym.errors import InvalidInput, require_between, require_choice, require_known_keys
from qkd_gym.physics import preset
from qkd_gym.topology.generators import FREE_SPACE
from qkd_gym.topology.topology import FIBER, Topology

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

_FILE_KEYS = ("name", "source", "licence", "note", "derived", "position_note",
              "operational_facts", "nodes", "edges")  # fmt: skip
_NODE_KEYS = ("id", "name", "x_km", "y_km", "lat", "lon", "population", "role")
_EDGE_KEYS = (
    "source", "target", "length_km", "loss_db", "kind", "preset", "system", "skr_bps", "skr_sd_bps",
    "skr_note", "qber", "qber_sd", "length_alt_km", "endpoint_note", "derived", "geodesic_km",
    "inferred", "aerial_km", "buried_km",
)  # fmt: skip
_KINDS = ("fibre", "free-space")
_KM_PER_DEGREE = 111.195


def available() -> tuple[str, ...]:
    """Names of the catalogue, which `load` accepts."""
    too_long = {base for base, _ in _SCALED.values()}
    return tuple(sorted([*(name for name in _files() if name not in too_long), *_SCALED]))


def load(name_or_path: str | Path) -> Topology:
    """A network of the catalogue, or one from a JSON file.

    A file is an object with ``name``, ``nodes`` (each with ``id``; optionally ``name``, ``x_km``
    and ``y_km`` or ``lat`` and ``lon``, ``population``) and ``edges`` (each with ``source``,
    ``target``, ``length_km``; optionally ``loss_db``, ``kind``, ``"fibre"`` or ``"free-space"``,
    and ``preset``, a named link preset of `qkd_gym.physics`). Losses that are not given follow
    from the length: 0.2 dB/km in fibre, geometric loss and clear-air extinction in free space.

    Args:
        name_or_path: A name of `available`, or a path that ends in ``.json``.

    Raises:
        InvalidInput: If there is no such network or file, or the file is malformed; the sentence
            names the file, the field, its value and what is allowed.
    """
    name = str(name_or_path)
    if name.endswith(".json"):
        return _parse(name, _read(Path(name), name))
    require_choice("topology", name, available())
    shipped, factor = _SCALED.get(name, (name, None))
    network = _parse(shipped, _read(_files()[shipped], shipped))
    return network if factor is None else network.scaled(factor)


def _files() -> dict[str, Traversable]:
    folder = resources.files("qkd_gym.topology") / "data"
    files = [file for file in folder.iterdir() if file.name.endswith(".json")]
    return {file.name.removesuffix(".json"): file for file in files}


def _read(file: Path | Traversable, label: str) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InvalidInput(f"topology is {label!r}, but must be an existing file.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"topology {label!r} cannot be read: {error}.") from None
    except json.JSONDecodeError as error:
        raise InvalidInput(
            f"topology {label!r} is not valid JSON: line {error.lineno}, {error.msg}."
        ) from None


def _object(where: str, value: Any, allowed: tuple[str, ...], needed: tuple[str, ...]) -> None:
    if not isinstance(value, Mapping):
        raise InvalidInput(f"{where} is {value!r}, but must be an object.")
    require_known_keys(where, value, allowed)
    for key in needed:
        if key not in value:
            raise InvalidInput(f"{where} lacks the field {key!r}, but must have it.")


def _list(where: str, value: Any) -> list[Any]:
    if not isinstance(value, list) or not value:
        raise InvalidInput(f"{where} is {value!r:.60}, but must be a list that is not empty.")
    return value


def _parse(label: str, content: Any) -> Topology:
    where = f"topology {label!r}: "
    _object(f"{where}file", content, _FILE_KEYS, ("name", "nodes", "edges"))
    graph = nx.Graph(
        name=re.sub(r"\.json$", "", Path(label).name),
        source=f"{content['name']}: {content.get('source', 'unknown')}",
        licence=content.get("licence", "unknown"),
    )
    for number, node in enumerate(_list(f"{where}nodes", content["nodes"])):
        place = f"{where}nodes[{number}]"
        _object(place, node, _NODE_KEYS, ("id",))
        if node["id"] in graph:
            raise InvalidInput(f"{place}.id is {node['id']!r}, but must be unique.")
        for key in ("x_km", "y_km", "lat", "lon"):
            if key in node:
                require_between(f"{place}.{key}", node[key])
        weight = node.get("population", 1.0)
        require_between(f"{place}.population", weight, 0.0, low_open=True)
        name = str(node.get("name", node["id"]))
        graph.add_node(node["id"], name=name, weight=weight, **_position(node))
    for number, edge in enumerate(_list(f"{where}edges", content["edges"])):
        place = f"{where}edges[{number}]"
        _object(place, edge, _EDGE_KEYS, ("source", "target", "length_km"))
        _add_edge(graph, place, edge)
    return Topology.from_networkx(graph)


def _position(node: Mapping[str, Any]) -> dict[str, float]:
    """Planar position in km; coordinates on the globe are projected around 45 degrees or less."""
    if "x_km" in node and "y_km" in node:
        return {"x_km": float(node["x_km"]), "y_km": float(node["y_km"])}
    if "lat" in node and "lon" in node:
        shrink = float(np.cos(np.radians(node["lat"])))
        x, y = node["lon"] * _KM_PER_DEGREE * shrink, node["lat"] * _KM_PER_DEGREE
        return {"x_km": x, "y_km": y}
    return {}


def _add_edge(graph: nx.Graph, place: str, edge: Mapping[str, Any]) -> None:
    ends = [edge["source"], edge["target"]]
    for key, end in zip(("source", "target"), ends, strict=True):
        if end not in graph:
            known = ", ".join(repr(node) for node in graph.nodes)
            raise InvalidInput(f"{place}.{key} is {end!r}, but must be one of {known}.")
    if graph.has_edge(*ends):
        raise InvalidInput(
            f"{place} joins {ends[0]!r} and {ends[1]!r}, but they are joined already."
        )
    if ends[0] == ends[1]:
        raise InvalidInput(f"{place} joins {ends[0]!r} to itself, but must join two sites.")
    length = edge["length_km"]
    require_between(f"{place}.length_km", length, 0.0, low_open=True, unit="km")
    kind = edge.get("kind", "fibre")
    require_choice(f"{place}.kind", kind, _KINDS)
    loss = edge.get("loss_db")
    if loss is None:
        medium = FREE_SPACE if kind == "free-space" else FIBER
        loss = float(medium.loss_db(length))
    require_between(f"{place}.loss_db", loss, 0.0, unit="dB")
    name = edge.get("preset", "")
    try:
        if name != "":
            preset(str(name))
    except InvalidInput as error:
        raise InvalidInput(f"{place}.{error}") from None
    graph.add_edge(
        *ends, length_km=length, loss_db=loss, free_space=kind == "free-space", preset=name
    )
