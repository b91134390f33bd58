"""Compiled exogenous processes of the links: drift, weather, outages and attacks.

Each reads its own random stream and nothing that an agent can change.
"""

from __future__ import annotations

import math

import numpy as np

from qkd_gym.jit import compiled, inlined
from qkd_gym.network.bank import Bank
from qkd_gym.network.compiled.rng import (
    DRIFT,
    FAULTS,
    LASTING,
    WEATHER,
    exponential,
    fill_normals,
    poisson,
    search,
    stream,
    uniform,
)
from qkd_gym.network.compiled.vectors import use_widest_vectors, whole
from qkd_gym.network.compiled.workspace import Workspace
from qkd_gym.network.faults import STRUCK_ROW
from qkd_gym.network.state import LINK_ROW, SITE_ROW, State
from qkd_gym.network.tables import interpolate

_ZERO, _HALF = np.float32(0.0), np.float32(0.5)
_MOST_AT_ONCE = 64.0  # faults of one kind per link, of as many all links are struck


@inlined
def advance_drift(s: State, bank: Bank, p: np.record, b: int, work: Workspace) -> None:
    """One exact step of the Ornstein-Uhlenbeck drift of every link."""
    use_widest_vectors()
    if p.drift_std == 0.0:
        return
    state = stream(s.episodes[b].key, s.episodes[b].interval, DRIFT)
    n_links = bank.networks[s.episodes[b].network].n_links
    drift, shock = s.links[b, LINK_ROW.drift], work.rows[0]
    fill_normals(state, n_links, shock, work.rows[1])
    decay, spread = np.float32(p.drift_decay), np.float32(p.drift_spread)
    for e in range(whole(n_links)):
        drift[e] = decay * drift[e] + spread * shock[e]


@inlined
def advance_weather(s: State, bank: Bank, p: np.record, b: int) -> None:
    """Each district is clear or foggy, a two-state Markov chain."""
    state = stream(s.episodes[b].key, s.episodes[b].interval, WEATHER)
    fog = s.sites[b, SITE_ROW.fog]
    for d in range(bank.networks[s.episodes[b].network].n_districts):
        state, draw = uniform(state)
        if draw < (p.to_clear if fog[d] else p.to_fog):
            fog[d] = 1.0 - fog[d]


@inlined
def draw_lasting(state: np.uint64, least_s: float, mean_s: float) -> tuple[np.uint64, float, float]:
    """Next state, duration and age (s) of a fault that is met at a moment like any other.

    Faults last a least time and an exponential time of a mean more. Long ones are met more often
    than short ones, at any time of theirs.
    """
    state, which = uniform(state)
    state, first = exponential(state, mean_s)
    state, second = exponential(state, mean_s)
    duration_s = least_s + first + (second if which * (least_s + mean_s) >= least_s else 0.0)
    state, share = uniform(state)
    return state, duration_s, share * duration_s


@inlined
def _until_s(
    p: np.record, least_s: float, mean_s: float, now_s: float, lasts: bool, state: np.uint64
) -> tuple[np.uint64, float]:
    """Next state and when a fault ends: one that begins now, or lasts at the start of an episode.

    What lasts at the start began with an interval, as all do: with the one that its age lies in. It
    may be over by then.
    """
    if lasts:
        state, duration_s, age_s = draw_lasting(state, least_s, mean_s)
        return state, max(duration_s - math.ceil(age_s / p.interval_s) * p.interval_s, 0.0)
    state, extra_s = exponential(state, mean_s)
    return state, now_s + least_s + extra_s


@inlined
def strike(s: State, bank: Bank, p: np.record, b: int, lasts: bool) -> None:
    """Outages and attacks strike links in Poisson numbers.

    Args:
        s: State.
        bank: Networks.
        p: Parameters.
        b: Number of the episode.
        lasts: Whether those strike that last at the start of the episode, as many as at any later
            time, instead of those that begin with this interval.
    """
    g = s.episodes[b].network
    n_links = bank.networks[g].n_links
    now_s = s.episodes[b].interval * p.interval_s
    state = stream(s.episodes[b].key, s.episodes[b].interval, LASTING if lasts else FAULTS)
    # At a time there are as many as begin in the time that one takes.
    intervals = (p.outage_min_s + p.outage_mean_s) / p.interval_s if lasts else 1.0
    state, count = poisson(state, min(p.outages_per_link * intervals, _MOST_AT_ONCE) * n_links)
    until = s.links[b, LINK_ROW.outage_until_s]
    for _ in range(count):
        state, draw = uniform(state)
        struck = int(draw * n_links)
        state, until_s = _until_s(p, p.outage_min_s, p.outage_mean_s, now_s, lasts, state)
        until[struck] = max(until[struck], until_s)
    intervals = (p.attack_min_s + p.attack_mean_s) / p.interval_s if lasts else 1.0
    state, count = poisson(state, min(p.attacks_per_link * intervals, _MOST_AT_ONCE) * n_links)
    until, fraction = s.links[b, LINK_ROW.attack_until_s], s.links[b, LINK_ROW.attack_fraction]
    for _ in range(count):
        state, draw = uniform(state)
        struck = search(bank.attack_cumulative[g, :n_links], draw)
        state, until_s = _until_s(p, p.attack_min_s, p.attack_mean_s, now_s, lasts, state)
        state, draw = uniform(state)
        # A new attacker takes the place of another; at the start, whoever stays longest is there.
        if not lasts or until_s > until[struck]:
            fraction[struck] = p.attack_fraction + (1.0 - p.attack_fraction) * draw
        until[struck] = max(until[struck], until_s)


@inlined
def link_rates(
    s: State, bank: Bank, p: np.record, b: int, e: int
) -> tuple[np.float32, np.float32, np.float32]:
    """True state of one link now.

    Returns:
        Secret key rate (bit/s), sifted rate (bit/s) and QBER. An outage gives (0, 0, 0.5).
    """
    links, sites = s.links[b], s.sites[b]
    misalignment, fog = sites[SITE_ROW.misalignment], sites[SITE_ROW.fog]
    now_s = np.float32(s.episodes[b].interval * p.interval_s)
    # Choices instead of branches: which links are hit is what the processor cannot foresee.
    g = s.episodes[b].network
    u, v = bank.link_endpoints[g, e, 0], bank.link_endpoints[g, e, 1]
    facts = bank.links[g, e]
    error = np.float32(p.misalignment) + misalignment[u] + misalignment[v]
    error += links[LINK_ROW.drift, e]
    error = min(max(error, _ZERO), _HALF)
    # Intercept-resend is a binary symmetric channel in series with the link's own.
    attack = _HALF * links[LINK_ROW.attack_fraction, e] * (_HALF - error)
    error += attack if links[LINK_ROW.attack_until_s, e] > now_s else _ZERO
    loss_db = facts.loss_db + links[LINK_ROW.excess_loss_db, e]
    foggy = (facts.free_space != 0) & (fog[np.uint32(bank.sites[g, u].district)] > _ZERO)
    loss_db += np.float32(p.fog_loss_db) if foggy else _ZERO
    kind = np.uint32(facts.table)
    out = links[LINK_ROW.outage_until_s, e] > now_s
    if len(bank.faults) > 0:
        struck = s.struck[b]
        error += struck[STRUCK_ROW.scrambled, e] * (_HALF - error)
        loss_db += struck[STRUCK_ROW.excess_loss_db, e]
        kind += np.uint32(struck[STRUCK_ROW.tables, e])
        out |= struck[STRUCK_ROW.dark, e] > _ZERO
    table = bank.rates[kind]
    rate, sifted, qber = interpolate(table, facts.qber_threshold, loss_db, error)
    return _ZERO if out else rate, _ZERO if out else sifted, _HALF if out else qber


@compiled
def link_truth(
    s: State, bank: Bank, params: np.ndarray, rate: np.ndarray, qber: np.ndarray
) -> None:
    """Writes the true key rate (bit/s) and QBER of every link into (B, E) arrays."""
    for b in range(len(s.episodes)):
        for e in range(bank.networks[s.episodes[b].network].n_links):
            rate[b, e], _, qber[b, e] = link_rates(s, bank, params[0], b, e)
