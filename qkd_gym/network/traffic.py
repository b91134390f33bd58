"""Who asks whom for how much on the mean: the traffic matrix of a network, and its scale."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qkd_gym.errors import InvalidInput, shown
from qkd_gym.features import HOUR_S
from qkd_gym.network.config import NetworkConfig, interval_s, intervals_in
from qkd_gym.topology import Topology

F64 = NDArray[np.float64]
Records = NDArray[np.void]

_SHARE_DECIMALS = 12  # of a pair's share in the demand


def gravity(topology: Topology, distance_km: float) -> F64:
    """Symmetric traffic matrix w_i w_j exp(-d_ij / distance), zero diagonal, summing to one.

    Shares are rounded to 1e-12, so that they are the same on every processor. Relays have no demand
    of their own, see `Topology.site_weight`; they get this least share, with the nearest site, so
    that every site has a peer.

    Args:
        topology: The network.
        distance_km: Distance over which demand falls by a factor of e, in km.

    Returns:
        Share of each ordered pair of sites in the whole demand, (n, n) float64.

    Raises:
        InvalidInput: If some site is so remote that it would have no demand at all.
    """
    asking, relays = np.flatnonzero(~topology.relay), np.flatnonzero(topology.relay)
    gaps = topology.positions_km[:, None, :] - topology.positions_km[None, asking, :]
    to_asking = np.linalg.norm(gaps, axis=-1)
    apart = to_asking[asking]
    np.fill_diagonal(apart, np.inf)
    weight = topology.site_weight[asking] / topology.site_weight.max()
    # Beyond the nearest pair, whose demand can then not vanish however small the distance.
    with np.errstate(over="ignore", under="ignore"):
        own = np.exp(-(apart - apart.min()) / distance_km) * weight[:, None] * weight[None, :]
    own = np.round(own / own.sum(), _SHARE_DECIMALS)
    remote = own.sum(axis=1).argmin()
    if not own[remote].any():
        name = topology.site_names[asking[remote]]
        raise InvalidInput(
            f"gravity_distance_km is {distance_km:g} km, but site {shown(name)} lies "
            f"{apart[remote].min():g} km from any other and would have no demand; are these "
            "kilometres?"
        )
    matrix = np.zeros((topology.n_sites, topology.n_sites))
    matrix[np.ix_(asking, asking)] = own
    nearest = asking[to_asking[relays].argmin(axis=1)]
    matrix[relays, nearest] = matrix[nearest, relays] = 10.0**-_SHARE_DECIMALS
    return matrix


def traffic_matrix(topology: Topology, config: NetworkConfig) -> F64:
    """Share of each ordered pair of sites in the mean demand, (n, n) symmetric, summing to one.

    It is that of the configuration's `Demand`, rounded to 1e-12, or else `gravity`.

    Raises:
        InvalidInput: As `gravity`.
    """
    if config.demand is None or not config.demand.matrix:
        return gravity(topology, config.gravity_distance_km)
    matrix = np.array(config.demand.matrix)
    return np.round(matrix / matrix.sum(), 12)


def mean_demand(
    config: NetworkConfig, recorded: Records, traffic: F64, scale_bps: float
) -> tuple[float, float]:
    """Mean offered key in bit/s, and mean number of requests per second.

    Args:
        config: The configuration.
        recorded: REQUEST records, none if requests are generated.
        traffic: From `traffic_matrix`; a number per ordered pair of sites.
        scale_bps: What the best static plan can carry of it, as a factor.
    """
    n_sites = len(traffic)
    if len(recorded):
        duration_s = intervals_in(config.episode_s, n_sites) * interval_s(n_sites)
        return recorded["bits"].sum() / duration_s, len(recorded) / duration_s
    requests_per_s = config.requests_per_site_hour * n_sites / HOUR_S
    demand = config.demand
    if demand is not None and demand.says_how_much:
        return float(np.sum(demand.matrix)) / 2.0, requests_per_s
    # One number per ordered pair of sites; their sum is the whole demand at load 1 twice over.
    return config.load * scale_bps * traffic.sum() / 2.0, requests_per_s
