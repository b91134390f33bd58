"""Compiled demand: traffic with a daily cycle, a hot spot and bursts, or recorded requests.

Generated requests are one Poisson process, thinned by the daily cycle. The hot spot and the bursts
choose their sites from the traffic matrix itself, so the mean traffic stays that matrix.
"""

from __future__ import annotations

import numpy as np

from qkd_gym.jit import inlined
from qkd_gym.network.bank import Bank
from qkd_gym.network.compiled.elementary import exp_single
from qkd_gym.network.compiled.rng import (
    SERVICES,
    TRAFFIC,
    draw_alias,
    normal_pair,
    poisson,
    skip,
    stream,
    uniform,
)
from qkd_gym.network.compiled.vectors import fetch, use_widest_vectors, whole
from qkd_gym.network.compiled.workspace import Workspace
from qkd_gym.network.dynamics.relay import pair_index
from qkd_gym.network.state import State


@inlined
def draw_site(bank: Bank, g: int, state: np.uint64) -> tuple[np.uint64, int]:
    """Draws a site by its share of the demand."""
    state, draw = uniform(state)
    return state, draw_alias(bank.traffic[g, bank.n_sites], draw)


@inlined
def draw_peer(bank: Bank, g: int, state: np.uint64, first: int) -> tuple[np.uint64, int]:
    """Draws the other end of a demand of this site."""
    state, draw = uniform(state)
    return state, draw_alias(bank.traffic[g, first], draw)


@inlined
def _advance_bursts(
    bank: Bank, p: np.record, g: int, bursts: np.ndarray, state: np.uint64
) -> tuple[np.uint64, int]:
    """Next state and the number of bursts that are on."""
    bursting = 0
    for k in range(len(bursts)):
        state, draw = uniform(state)
        was_on = bursts[k].on
        if draw < (p.burst_stop if was_on else p.burst_start):
            bursts[k].on = 1 - was_on
            if not was_on:
                state, bursts[k].first = draw_site(bank, g, state)
                state, bursts[k].second = draw_peer(bank, g, state, bursts[k].first)
        bursting += bursts[k].on
    return state, bursting


@inlined
def _nth_burst(bursts: np.ndarray, nth: int) -> int:
    """Index of the n-th burst that is on, 0 if there is none."""
    found, seen = 0, 0
    for k in range(len(bursts)):
        found = k if (bursts[k].on == 1) & (seen == nth) else found
        seen += bursts[k].on
    return found


@inlined
def _draw_sizes(
    state: np.uint64, proposals: int, mean_bits: float, sigma: float, sizes: np.ndarray
) -> None:
    """Lognormal sizes of proposals, each of which has five draws, the size's the last."""
    use_widest_vectors()
    # The mean of the lognormal factor is one.
    spread = np.float32(sigma)
    median_bits = np.float32(mean_bits) * exp_single(np.float32(-0.5) * spread * spread)
    for i in range(whole(proposals)):
        _, size, _ = normal_pair(skip(state, 5 * i + 4))
        sizes[i] = median_bits * exp_single(spread * size)


@inlined
def _service_of(services: np.ndarray, draw: float) -> int:
    """The class of a uniform draw."""
    found = 0
    for k in range(len(services) - 1):
        found += draw >= services[k].up_to
    return found


@inlined
def _read_requests(bank: Bank, interval: int, requests: np.ndarray) -> int:
    """Fills the request list with the recorded requests of an interval; returns their number."""
    at = min(interval, len(bank.first_recorded) - 2)
    first = bank.first_recorded[at]
    count = bank.first_recorded[at + 1] - first
    for i in range(count):
        requests[i] = bank.recorded[first + i]
    return count


@inlined
def draw_requests(s: State, bank: Bank, p: np.record, b: int, work: Workspace) -> None:
    """Fills the request list of this interval; those that wait will be asked again before."""
    episode = s.episodes[b]
    if len(bank.first_recorded) > 0:
        episode.n_requests = _read_requests(bank, episode.interval, s.requests[b])
    else:
        episode.n_requests = _generate_requests(s, bank, p, b, work)
    episode.n_held, episode.n_waiting = episode.n_waiting, 0
    episode.cursor = 0


@inlined
def _generate_requests(s: State, bank: Bank, p: np.record, b: int, work: Workspace) -> int:
    """Fills the request list with drawn requests; returns their number.

    Every proposal has as many draws, used or not, and choices instead of branches, since the
    processor cannot foresee which kind it is.
    """
    episode, requests, bursts = s.episodes[b], s.requests[b], s.bursts[b]
    g = episode.network
    sites = bank.sites[g]
    state = stream(episode.key, episode.interval, TRAFFIC)
    state, draw = uniform(state)
    if draw < p.hot_spot_change:
        state, episode.hot_spot = draw_site(bank, g, state)
    state, bursting = _advance_bursts(bank, p, g, bursts, state)

    burst_weight = p.burst_share / (len(bursts) * p.burst_on_share)
    weight = 1.0 - p.burst_share + burst_weight * bursting
    mean = p.requests_per_site_s * bank.n_sites * p.interval_s * weight
    state, proposals = poisson(state, mean * (1.0 + p.diurnal_amplitude))
    proposals = min(proposals, len(requests))
    sizes = work.rows[0]
    _draw_sizes(state, proposals, bank.networks[g].mean_request_bits, p.request_size_sigma, sizes)
    from_bursts, hot_spot = burst_weight * bursting, episode.hot_spot
    from_hot_spot = from_bursts + p.hot_spot_share
    # Classes have a stream of their own, so that all else is as without them.
    services, kinds = bank.services, stream(episode.key, episode.interval, SERVICES)
    count = 0
    for i in range(proposals):
        state, draw = uniform(state)
        draw *= weight
        state, first = draw_site(bank, g, state)
        first = hot_spot if draw < from_hot_spot else first
        state, second = draw_peer(bank, g, state, first)
        k = _nth_burst(bursts, min(int(draw / burst_weight), bursting - 1))
        first = bursts[k].first if draw < from_bursts else first
        second = bursts[k].second if draw < from_bursts else second
        # sin(time + phase) of both ends.
        busy_sin = sites[first].phase_sin + sites[second].phase_sin
        busy_cos = sites[first].phase_cos + sites[second].phase_cos
        swing = episode.day_sin * busy_cos + episode.day_cos * busy_sin
        state, draw = uniform(state)
        threshold = draw * 2.0 * (1.0 + p.diurnal_amplitude)
        state = skip(state, 1)  # the size
        # A rejected proposal is written over by the next one.
        request = requests[np.uint32(count)]
        request.first = min(first, second)
        request.second = max(first, second)
        request.bits = max(1, int(sizes[i]))
        if len(services) > 0:
            _, draw = uniform(skip(kinds, i))
            service = _service_of(services, draw)
            request.service = service
            request.bits = max(1, int(sizes[i] * services[service].size))
            request.until = episode.interval + 1 + services[service].patience
        # Which paths it has is far away in memory, and soon needed.
        row = pair_index(request.first, request.second, bank.n_sites)
        fetch(bank.path_hops[g, row])
        fetch(bank.path_links[g, row])
        count += threshold < 2.0 + p.diurnal_amplitude * swing
    return count
