"""Compiled demand: gravity traffic with a daily cycle, a hot spot and bursts.

Requests are one Poisson process, thinned by the daily cycle. The hot spot and the bursts choose
their sites from the gravity matrix itself, so the mean traffic matrix stays that matrix.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from qkd_gym.network.bank import Bank
from qkd_gym.network.rng import TRAFFIC, normal_pair, poisson, search, stream, uniform
from qkd_gym.network.state import State


@njit(cache=True)
def draw_pair(bank: Bank, g: int, state: np.uint64, first: int) -> tuple[np.uint64, int, int]:
    """Draws a pair of sites from the gravity matrix, its first end given if ``first`` >= 0."""
    n = bank.n_sites
    if first < 0:
        state, draw = uniform(state)
        first = search(bank.site_cumulative[g, :n], draw)
    state, draw = uniform(state)
    second = search(bank.peer_cumulative[g, first, :n], draw)
    return state, first, second


@njit(cache=True)
def _busyness(bank: Bank, p: np.record, g: int, site: int, time_s: float) -> float:
    angle = 2.0 * math.pi * time_s / p.diurnal_period_s
    return 1.0 + p.diurnal_amplitude * math.sin(angle + bank.sites[g, site].phase)


@njit(cache=True)
def draw_requests(s: State, bank: Bank, p: np.record, b: int) -> None:
    """Fills the request list of this interval."""
    g = s.episodes[b].network
    n = bank.n_sites
    state = stream(s.episodes[b].key, s.episodes[b].interval, TRAFFIC)

    state, draw = uniform(state)
    if draw < p.hot_spot_change:
        state, draw = uniform(state)
        s.episodes[b].hot_spot = search(bank.site_cumulative[g, :n], draw)
    bursting = 0
    sources = s.bursts.shape[1]
    for k in range(sources):
        state, draw = uniform(state)
        if s.bursts[b, k].on:
            if draw < p.burst_stop:
                s.bursts[b, k].on = 0
        elif draw < p.burst_start:
            s.bursts[b, k].on = 1
            state, first, second = draw_pair(bank, g, state, -1)
            s.bursts[b, k].first, s.bursts[b, k].second = first, second
        bursting += s.bursts[b, k].on

    burst_weight = p.burst_share / (sources * p.burst_on_share)
    weight = 1.0 - p.burst_share + burst_weight * bursting
    mean = p.requests_per_site_s * n * p.interval_s * weight * (1.0 + p.diurnal_amplitude)
    state, proposals = poisson(state, mean)
    time_s = s.episodes[b].phase_s + s.episodes[b].interval * p.interval_s
    count = 0
    for _ in range(proposals):
        state, draw = uniform(state)
        draw *= weight
        if draw < burst_weight * bursting:
            nth = min(int(draw / burst_weight), bursting - 1)
            first, second = 0, 0
            for k in range(sources):
                if s.bursts[b, k].on:
                    if nth == 0:
                        first, second = s.bursts[b, k].first, s.bursts[b, k].second
                    nth -= 1
        elif draw < burst_weight * bursting + p.hot_spot_share:
            state, first, second = draw_pair(bank, g, state, s.episodes[b].hot_spot)
        else:
            state, first, second = draw_pair(bank, g, state, -1)
        state, size, _ = normal_pair(state)
        state, draw = uniform(state)
        busy = _busyness(bank, p, g, first, time_s) + _busyness(bank, p, g, second, time_s)
        if draw * 2.0 * (1.0 + p.diurnal_amplitude) >= busy or count == s.requests.shape[1]:
            continue
        request = s.requests[b, count]
        request.first = min(first, second)
        request.second = max(first, second)
        # Mean of the lognormal factor is one.
        spread = p.request_size_sigma
        factor = math.exp(spread * size - 0.5 * spread * spread)
        request.bits = max(1, int(bank.networks[g].mean_request_bits * factor))
        count += 1
    s.episodes[b].n_requests = count
    s.episodes[b].cursor = 0
