"""The compiled transition: one step of one episode."""

from __future__ import annotations

import numpy as np

from qkd_gym.jit import inlined
from qkd_gym.network.accounts import ACCOUNT
from qkd_gym.network.bank import Bank
from qkd_gym.network.compiled.vectors import fill, use_widest_vectors, whole
from qkd_gym.network.compiled.workspace import Workspace
from qkd_gym.network.dynamics.demand import draw_requests
from qkd_gym.network.dynamics.disturbance import advance_drift, advance_weather, strike
from qkd_gym.network.dynamics.events import advance_events
from qkd_gym.network.dynamics.exposure import widest_relay
from qkd_gym.network.dynamics.generation import expire, generate
from qkd_gym.network.dynamics.relay import (
    BUILT_IN_ROUTER,
    NO_PATH,
    is_asked,
    price_links,
    serve_request,
)
from qkd_gym.network.dynamics.switching import switch_before_time_passes, toggle
from qkd_gym.network.reward import account_term, mean_offered_bits, reward_terms
from qkd_gym.network.state import LINK_ROW, POOL_ROW, SITE_ROW, State


@inlined
def _average(
    average: np.ndarray, now: np.ndarray, n: int, decay: np.float32, gain: np.float32
) -> None:
    """Exponential average."""
    use_widest_vectors()
    for e in range(whole(n)):
        average[e] = decay * average[e] + gain * now[e]


@inlined
def average_demand(s: State, bank: Bank, p: np.record, b: int) -> None:
    """Ends the demand account of the last interval and opens the next."""
    decay = np.float32(p.demand_decay)
    gain = np.float32((1.0 - p.demand_decay) / p.interval_s)
    links, sites = s.links[b], s.sites[b]
    n_links = bank.networks[s.episodes[b].network].n_links
    _average(links[LINK_ROW.demand_average], links[LINK_ROW.demand_now], n_links, decay, gain)
    _average(links[LINK_ROW.blocked_average], links[LINK_ROW.blocked_now], n_links, decay, gain)
    for v in range(whole(bank.n_sites)):
        sites[SITE_ROW.demand_average, v] *= decay
        sites[SITE_ROW.blocked_average, v] *= decay


@inlined
def advance(s: State, bank: Bank, p: np.record, b: int, work: Workspace) -> None:
    """Lets one interval pass: disturbances, key generation, expiry, new requests."""
    episode = s.episodes[b]
    fill(s.links[b, LINK_ROW.demand_now], 0, s.links.shape[2], 0.0)
    fill(s.links[b, LINK_ROW.blocked_now], 0, s.links.shape[2], 0.0)
    advance_drift(s, bank, p, b, work)
    advance_weather(s, bank, p, b)
    strike(s, bank, p, b, lasts=False)
    generate(s, bank, p, b, work)
    if p.decides_releases:
        fill(s.links[b, LINK_ROW.switched], 0, s.links.shape[2], 0.0)
        episode.switched_on = 0
    expire(s, bank, p, b)
    draw_requests(s, bank, p, b, work)
    episode.interval += 1
    day_sin, day_cos = episode.day_sin, episode.day_cos
    episode.day_sin = day_sin * p.interval_cos + day_cos * p.interval_sin
    episode.day_cos = day_cos * p.interval_cos - day_sin * p.interval_sin
    if len(bank.faults) > 0:
        advance_events(s, bank, p, b, work)


@inlined
def step_one(
    s: State,
    bank: Bank,
    p: np.record,
    b: int,
    path: int,
    link: int,
    work: Workspace,
) -> None:
    """One step of episode ``b``; the accounts of the step are left in the state.

    A path or link that is not there does nothing, and is counted as illegal.
    """
    episode = s.episodes[b]
    fill(s.accounts[b], 0, s.accounts.shape[1], 0)
    episode.qber_bits = 0.0
    episode.relative_qber_bits = 0.0
    episode.offered_value_bits = 0.0
    episode.delivered_value_bits = 0.0
    if p.decides_paths:
        if is_asked(episode):
            # What is negative is no path, and must not call the router.
            serve_request(s, bank, p, b, path if path >= 0 else NO_PATH, work)
        elif path != bank.path_hops.shape[2]:
            s.accounts[b, ACCOUNT.illegal_actions] += 1
        if p.decides_links:
            toggle(s, bank, p, b, link, work.rows[0])
        wait_for_request(s, bank, p, b, work)
    else:
        if not p.decides_releases:
            toggle(s, bank, p, b, link, work.rows[0])
        elif not switch_before_time_passes(s, bank, p, b, link, work.rows[0]):
            account(s, bank, p, b)
            return
        advance(s, bank, p, b, work)
        n_links = bank.networks[episode.network].n_links
        price_links(s.pools[b, POOL_ROW.pool], n_links, p.capacity, work)
        while is_asked(episode):
            serve_request(s, bank, p, b, BUILT_IN_ROUTER, work)
        average_demand(s, bank, p, b)
    account(s, bank, p, b)


@inlined
def wait_for_request(s: State, bank: Bank, p: np.record, b: int, work: Workspace) -> None:
    """Lets time pass until a request waits for a decision, or the episode is over."""
    while not is_asked(s.episodes[b]) and s.episodes[b].interval < p.intervals:
        average_demand(s, bank, p, b)
        advance(s, bank, p, b, work)


@inlined
def account(s: State, bank: Bank, p: np.record, b: int) -> None:
    """Closes the accounts of the step: what is stored, and the terms of the reward."""
    episode = s.episodes[b]
    s.accounts[b, ACCOUNT.stored_bits] = episode.stored
    s.accounts[b, ACCOUNT.waiting_bits] = episode.waiting_bits
    if p.watches_relays:
        s.accounts[b, ACCOUNT.widest_relay_requests] = widest_relay(s, b)
    network = bank.networks[episode.network]
    terms = reward_terms(s.accounts[b], episode, network, p)
    for i in range(len(terms)):
        s.reward_terms[b, i] = terms[i]
    for i in range(len(bank.account_terms)):
        term = account_term(bank.account_terms[i], s.accounts[b], mean_offered_bits(network, p))
        s.reward_terms[b, len(terms) + i] = term
