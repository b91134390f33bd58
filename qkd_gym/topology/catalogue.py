"""The real networks that the package ships."""

from __future__ import annotations

from functools import lru_cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

from qkd_gym.errors import require_choice
from qkd_gym.reading import read_json
from qkd_gym.topology.files import from_file, from_mapping
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
# Networks whose sources say what equipment each link has, and what key most made.
DEPLOYED = ("cambridge", "thuringia", "tokyo", "vienna")


def available() -> tuple[str, ...]:
    """Names of the catalogue, which `qkd_gym.topology.load` accepts."""
    too_long = {base for base, _ in _SCALED.values()}
    return tuple(sorted([*(name for name in _files() if name not in too_long), *_SCALED]))


def shipped(name: str) -> Topology:
    """A network of the catalogue.

    Raises:
        InvalidInput: If there is none of this name.
    """
    require_choice("topology", name, available())
    base, factor = _SCALED.get(name, (name, None))
    file = _files()[base]
    network = from_file(read_json(file, dict[str, Any], "topology"), file)
    return network if factor is None else network.scaled(factor)


def deployed(name: str) -> Topology:
    """A network of the catalogue with the equipment that its source describes, link by link.

    What `load` makes of the name has one preset on all links that say nothing else. Here each has
    the preset, and where the source says so the loss, that stands under ``deployed`` in the data
    file, beside what is described and what is assumed; docs/deployed.md compares the rates.

    Args:
        name: ``"cambridge"``, ``"thuringia"``, ``"tokyo"`` or ``"vienna"``.

    Raises:
        InvalidInput: If it is none of these.
    """
    require_choice("topology", name, DEPLOYED)
    content = read_json(_files()[name], dict[str, Any], "topology")
    for edge in content["edges"]:
        edge.update({key: value for key, value in edge["deployed"].items() if key != "basis"})
    facts = {"name": f"{name}-deployed", "source": f"{content['name']}: {content['source']}"}
    return from_mapping({**content, **facts})


@lru_cache(maxsize=1)
def _files() -> dict[str, Traversable]:
    folder = resources.files("qkd_gym.topology") / "data"
    files = [file for file in folder.iterdir() if file.name.endswith(".json")]
    return {file.name.removesuffix(".json"): file for file in files}
