"""Hidden losses and misalignments: what observed rates and QBERs say of them.

A rate and a QBER together give the loss and the misalignment error of a link, by inversion of its
protocol's rate table. The error is the sum of a known mean, of hidden parts of both its sites and
of the link's drift; errors of many links tell the sites apart.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from qkd_gym.belief.records import F64, QUALITY_ROW
from qkd_gym.jit import compiled, inlined
from qkd_gym.network.state import Records
from qkd_gym.network.tables import LOSS_STEP_DB, MISALIGNMENT_STEP, T_QBER, interpolate

_HALVINGS = 14  # of some dB: finer than the noise of any observation
# Standard deviation of what shot noise and tables leave open of an error.
ERROR_NOISE = 0.001
# Sweeps over the sites: the start is a draw without the sign, which is nearly right.
_SWEEPS = 10
_HALF_NORMAL_MEAN = math.sqrt(2.0 / math.pi)


@inlined
def error_with(table: np.ndarray, loss_db: float, qber: float) -> float:
    """Misalignment error with which a link of this loss has this QBER, in [0, 1/2].

    The inverse of `qkd_gym.network.tables.interpolate`: a QBER rises with the error.
    """
    rows, columns, _ = table.shape
    x = min(max(loss_db / LOSS_STEP_DB, 0.0), rows - 1.001)
    i = int(x)
    far, near = table[i + 1], table[i]
    share = x - i
    low, high = 0, columns - 1
    while high - low > 1:
        middle = (low + high) // 2
        there = near[middle, T_QBER] + share * (far[middle, T_QBER] - near[middle, T_QBER])
        low = middle if there < qber else low
        high = high if there < qber else middle
    below = near[low, T_QBER] + share * (far[low, T_QBER] - near[low, T_QBER])
    above = near[high, T_QBER] + share * (far[high, T_QBER] - near[high, T_QBER])
    part = (qber - below) / (above - below) if above > below else 0.0
    return MISALIGNMENT_STEP * (low + min(max(part, 0.0), 1.0))


@inlined
def quality_with(
    table: np.ndarray,
    threshold: float,
    loss_db: float,
    most_db: float,
    rate_bps: float,
    qber: float,
) -> tuple[float, float]:
    """Excess loss (dB) and misalignment error with which a link has this rate and QBER.

    Args:
        table: Rates of the link's protocol, see `qkd_gym.network.tables.RateTable`.
        threshold: QBER from which there is no key.
        loss_db: Loss that the operator knows.
        most_db: Largest excess loss.
        rate_bps: Observed secret key rate, positive.
        qber: Observed QBER.
    """
    below = min(qber, 0.999 * threshold)  # shot noise may show it on the other side
    low, high = 0.0, most_db
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        error = error_with(table, loss_db + middle, below)
        rate, _, _ = interpolate(table, threshold, loss_db + middle, error)
        low = middle if rate > rate_bps else low
        high = high if rate > rate_bps else middle
    excess_db = 0.5 * (low + high)
    return excess_db, error_with(table, loss_db + excess_db, qber)


@inlined
def excess_with(
    table: np.ndarray,
    threshold: float,
    loss_db: float,
    most_db: float,
    rate_bps: float,
    error: float,
) -> float:
    """Excess loss (dB) with which a link of this misalignment error has this rate."""
    low, high = 0.0, most_db
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        rate, _, _ = interpolate(table, threshold, loss_db + middle, error)
        low = middle if rate > rate_bps else low
        high = high if rate > rate_bps else middle
    return 0.5 * (low + high)


@inlined
def error_noise(
    table: np.ndarray, threshold: float, loss_db: float, error: float, seconds: float
) -> float:
    """Standard deviation that shot noise gives to an error which is inferred from a QBER.

    Infinite where the QBER does not tell errors apart, as that of a receiver that tracks them.

    Args:
        table: Rates of the link's protocol.
        threshold: QBER from which there is no key.
        loss_db: Loss of the link.
        error: Error that the QBER stands for.
        seconds: Time in which it was measured.
    """
    # The slope below the error, since the QBER of a receiver that tracks all of it seems to be, by
    # its noise, that of the least error which is not tracked.
    below = max(error - 2.0 * MISALIGNMENT_STEP, 0.0)
    _, sifted, low = interpolate(table, threshold, loss_db, below)
    _, _, high = interpolate(table, threshold, loss_db, below + MISALIGNMENT_STEP)
    slope, counts = (high - low) / MISALIGNMENT_STEP, sifted * seconds
    if slope <= 0.0 or counts <= 0.0:
        return math.inf
    return math.sqrt(high * (1.0 - high) / counts) / slope


@inlined
def prior_error(p: np.record) -> tuple[float, float]:
    """Mean and standard deviation of the misalignment error of a link without a fault."""
    sites = 2.0 * p.site_misalignment**2 * (1.0 - _HALF_NORMAL_MEAN**2)
    mean = p.misalignment + 2.0 * p.site_misalignment * _HALF_NORMAL_MEAN
    return mean, math.sqrt(p.drift_std**2 + sites + ERROR_NOISE**2)


@inlined
def expected_error(quality: np.ndarray, p: np.record, e: int, at_s: float) -> tuple[float, float]:
    """The same of one link at a time, given its last observation."""
    known = quality[QUALITY_ROW.error, e]
    if math.isnan(known):
        return prior_error(p)
    gap_s = max(at_s - quality[QUALITY_ROW.error_at_s, e], 0.0)
    moved = 2.0 * p.drift_std**2 * (1.0 - math.exp(-gap_s / p.drift_memory_s))
    return known, math.sqrt(moved + ERROR_NOISE**2)


@inlined
def _truncated_normal(rng: np.random.Generator, mean: float, sd: float) -> float:
    """A normal that is not negative; far in the tail by Robert (Stat. Comput. 5, 1995)."""
    least = -mean / sd
    if least < 0.5:
        while True:
            z = rng.standard_normal()
            if z >= least:
                return mean + sd * z
    rate = 0.5 * (least + math.sqrt(least * least + 4.0))
    while True:
        z = least + rng.standard_exponential() / rate
        if rng.random() <= math.exp(-0.5 * (z - rate) ** 2):
            return mean + sd * z


@compiled
def _sweep(
    sites: np.ndarray,
    left: np.ndarray,
    ends: np.ndarray,
    at_site: np.ndarray,
    starts: np.ndarray,
    prior_sd: float,
    link_sd: float,
    sweeps: int,
    rng: np.random.Generator,
) -> None:
    """Gibbs sampling of the sites' parts, one after the other given all others.

    Args:
        sites: Parts of the sites, not negative, (m, N); drawn anew.
        left: What sites do not explain of the measured links' errors, (m, L); kept up.
        ends: Sites of these links, (L, 2).
        at_site: Links of the first site, then of the second, and so on, (2 L,).
        starts: Where those of a site begin, (N + 1,).
        prior_sd: Scale of the half-normal prior.
        link_sd: Standard deviation of what the links themselves add.
        sweeps: How often.
        rng: Source of randomness.
    """
    for i in range(len(sites)):
        for _ in range(sweeps):
            for v in range(sites.shape[1]):
                at = at_site[starts[v] : starts[v + 1]]
                old, total = sites[i, v], 0.0
                for e in at:
                    total += left[i, e] + old
                precision = 1.0 / prior_sd**2 + len(at) / link_sd**2
                mean = total / link_sd**2 / precision
                new = _truncated_normal(rng, mean, 1.0 / math.sqrt(precision))
                sites[i, v] = new
                for e in at:
                    left[i, e] += old - new


def draw_sites(
    error: F64,
    ends: NDArray[np.int64],
    p: Records,
    n_sites: int,
    count: int,
    rng: np.random.Generator,
) -> F64:
    """Draws the sites' parts of the misalignment given the errors of links.

    Args:
        error: Misalignment errors of links at some time each, (L,).
        ends: Sites of these links, (L, 2).
        p: Record of `qkd_gym.network.state.kernel_params`.
        n_sites: N.
        count: How many draws, m.
        rng: Source of randomness.

    Returns:
        Shape (m, N).
    """
    prior_sd = float(p["site_misalignment"])
    if prior_sd == 0.0:
        return np.zeros((count, n_sites))
    link_sd = math.hypot(float(p["drift_std"]), ERROR_NOISE)
    excess = error - float(p["misalignment"])
    # A draw as if parts could be negative is where sampling starts.
    incidence = np.zeros((len(ends), n_sites))
    np.put_along_axis(incidence, ends, 1.0, axis=1)
    precision = np.eye(n_sites) / prior_sd**2 + incidence.T @ incidence / link_sd**2
    mean = np.linalg.solve(precision, incidence.T @ excess / link_sd**2)
    root = np.linalg.cholesky(precision)
    normals = rng.standard_normal((n_sites, count))
    sites = np.ascontiguousarray(np.abs(mean + np.linalg.solve(root.T, normals).T))
    left = excess - sites @ incidence.T
    at_site = np.argsort(ends.ravel(), kind="stable") // 2
    starts = np.searchsorted(np.sort(ends.ravel()), np.arange(n_sites + 1))
    _sweep(sites, left, ends, at_site, starts, prior_sd, link_sd, _SWEEPS, rng)
    return sites


def draw_quality(
    quality: F64,
    ends: NDArray[np.int64],
    p: Records,
    n_sites: int,
    now_s: float,
    count: int,
    rng: np.random.Generator,
) -> tuple[F64, F64, F64]:
    """Draws hidden misalignments of sites, excess losses and drifts of links.

    Args:
        quality: Rows `QUALITY_ROW` of what is known, (rows, E).
        ends: Sites of the links, (E, 2).
        p: Record of `qkd_gym.network.state.kernel_params`.
        n_sites: N.
        now_s: Time since the start of the episode.
        count: How many draws, m.
        rng: Source of randomness.

    Returns:
        Misalignments of sites, (m, N), excess losses in dB and drifts, both (m, E).
    """
    excess_db, error, at_s = quality
    measured = np.isfinite(error)
    sites = draw_sites(error[measured], ends[measured], p, n_sites, count, rng)
    shape, drift_sd = (count, len(error)), float(p["drift_std"])
    unmeasured = rng.exponential(float(p["link_excess_loss_db"]), shape)
    losses = np.where(np.isnan(excess_db), unmeasured, excess_db)
    memory = np.where(measured, np.exp((at_s - now_s) / float(p["drift_memory_s"])), 0.0)
    sites_part = sites[:, ends[:, 0]] + sites[:, ends[:, 1]]
    # What is left is drift, but for the noise of the observation.
    left = np.where(measured, error, 0.0) - float(p["misalignment"]) - sites_part
    then = left * drift_sd**2 / (drift_sd**2 + ERROR_NOISE**2)
    shock = drift_sd * np.sqrt(1.0 - memory**2) * rng.standard_normal(shape)
    return sites, losses, memory * then + shock
