"""Sites and candidate links of a network."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from qkd_gym.errors import InvalidInput, require_between, require_number, shown
from qkd_gym.features import DEGREE_SCALE, FEATURE_LIMIT, LENGTH_SCALE_KM
from qkd_gym.files import write_json
from qkd_gym.physics.numerics import F64
from qkd_gym.topology.checks import (
    RELAY_WEIGHT,
    array_of,
    check_counts,
    check_limits,
    check_links,
    check_presets,
    check_text,
    check_units,
    link_words,
    site_words,
    texts_of,
    title,
)
from qkd_gym.topology.graphs import read_graph
from qkd_gym.topology.relays import with_relays

_DECIMALS = 6  # of kilometres and decibels


@dataclass(frozen=True, eq=False)
class Topology:
    """A network of n sites and E candidate links; equal to another one of the same content.

    Positions and lengths are rounded to 1e-6 km (a millimetre), losses to 1e-6 dB, so that a
    network, and whatever follows from it, is the same on every processor: the last bits of
    transcendental functions are not.

    Attributes:
        name: Name of the network.
        site_names: Names of the sites, which may be alike.
        positions_km: Planar positions of the sites in km, east and north, (n, 2) float64.
        link_endpoints: Sites of each link, smaller first, (E, 2) int64.
        length_km: Length of each link in km, (E,) float64.
        loss_db: Total channel loss of each link in dB, (E,) float64.
        free_space: Whether a link crosses air rather than fibre, (E,) bool.
        district: District of each site, 0 to the number of districts - 1, (n,) int64.
        site_weight: Weight of each site in gravity demand, (n,) float64; the least that there may
            be, 1e-9, marks a trusted relay, which has no demand of its own.
        link_presets: Named link preset (protocol and parameters) of each link, E names; an empty
            one, and an empty tuple for all, leaves the choice to the simulation.
        source: Where the data come from.
        licence: Terms under which the data may be used.

    Raises:
        InvalidInput: If there are more than 1,000 sites or 32,752 links, shapes do not fit
            together, a value is out of range, a link appears twice or joins a site to itself, some
            site cannot be reached, or the positions are so far from what the lengths say that one
            of them must be in metres.
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
        check_text("name of the topology", self.name)
        where = title(self.name)
        check_text(f"{where}source", self.source)
        check_text(f"{where}licence", self.licence)
        for field in ("site_names", "link_presets"):
            texts = texts_of(f"{where}{field}", getattr(self, field))
            object.__setattr__(self, field, texts)
        ends = array_of(f"{where}link_endpoints", self.link_endpoints, np.int64, None, 2)
        object.__setattr__(self, "link_endpoints", ends)
        n, links = len(self.site_names), len(ends)
        check_counts(where, n, links)
        if not self.link_presets:
            object.__setattr__(self, "link_presets", ("",) * links)
        if len(self.link_presets) != links:
            raise InvalidInput(
                f"{where}link_presets has {len(self.link_presets)} names, but must have {links}."
            )
        for field, dtype, shape in (
            ("positions_km", np.float64, (n, 2)),
            ("length_km", np.float64, (links,)),
            ("loss_db", np.float64, (links,)),
            ("free_space", np.bool_, (links,)),
            ("district", np.int64, (n,)),
            ("site_weight", np.float64, (n,)),
        ):
            array = array_of(f"{where}{field}", getattr(self, field), dtype, *shape)
            object.__setattr__(self, field, array)
        check_links(where, self.site_names, self.link_endpoints)

        for field, column in zip(("x_km", "y_km"), self.positions_km.T, strict=True):
            check_limits(where, field, column, self._site_words)
        check_limits(where, "site_weight", self.site_weight, self._site_words)
        require_between(f"{where}district", self.district, 0, n - 1)
        for field in ("length_km", "loss_db"):
            check_limits(where, field, getattr(self, field), self._link_words)
        check_presets(where, self.link_presets, self._link_words)
        check_units(where, self.positions_km, self.length_km, self.link_endpoints, self._link_words)
        for field in ("positions_km", "length_km", "loss_db"):
            # No negative zero, whose sign would be that of a last bit.
            object.__setattr__(self, field, np.round(getattr(self, field), _DECIMALS) + 0.0)

    def _site_words(self, index: int) -> str:
        return site_words(self.site_names[index])

    def _link_words(self, index: int) -> str:
        return link_words(*(self.site_names[end] for end in self.link_endpoints[index]))

    def check_features(self) -> None:
        """Raises if the features of an observation would leave their declared range.

        Raises:
            InvalidInput: If a site lies more than 5,000 km east, west, north or south of the mean
                of all, a link is longer than that, or a site has more than 800 links.
        """
        where, most_km = title(self.name), FEATURE_LIMIT * LENGTH_SCALE_KM
        off_centre_km = np.abs(self.positions_km - self.positions_km.mean(axis=0)).max(axis=1)
        degree = np.bincount(self.link_endpoints.ravel())
        in_km = " km: all must be in km, not metres"
        for words, what, values, most, unit in (
            (self._site_words, "x_km or y_km, from the centre,", off_centre_km, most_km, in_km),
            (self._link_words, "length_km", self.length_km, most_km, in_km),
            (self._site_words, "number of links", degree, FEATURE_LIMIT * DEGREE_SCALE, ""),
        ):
            for index in np.flatnonzero(values > most)[:1].tolist():
                raise InvalidInput(
                    f"{where}{words(index)}: {what} is {values[index]:g}, but observations hold at "
                    f"most {most:g}{unit}."
                )

    @property
    def n_sites(self) -> int:
        """Number of sites."""
        return len(self.site_names)

    @property
    def n_links(self) -> int:
        """Number of candidate links."""
        return len(self.link_endpoints)

    @property
    def relay(self) -> NDArray[np.bool_]:
        """Whether each site is a relay without demand of its own, (n,) bool; at least two are not.

        Of a network in which no two sites would have demand, all have.
        """
        relay = self.site_weight <= RELAY_WEIGHT
        return relay & ((~relay).sum() > 1)

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

    def to_mapping(self) -> dict[str, Any]:
        """The network as plain values, as topology files have it; see `qkd_gym.topology.load`."""
        graph = self.to_networkx()
        nodes = [
            {"id": site, "population": facts.pop("weight"), **facts}
            for site, facts in graph.nodes(data=True)
        ]
        kinds = {False: "fibre", True: "free-space"}
        edges = [
            {"source": first, "target": second, "kind": kinds[facts.pop("free_space")], **facts}
            for first, second, facts in graph.edges(data=True)
        ]
        about = {"name": self.name, "source": self.source, "licence": self.licence}
        return {**about, "nodes": nodes, "edges": edges}

    def save(self, path: str | Path) -> None:
        """Writes a topology file, from which `qkd_gym.topology.load` makes the same network.

        Args:
            path: The file; its name without ``.json`` becomes the network's.

        Raises:
            InvalidInput: If it does not end in ``.json``, or its folder is not there.
        """
        if Path(path).suffix != ".json":
            raise InvalidInput(f"path is {shown(str(path))}, but must end in .json.")
        write_json(Path(path), self.to_mapping())

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the network's content in hexadecimal, the same for equal networks."""
        content = json.dumps(self.to_mapping(), sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Topology) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    @classmethod
    def from_networkx(cls, graph: nx.Graph) -> Topology:
        """Builds a topology from a graph with the attributes of `to_networkx`.

        Only ``length_km`` of the edges is required. Losses default to 0.2 dB/km in fibre, geometric
        loss and clear-air extinction in free space, weights to one, districts to greedy modularity
        communities. Positions are ``x_km`` and ``y_km``, or ``lat`` and ``lon`` in degrees, which
        are projected about the network's centre; sites without one are placed so that distances
        follow the lengths of the links and paths between them, the positions of others held.

        Args:
            graph: An undirected graph, or a directed one whose two directions agree where both
                are there; at most one edge between two nodes, which differ as text.

        Warns:
            UserWarning: If the network is so large that distances on the plane differ from great
                circles by more than 5 %.

        Raises:
            InvalidInput: If it is no such graph, a value is of another kind or out of range, only
                one coordinate of a site is there, or some sites have a position on the plane and
                others on the globe.
        """
        return cls(**read_graph(graph))

    def scaled(self, factor: float) -> Topology:
        """The same network with all positions, lengths and losses multiplied; its name says so.

        Args:
            factor: What to multiply with, above 0.

        Raises:
            InvalidInput: If the factor is not above 0.
        """
        require_number("factor", factor, 0.0, low_open=True)
        return dataclasses.replace(
            self,
            name=f"{self.name}-x{factor:g}",
            positions_km=self.positions_km * factor,
            length_km=self.length_km * factor,
            loss_db=self.loss_db * factor,
        )

    def with_relays(self, max_span_km: float) -> Topology:
        """The same network with trusted relays, so that no link is longer.

        A link that is too long becomes as many spans of equal length as it takes, over relays on
        the straight line between its sites, ``A~B-1``, ``A~B-2`` and so on from A to B. They come
        after the other sites, and have no demand of their own. Spans of fibre have an equal share
        of the loss; those through air lose what `from_networkx` says. The name says so.

        Args:
            max_span_km: Length of the longest span in km, above 0.

        Raises:
            InvalidInput: If it is not above 0, or there would be too many sites or links.
        """
        return Topology.from_networkx(with_relays(self.to_networkx(), max_span_km))
