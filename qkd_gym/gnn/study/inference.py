"""What the observations of a network say if the distribution behind them is known.

The graph network is never told that distribution. These are the strong statistical answers to
compare it with: a linear mixed model, and the exact posterior, which nothing can beat on average.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from qkd_gym.errors import InvalidInput, require_integer
from qkd_gym.features import FRESHNESS_SCALE_S, HOUR_S, LINK
from qkd_gym.gnn.data import HORIZON_S, VIABLE_SHARE, ViabilityGraph
from qkd_gym.gnn.hidden import CAPACITY_BITS, LOOKS, REFERENCE, HiddenQuality
from qkd_gym.gnn.settings import DRIFT_STD, LINK_EXCESS_LOSS_DB, SITE_MISALIGNMENT
from qkd_gym.jit import compiled
from qkd_gym.network.tables import interpolate, rate_table

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

# Excess losses that a measured key rate can tell, in dB.
_MOST_EXCESS_DB = 30.0
# Shot noise is small beside drift; this keeps a setting without drift solvable.
_LEAST_VARIANCE = 1e-8
# Values of every spread, among which whoever is not told it looks for the one behind what is seen.
_SPREADS = 24


def nominal_loss_db(graph: ViabilityGraph, setting: HiddenQuality = REFERENCE) -> F64:
    """The channel loss that a nominal key rate belongs to, (E,)."""
    grid = np.arange(0.0, 70.0, 0.05)
    rate, _, _ = rate_table(setting.preset).look_up(grid, setting.misalignment)
    known = np.log1p(rate * HOUR_S / CAPACITY_BITS)
    return np.interp(-graph.links[:, LINK.nominal_rate].astype(np.float64), -known, grid)


def measurements(
    graph: ViabilityGraph, setting: HiddenQuality = REFERENCE
) -> tuple[NDArray[np.bool_], F64, F64, F64, F64]:
    """What the last measurement of each link amounts to.

    Returns:
        Whether there is one that tells anything, which those of links too long for key do not;
        its age (s); the misalignment behind its QBER; the standard error of that for want of
        the excess loss; and the excess loss (dB) behind its key rate, NaN where no key was seen.
        Each (E,).
    """
    table = rate_table(setting.preset)
    links = graph.links.astype(np.float64)
    seen = (links[:, LINK.freshness] > 0.0) & (links[:, LINK.nominal_rate] > 0.0)
    age_s = -FRESHNESS_SCALE_S * np.log(np.where(seen, links[:, LINK.freshness], 1.0))
    qber = links[:, LINK.observed_qber] * table.qber_threshold
    rate = links[:, LINK.observed_rate] * graph.nominal_rate_bps
    keyed = seen & (rate > 0.0)
    loss_db = nominal_loss_db(graph, setting)
    excess_db = np.zeros(len(links))
    for _ in range(3):
        error = _misalignment(setting, loss_db + excess_db, qber)
        low, high = np.zeros(len(links)), np.full(len(links), _MOST_EXCESS_DB)
        for _ in range(24):
            middle = 0.5 * (low + high)
            above = table.look_up(loss_db + middle, error)[0] > rate
            low, high = np.where(above, middle, low), np.where(above, high, middle)
        excess_db = np.where(keyed, low, 0.0)
    # Dark counts weigh more the more is lost.
    other = _misalignment(setting, loss_db + setting.link_excess_loss_db, qber)
    unsure = np.where(keyed, 0.0, np.abs(other - error))
    return seen, age_s, error, unsure, np.where(keyed, excess_db, np.nan)


def _misalignment(setting: HiddenQuality, loss_db: F64, qber: F64) -> F64:
    """At a given loss the QBER is linear in the misalignment."""
    table = rate_table(setting.preset)
    clean, spoilt = (table.look_up(loss_db, error)[2] for error in (0.0, 0.1))
    return (qber - clean) * 0.1 / np.maximum(spoilt - clean, 1e-9)


def site_posterior(graph: ViabilityGraph, setting: HiddenQuality = REFERENCE) -> F64:
    """Mean and standard deviation of the misalignment that each link will have, (E, 4).

    Linear mixed model: misalignment of a link = base + effect of either site + drift, with normal
    effects of the half-normal's mean and variance. A measurement is the sum at its time; drift
    decays between it and the middle of the horizon. Also gives mean and deviation of the two
    sites' sum alone.
    """
    seen, age_s, error, unsure, _ = measurements(graph, setting)
    n = len(graph.nodes)
    ends = graph.ends
    mean = setting.site_misalignment * np.sqrt(2.0 / np.pi)
    variance = max(setting.site_misalignment**2 * (1.0 - 2.0 / np.pi), 1e-12)
    weight = 1.0 / (setting.drift_std**2 + _LEAST_VARIANCE + unsure[seen] ** 2)
    member = np.zeros((int(seen.sum()), n))
    rows = np.arange(len(member))
    member[rows, ends[seen, 0]] = 1.0
    member[rows, ends[seen, 1]] = 1.0
    covariance = np.linalg.inv(np.eye(n) / variance + member.T @ (weight[:, None] * member))
    residual = error[seen] - setting.misalignment - 2.0 * mean
    sites = mean + covariance @ (member.T @ (weight * residual))

    pair = sites[ends].sum(axis=1)
    own = np.diag(covariance)
    pair_variance = own[ends].sum(axis=1) + 2.0 * covariance[ends[:, 0], ends[:, 1]]
    memory = np.exp(-(age_s + 0.5 * HORIZON_S) / setting.drift_memory_s)
    # What of a deviation may be drift, which decays, rather than a wrong guess of the loss.
    trust = setting.drift_std**2 / (setting.drift_std**2 + _LEAST_VARIANCE + unsure**2)
    kept = np.where(seen, memory * trust, 0.0)
    future = kept * (np.where(seen, error, 0.0) - setting.misalignment) + (1.0 - kept) * pair
    spread = (1.0 - kept) ** 2 * pair_variance + setting.drift_std**2 * (1.0 - kept**2)
    return np.stack([future, np.sqrt(spread), pair, np.sqrt(pair_variance)], axis=1)


def exact_posterior(
    graph: ViabilityGraph,
    setting: HiddenQuality = REFERENCE,
    samples: int = 1000,
    seed: int = 0,
    told: bool = True,
) -> tuple[F64, F64]:
    """Probability of viability given everything seen, for a graph made by `hidden.draw`.

    Gibbs sampling of the sites' half-normal misalignments given all measurements, then of each
    link's future. It knows the distribution that the network was drawn from, so its scores bound
    from above what any predictor can reach on average, up to sampling error. Whoever is not told
    how far quality spreads cannot reach that: then the spreads are sampled too, from the
    distribution that training networks have theirs from (`qkd_gym.gnn.settings`).

    Args:
        graph: The network as the operator sees it.
        setting: What it was drawn with.
        samples: Posterior samples; every third sweep over the sites is one.
        seed: Seed of the sampler.
        told: Whether the setting's ``site_misalignment``, ``link_excess_loss_db`` and
            ``drift_std`` are known; if not, they are not read.

    Returns:
        Probability that each link is viable, and its expected key rate (bit/s); both (E,).
    """
    require_integer("samples", samples, 1)
    if told and (setting.site_misalignment <= 0.0 or setting.drift_std <= 0.0):
        raise InvalidInput(
            f"site_misalignment is {setting.site_misalignment:g} and drift_std is "
            f"{setting.drift_std:g}, but the exact posterior needs both above 0."
        )
    if told:
        spreads = tuple(
            np.array([value])
            for value in (setting.site_misalignment, setting.link_excess_loss_db, setting.drift_std)
        )
    else:
        setting = replace(setting, link_excess_loss_db=REFERENCE.link_excess_loss_db)
        spreads = (
            np.geomspace(*SITE_MISALIGNMENT, _SPREADS),
            np.geomspace(*LINK_EXCESS_LOSS_DB, _SPREADS),
            np.linspace(*DRIFT_STD, _SPREADS),
        )
    table = rate_table(setting.preset)
    seen, age_s, error, unsure, excess_db = measurements(graph, setting)
    return _sample(
        np.random.default_rng(seed), len(graph.nodes), graph.ends, seen, age_s, error, unsure,
        excess_db,
        nominal_loss_db(graph, setting), graph.nominal_rate_bps,
        table.grid, table.qber_threshold,
        setting.misalignment, *spreads, setting.drift_memory_s, samples,
    )  # fmt: skip


@compiled
def _positive_normal(rng: np.random.Generator, mean: float, std: float) -> float:
    """A normal draw above zero (Robert, Statistics and Computing 5, 121, 1995)."""
    low = -mean / std
    if low < 0.4:
        while True:
            draw = rng.standard_normal()
            if draw > low:
                return mean + std * draw
    rate = 0.5 * (low + np.sqrt(low * low + 4.0))
    while True:
        draw = low + rng.standard_exponential() / rate
        if rng.random() < np.exp(-0.5 * (draw - rate) ** 2):
            return mean + std * draw


@compiled
def _one_of(rng: np.random.Generator, values: F64, log_weight: F64) -> float:
    """One of some values, drawn by their weights; of one there is nothing to draw."""
    if len(values) == 1:
        return float(values[0])
    sums = np.cumsum(np.exp(log_weight - log_weight.max()))
    return float(values[np.searchsorted(sums, rng.random() * sums[-1])])


@compiled
def _sample(
    rng: np.random.Generator, n: int, ends: NDArray[np.int64], seen: NDArray[np.bool_],
    age_s: F64, error: F64, unsure: F64, excess_db: F64, loss_db: F64, nominal_bps: F64,
    grid: F32, threshold: float, base: float, site_stds: F64,
    mean_excesses_db: F64, drift_stds: F64, memory_s: float, samples: int,
) -> tuple[F64, F64]:  # fmt: skip
    """Of each spread there are one or several values, of which it may have any alike."""
    links = len(ends)
    degree = np.zeros(n, np.int64)
    at_site = np.zeros((n, links), np.int64)
    for e in np.flatnonzero(seen):
        for v in ends[e]:
            at_site[v, degree[v]] = e
            degree[v] += 1
    site_std, drift_std = site_stds[len(site_stds) // 2], drift_stds[len(drift_stds) // 2]
    parts = np.full(n, 0.8 * site_std)
    lost_db = excess_db[np.isfinite(excess_db)]
    of_excess = -len(lost_db) * np.log(mean_excesses_db) - lost_db.sum() / mean_excesses_db
    wait = np.exp(-HORIZON_S / (LOOKS - 1) / memory_s)
    viable, expected = np.zeros(links), np.zeros(links)
    burn_in = 100
    precision = 1.0 / (drift_std**2 + _LEAST_VARIANCE + unsure**2)
    for sweep in range(burn_in + 3 * samples):
        for v in range(n):
            total, known = 0.0, 1.0 / site_std**2
            for e in at_site[v, : degree[v]]:
                rest = error[e] - base - parts[ends[e, 0] + ends[e, 1] - v]
                total += precision[e] * rest
                known += precision[e]
            parts[v] = _positive_normal(rng, total / known, 1.0 / np.sqrt(known))
        of_site = -n * np.log(site_stds) - 0.5 * (parts**2).sum() / site_stds**2
        site_std = _one_of(rng, site_stds, of_site)
        of_drift = np.zeros(len(drift_stds))
        for e in np.flatnonzero(seen):
            apart = error[e] - base - parts[ends[e, 0]] - parts[ends[e, 1]]
            variance = drift_stds**2 + _LEAST_VARIANCE + unsure[e] ** 2
            of_drift -= 0.5 * (np.log(variance) + apart**2 / variance)
        drift_std = _one_of(rng, drift_stds, of_drift)
        precision = 1.0 / (drift_std**2 + _LEAST_VARIANCE + unsure**2)
        mean_excess_db = _one_of(rng, mean_excesses_db, of_excess)
        if sweep < burn_in or sweep % 3:
            continue
        for link in range(links):
            e = np.int64(link)
            level = base + parts[ends[e, 0]] + parts[ends[e, 1]]
            drift = drift_std * rng.standard_normal()
            if seen[e]:
                kept = np.exp(-age_s[e] / memory_s)
                trust = drift_std**2 * precision[e]
                # Drift when measured: normal, given how far the measurement is from the level.
                then = trust * (error[e] - level)
                then += drift_std * np.sqrt(1.0 - trust) * rng.standard_normal()
                drift = kept * then + np.sqrt(1.0 - kept**2) * drift
            loss = loss_db[e] + excess_db[e]
            if np.isnan(loss):
                loss = loss_db[e] + mean_excess_db * rng.standard_exponential()
            mean_rate, mean_qber = 0.0, 0.0
            for look in range(LOOKS):
                if look > 0:
                    fresh = drift_std * rng.standard_normal()
                    drift = wait * drift + np.sqrt(1.0 - wait**2) * fresh
                now = min(max(level + drift, 0.0), 0.5)
                rate, _, errors = interpolate(grid, threshold, loss, now)
                mean_rate += rate / LOOKS
                mean_qber += errors / LOOKS
            expected[e] += mean_rate / samples
            if mean_qber < threshold and mean_rate > VIABLE_SHARE * nominal_bps[e]:
                viable[e] += 1.0 / samples
    return viable, expected
