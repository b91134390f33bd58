"""What a network will do in a simulation, told before one begins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import pdist

from qkd_gym.network.bank import NetworkBank, nominal_links
from qkd_gym.network.config import NetworkConfig
from qkd_gym.network.tables import LOSS_STEP_DB, rate_table
from qkd_gym.network.traffic import traffic_matrix
from qkd_gym.topology import Topology

F64 = NDArray[np.float64]


@dataclass(frozen=True)
class Inspection:
    """A network of n sites and E links under a configuration.

    Attributes:
        topology: The network.
        key_rate_bps: Key rate of each undisturbed link at the mean misalignment, (E,); a link
            without any is not viable.
        most_loss_db: Loss from which a link of the same protocol makes no key, (E,).
        cut_off: Sites that no viable link joins to the largest part of the network, (n,) bool.
        offered_bps: Mean demand that load 1.0 stands for, in bit/s; None if sites are cut off.
        pathless_share: Share of the demand between sites without a candidate path, since all have
            more links than ``max_hops``; None if sites are cut off.
        apart_km: Mean distance between two sites with demand of their own, in km.
        demand_km: The same weighted by demand; None unless that is by ``gravity_distance_km``.
    """

    topology: Topology
    key_rate_bps: F64
    most_loss_db: F64
    cut_off: NDArray[np.bool_]
    offered_bps: float | None
    pathless_share: float | None
    apart_km: float
    demand_km: float | None

    @property
    def viable(self) -> NDArray[np.bool_]:
        """Whether each link makes key, (E,)."""
        return self.key_rate_bps > 0.0

    @property
    def most_km(self) -> F64:
        """Length at which each link would lose too much if it lost the same per km, (E,).

        Infinite for links without loss and those through air, where loss follows another law.
        """
        loss_db = np.where(self.topology.free_space, 0.0, self.topology.loss_db)
        with np.errstate(divide="ignore"):
            return self.topology.length_km * self.most_loss_db / loss_db


def inspect(config: NetworkConfig) -> Inspection:
    """What the first network of a configuration will do; takes as long as a first episode's start.

    Args:
        config: The configuration.

    Raises:
        InvalidInput: If a site is so remote that it would have no demand.
    """
    bank = NetworkBank(config)
    topology = bank.topology(0)
    kind, rate, _, _ = nominal_links(topology, config, bank.presets)
    limits = [_most_loss_db(name, config) for name in bank.presets]
    ends = topology.link_endpoints[rate > 0.0]
    graph = coo_array((np.ones(len(ends)), ends.T), shape=(topology.n_sites,) * 2)
    _, part = connected_components(graph, directed=False)
    cut_off = part != np.bincount(part).argmax()
    of_pair = traffic_matrix(topology, config)[np.triu_indices(topology.n_sites, 1)]
    offered = pathless = None
    if not cut_off.any():
        bank.ensure(0)
        offered = float(bank.arrays.networks["mean_offered_bps"][0]) / config.load
        without = bank.arrays.path_hops[0, :, 0] == 0
        pathless = float(of_pair[without].sum() / of_pair.sum())
    places = topology.positions_km
    apart_km, demand_km = float(pdist(places[~topology.relay]).mean()), None
    if config.demand is None:
        demand_km = float(np.average(pdist(places), weights=of_pair))
    limit_db = np.array(limits)[kind]
    return Inspection(topology, rate, limit_db, cut_off, offered, pathless, apart_km, demand_km)


def _most_loss_db(preset: str, config: NetworkConfig) -> float:
    """The loss from which the interpolated key rate is zero."""
    table = rate_table(preset, config.detector_efficiency)
    loss_db = LOSS_STEP_DB * np.arange(len(table.grid))
    rate, _, _ = table.look_up(loss_db, config.misalignment)
    return float(loss_db[np.flatnonzero(rate > 0.0).max(initial=-1) + 1])
