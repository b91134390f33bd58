"""Compiled start of episodes: everything random about one comes from its key."""

from __future__ import annotations

import math

import numpy as np

from qkd_gym.features import FRESHNESS_SCALE_S
from qkd_gym.jit import inlined
from qkd_gym.network.bank import Bank
from qkd_gym.network.compiled.rng import RESET, exponential, normal_pair, stream, uniform
from qkd_gym.network.compiled.workspace import Workspace
from qkd_gym.network.dynamics.blocks import start_block
from qkd_gym.network.dynamics.demand import draw_peer, draw_site
from qkd_gym.network.dynamics.disturbance import link_rates, strike
from qkd_gym.network.dynamics.events import start_events
from qkd_gym.network.dynamics.generation import observe_link
from qkd_gym.network.dynamics.step import account, wait_for_request
from qkd_gym.network.dynamics.switching import activate
from qkd_gym.network.state import LINK_ROW, POOL_ROW, SITE_ROW, State


@inlined
def _clear(s: State, b: int) -> None:
    """Zeroes what a new episode does not set."""
    episode = s.episodes[b]
    episode.interval = 0
    episode.n_requests = 0
    episode.n_held = 0
    episode.cursor = 0
    episode.n_waiting = 0
    episode.n_active = 0
    episode.switched_on = 0
    episode.stored = 0
    episode.waiting_bits = 0
    episode.offered_value_bits = 0.0
    episode.delivered_value_bits = 0.0
    episode.qber_bits = 0.0
    episode.relative_qber_bits = 0.0
    s.sites[b] = 0.0
    s.links[b] = 0.0
    s.struck[b] = 0.0
    s.pools[b] = 0
    s.blocks[b] = 0.0
    s.stored_history[b] = 0
    s.accounts[b] = 0


@inlined
def _hidden_quality(s: State, bank: Bank, p: np.record, b: int, state: np.uint64) -> np.uint64:
    network = bank.networks[s.episodes[b].network]
    sites, links = s.sites[b], s.links[b]
    for v in range(bank.n_sites):
        state, draw, _ = normal_pair(state)
        sites[SITE_ROW.misalignment, v] = p.site_misalignment * abs(draw)
    for e in range(network.n_links):
        state, links[LINK_ROW.excess_loss_db, e] = exponential(state, p.link_excess_loss_db)
        state, draw, _ = normal_pair(state)
        links[LINK_ROW.drift, e] = p.drift_std * draw
    for d in range(network.n_districts):
        state, draw = uniform(state)
        sites[SITE_ROW.fog, d] = 1.0 if draw < p.fog_share else 0.0
    return state


@inlined
def _demand_start(s: State, bank: Bank, p: np.record, b: int, state: np.uint64) -> np.uint64:
    episode, bursts = s.episodes[b], s.bursts[b]
    state, draw = uniform(state)
    draw = 0.0 if len(bank.first_recorded) > 0 else draw  # the day of a recording is its own
    episode.day_sin = math.sin(2.0 * math.pi * draw)
    episode.day_cos = math.cos(2.0 * math.pi * draw)
    state, episode.hot_spot = draw_site(bank, episode.network, state)
    for k in range(len(bursts)):
        state, draw = uniform(state)
        bursts[k].on = 1 if draw < p.burst_on_share else 0
        state, bursts[k].first = draw_site(bank, episode.network, state)
        state, bursts[k].second = draw_peer(bank, episode.network, state, bursts[k].first)
    return state


@inlined
def _start_links(s: State, bank: Bank, p: np.record, b: int, state: np.uint64) -> None:
    """The static plan runs and is measured; some of the other links were measured earlier."""
    g = s.episodes[b].network
    links, facts = s.links[b], bank.links[g]
    initial_bits = int(p.initial_fill * p.capacity)
    for e in range(bank.networks[g].n_links):
        state, measured = uniform(state)
        state, age = uniform(state)
        state, draw, _ = normal_pair(state)
        now = links[LINK_ROW.drift, e]
        freshness = 1.0
        if facts[e].plan:
            activate(s, bank, b, e, 0.0, p.protection_s)
            s.pools[b, POOL_ROW.pool, e] = initial_bits
            s.pools[b, POOL_ROW.stored_ever, e] = initial_bits
            s.episodes[b].stored += initial_bits
            links[LINK_ROW.pool_qber, e] = facts[e].nominal_qber
        elif measured < p.measured_share:
            # The drift is reversible, so its past is distributed as its future is.
            age_s = age * p.measured_age_s
            memory = math.exp(-age_s / p.drift_memory_s)
            shock = p.drift_std * math.sqrt(1.0 - memory**2) * draw
            links[LINK_ROW.drift, e] = memory * now + shock
            freshness = math.exp(-age_s / FRESHNESS_SCALE_S)
        else:
            continue
        rate, sifted, qber = link_rates(s, bank, p, b, e)
        if facts[e].plan:
            start_block(s, bank, b, e, rate, sifted, qber)
        observe_link(links, facts[e], e, rate, qber)
        links[LINK_ROW.freshness, e] = freshness
        links[LINK_ROW.drift, e] = now


@inlined
def _observe_active(s: State, bank: Bank, p: np.record, b: int) -> None:
    """What faults that last do to links that run shows at once; earlier measurements are older."""
    facts = bank.links[s.episodes[b].network]
    for i in range(s.episodes[b].n_active):
        e = s.active[b, i]
        rate, _, qber = link_rates(s, bank, p, b, e)
        observe_link(s.links[b], facts[e], e, rate, qber)


@inlined
def reset_one(
    s: State,
    bank: Bank,
    p: np.record,
    b: int,
    network: int,
    key: np.uint64,
    work: Workspace,
) -> None:
    """Starts episode ``b`` on this network, with this key."""
    _clear(s, b)
    s.episodes[b].network = network
    s.episodes[b].key = key
    state = stream(s.episodes[b].key, 0, RESET)
    state = _hidden_quality(s, bank, p, b, state)
    state = _demand_start(s, bank, p, b, state)
    _start_links(s, bank, p, b, state)
    strike(s, bank, p, b, lasts=True)
    if len(bank.faults) > 0:
        start_events(s, bank, p, b, work)
    _observe_active(s, bank, p, b)
    if p.decides_paths:
        wait_for_request(s, bank, p, b, work)
        s.accounts[b] = 0
    account(s, bank, p, b)
