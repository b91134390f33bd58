"""Who holds the modules: what a switch would release, and the way to a target set of links."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qkd_gym.baselines.policy import Observation
from qkd_gym.features import LINK, NODE, RUNNING_SCALE_S
from qkd_gym.jit import compiled, inlined
from qkd_gym.planning.matching import lightest_link

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
Flags = NDArray[np.bool_]


class Networks(NamedTuple):
    """What compiled code reads of B observations; arguments one by one: numba is slow to tell the
    type of a tuple with names.

    Attributes:
        links: Features of E links, shape (B, E, features), in any layout.
        nodes: Features of N sites, shape (B, N, features), in any layout.
        ends: Sites of each link, shape (B, E, 2).
    """

    links: F32
    nodes: F32
    ends: I64


def networks(obs: Observation) -> Networks:
    """The networks of observations."""
    ends = np.ascontiguousarray(obs["link_endpoints"], dtype=np.int64)
    return Networks(obs["links"], obs["nodes"], ends)


def released_links(obs: Observation) -> I64:
    """Links that activating each link would release at its two ends, shape (B, E, 2).

    The environment's rule: the active link at a full site with the least `need`, protected ones
    last, of equals the one with the lowest number. E stands for no link.
    """
    return np.asarray(released(*networks(obs)))


@inlined
def count_links(ends: I64) -> int:
    """Number of links of a network; padding joins a site to itself."""
    n = 0
    while n < len(ends) and ends[n, 0] != ends[n, 1]:
        n += 1
    return n


@inlined
def is_active(links: F32, e: int) -> bool:
    """Whether a link of a network holds modules."""
    return links[e, LINK.active] > 0.5


@inlined
def is_full(nodes: F32, v: int) -> bool:
    """Whether a site of a network has no free module."""
    return nodes[v, NODE.modules_used] > 1.0 - 1e-6


@inlined
def _reluctance(links: F32, e: int) -> float:
    """A link with less of it is released first."""
    return np.float64(links[e, LINK.need]) + 1e3 * np.float64(links[e, LINK.protected])


@inlined
def _ran_s(links: F32, e: int) -> float:
    """Seconds since the activation of a link."""
    rests = 1.0 - np.float64(links[e, LINK.running_time])
    return -RUNNING_SCALE_S * math.log(max(rests, 1e-9))


@inlined
def _find_first(links: F32, nodes: F32, ends: I64, first: I64) -> None:
    """The link that each site of a network would release, (N,), E for none."""
    n_links = len(ends)
    for v in range(len(first)):
        first[v] = n_links
    for e in range(n_links):
        if is_active(links, e):
            for side in range(2):
                site = ends[e, side]
                best = first[site]
                least = best == n_links or _reluctance(links, e) < _reluctance(links, best)
                if is_full(nodes, site) and least:
                    first[site] = e


@compiled
def released(links: F32, nodes: F32, ends: I64) -> I64:
    """See `released_links`; the arguments are those of `Networks`."""
    goes = np.empty_like(ends)
    first = np.empty(nodes.shape[1], np.int64)
    for b in range(len(goes)):
        _find_first(links[b], nodes[b], ends[b], first)
        for e in range(ends.shape[1]):
            for side in range(2):
                goes[b, e, side] = first[ends[b, e, side]]
    return goes


@inlined
def write_gains(
    links: F32, nodes: F32, ends: I64, legal: Flags, score: F64, price: F64, dwell_s: float,
    first: I64, cost: F64, gain: F64,
) -> None:  # fmt: skip
    """Writes what `gains` describes for one network; ``first`` and ``cost`` are scratch, (N,)."""
    n_links = len(ends)
    _find_first(links, nodes, ends, first)
    for v in range(len(first)):
        cost[v] = 0.0
        if first[v] < n_links:
            young = dwell_s > 0.0 and _ran_s(links, first[v]) < dwell_s
            cost[v] = np.inf if young else price[first[v]]
    for e in range(n_links):
        worth = score[e] - (cost[ends[e, 0]] + cost[ends[e, 1]])
        gain[e] = worth if legal[e] and not is_active(links, e) else -np.inf


@compiled
def gains(
    links: F32, nodes: F32, ends: I64, legal: Flags, score: F64, price: F64, dwell_s: float
) -> F64:
    """What activating each link is worth, (B, E): its score, less the summed price of the links
    that it would release. Minus infinity for active links and where it is not legal.

    Args:
        links: See `Networks`, as for the next two.
        nodes: See there.
        ends: See there.
        legal: Links that may be switched, (B, E) or more columns.
        score: Worth of each link, (B, E).
        price: What releasing each link costs, (B, E).
        dwell_s: Links that have run for less than this are not released.
    """
    gain = np.empty_like(score)
    first, cost = np.empty(nodes.shape[1], np.int64), np.empty(nodes.shape[1])
    for b in range(len(gain)):
        write_gains(
            links[b], nodes[b], ends[b], legal[b], score[b], price[b], dwell_s,
            first, cost, gain[b],
        )  # fmt: skip
    return gain


@compiled
def switch_gains(
    links: F32, nodes: F32, ends: I64, legal: Flags, score: F64, price: F64, dwell_s: float
) -> tuple[F64, I64]:
    """What activating each link is worth where the operator says which links make way.

    At a full site that is the link of the least price. Arguments as for `gains`.

    Returns:
        Score less the summed price of the links that make way, (B, E), minus infinity where that is
        no option; and the link that makes way at each site, (B, N), -1 for none.
    """
    gain = np.empty_like(score)
    makes_way = np.full(nodes.shape[:2], -1)
    cost = np.empty(nodes.shape[1])
    for b in range(len(gain)):
        n_links, first = count_links(ends[b]), makes_way[b]
        for v in range(len(first)):
            cost[v] = np.inf if is_full(nodes[b], v) else 0.0
        for e in range(n_links):
            young = dwell_s > 0.0 and _ran_s(links[b], e) < dwell_s
            if is_active(links[b], e) and legal[b, e] and not young:
                for side in range(2):
                    v = ends[b, e, side]
                    if is_full(nodes[b], v) and price[b, e] < cost[v]:
                        first[v], cost[v] = e, price[b, e]
        for e in range(ends.shape[1]):
            u, v = ends[b, e, 0], ends[b, e, 1]
            together = cost[u] if first[u] == first[v] and first[u] >= 0 else cost[u] + cost[v]
            is_option = e < n_links and legal[b, e] and not is_active(links[b], e)
            gain[b, e] = score[b, e] - together if is_option else -np.inf
    return gain, makes_way


@compiled
def switches(gain: F64, makes_way: I64, ends: I64, least_gain: float) -> I64:
    """The next switch where the operator says which links make way, (B,); E to hold.

    The link with the largest gain, if that is more than ``least_gain``. While one of those that
    make way for it runs, it is what is switched.

    Args:
        gain: From `switch_gains`, as the next one, (B, E).
        makes_way: See there, (B, N).
        ends: Sites of each link, (B, E, 2).
        least_gain: Smallest gain that is worth a switch.
    """
    choice = np.full(len(gain), ends.shape[1])
    for b in range(len(choice)):
        best, most = -1, least_gain
        for e in range(gain.shape[1]):
            if gain[b, e] > most:
                best, most = e, gain[b, e]
        if best >= 0:
            first, second = makes_way[b, ends[b, best, 0]], makes_way[b, ends[b, best, 1]]
            choice[b] = first if first >= 0 else second if second >= 0 else best
    return choice


def modules_per_site(obs: Observation) -> I64:
    """QKD modules at a site, which all sites have in common, shape (B,).

    The observation gives the share that is in use; a network without any active link counts as
    one with a module per site.
    """
    return np.asarray(_count_modules(*networks(obs)))


@compiled
def _count_modules(links: F32, nodes: F32, ends: I64) -> I64:
    modules = np.empty(len(links), np.int64)
    held = np.empty(nodes.shape[1], np.int64)
    for b in range(len(links)):
        held[:] = 0
        for e in range(ends.shape[1]):
            for side in range(2):
                held[ends[b, e, side]] += is_active(links[b], e)
        most = 0.0
        for v in range(len(held)):
            share = np.float64(nodes[b, v, NODE.modules_used])
            most = max(most, held[v] / share if share > 0.0 else 1.0)
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
    return np.asarray(_approach_all(target, np.ascontiguousarray(weight), *networks(obs)))


@compiled
def _approach_all(target: Flags, weight: F64, links: F32, nodes: F32, ends: I64) -> I64:
    batch, n_links = target.shape
    choice = np.full(batch, n_links)
    first = np.empty(nodes.shape[1], np.int64)
    spare = np.empty(n_links, np.bool_)
    for b in range(batch):
        _find_first(links[b], nodes[b], ends[b], first)
        wanted, clean = -1, -1
        for e in range(n_links):
            spare[e] = is_active(links[b], e) and not target[b, e]
            if is_active(links[b], e) or not target[b, e]:
                continue
            if wanted < 0 or weight[b, e] > weight[b, wanted]:
                wanted = e
            harmless = True
            for site in ends[b, e]:
                gone = first[site]
                harmless = harmless and (gone == n_links or not target[b, gone])
            if harmless and (clean < 0 or weight[b, e] > weight[b, clean]):
                clean = e
        if clean >= 0:
            choice[b] = clean
        elif wanted >= 0:
            for site in ends[b, wanted]:
                if is_full(nodes[b], site) and choice[b] == n_links:
                    lightest = lightest_link(spare, weight[b], ends[b], site, -1)
                    choice[b] = lightest if lightest >= 0 else n_links
    return choice
