"""Who holds the modules: what a switch would release, and the way to a target set of links."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qkd_gym.baselines.policy import Observation
from qkd_gym.features import LINK, NODE
from qkd_gym.jit import compiled, inlined
from qkd_gym.planning.matching import lightest_link

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
Flags = NDArray[np.bool_]


class Occupancy(NamedTuple):
    """Who holds the modules in B networks of N sites and E links.

    Attributes:
        reluctance: A link with less of it is released first, of equals the one with the lowest
            number, shape (B, E).
        active: Links that hold modules, shape (B, E).
        full: Sites without a free module, shape (B, N).
        ends: Sites of each link, shape (B, E, 2).
    """

    reluctance: F64
    active: Flags
    full: Flags
    ends: I64


def occupancy(obs: Observation) -> Occupancy:
    """Who holds the modules and who goes first: the least `need`, protected links last."""
    ends = np.ascontiguousarray(obs["link_endpoints"], dtype=np.int64)
    return Occupancy(*_read_modules(obs["links"], obs["nodes"]), ends)


@compiled
def _read_modules(links: np.ndarray, nodes: np.ndarray) -> tuple[F64, Flags, Flags]:
    batch, n_links = links.shape[:2]
    reluctance, active = np.empty((batch, n_links)), np.empty((batch, n_links), np.bool_)
    full = np.empty(nodes.shape[:2], np.bool_)
    for b in range(batch):
        for e in range(n_links):
            need, protected = links[b, e, LINK.need], np.float64(links[b, e, LINK.protected])
            reluctance[b, e] = need + 1e3 * protected
            active[b, e] = links[b, e, LINK.active] > 0.5
        for v in range(nodes.shape[1]):
            full[b, v] = nodes[b, v, NODE.modules_used] > 1.0 - 1e-6
    return reluctance, active, full


def released_links(obs: Observation) -> I64:
    """Links that activating each link would release at its two ends, shape (B, E, 2).

    The environment's rule: the active link at a full site with the least `need`, protected ones
    last. E stands for no link.
    """
    return np.asarray(released(*occupancy(obs)))


@compiled
def released(reluctance: F64, active: Flags, full: Flags, ends: I64) -> I64:
    """See `released_links`; the arguments are those of `Occupancy`, one by one: numba is slow to
    tell the type of a tuple with names."""
    goes = np.empty_like(ends)
    first = np.empty(full.shape[1], np.int64)
    for b in range(len(goes)):
        _first_to_go(reluctance[b], active[b], full[b], ends[b], first)
        for e in range(ends.shape[1]):
            for side in range(2):
                goes[b, e, side] = first[ends[b, e, side]]
    return goes


@inlined
def _first_to_go(reluctance: F64, active: Flags, full: Flags, ends: I64, first: I64) -> None:
    """The link that each site of a network would release, (N,), E for none."""
    n_links = len(ends)
    for v in range(len(first)):
        first[v] = n_links
    for e in range(n_links):
        if active[e]:
            for side in range(2):
                site = ends[e, side]
                best = first[site]
                least = best == n_links or reluctance[e] < reluctance[best]
                if full[site] and least:
                    first[site] = e


@compiled
def gains(
    reluctance: F64, active: Flags, full: Flags, ends: I64, score: F64, price: F64, legal: Flags
) -> F64:
    """What activating each link is worth, (B, E): its score, less the summed price of the links
    that it would release. Minus infinity for active links and where it is not legal.

    Args:
        reluctance: See `Occupancy`, as for the next three.
        active: See there.
        full: See there.
        ends: See there.
        score: Worth of each link, (B, E).
        price: What releasing each link costs, (B, E).
        legal: Links that may be switched, (B, E) or more columns.
    """
    gain = np.empty_like(score)
    n_links, n_sites = score.shape[1], full.shape[1]
    first, cost = np.empty(n_sites, np.int64), np.empty(n_sites)
    for b in range(len(gain)):
        _first_to_go(reluctance[b], active[b], full[b], ends[b], first)
        for v in range(n_sites):
            cost[v] = price[b, first[v]] if first[v] < n_links else 0.0
        for e in range(n_links):
            worth = score[b, e] - (cost[ends[b, e, 0]] + cost[ends[b, e, 1]])
            gain[b, e] = worth if legal[b, e] and not active[b, e] else -np.inf
    return gain


def modules_per_site(obs: Observation) -> I64:
    """QKD modules at a site, which all sites have in common, shape (B,).

    The observation gives the share that is in use; a network without any active link counts as
    one with a module per site.
    """
    share = np.ascontiguousarray(obs["nodes"][..., NODE.modules_used])
    modules = occupancy(obs)
    return np.asarray(_count_modules(modules.active, modules.ends, share))


@compiled
def _count_modules(active: Flags, ends: I64, share: np.ndarray) -> I64:
    modules = np.empty(len(active), np.int64)
    held = np.empty(share.shape[1], np.int64)
    for b in range(len(active)):
        held[:] = 0
        for e in range(active.shape[1]):
            held[ends[b, e, 0]] += active[b, e]
            held[ends[b, e, 1]] += active[b, e]
        most = 0.0
        for v in range(len(held)):
            most = max(most, held[v] / np.float64(share[b, v]) if share[b, v] > 0.0 else 1.0)
        modules[b] = np.int64(np.rint(most))
    return modules


def approach(obs: Observation, weight: F64, target: Flags) -> I64:
    """The switch that brings the active links nearer to a target, shape (B,).

    Activates the heaviest missing link that displaces no link of the target. If each missing link
    would displace one, it first releases a link that is not of the target from a full end of the
    heaviest. Holds if none is missing.

    Args:
        obs: Observations.
        weight: Order of the switches, shape (B, E).
        target: Links that shall run, a feasible set, shape (B, E).
    """
    modules, weight = occupancy(obs), np.ascontiguousarray(weight)
    return np.asarray(_approach_all(target, weight, released(*modules), *modules[1:]))


@compiled
def _approach_all(
    target: Flags, weight: F64, released: I64, active: Flags, full: Flags, ends: I64
) -> I64:
    batch, n_links = target.shape
    choice = np.full(batch, n_links)
    for b in range(batch):
        wanted, clean = -1, -1
        for e in range(n_links):
            if active[b, e] or not target[b, e]:
                continue
            if wanted < 0 or weight[b, e] > weight[b, wanted]:
                wanted = e
            harmless = True
            for gone in released[b, e]:
                harmless = harmless and (gone == n_links or not target[b, gone])
            if harmless and (clean < 0 or weight[b, e] > weight[b, clean]):
                clean = e
        if clean >= 0:
            choice[b] = clean
        elif wanted >= 0:
            for site in ends[b, wanted]:
                if full[b, site] and choice[b] == n_links:
                    spare = active[b] & ~target[b]
                    lightest = lightest_link(spare, weight[b], ends[b], site, -1)
                    choice[b] = lightest if lightest >= 0 else n_links
    return choice
