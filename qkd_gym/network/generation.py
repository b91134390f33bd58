"""Compiled key generation of the active links, and the expiry of stored key."""

from __future__ import annotations

import math

import numpy as np

from qkd_gym.network.bank import Bank
from qkd_gym.network.compiled import inlined, whole
from qkd_gym.network.disturbance import link_budget
from qkd_gym.network.rng import SHOT_NOISE, normal_pair, skip, stream
from qkd_gym.network.state import (
    EXPIRED,
    GENERATED,
    L_CALIBRATION_LEFT,
    L_FRESHNESS,
    L_POOL_QBER,
    L_RUNNING,
    L_SEEN_SHARE,
    L_SEEN_STRAIN,
    LEFT_EVER,
    OVERFLOW,
    POOL,
    STORED_EVER,
    State,
)


@inlined
def observe_link(
    links: np.ndarray, facts: np.record, e: int | np.uint32, rate_bps: float, qber: float
) -> None:
    """What the operator sees of a link now."""
    links[L_SEEN_SHARE, e] = 0.0
    if facts.nominal_rate_bps > 0.0:
        links[L_SEEN_SHARE, e] = rate_bps / facts.nominal_rate_bps
    links[L_SEEN_STRAIN, e] = qber / facts.qber_threshold
    links[L_FRESHNESS, e] = 1.0


@inlined
def generate(s: State, bank: Bank, p: np.record, b: int, work: np.ndarray) -> None:
    """Calibration and key generation of the active links over one interval.

    Counts are large, so their shot noise is normal; every link has its own draws, so that the
    noise is the same whatever else is switched on.
    """
    episode, links, active = s.episodes[b], s.links[b], s.active[b]
    pool, stored_ever = s.pools[b, POOL], s.pools[b, STORED_EVER]
    freshness, freshness_decay = links[L_FRESHNESS], p.freshness_decay
    for k in range(whole(bank.networks[episode.network].n_links)):
        freshness[k] *= freshness_decay
    state = stream(episode.key, episode.interval, SHOT_NOISE)
    counted, judged = work[0], work[1]
    for i in range(whole(episode.n_active)):
        _, counted[i], judged[i] = normal_pair(skip(state, active[i]))

    generated, lost = 0, 0
    for i in range(episode.n_active):
        e = np.uint32(active[i])  # unsigned indices need no check for being negative
        links[L_RUNNING, e] += p.interval_s
        seconds = p.interval_s - links[L_CALIBRATION_LEFT, e]
        links[L_CALIBRATION_LEFT, e] = max(0.0, -seconds)
        if seconds <= 0.0:
            continue
        rate, sifted_rate, qber = link_budget(s, bank, p, b, e)
        made, seen_qber = 0, qber
        sifted = sifted_rate * seconds
        if sifted >= 1.0:
            deviation = 1.0 / math.sqrt(sifted)
            made = int(min(max(rate * seconds * (1.0 + deviation * counted[i]), 0.0), sifted))
            error = math.sqrt(qber * (1.0 - qber)) * deviation
            seen_qber = min(max(qber + error * judged[i], 0.0), 0.5)
        observe_link(links, bank.links[episode.network, e], e, made / seconds, seen_qber)
        kept = min(made, p.capacity - pool[e])
        if kept > 0:
            total = pool[e] + kept
            links[L_POOL_QBER, e] = (links[L_POOL_QBER, e] * pool[e] + qber * kept) / total
            pool[e] = total
            stored_ever[e] += kept
        generated += made
        lost += made - kept
    s.bits[b, GENERATED] += generated
    s.bits[b, OVERFLOW] += lost
    episode.stored += generated - lost


@inlined
def expire(s: State, bank: Bank, p: np.record, b: int) -> None:
    """Destroys key older than its lifetime, first in first out.

    Key that had been stored one lifetime ago must have left by now, used or expired.
    """
    if p.lifetime == 0:
        return
    interval = s.episodes[b].interval
    slot = interval % (p.lifetime + 1)
    oldest = (interval + 1) % (p.lifetime + 1)
    pools, history = s.pools[b], s.stored_history[b]
    for e in range(bank.networks[s.episodes[b].network].n_links):
        history[e, slot] = pools[STORED_EVER, e]
        gone = history[e, oldest] - pools[LEFT_EVER, e]
        if interval >= p.lifetime and gone > 0:
            pools[POOL, e] -= gone
            pools[LEFT_EVER, e] += gone
            s.bits[b, EXPIRED] += gone
            s.episodes[b].stored -= gone
