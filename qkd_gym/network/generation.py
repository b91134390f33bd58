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


# Rows of the scratch space, an entry per active link that is not calibrating.
WORK_ROWS = 9
_COUNTED, _JUDGED, _LINK, _SECONDS, _RATE, _SIFTED, _QBER, _MADE, _SEEN_QBER = range(WORK_ROWS)


@inlined
def _calibrate(s: State, bank: Bank, p: np.record, b: int, work: np.ndarray) -> int:
    """Lets active links calibrate; how many make key, which they are, and their link budgets."""
    episode, links, active = s.episodes[b], s.links[b], s.active[b]
    running_s, left_s = links[L_RUNNING], links[L_CALIBRATION_LEFT]
    n = 0
    for i in range(episode.n_active):
        e = np.uint32(active[i])  # unsigned indices need no check for being negative
        running_s[e] += p.interval_s
        seconds = p.interval_s - left_s[e]
        left_s[e] = max(0.0, -seconds)
        work[_LINK, n], work[_SECONDS, n] = e, seconds
        n += seconds > 0.0
    for i in range(n):
        rate, sifted, qber = link_budget(s, bank, p, b, np.uint32(work[_LINK, i]))
        seconds = work[_SECONDS, i]
        work[_RATE, i], work[_SIFTED, i], work[_QBER, i] = rate * seconds, sifted * seconds, qber
    return n


@inlined
def _count(key: np.uint64, interval: int, n: int, work: np.ndarray) -> None:
    """Draws what ``n`` links make and what QBER is seen.

    Counts are large, so their shot noise is normal; every link has its own draws, so that the
    noise is the same whatever else is switched on.
    """
    state = stream(key, interval, SHOT_NOISE)
    counted, judged, link = work[_COUNTED], work[_JUDGED], work[_LINK]
    for i in range(whole(n)):
        _, counted[i], judged[i] = normal_pair(skip(state, int(link[i])))
    rate, sifted, true_qber = work[_RATE], work[_SIFTED], work[_QBER]
    made, seen_qber = work[_MADE], work[_SEEN_QBER]
    for i in range(whole(n)):
        deviation = 1.0 / math.sqrt(sifted[i])
        drawn = int(min(max(rate[i] * (1.0 + deviation * counted[i]), 0.0), sifted[i]))
        made[i] = drawn if sifted[i] >= 1.0 else 0.0
        error = math.sqrt(true_qber[i] * (1.0 - true_qber[i])) * deviation
        qber = min(max(true_qber[i] + error * judged[i], 0.0), 0.5)
        seen_qber[i] = qber if sifted[i] >= 1.0 else true_qber[i]


@inlined
def generate(s: State, bank: Bank, p: np.record, b: int, work: np.ndarray) -> None:
    """Calibration and key generation of the active links over one interval."""
    episode, links = s.episodes[b], s.links[b]
    pool, stored_ever = s.pools[b, POOL], s.pools[b, STORED_EVER]
    freshness, pool_qber = links[L_FRESHNESS], links[L_POOL_QBER]
    freshness_decay = p.freshness_decay
    for k in range(whole(bank.networks[episode.network].n_links)):
        freshness[k] *= freshness_decay
    n = _calibrate(s, bank, p, b, work)
    _count(episode.key, episode.interval, n, work)

    generated, lost = 0, 0
    for i in range(n):
        e = np.uint32(work[_LINK, i])
        made = int(work[_MADE, i])
        seen_rate = made / work[_SECONDS, i]
        observe_link(links, bank.links[episode.network, e], e, seen_rate, work[_SEEN_QBER, i])
        kept = min(made, p.capacity - pool[e])
        if kept > 0:
            total = pool[e] + kept
            pool_qber[e] = (pool_qber[e] * pool[e] + work[_QBER, i] * kept) / total
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
