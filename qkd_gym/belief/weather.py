"""Fog over the districts: a two-state chain, told apart by the free-space links that run."""

from __future__ import annotations

import math

import numpy as np

from qkd_gym.belief.records import F64
from qkd_gym.jit import inlined
from qkd_gym.network.tables import interpolate


@inlined
def predict_fog(fog: np.ndarray, n_districts: int, p: np.record) -> None:
    """Lets one interval pass over the chances of fog, (N,)."""
    for d in range(n_districts):
        fog[d] = fog[d] * (1.0 - p.to_clear) + (1.0 - fog[d]) * p.to_fog


@inlined
def see_weather(fog: np.ndarray, d: int, foggy: bool, age_s: float, p: np.record) -> None:
    """Takes down what the weather of a district was some time ago.

    An old observation says less, as the chain forgets.
    """
    per_s = (p.to_fog + p.to_clear) / p.interval_s
    then = 1.0 if foggy else 0.0
    fog[d] = p.fog_share + (then - p.fog_share) * math.exp(-age_s * per_s)


@inlined
def looks_foggy(
    table: np.ndarray,
    threshold: float,
    loss_db: float,
    fog_loss_db: float,
    error: float,
    qber: float,
) -> bool:
    """Whether a link without key has rather the QBER that it has in fog.

    Args:
        table: Rates of the link's protocol.
        threshold: QBER from which there is no key.
        loss_db: Loss in clear weather.
        fog_loss_db: Loss that fog adds.
        error: Misalignment error that is expected of the link.
        qber: Observed QBER.
    """
    _, _, clear = interpolate(table, threshold, loss_db, error)
    _, _, foggy = interpolate(table, threshold, loss_db + fog_loss_db, error)
    return abs(qber - foggy) < abs(qber - clear)


def draw_fog(fog: F64, count: int, rng: np.random.Generator) -> F64:
    """Draws the weather of every district, (m, N): 1 for fog."""
    return (rng.random((count, len(fog))) < fog).astype(np.float64)
