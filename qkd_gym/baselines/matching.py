"""Feasible sets of links of great weight, and the way to them one switch at a time."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from qkd_gym.baselines.policy import Observation
from qkd_gym.features import LINK, NODE

F64 = NDArray[np.float64]
_PASSES = 4


def modules_per_site(obs: Observation) -> NDArray[np.int64]:
    """QKD modules at a site, which all sites have in common, shape (B,).

    The observation gives the share that is in use; a network without any active link counts as
    one with a module per site.
    """
    active = obs["links"][..., LINK.active] > 0.5
    share = np.ascontiguousarray(obs["nodes"][..., NODE.modules_used])
    return np.asarray(_count_modules(active, _ends(obs), share))


def _ends(obs: Observation) -> NDArray[np.int64]:
    """Sites of each link, (B, E, 2), as compiled code wants them."""
    return np.ascontiguousarray(obs["link_endpoints"], dtype=np.int64)


@njit(cache=True)
def _count_modules(
    active: NDArray[np.bool_], ends: NDArray[np.int64], share: np.ndarray
) -> NDArray[np.int64]:
    modules = np.empty(len(active), np.int64)
    held = np.empty(share.shape[1], np.int64)
    for b in range(len(active)):
        held[:] = 0
        for e in range(active.shape[1]):
            if active[b, e]:
                held[ends[b, e, 0]] += 1
                held[ends[b, e, 1]] += 1
        most = 0.0
        for v in range(len(held)):
            most = max(most, held[v] / np.float64(share[b, v]) if share[b, v] > 0.0 else 1.0)
        modules[b] = np.int64(np.rint(most))
    return modules


@njit(cache=True)
def _weakest(
    chosen: NDArray[np.bool_], weight: F64, ends: NDArray[np.int64], site: int, barred: int
) -> int:
    """The chosen link of least weight at a site, other than ``barred``."""
    weakest = -1
    for e in range(len(weight)):
        here = ends[e, 0] == site or ends[e, 1] == site
        if here and chosen[e] and e != barred and (weakest < 0 or weight[e] < weight[weakest]):
            weakest = e
    return weakest


@njit(cache=True)
def _match_one(
    weight: F64, ends: NDArray[np.int64], modules: int, free: NDArray[np.int64], chosen: np.ndarray
) -> None:
    order = np.argsort(-weight, kind="mergesort")
    free[:] = modules
    chosen[:] = False
    for e in order:
        if weight[e] <= 0.0:
            break
        i, j = ends[e, 0], ends[e, 1]
        if free[i] > 0 and free[j] > 0:
            chosen[e] = True
            free[i] -= 1
            free[j] -= 1
    for _ in range(_PASSES):
        better = False
        for e in order:
            if weight[e] <= 0.0:
                break
            if chosen[e]:
                continue
            i, j = ends[e, 0], ends[e, 1]
            first = _weakest(chosen, weight, ends, i, -1) if free[i] == 0 else -1
            second = _weakest(chosen, weight, ends, j, first) if free[j] == 0 else -1
            lost = weight[first] if first >= 0 else 0.0
            lost += weight[second] if second >= 0 else 0.0
            # Equal weights must not go round in circles.
            if weight[e] <= lost * (1.0 + 1e-9):
                continue
            better = True
            for gone in (first, second):
                if gone >= 0:
                    chosen[gone] = False
                    free[ends[gone, 0]] += 1
                    free[ends[gone, 1]] += 1
            chosen[e] = True
            free[i] -= 1
            free[j] -= 1
        if not better:
            break


@njit(cache=True)
def _match_all(
    weight: F64, ends: NDArray[np.int64], modules: NDArray[np.int64], n_sites: int
) -> np.ndarray:
    chosen = np.zeros(weight.shape, dtype=np.bool_)
    free = np.zeros(n_sites, dtype=np.int64)
    for b in range(len(weight)):
        _match_one(weight[b], ends[b], modules[b], free, chosen[b])
    return chosen


def heavy_matching(
    weight: F64, ends: NDArray[np.int64], modules: NDArray[np.int64], n_sites: int
) -> NDArray[np.bool_]:
    """A b-matching of great weight: greedy, then improved by exchanges until none helps.

    The greedy b-matching has at least half of the greatest weight (Mestre, ESA 2006), and an
    exchange of one link for those it displaces only adds to it.

    Args:
        weight: Weight of each link, shape (B, E); links of weight 0 or less stay out.
        ends: Sites of each link, shape (B, E, 2).
        modules: Links that a site can hold, shape (B,).
        n_sites: Number of sites.

    Returns:
        Whether each link is chosen, shape (B, E).
    """
    return np.asarray(_match_all(np.ascontiguousarray(weight), ends, modules, n_sites))


def approach(
    obs: Observation,
    target: NDArray[np.bool_],
    weight: F64,
    released: NDArray[np.int64],
) -> NDArray[np.int64]:
    """The switch that brings the active links nearer to a target, shape (B,).

    Activates the heaviest missing link that displaces no link of the target. If each missing link
    would displace one, it first releases a link that is not of the target from a full end of the
    heaviest. Holds if none is missing.

    Args:
        obs: Observations.
        target: Links that shall run, a feasible set, shape (B, E).
        weight: Order of the switches, shape (B, E).
        released: From `qkd_gym.baselines.activation.released_links`.
    """
    active = obs["links"][..., LINK.active] > 0.5
    full = obs["nodes"][..., NODE.modules_used] > 1.0 - 1e-6
    weight = np.ascontiguousarray(weight)
    return np.asarray(_approach_all(target, active, full, _ends(obs), weight, released))


@njit(cache=True)
def _approach_all(
    target: NDArray[np.bool_],
    active: NDArray[np.bool_],
    full: NDArray[np.bool_],
    ends: NDArray[np.int64],
    weight: F64,
    released: NDArray[np.int64],
) -> NDArray[np.int64]:
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
                    lightest = _weakest(spare, weight[b], ends[b], site, -1)
                    choice[b] = lightest if lightest >= 0 else n_links
    return choice
