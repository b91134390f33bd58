"""Compiled exogenous processes of the links: drift, weather, outages and attacks.

Each reads its own random stream and nothing that an agent can change.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from qkd_gym.network.bank import Bank
from qkd_gym.network.rng import (
    DRIFT,
    FAULTS,
    WEATHER,
    exponential,
    normal_pair,
    poisson,
    search,
    stream,
    uniform,
)
from qkd_gym.network.state import State
from qkd_gym.network.tables import interpolate


@njit(cache=True)
def advance_drift(s: State, bank: Bank, p: np.record, b: int) -> None:
    """One exact step of the Ornstein-Uhlenbeck drift of every link."""
    if p.drift_std == 0.0:
        return
    state = stream(s.episodes[b].key, s.episodes[b].interval, DRIFT)
    spread = p.drift_std * math.sqrt(1.0 - p.drift_decay * p.drift_decay)
    links = s.links[b]
    n_links = bank.networks[s.episodes[b].network].n_links
    for e in range(0, n_links, 2):
        state, first, second = normal_pair(state)
        links[e].drift = p.drift_decay * links[e].drift + spread * first
        if e + 1 < n_links:
            links[e + 1].drift = p.drift_decay * links[e + 1].drift + spread * second


@njit(cache=True)
def advance_weather(s: State, bank: Bank, p: np.record, b: int) -> None:
    """Each district is clear or foggy, a two-state Markov chain."""
    state = stream(s.episodes[b].key, s.episodes[b].interval, WEATHER)
    for d in range(bank.networks[s.episodes[b].network].n_districts):
        state, draw = uniform(state)
        if s.sites[b, d].fog:
            s.sites[b, d].fog = 0 if draw < p.to_clear else 1
        else:
            s.sites[b, d].fog = 1 if draw < p.to_fog else 0


@njit(cache=True)
def advance_faults(s: State, bank: Bank, p: np.record, b: int) -> None:
    """Outages and attacks run down; new ones strike links in Poisson numbers."""
    g = s.episodes[b].network
    n_links = bank.networks[g].n_links
    links = s.links[b]
    for e in range(n_links):
        link = links[e]
        link.outage_left_s = max(0.0, link.outage_left_s - p.interval_s)
        link.attack_left_s = max(0.0, link.attack_left_s - p.interval_s)
    state = stream(s.episodes[b].key, s.episodes[b].interval, FAULTS)
    state, count = poisson(state, p.outages_per_link * n_links)
    for _ in range(count):
        state, draw = uniform(state)
        struck = links[int(draw * n_links)]
        state, extra = exponential(state, p.outage_mean_s)
        struck.outage_left_s = max(struck.outage_left_s, p.outage_min_s + extra)
    state, count = poisson(state, p.attacks_per_link * n_links)
    for _ in range(count):
        state, draw = uniform(state)
        struck = links[search(bank.attack_cumulative[g, :n_links], draw)]
        state, extra = exponential(state, p.attack_mean_s)
        state, draw = uniform(state)
        struck.attack_left_s = max(struck.attack_left_s, p.attack_min_s + extra)
        struck.attack_fraction = p.attack_fraction + (1.0 - p.attack_fraction) * draw


@njit(cache=True)
def link_budget(s: State, bank: Bank, p: np.record, b: int, e: int) -> tuple[float, float, float]:
    """True state of one link now.

    Returns:
        Secret key rate (bit/s), sifted rate (bit/s) and QBER. An outage gives (0, 0, 0.5).
    """
    link = s.links[b, e]
    if link.outage_left_s > 0.0:
        return 0.0, 0.0, 0.5
    g = s.episodes[b].network
    u, v = bank.link_endpoints[g, e, 0], bank.link_endpoints[g, e, 1]
    error = p.misalignment + s.sites[b, u].misalignment + s.sites[b, v].misalignment + link.drift
    error = min(max(error, 0.0), 0.5)
    if link.attack_left_s > 0.0:
        # Intercept-resend is a binary symmetric channel in series with the link's own.
        error += 0.25 * link.attack_fraction * (1.0 - 2.0 * error)
    facts = bank.links[g, e]
    loss_db = facts.loss_db + link.excess_loss_db
    if facts.free_space and s.sites[b, bank.sites[g, u].district].fog:
        loss_db += p.fog_loss_db
    t = facts.table
    return interpolate(
        bank.key_rate_bps[t],
        bank.sifted_rate_bps[t],
        bank.qber[t],
        facts.qber_threshold,
        loss_db,
        error,
    )


@njit(cache=True)
def link_truth(
    s: State, bank: Bank, params: np.ndarray, rate: np.ndarray, qber: np.ndarray
) -> None:
    """Writes the true key rate (bit/s) and QBER of every link into (B, E) arrays."""
    for b in range(len(s.episodes)):
        for e in range(bank.networks[s.episodes[b].network].n_links):
            rate[b, e], _, qber[b, e] = link_budget(s, bank, params[0], b, e)
