"""What a picture of a network shows, apart from how it is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qkd_gym.network.simulator import Simulator


@dataclass(frozen=True)
class Snapshot:
    """One moment of one episode, for n sites and e links.

    Attributes:
        name: Name of the network.
        site_names: Names of the sites.
        positions_km: (n, 2) positions.
        district: (n,) district of each site.
        modules_used: (n,) modules held by active links.
        modules: Modules of each site.
        link_endpoints: (e, 2) sites of each link.
        active: (e,) whether each link holds its modules.
        calibrating: (e,) whether it is still calibrating.
        no_key: (e,) whether it is active and calibrated but makes no key.
        free_space: (e,) whether it crosses air.
        pool_fill: (e,) stored key over capacity.
        elapsed_s: Time since the start of the episode.
    """

    name: str
    site_names: tuple[str, ...]
    positions_km: NDArray[np.float64]
    district: NDArray[np.int64]
    modules_used: NDArray[np.int64]
    modules: int
    link_endpoints: NDArray[np.int64]
    active: NDArray[np.bool_]
    calibrating: NDArray[np.bool_]
    no_key: NDArray[np.bool_]
    free_space: NDArray[np.bool_]
    pool_fill: NDArray[np.float64]
    elapsed_s: float


def snapshot(simulator: Simulator, episode: int = 0) -> Snapshot:
    """The present state of one episode of a simulator."""
    state: Any = simulator.state
    index = int(state.episodes["network"][episode])
    topology = simulator.networks.topology(index)
    links = state.links[episode, : topology.n_links]
    active, calibrating = links["active"].astype(bool), links["calibration_left_s"] > 0.0
    silent = (links["freshness"] == 1.0) & (links["observed_rate"] == 0.0)
    return Snapshot(
        name=topology.name,
        site_names=topology.site_names,
        positions_km=topology.positions_km,
        district=topology.district,
        modules_used=state.sites["modules_used"][episode].astype(np.int64),
        modules=simulator.config.modules_per_site,
        link_endpoints=topology.link_endpoints,
        active=active,
        calibrating=active & calibrating,
        no_key=active & ~calibrating & silent,
        free_space=topology.free_space,
        pool_fill=links["pool"] / simulator.config.pool_capacity_bits,
        elapsed_s=float(state.episodes["interval"][episode] * simulator.params["interval_s"][0]),
    )
