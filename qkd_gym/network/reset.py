"""Compiled start of an episode: everything random about it comes from its key."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from qkd_gym.network.bank import Bank
from qkd_gym.network.demand import draw_pair
from qkd_gym.network.disturbance import link_budget
from qkd_gym.network.kernel import ACTIVATION, account, wait_for_request
from qkd_gym.network.rng import RESET, exponential, normal_pair, search, stream, uniform
from qkd_gym.network.state import State


@njit(cache=True)
def _hidden_quality(s: State, bank: Bank, p: np.record, b: int, state: np.uint64) -> np.uint64:
    g = s.episodes[b].network
    for v in range(bank.n_sites):
        state, draw, _ = normal_pair(state)
        s.sites[b, v].misalignment = p.site_misalignment * abs(draw)
    for e in range(bank.networks[g].n_links):
        state, s.links[b, e].excess_loss_db = exponential(state, p.link_excess_loss_db)
        state, draw, _ = normal_pair(state)
        s.links[b, e].drift = p.drift_std * draw
    for d in range(bank.networks[g].n_districts):
        state, draw = uniform(state)
        s.sites[b, d].fog = 1 if draw < p.fog_share else 0
    return state


@njit(cache=True)
def _demand_start(s: State, bank: Bank, p: np.record, b: int, state: np.uint64) -> np.uint64:
    g = s.episodes[b].network
    state, draw = uniform(state)
    s.episodes[b].phase_s = draw * p.diurnal_period_s
    state, draw = uniform(state)
    s.episodes[b].hot_spot = search(bank.site_cumulative[g, : bank.n_sites], draw)
    for k in range(s.bursts.shape[1]):
        state, draw = uniform(state)
        s.bursts[b, k].on = 1 if draw < p.burst_on_share else 0
        state, first, second = draw_pair(bank, g, state, -1)
        s.bursts[b, k].first, s.bursts[b, k].second = first, second
    return state


@njit(cache=True)
def _start_links(s: State, bank: Bank, p: np.record, b: int, state: np.uint64) -> None:
    """The static plan runs and is measured; some of the other links were measured earlier."""
    g = s.episodes[b].network
    for e in range(bank.networks[g].n_links):
        state, measured = uniform(state)
        state, age = uniform(state)
        state, draw, _ = normal_pair(state)
        s.links[b, e].active = bank.links[g, e].plan
        now = s.links[b, e].drift
        if s.links[b, e].active:
            for side in range(2):
                s.sites[b, bank.link_endpoints[g, e, side]].modules_used += 1
            s.links[b, e].running_s = p.calibration_s + p.dwell_s
            s.links[b, e].pool = int(p.initial_fill * p.capacity)
            s.links[b, e].stored_ever = s.links[b, e].pool
            s.links[b, e].pool_qber = bank.links[g, e].nominal_qber
        elif measured < p.measured_share:
            # The drift is reversible, so its past is distributed as its future is.
            s.links[b, e].seen_age_s = age * p.measured_age_s
            memory = math.exp(-s.links[b, e].seen_age_s / p.drift_memory_s)
            s.links[b, e].drift = (
                memory * now + p.drift_std * math.sqrt(1.0 - memory * memory) * draw
            )
        else:
            continue
        s.links[b, e].seen = 1
        s.links[b, e].seen_rate_bps, _, s.links[b, e].seen_qber = link_budget(s, bank, p, b, e)
        s.links[b, e].drift = now


@njit(cache=True)
def reset_one(s: State, bank: Bank, params: np.ndarray, b: int, decides: int) -> None:
    """Starts episode ``b``, whose records are zero but for its key and network."""
    p = params[0]
    state = stream(s.episodes[b].key, 0, RESET)
    state = _hidden_quality(s, bank, p, b, state)
    state = _demand_start(s, bank, p, b, state)
    _start_links(s, bank, p, b, state)
    if decides != ACTIVATION:
        wait_for_request(s, bank, p, b)
        s.bits[b, :] = 0
    account(s, bank, p, b, decides)
