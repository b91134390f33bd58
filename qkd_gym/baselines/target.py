"""The way to a target set of links, one switch at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qkd_gym.baselines.policy import Observation
from qkd_gym.features import LINK, NODE
from qkd_gym.jit import compiled
from qkd_gym.planning.matching import lightest_link

F64 = NDArray[np.float64]


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


@compiled
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


@compiled
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
                    lightest = lightest_link(spare, weight[b], ends[b], site, -1)
                    choice[b] = lightest if lightest >= 0 else n_links
    return choice
