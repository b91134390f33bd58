"""The compiled transition: one step of one episode, and of a range of episodes."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from qkd_gym.network.bank import Bank
from qkd_gym.network.demand import draw_requests
from qkd_gym.network.disturbance import (
    advance_drift,
    advance_faults,
    advance_weather,
    link_budget,
)
from qkd_gym.network.rng import SHOT_NOISE, normal_pair, stream
from qkd_gym.network.routing import settle
from qkd_gym.network.state import (
    DELIVERED,
    EXPIRED,
    GENERATED,
    ILLEGAL,
    OVERFLOW,
    STORED,
    SWITCHES,
    State,
)

# What one step decides.
ACTIVATION, ROUTING, BOTH = 0, 1, 2


# Functions that are called once per link take records, not the state: passing a tuple of arrays
# costs a reference count per array.


@njit(cache=True)
def link_need(link: np.record, facts: np.record, p: np.record) -> float:
    """How much a link is wanted, in bit/s: unmet recent demand, if the link seems to work.

    A link counts as working if its estimated rate, the last one seen discounted by age towards
    the nominal rate, exceeds a tenth of nominal.
    """
    estimate = 1.0
    if link.seen and facts.nominal_rate_bps > 0.0:
        seen = link.seen_rate_bps / facts.nominal_rate_bps
        estimate += math.exp(-link.seen_age_s / 3600.0) * (seen - 1.0)
    need = link.blocked_average
    if estimate > 0.1:
        need += link.demand_average * (1.0 - link.pool / p.capacity)
    return need


@njit(cache=True)
def is_protected(link: np.record, p: np.record) -> bool:
    """Whether a link was activated so recently that it is released last."""
    return link.running_s < p.calibration_s + p.dwell_s


@njit(cache=True)
def release_choice(s: State, bank: Bank, p: np.record, b: int, site: int) -> int:
    """The active link at ``site`` to give up: the least needed, protected ones last."""
    g = s.episodes[b].network
    links, facts, ends = s.links[b], bank.links[g], bank.link_endpoints[g]
    best, best_need, best_protected = -1, 0.0, True
    for e in range(bank.networks[g].n_links):
        if links[e].active == 0 or (ends[e, 0] != site and ends[e, 1] != site):
            continue
        protected = is_protected(links[e], p)
        need = link_need(links[e], facts[e], p)
        if (
            best < 0
            or (best_protected and not protected)
            or (best_protected == protected and need < best_need)
        ):
            best, best_need, best_protected = e, need, protected
    return best


@njit(cache=True)
def release(s: State, bank: Bank, b: int, e: int) -> None:
    """Switches a link off and frees its modules."""
    g = s.episodes[b].network
    s.links[b, e].active = 0
    s.links[b, e].calibration_left_s = 0.0
    s.links[b, e].running_s = 0.0
    s.sites[b, bank.link_endpoints[g, e, 0]].modules_used -= 1
    s.sites[b, bank.link_endpoints[g, e, 1]].modules_used -= 1


@njit(cache=True)
def toggle(s: State, bank: Bank, p: np.record, b: int, e: int) -> None:
    """Applies a link action; the number of links means hold."""
    g = s.episodes[b].network
    if e == s.links.shape[1]:
        return
    if e < 0 or e >= bank.networks[g].n_links:
        s.bits[b, ILLEGAL] += 1
        return
    s.bits[b, SWITCHES] += 1
    if s.links[b, e].active:
        release(s, bank, b, e)
        return
    for side in range(2):
        site = bank.link_endpoints[g, e, side]
        if s.sites[b, site].modules_used >= p.modules:
            release(s, bank, b, release_choice(s, bank, p, b, site))
    for side in range(2):
        s.sites[b, bank.link_endpoints[g, e, side]].modules_used += 1
    s.links[b, e].active = 1
    s.links[b, e].calibration_left_s = p.calibration_s
    s.links[b, e].running_s = 0.0


@njit(cache=True)
def produce(
    link: np.record, rate: float, sifted_rate: float, qber: float, seconds: float, state: np.uint64
) -> int:
    """Bits that a link makes in ``seconds``, and what the operator sees of it.

    Counts are large, so their shot noise is normal; ``state`` is a stream of link and interval,
    so that the noise is the same whatever else is switched on.
    """
    made = 0
    seen_qber = qber
    sifted = sifted_rate * seconds
    if sifted >= 1.0:
        state, first, second = normal_pair(state)
        noisy = rate * seconds * (1.0 + first / math.sqrt(sifted))
        made = int(min(max(noisy, 0.0), sifted))
        error = math.sqrt(qber * (1.0 - qber) / sifted)
        seen_qber = min(max(qber + error * second, 0.0), 0.5)
    link.seen = 1
    link.seen_age_s = 0.0
    link.seen_rate_bps = made / seconds
    link.seen_qber = seen_qber
    return made


@njit(cache=True)
def store(link: np.record, capacity: int, made: int, qber: float) -> int:
    """Puts new key into a pool and returns how much found room; the rest is lost."""
    kept = min(made, capacity - link.pool)
    if kept > 0:
        total = link.pool + kept
        link.pool_qber = (link.pool_qber * link.pool + qber * kept) / total
        link.pool = total
        link.stored_ever += kept
    return kept


@njit(cache=True)
def generate(s: State, bank: Bank, p: np.record, b: int) -> None:
    """Calibration and key generation of the active links over one interval."""
    episode = s.episodes[b]
    links = s.links[b]
    for e in range(bank.networks[episode.network].n_links):
        link = links[e]
        link.seen_age_s += p.interval_s
        if link.active == 0:
            continue
        link.running_s += p.interval_s
        seconds = p.interval_s - link.calibration_left_s
        link.calibration_left_s = max(0.0, -seconds)
        if seconds <= 0.0:
            continue
        rate, sifted_rate, qber = link_budget(s, bank, p, b, e)
        noise = stream(episode.key, episode.interval, SHOT_NOISE + e)
        made = produce(link, rate, sifted_rate, qber, seconds, noise)
        kept = store(link, p.capacity, made, qber)
        s.bits[b, GENERATED] += made
        s.bits[b, OVERFLOW] += made - kept


@njit(cache=True)
def expire(s: State, bank: Bank, p: np.record, b: int) -> None:
    """Destroys key older than its lifetime, first in first out.

    Key that had been stored one lifetime ago must have left by now, used or expired.
    """
    if p.lifetime == 0:
        return
    interval = s.episodes[b].interval
    slot = interval % (p.lifetime + 1)
    oldest = (interval + 1) % (p.lifetime + 1)
    links, history = s.links[b], s.stored_history[b]
    for e in range(bank.networks[s.episodes[b].network].n_links):
        link = links[e]
        history[e, slot] = link.stored_ever
        gone = history[e, oldest] - link.left_ever
        if interval >= p.lifetime and gone > 0:
            link.pool -= gone
            link.left_ever += gone
            s.bits[b, EXPIRED] += gone


@njit(cache=True)
def average_demand(s: State, bank: Bank, p: np.record, b: int) -> None:
    """Ends the demand account of the last interval and opens the next."""
    keep, gain = p.demand_decay, (1.0 - p.demand_decay) / p.interval_s
    links, sites = s.links[b], s.sites[b]
    for e in range(bank.networks[s.episodes[b].network].n_links):
        link = links[e]
        link.demand_average = keep * link.demand_average + gain * link.demand_now
        link.blocked_average = keep * link.blocked_average + gain * link.blocked_now
    for v in range(bank.n_sites):
        sites[v].demand *= keep
        sites[v].blocked *= keep


@njit(cache=True)
def advance(s: State, bank: Bank, p: np.record, b: int) -> None:
    """Lets one interval pass: disturbances, key generation, expiry, new requests."""
    links = s.links[b]
    for e in range(bank.networks[s.episodes[b].network].n_links):
        links[e].demand_now = 0.0
        links[e].blocked_now = 0.0
    advance_drift(s, bank, p, b)
    advance_weather(s, bank, p, b)
    advance_faults(s, bank, p, b)
    generate(s, bank, p, b)
    expire(s, bank, p, b)
    draw_requests(s, bank, p, b)
    s.episodes[b].interval += 1


@njit(cache=True)
def step_one(
    s: State, bank: Bank, p: np.record, b: int, decides: int, path: int, link: int
) -> None:
    """One step of episode ``b``; the accounts of the step are left in the state."""
    for k in range(s.bits.shape[1]):
        s.bits[b, k] = 0
    s.episodes[b].qber_bits = 0.0
    s.episodes[b].strained_bits = 0.0
    if decides == ACTIVATION:
        toggle(s, bank, p, b, link)
        advance(s, bank, p, b)
        while s.episodes[b].cursor < s.episodes[b].n_requests:
            settle(s, bank, p, b, -1)
        average_demand(s, bank, p, b)
    else:
        if s.episodes[b].cursor < s.episodes[b].n_requests:
            settle(s, bank, p, b, max(path, 0))
        if decides == BOTH:
            toggle(s, bank, p, b, link)
        wait_for_request(s, bank, p, b)
    account(s, bank, p, b, decides)


@njit(cache=True)
def wait_for_request(s: State, bank: Bank, p: np.record, b: int) -> None:
    """Lets time pass until a request waits for a decision, or the episode is over."""
    while s.episodes[b].cursor >= s.episodes[b].n_requests and s.episodes[b].interval < p.intervals:
        average_demand(s, bank, p, b)
        advance(s, bank, p, b)


@njit(cache=True)
def account(s: State, bank: Bank, p: np.record, b: int, decides: int) -> None:
    """Totals and reward terms of the step."""
    g = s.episodes[b].network
    stored = 0
    links = s.links[b]
    for e in range(bank.networks[g].n_links):
        stored += links[e].pool
    s.bits[b, STORED] = stored
    mean_offered = bank.networks[g].mean_request_bits
    if decides == ACTIVATION:
        mean_offered = bank.networks[g].mean_offered_bps * p.interval_s
    delivered = s.bits[b, DELIVERED]
    s.episodes[b].key_term = delivered / mean_offered
    s.episodes[b].qber_term = 0.0
    if delivered > 0:
        s.episodes[b].qber_term = -p.qber_weight * s.episodes[b].strained_bits / delivered


@njit(cache=True, nogil=True)
def step_range(start, stop, s, bank, params, decides, paths, links):  # type: ignore[no-untyped-def]
    """Steps the episodes from ``start`` to ``stop`` - 1."""
    for b in range(start, stop):
        step_one(s, bank, params[0], b, decides, paths[b], links[b])
