"""Sites and candidate links of a network."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from qkd_gym.errors import InvalidInput, require_between
from qkd_gym.physics import Fiber, preset
from qkd_gym.physics.numerics import F64

# Loss per kilometre of a fibre whose loss nobody has measured.
FIBER = Fiber()
_DECIMALS = 6  # of kilometres and decibels
_SHORTEST_KM = 1e-6  # of a link, which is not to be rounded to nothing


@dataclass(frozen=True, eq=False)
class Topology:
    """A network of n sites and E candidate links.

    Positions and lengths are rounded to 1e-6 km (a millimetre), losses to 1e-6 dB, so that a
    network, and whatever follows from it, is the same on every processor: the last bits of
    transcendental functions are not.

    Attributes:
        name: Name of the network.
        site_names: Names of the sites.
        positions_km: Planar positions of the sites in km, east and north, (n, 2) float64.
        link_endpoints: Sites of each link, smaller first, (E, 2) int64.
        length_km: Length of each link in km, (E,) float64.
        loss_db: Total channel loss of each link in dB, (E,) float64.
        free_space: Whether a link crosses air rather than fibre, (E,) bool.
        district: District of each site, 0 to the number of districts - 1, (n,) int64.
        site_weight: Weight of each site in gravity demand, (n,) float64.
        link_presets: Named link preset (protocol and parameters) of each link, E names; an empty
            one, and an empty tuple for all, leaves the choice to the simulation.
        source: Where the data come from.
        licence: Terms under which the data may be used.

    Raises:
        InvalidInput: If shapes do not fit together, a value is out of range, a link appears twice
            or joins a site to itself, or some site cannot be reached.
    """

    name: str
    site_names: tuple[str, ...]
    positions_km: F64
    link_endpoints: NDArray[np.int64]
    length_km: F64
    loss_db: F64
    free_space: NDArray[np.bool_]
    district: NDArray[np.int64]
    site_weight: F64
    link_presets: tuple[str, ...] = ()
    source: str = ""
    licence: str = ""

    def __post_init__(self) -> None:
        where = f"topology {self.name!r}: "
        n, links = len(self.site_names), len(self.link_endpoints)
        shapes = {
            **{"positions_km": (n, 2), "link_endpoints": (links, 2)},
            **dict.fromkeys(("length_km", "loss_db", "free_space"), (links,)),
            **dict.fromkeys(("district", "site_weight"), (n,)),
        }
        for field, shape in shapes.items():
            own = np.shape(getattr(self, field))
            if own != shape:
                raise InvalidInput(f"{where}{field} has shape {own}, but must have {shape}.")
        if not self.link_presets:
            object.__setattr__(self, "link_presets", ("",) * links)
        if len(self.link_presets) != links:
            raise InvalidInput(
                f"{where}link_presets has {len(self.link_presets)} names, but must have {links}."
            )
        for name in set(filter(None, self.link_presets)):
            preset(name)
        if n < 2:
            raise InvalidInput(f"{where}sites are {n}, but must be at least 2.")
        require_between(f"{where}link_endpoints", self.link_endpoints, 0, n - 1)
        require_between(f"{where}length_km", self.length_km, _SHORTEST_KM, unit="km")
        require_between(f"{where}loss_db", self.loss_db, 0.0, unit="dB")
        require_between(f"{where}site_weight", self.site_weight, 0.0, low_open=True)
        require_between(f"{where}positions_km", self.positions_km, unit="km")
        for field in ("positions_km", "length_km", "loss_db"):
            rounded = np.round(np.asarray(getattr(self, field), dtype=np.float64), _DECIMALS)
            object.__setattr__(self, field, rounded)
        seen: set[tuple[int, int]] = set()
        for first, second in self.link_endpoints.tolist():
            names = f"{self.site_names[first]!r} to {self.site_names[second]!r}"
            if first >= second:
                raise InvalidInput(f"{where}link {names} must join two sites, smaller index first.")
            if (first, second) in seen:
                raise InvalidInput(f"{where}link {names} appears twice, but must be unique.")
            seen.add((first, second))
        if not nx.is_connected(self.to_networkx()):
            raise InvalidInput(f"{where}some sites cannot be reached, but all must be connected.")

    @property
    def n_sites(self) -> int:
        """Number of sites."""
        return len(self.site_names)

    @property
    def n_links(self) -> int:
        """Number of candidate links."""
        return len(self.link_endpoints)

    @cached_property
    def betweenness(self) -> F64:
        """Betweenness centrality of the sites over lengths, normalised to [0, 1], (n,) float64."""
        centrality = nx.betweenness_centrality(self.to_networkx(), weight="length_km")
        return np.array([centrality[site] for site in range(self.n_sites)])

    def to_networkx(self) -> nx.Graph:
        """The network as an undirected graph with nodes 0 to n - 1.

        Nodes carry ``name``, ``x_km``, ``y_km``, ``district`` and ``weight``; edges carry
        ``length_km``, ``loss_db``, ``free_space`` and ``preset``.
        """
        graph = nx.Graph(name=self.name, source=self.source, licence=self.licence)
        for site, name in enumerate(self.site_names):
            x, y = self.positions_km[site].tolist()
            district, weight = int(self.district[site]), float(self.site_weight[site])
            graph.add_node(site, name=name, x_km=x, y_km=y, district=district, weight=weight)
        for link, (first, second) in enumerate(self.link_endpoints.tolist()):
            graph.add_edge(
                first,
                second,
                length_km=float(self.length_km[link]),
                loss_db=float(self.loss_db[link]),
                free_space=bool(self.free_space[link]),
                preset=self.link_presets[link],
            )
        return graph

    @classmethod
    def from_networkx(cls, graph: nx.Graph) -> Topology:
        """Builds a topology from a graph with the attributes of `to_networkx`.

        Only ``length_km`` is required: positions default to a layout that follows the lengths,
        losses to reference fibre, districts to greedy modularity communities, weights to one.

        Raises:
            InvalidInput: If an edge has no ``length_km``, or the parts do not fit together.
        """
        index = {node: i for i, node in enumerate(graph.nodes)}
        pairs = {}
        for first, second, data in graph.edges(data=True):
            if "length_km" not in data:
                raise InvalidInput(
                    f"length_km of edge ({first!r}, {second!r}) is missing, but must be a number "
                    "above 0 km."
                )
            pairs[tuple(sorted((index[first], index[second])))] = data
        ordered = sorted(pairs)
        links = [pairs[ends] for ends in ordered]
        length = np.array([link["length_km"] for link in links], dtype=np.float64)
        loss = FIBER.loss_db(length)
        for number, link in enumerate(links):
            if link.get("loss_db") is not None:
                loss[number] = link["loss_db"]
        nodes = [graph.nodes[node] for node in graph.nodes]
        if all("x_km" in node and "y_km" in node for node in nodes):
            positions = np.array([(node["x_km"], node["y_km"]) for node in nodes], dtype=float)
        else:
            layout = nx.kamada_kawai_layout(graph, weight="length_km", scale=length.max())
            positions = np.array([layout[node] for node in graph.nodes])
        if all("district" in node for node in nodes):
            district = np.array([node["district"] for node in nodes], dtype=np.int64)
        else:
            # Clauset, Newman, Moore, PRE 70, 066111 (2004).
            groups = nx.community.greedy_modularity_communities(graph)
            numbers = {node: number for number, group in enumerate(groups) for node in group}
            district = np.array([numbers[node] for node in graph.nodes], dtype=np.int64)
        return cls(
            name=str(graph.name),
            site_names=tuple(str(graph.nodes[node].get("name", node)) for node in graph.nodes),
            positions_km=positions,
            link_endpoints=np.array(ordered, dtype=np.int64).reshape(-1, 2),
            length_km=length,
            loss_db=loss,
            free_space=np.array([bool(link.get("free_space")) for link in links]),
            district=district,
            site_weight=np.array([float(node.get("weight", 1.0)) for node in nodes]),
            link_presets=tuple(str(link.get("preset", "")) for link in links),
            source=graph.graph.get("source", ""),
            licence=graph.graph.get("licence", ""),
        )

    def scaled(self, factor: float) -> Topology:
        """The same network with all positions, lengths and losses multiplied; its name says so.

        Args:
            factor: What to multiply with, above 0.

        Raises:
            InvalidInput: If the factor is not above 0.
        """
        require_between("factor", factor, 0.0, low_open=True)
        return dataclasses.replace(
            self,
            name=f"{self.name}-x{factor:g}",
            positions_km=self.positions_km * factor,
            length_km=self.length_km * factor,
            loss_db=self.loss_db * factor,
        )
