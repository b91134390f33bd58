"""What the events of a fault strike in a network: links, sites, districts or ducts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qkd_gym.network.faults import Fault
from qkd_gym.topology import Topology

F64 = NDArray[np.float64]
I32 = NDArray[np.int32]


def places_of_links(topology: Topology, strikes: str) -> I32:
    """The place, or the two places, that each link is part of.

    Args:
        topology: The network.
        strikes: One of `qkd_gym.network.faults.PLACES`.

    Returns:
        Numbers from 0 on, (2, E); the same one twice where a link is part of one.
    """
    ends = topology.link_endpoints.T
    if strikes == "site":
        return ends.astype(np.int32)
    district = np.sort(topology.district[ends], axis=0)
    if strikes == "district":
        return district.astype(np.int32)
    own = np.arange(topology.n_links)
    if strikes == "duct":
        between = district[0] * topology.n_sites + district[1]
        # Links inside a district come first, each with a number of its own.
        shared = np.where(district[0] < district[1], topology.n_links + between, own)
        _, own = np.unique(shared, return_inverse=True)
    return np.stack([own, own]).astype(np.int32)


def place_weights(topology: Topology, fault: Fault, places: I32, path_share: F64) -> F64:
    """How likely each place is to be struck, beside the others.

    Where that hangs on stored key, these weights hold while there is none.

    Args:
        topology: The network.
        fault: What strikes.
        places: From `places_of_links`.
        path_share: Share of the pairs of sites whose shortest path uses each link, (E,).

    Returns:
        Weights of the places, of positive sum, (P,).
    """
    number = int(places.max()) + 1
    if fault.target not in ("degree", "betweenness"):
        return np.ones(number)
    of_link = path_share
    if fault.target == "degree":
        ends = topology.link_endpoints
        at_ends = np.bincount(ends.ravel())[ends].sum(axis=1) - 1
        of_link = at_ends if fault.strikes == "link" else np.ones(topology.n_links)
    first, second = places
    weight = np.bincount(first, of_link, minlength=number)
    weight = weight + np.bincount(second, of_link * (first != second), minlength=number)
    return weight.astype(np.float64)
