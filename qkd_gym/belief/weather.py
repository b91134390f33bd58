"""Fog over the districts: a two-state chain, told apart by the free-space links that run."""

from __future__ import annotations

import math

import numpy as np

from qkd_gym.belief.quality import ERROR_NOISE
from qkd_gym.belief.records import F64
from qkd_gym.jit import inlined
from qkd_gym.network.tables import interpolate


@inlined
def predict_fog(fog: np.ndarray, n_districts: int, p: np.record) -> None:
    """Lets one interval pass over the chances of fog, (N,)."""
    for d in range(n_districts):
        fog[d] = fog[d] * (1.0 - p.to_clear) + (1.0 - fog[d]) * p.to_fog


@inlined
def see_weather(
    fog: np.ndarray, d: int, if_foggy: float, if_clear: float, age_s: float, p: np.record
) -> None:
    """Takes in an observation of a link in a district.

    Args:
        fog: Chances of fog, (N,).
        d: District.
        if_foggy: Likelihood of the observation if there was fog then.
        if_clear: The same if there was none.
        age_s: Age of the observation; an old one says less, as the chain forgets.
        p: Parameters.
    """
    share = p.fog_share
    kept = math.exp(-age_s * (p.to_fog + p.to_clear) / p.interval_s)
    then_if_now = share + (1.0 - share) * kept
    then_if_not_now = share * (1.0 - kept)
    now = if_foggy * then_if_now + if_clear * (1.0 - then_if_now)
    not_now = if_foggy * then_if_not_now + if_clear * (1.0 - then_if_not_now)
    total = fog[d] * now + (1.0 - fog[d]) * not_now
    if total > 0.0:
        fog[d] *= now / total


@inlined
def silent_likelihood(
    table: np.ndarray,
    threshold: float,
    loss_db: float,
    loss_sd_db: float,
    error: float,
    error_sd: float,
    qber: float,
) -> float:
    """Density of the QBER of a link without key, about normal.

    Args:
        table: Rates of the link's protocol.
        threshold: QBER from which there is no key.
        loss_db: Expected loss, with that of fog if there is any.
        loss_sd_db: Its standard deviation.
        error: Expected misalignment error.
        error_sd: Its standard deviation.
        qber: Observed QBER.
    """
    _, _, mean = interpolate(table, threshold, loss_db, error)
    _, _, lossier = interpolate(table, threshold, loss_db + loss_sd_db, error)
    _, _, worse = interpolate(table, threshold, loss_db, error + error_sd)
    sd = math.sqrt((lossier - mean) ** 2 + (worse - mean) ** 2 + ERROR_NOISE**2)
    return math.exp(-0.5 * ((qber - mean) / sd) ** 2) / (sd * math.sqrt(2.0 * math.pi))


def draw_fog(fog: F64, count: int, rng: np.random.Generator) -> F64:
    """Draws the weather of every district, (m, N): 1 for fog."""
    return (rng.random((count, len(fog))) < fog).astype(np.float64)
