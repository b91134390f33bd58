"""Networks to pretrain on: many topologies, each drawn again and again with other hidden parts."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import networkx as nx
import numpy as np

from qkd_gym.features import NODE
from qkd_gym.gnn.data import ViabilityGraph, by_network, simulate
from qkd_gym.gnn.settings import draw_in_any_setting
from qkd_gym.topology import Topology
from qkd_gym.topology.checks import SHORTCUT, SHORTCUT_KM
from qkd_gym.topology.generators import clustered, source_study

MIN_SITES, MAX_SITES = 10, 50
# Dense graphs cost most and teach least that sparse ones do not.
_DENSE_SHARE, _DENSE_SITES = 0.1, 30
# Networks in the field are often smaller and sparser than generated metros, their spans longer.
_FIELD_SHARE, _FIELD_LEAST_SITES, _FIELD_MOST_KM = 0.5, 3, 200.0
# Of these so many are small, for their few links count for little beside those of others.
_SMALL_SHARE, _SMALL_SITES = 0.3, 9
_SIMULATED_SHARE = 0.12
# Scenario, sites, and its part of ten networks.
_SIMULATED = (("hidden", 10, 3), ("hidden", 20, 4), ("hidden", 40, 1), ("metro", 20, 2))
_PIECE = 10  # networks that one worker simulates at a time, some seconds of work


def draw_topologies(count: int, rng: np.random.Generator) -> list[Topology]:
    """Topologies of up to 50 sites: metros mostly, sparse ones from 3 sites on, some dense ones."""
    made = []
    for _ in range(count):
        kind = rng.random()
        least = _FIELD_LEAST_SITES if kind < _FIELD_SHARE else MIN_SITES
        most = _SMALL_SITES if kind < _SMALL_SHARE * _FIELD_SHARE else MAX_SITES
        # As many small networks as large ones: their few links would count for little otherwise.
        n_sites = round(np.exp(rng.uniform(np.log(least), np.log(most))))
        if kind < _FIELD_SHARE:
            topology = _field(n_sites, rng)
        elif kind < _FIELD_SHARE + _DENSE_SHARE:
            topology = source_study(min(n_sites, _DENSE_SITES), rng)
        else:
            topology = clustered(n_sites, rng)
        made.append(topology)
    return made


def with_betweenness(topologies: Sequence[Topology]) -> Sequence[Topology]:
    """The same topologies, which keep their betweenness for all later draws."""
    for topology in topologies:
        _ = topology.betweenness
    return topologies


@dataclasses.dataclass(frozen=True)
class Simulation:
    """Some of the networks of one kind from the simulator; a call makes them.

    Attributes:
        kind: Index of the kind.
        graphs: Number of networks of this kind.
        seed: Seed of the episodes.
        members: Which of them, see `simulate`.
    """

    kind: int
    graphs: int
    seed: int
    members: tuple[int, ...]

    def __call__(self) -> list[ViabilityGraph]:
        """The networks, in the order of the members."""
        scenario, n_sites, _ = _SIMULATED[self.kind]
        return simulate(n_sites, self.graphs, self.seed, "train", scenario, self.members)


def simulations(scale: int, seed: int) -> list[Simulation]:
    """Pieces of work that make networks of the simulator, those that take longest first.

    Links of the simulator also fail, are attacked and lie in fog.

    Args:
        scale: There are so many times each kind's part of ten of them.
        seed: Seed of the episodes.
    """
    pieces = []
    for kind, (_, _, part) in enumerate(_SIMULATED):
        members = by_network(part * scale, seed)
        pieces += [
            Simulation(kind, part * scale, seed, tuple(members[first : first + _PIECE]))
            for first in range(0, part * scale, _PIECE)
        ]
    return sorted(pieces, key=lambda piece: -_SIMULATED[piece.kind][1])


def simulated_graphs(
    pieces: Sequence[Simulation], results: Sequence[Sequence[ViabilityGraph]]
) -> list[ViabilityGraph]:
    """The networks of all simulations by kind and member, however they were cut into pieces."""
    graphs = {
        (piece.kind, member): graph
        for piece, made in zip(pieces, results, strict=True)
        for member, graph in zip(piece.members, made, strict=True)
    }
    return [graphs[key] for key in sorted(graphs)]


class TrainingMixture:
    """Draws training networks.

    Most have spreads, measured and active links of their own, see `qkd_gym.gnn.settings`; some come
    from the simulator, whose links also fail.

    Args:
        topologies: Topologies to draw on.
        simulated: Networks of the simulator, used as they are.
        rng: Source of randomness.
    """

    def __init__(
        self,
        topologies: Sequence[Topology],
        simulated: Sequence[ViabilityGraph],
        rng: np.random.Generator,
    ) -> None:
        self.topologies, self.simulated, self.rng = topologies, simulated, rng

    def batch(self, size: int) -> list[ViabilityGraph]:
        """Some networks; those that are not simulated are never the same again."""
        return [self._next() for _ in range(size)]

    def _next(self) -> ViabilityGraph:
        if self.simulated and self.rng.random() < _SIMULATED_SHARE:
            return self.simulated[int(self.rng.integers(len(self.simulated)))]
        topology = self.topologies[int(self.rng.integers(len(self.topologies)))]
        graph = draw_in_any_setting(topology, self.rng)
        # Turned and stretched: where sites lie tells nothing about quality.
        angle = self.rng.uniform(0.0, 2.0 * np.pi)
        stretch = np.exp(self.rng.uniform(-1.5, 1.5))
        turn = stretch * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        columns = [NODE.x, NODE.y]
        graph.nodes[:, columns] = graph.nodes[:, columns] @ turn.astype(np.float32)
        return graph


def _field(n_sites: int, rng: np.random.Generator) -> Topology:
    """A network as fibre plants in the field have them: a chain, star or tree, and some rings.

    Every site hangs on the last, on the first or on any earlier one, with chances that differ from
    network to network; some more links join the ends and sites at random, unless they are much too
    far apart for the length drawn. Lengths are lognormal. Fibre laid long ago loses more than the
    reference, and patch panels and switches add some decibels.
    """
    habits, rings = rng.dirichlet([0.5, 0.5, 0.5]), rng.choice([0.0, rng.random()])
    typical_km, spread = np.exp(rng.uniform(np.log(3.0), np.log(80.0))), rng.uniform(0.0, 0.8)
    loss_db_per_km, panels_db = rng.uniform(0.2, 0.35), rng.choice([0.0, rng.uniform(0.0, 5.0)])

    def link() -> dict[str, float]:
        length_km = min(typical_km * np.exp(spread * rng.standard_normal()), _FIELD_MOST_KM)
        loss_db = loss_db_per_km * length_km + panels_db * rng.random()
        return {"length_km": length_km, "loss_db": loss_db}

    position = np.zeros((n_sites, 2))
    graph = nx.Graph(name=f"field-{n_sites}")
    for site in range(n_sites):
        if site:
            other = int(rng.choice([site - 1, 0, int(rng.integers(site))], p=habits))
            graph.add_edge(other, site, **link())
            angle = rng.uniform(0.0, 2.0 * np.pi)
            away = 0.8 * graph.edges[other, site]["length_km"]
            position[site] = position[other] + away * np.array([np.cos(angle), np.sin(angle)])
        graph.add_node(site, x_km=position[site, 0], y_km=position[site, 1], district=0)
    count = round(rings * n_sites)
    others = [rng.choice(n_sites, 2, replace=False).tolist() for _ in range(count - 1)]
    for first, second in [(0, n_sites - 1), *others][:count]:
        facts = link()
        line_km = np.linalg.norm(position[first] - position[second])
        if line_km <= SHORTCUT * facts["length_km"] + SHORTCUT_KM:
            graph.add_edge(first, second, **facts)
    return Topology.from_networkx(graph)
