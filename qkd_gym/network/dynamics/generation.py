"""Compiled key generation of the active links, and the expiry of stored key."""

from __future__ import annotations

import math

import numpy as np

from qkd_gym.jit import inlined
from qkd_gym.network.accounts import ACCOUNT
from qkd_gym.network.bank import Bank
from qkd_gym.network.compiled.rng import SHOT_NOISE, normal_pair, skip, stream
from qkd_gym.network.compiled.vectors import use_widest_vectors, whole
from qkd_gym.network.compiled.workspace import Workspace
from qkd_gym.network.dynamics.blocks import fill_block
from qkd_gym.network.dynamics.disturbance import link_rates
from qkd_gym.network.faults import STRUCK_ROW
from qkd_gym.network.state import LINK_ROW, POOL_ROW, State


@inlined
def observe_link(
    links: np.ndarray, facts: np.record, e: int | np.uint32, rate_bps: np.float32, qber: np.float32
) -> None:
    """What the operator sees of a link now."""
    nominal = facts.nominal_rate_bps
    links[LINK_ROW.observed_rate, e] = rate_bps / nominal if nominal > _ZERO else _ZERO
    links[LINK_ROW.observed_qber, e] = qber / facts.qber_threshold
    links[LINK_ROW.freshness, e] = 1.0


# Rows of the scratch space, a number per active link that is not calibrating.
_COUNTED, _JUDGED, _LINK, _SECONDS, _RATE, _SIFTED, _QBER, _MADE, _SEEN_QBER = range(9)
_ZERO, _ONE, _HALF = np.float32(0.0), np.float32(1.0), np.float32(0.5)


@inlined
def _calibrate(s: State, bank: Bank, p: np.record, b: int, rows: np.ndarray) -> int:
    """Lets active links calibrate; how many make key, which they are, and their link budgets."""
    interval_s = np.float32(p.interval_s)
    episode, links, active = s.episodes[b], s.links[b], s.active[b]
    running_s, left_s = links[LINK_ROW.running_time_s], links[LINK_ROW.calibration_left_s]
    n = 0
    for i in range(episode.n_active):
        e = np.uint32(active[i])  # unsigned indices need no check for being negative
        running_s[e] += interval_s
        seconds = interval_s - left_s[e]
        left_s[e] = max(_ZERO, -seconds)
        rows[_LINK, n], rows[_SECONDS, n] = e, seconds
        n += seconds > _ZERO
    for i in range(n):
        rate, sifted, qber = link_rates(s, bank, p, b, np.uint32(rows[_LINK, i]))
        seconds = rows[_SECONDS, i]
        rows[_RATE, i], rows[_SIFTED, i], rows[_QBER, i] = rate * seconds, sifted * seconds, qber
    return n


@inlined
def _count(key: np.uint64, interval: int, n: int, rows: np.ndarray) -> None:
    """Draws what ``n`` links make and what QBER is seen.

    Counts are large, so their shot noise is normal; every link has its own draws, so that the
    noise is the same whatever else is switched on.
    """
    use_widest_vectors()
    state = stream(key, interval, SHOT_NOISE)
    counted, judged, link = rows[_COUNTED], rows[_JUDGED], rows[_LINK]
    for i in range(whole(n)):
        _, counted[i], judged[i] = normal_pair(skip(state, int(link[i])))
    rate, sifted, true_qber = rows[_RATE], rows[_SIFTED], rows[_QBER]
    made, seen_qber = rows[_MADE], rows[_SEEN_QBER]
    for i in range(whole(n)):
        deviation = _ONE / math.sqrt(sifted[i])
        drawn = min(max(rate[i] * (_ONE + deviation * counted[i]), _ZERO), sifted[i])
        made[i] = drawn if sifted[i] >= _ONE else _ZERO
        error = math.sqrt(true_qber[i] * (_ONE - true_qber[i])) * deviation
        qber = min(max(true_qber[i] + error * judged[i], _ZERO), _HALF)
        seen_qber[i] = qber if sifted[i] >= _ONE else true_qber[i]


@inlined
def generate(s: State, bank: Bank, p: np.record, b: int, work: Workspace) -> None:
    """Calibration and key generation of the active links over one interval."""
    episode, links = s.episodes[b], s.links[b]
    pool, stored_ever = s.pools[b, POOL_ROW.pool], s.pools[b, POOL_ROW.stored_ever]
    freshness, pool_qber = links[LINK_ROW.freshness], links[LINK_ROW.pool_qber]
    freshness_decay, rows = np.float32(p.freshness_decay), work.rows
    for k in range(whole(bank.networks[episode.network].n_links)):
        freshness[k] *= freshness_decay
    n = _calibrate(s, bank, p, b, rows)
    _count(episode.key, episode.interval, n, rows)

    blocks = s.blocks[b]
    in_blocks, exposes = len(bank.sifted_per_block) > 0, len(bank.faults) > 0
    generated, lost, exposed = 0, 0, 0
    for i in range(n):
        e = np.uint32(rows[_LINK, i])
        made, qber = int(rows[_MADE, i]), rows[_QBER, i]
        seen_rate = np.float32(made) / rows[_SECONDS, i]
        facts = bank.links[episode.network, e]
        observe_link(links, facts, e, seen_rate, rows[_SEEN_QBER, i])
        if in_blocks:
            size, threshold = bank.sifted_per_block[facts.table], facts.qber_threshold
            mean, sifted, drawn = rows[_RATE, i], rows[_SIFTED, i], rows[_MADE, i]
            made, qber = fill_block(
                blocks, p.loses_blocks, size, threshold, e, mean, sifted, drawn, qber
            )
        kept = min(made, p.capacity - pool[e])
        if kept > 0:
            total = pool[e] + kept
            share = np.float32(kept) / np.float32(total)
            pool_qber[e] += share * (qber - pool_qber[e])
            pool[e] = total
            stored_ever[e] += kept
            if exposes and s.struck[b, STRUCK_ROW.exposed, e] > _ZERO:
                exposed += kept
        generated += made
        lost += made - kept
    s.accounts[b, ACCOUNT.generated_bits] += generated
    s.accounts[b, ACCOUNT.overflow_bits] += lost
    s.accounts[b, ACCOUNT.exposed_bits] += exposed
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
        history[e, slot] = pools[POOL_ROW.stored_ever, e]
        gone = history[e, oldest] - pools[POOL_ROW.left_ever, e]
        if interval >= p.lifetime and gone > 0:
            pools[POOL_ROW.pool, e] -= gone
            pools[POOL_ROW.left_ever, e] += gone
            s.accounts[b, ACCOUNT.expired_bits] += gone
            s.episodes[b].stored -= gone
