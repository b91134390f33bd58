"""The compiled transition: one step of one episode, and of a range of episodes."""

from __future__ import annotations

import numpy as np

from qkd_gym.network.bank import Bank
from qkd_gym.network.compiled.jit import entry, fill, inlined, use_widest_vectors, whole
from qkd_gym.network.compiled.workspace import Workspace
from qkd_gym.network.dynamics.demand import draw_requests
from qkd_gym.network.dynamics.disturbance import advance_drift, advance_faults, advance_weather
from qkd_gym.network.dynamics.generation import expire, generate
from qkd_gym.network.dynamics.relay import price_links, settle
from qkd_gym.network.dynamics.switching import toggle
from qkd_gym.network.state import (
    DELIVERED,
    L_BLOCKED_AVERAGE,
    L_BLOCKED_NOW,
    L_DEMAND_AVERAGE,
    L_DEMAND_NOW,
    POOL,
    S_BLOCKED,
    S_DEMAND,
    STORED,
    State,
)

# What one step decides.
ACTIVATION, ROUTING, BOTH = 0, 1, 2


@inlined
def _average(
    average: np.ndarray, now: np.ndarray, n: int, keep: np.float32, gain: np.float32
) -> None:
    """Exponential average."""
    use_widest_vectors()
    for e in range(whole(n)):
        average[e] = keep * average[e] + gain * now[e]


@inlined
def average_demand(s: State, bank: Bank, p: np.record, b: int) -> None:
    """Ends the demand account of the last interval and opens the next."""
    keep = np.float32(p.demand_decay)
    gain = np.float32((1.0 - p.demand_decay) / p.interval_s)
    links, sites = s.links[b], s.sites[b]
    n_links = bank.networks[s.episodes[b].network].n_links
    _average(links[L_DEMAND_AVERAGE], links[L_DEMAND_NOW], n_links, keep, gain)
    _average(links[L_BLOCKED_AVERAGE], links[L_BLOCKED_NOW], n_links, keep, gain)
    for v in range(whole(bank.n_sites)):
        sites[S_DEMAND, v] *= keep
        sites[S_BLOCKED, v] *= keep


@inlined
def advance(s: State, bank: Bank, p: np.record, b: int, work: Workspace) -> None:
    """Lets one interval pass: disturbances, key generation, expiry, new requests."""
    episode = s.episodes[b]
    fill(s.links[b, L_DEMAND_NOW], 0, s.links.shape[2], 0.0)
    fill(s.links[b, L_BLOCKED_NOW], 0, s.links.shape[2], 0.0)
    advance_drift(s, bank, p, b, work)
    advance_weather(s, bank, p, b)
    advance_faults(s, bank, p, b)
    generate(s, bank, p, b, work)
    expire(s, bank, p, b)
    draw_requests(s, bank, p, b, work)
    episode.interval += 1
    day_sin, day_cos = episode.day_sin, episode.day_cos
    episode.day_sin = day_sin * p.interval_cos + day_cos * p.interval_sin
    episode.day_cos = day_cos * p.interval_cos - day_sin * p.interval_sin


@inlined
def step_one(
    s: State,
    bank: Bank,
    p: np.record,
    b: int,
    decides: int,
    path: int,
    link: int,
    work: Workspace,
) -> None:
    """One step of episode ``b``; the accounts of the step are left in the state."""
    episode = s.episodes[b]
    fill(s.bits[b], 0, s.bits.shape[1], 0)
    episode.qber_bits = 0.0
    episode.strained_bits = 0.0
    if decides == ACTIVATION:
        toggle(s, bank, p, b, link, work.rows[0])
        advance(s, bank, p, b, work)
        n_links = bank.networks[episode.network].n_links
        price_links(s.pools[b, POOL], n_links, p.capacity, work)
        while episode.cursor < episode.n_requests:
            settle(s, bank, p, b, -1, work)
        average_demand(s, bank, p, b)
    else:
        if episode.cursor < episode.n_requests:
            settle(s, bank, p, b, max(path, 0), work)
        if decides == BOTH:
            toggle(s, bank, p, b, link, work.rows[0])
        wait_for_request(s, bank, p, b, work)
    account(s, bank, p, b, decides)


@inlined
def wait_for_request(s: State, bank: Bank, p: np.record, b: int, work: Workspace) -> None:
    """Lets time pass until a request waits for a decision, or the episode is over."""
    while s.episodes[b].cursor >= s.episodes[b].n_requests and s.episodes[b].interval < p.intervals:
        average_demand(s, bank, p, b)
        advance(s, bank, p, b, work)


@inlined
def account(s: State, bank: Bank, p: np.record, b: int, decides: int) -> None:
    """Totals and reward terms of the step."""
    episode = s.episodes[b]
    s.bits[b, STORED] = episode.stored
    mean_offered = bank.networks[episode.network].mean_request_bits
    if decides == ACTIVATION:
        mean_offered = bank.networks[episode.network].mean_offered_bps * p.interval_s
    delivered = s.bits[b, DELIVERED]
    episode.key_term = delivered / mean_offered
    episode.qber_term = 0.0
    if delivered > 0:
        episode.qber_term = -p.qber_weight * episode.strained_bits / delivered


@entry
def step_all(s, bank, params, decides, paths, links, work):  # type: ignore[no-untyped-def]
    """Steps all episodes."""
    for b in range(len(s.episodes)):
        step_one(s, bank, params[0], b, decides, paths[b], links[b], work)
