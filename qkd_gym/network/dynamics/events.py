"""Compiled events of the scenario's faults: when they come, what they strike, what they do there.

Every fault reads a random stream of its own, so that adding one to a scenario leaves the events of
the others as they are. Times are exact, and what lasts at the start of an interval lasts throughout
it: a number of events that is Poisson with mean rate x mean duration, from the first interval on.
"""

from __future__ import annotations

import numpy as np

from qkd_gym.jit import called, compiled, inlined
from qkd_gym.network.bank import Bank
from qkd_gym.network.compiled.rng import EVENTS, exponential, poisson, search, stream, uniform
from qkd_gym.network.compiled.vectors import fill
from qkd_gym.network.compiled.workspace import Workspace
from qkd_gym.network.dynamics.disturbance import draw_lasting
from qkd_gym.network.faults import (
    AGEING,
    BLINDING,
    COMPROMISE,
    EAVESDROPPING,
    JAMMING,
    OUTAGE,
    STRUCK_ROW,
)
from qkd_gym.network.state import POOL_ROW, SITE_ROW, State


@called
def start_events(s: State, bank: Bank, p: np.record, b: int, work: Workspace) -> None:
    """Draws the events that last at the start of an episode or have been announced by then."""
    episode = s.episodes[b]
    for i in range(s.events.shape[1]):
        s.events[b, i].until_s = 0.0
    for f in range(len(bank.faults)):
        fault, rate = bank.faults[f], bank.event_rates[episode.network, f]
        least, mean = fault.duration_min_s, fault.duration_mean_s
        state = stream(episode.key, 0, EVENTS + f)
        state, count = poisson(state, rate * (least + mean))
        for _ in range(count):
            state, duration_s, age_s = draw_lasting(state, least, mean)
            state = _strike(s, bank, b, f, -age_s, duration_s - age_s, 0.0, state, work)
        state, count = poisson(state, rate * fault.announced_s)
        for _ in range(count):
            state, share = uniform(state)
            state, extra = exponential(state, mean)
            onset_s = fault.announced_s * (1.0 - share)
            state = _strike(s, bank, b, f, onset_s, onset_s + least + extra, 0.0, state, work)
    _feel(s, bank, p, b)


@called
def advance_events(s: State, bank: Bank, p: np.record, b: int, work: Workspace) -> None:
    """Draws the events that have begun, or been announced, in the interval that has just passed."""
    episode = s.episodes[b]
    now_s = episode.interval * p.interval_s
    for f in range(len(bank.faults)):
        fault = bank.faults[f]
        state = stream(episode.key, episode.interval, EVENTS + f)
        state, count = poisson(state, bank.event_rates[episode.network, f] * p.interval_s)
        for _ in range(count):
            state, share = uniform(state)
            state, extra = exponential(state, fault.duration_mean_s)
            onset_s = now_s - share * p.interval_s + fault.announced_s
            until_s = onset_s + fault.duration_min_s + extra
            state = _strike(s, bank, b, f, onset_s, until_s, now_s, state, work)
    _feel(s, bank, p, b)


@inlined
def _strike(
    s: State,
    bank: Bank,
    b: int,
    f: int,
    onset_s: float,
    until_s: float,
    now_s: float,
    state: np.uint64,
    work: Workspace,
) -> np.uint64:
    """Keeps an event of fault ``f``, with a place; the next state of the stream.

    One that is over already is none; beside more than `event_capacity` has room for, nor is it.
    """
    state, draw = uniform(state)
    place = _draw_place(s, bank, b, f, draw, work.rows[0])
    state, draw = uniform(state)
    least = bank.faults[f].intercepted_fraction
    for i in range(s.events.shape[1]):
        event = s.events[b, i]
        if event.until_s <= now_s:
            event.fault, event.place = f, place
            event.onset_s, event.until_s = onset_s, until_s
            event.fraction = least + (1.0 - least) * draw
            break
    return state


@inlined
def _draw_place(s: State, bank: Bank, b: int, f: int, draw: float, key: np.ndarray) -> int:
    """The place that a uniform draw strikes; ``key`` is overwritten."""
    g = s.episodes[b].network
    if bank.faults[f].seeks_key and s.episodes[b].stored > 0:
        pool, places = s.pools[b, POOL_ROW.pool], bank.event_places[g, f]
        number, total = bank.event_cumulative.shape[2], 0.0
        fill(key, 0, number, 0.0)
        for e in range(bank.networks[g].n_links):
            key[places[0, e]] += pool[e]
            if places[1, e] != places[0, e]:
                key[places[1, e]] += pool[e]
        for i in range(number):
            total += key[i]
        left = draw * total
        for i in range(number):
            left -= key[i]
            if left < 0.0:
                return i
    return search(bank.event_cumulative[g, f], draw)


@called
def _feel(s: State, bank: Bank, p: np.record, b: int) -> None:
    """What all events that last or are announced do to each link, and show, at this moment."""
    g, struck = s.episodes[b].network, s.struck[b]
    now_s = s.episodes[b].interval * p.interval_s
    for row in range(len(struck)):
        fill(struck[row], 0, struck.shape[1], 0.0)
    compromised = s.sites[b, SITE_ROW.compromised]
    fill(compromised, 0, len(compromised), 0.0)
    for i in range(s.events.shape[1]):
        event = s.events[b, i]
        if event.until_s <= now_s:
            continue
        fault, places = bank.faults[event.fault], bank.event_places[g, event.fault]
        if fault.effect == COMPROMISE and event.onset_s <= now_s:
            compromised[event.place] = 1.0
        for e in range(bank.networks[g].n_links):
            if places[0, e] == event.place or places[1, e] == event.place:
                if event.onset_s <= now_s:
                    _harm(struck, e, event, fault, now_s)
                if event.onset_s + fault.detection_s <= now_s:
                    since_s = np.float32(now_s - event.onset_s - fault.detection_s)
                    struck[STRUCK_ROW.alarm, e] = 1.0
                    struck[STRUCK_ROW.alarm_s, e] = max(struck[STRUCK_ROW.alarm_s, e], since_s)
                if fault.announced_s > 0.0:
                    _announce(struck, e, event, now_s)


@compiled
def feel_some(s: State, bank: Bank, params: np.ndarray, first: int, stop: int) -> None:
    """What the events of some episodes do at this moment, once they have been changed."""
    for b in range(first, stop):
        _feel(s, bank, params[0], b)


@inlined
def _harm(struck: np.ndarray, e: int, event: np.record, fault: np.record, now_s: float) -> None:
    if fault.effect == OUTAGE:
        struck[STRUCK_ROW.dark, e] = 1.0
    elif fault.effect == EAVESDROPPING:
        # Every other bit is measured in the wrong basis: `physics.attacks.intercept_resend_qber`.
        intact = 1.0 - struck[STRUCK_ROW.scrambled, e]
        struck[STRUCK_ROW.scrambled, e] += intact * 0.5 * event.fraction
    elif fault.effect == JAMMING:
        # Light would add up; there are tables of each alone, of which the brightest counts.
        tables = np.float32(fault.tables)
        struck[STRUCK_ROW.tables, e] = max(struck[STRUCK_ROW.tables, e], tables)
    elif fault.effect == AGEING:
        struck[STRUCK_ROW.excess_loss_db, e] += fault.loss_db_per_s * (now_s - event.onset_s)
    elif fault.effect == BLINDING:
        struck[STRUCK_ROW.exposed, e] = 1.0


@inlined
def _announce(struck: np.ndarray, e: int, event: np.record, now_s: float) -> None:
    """The window that begins first is the one that the operator is told of."""
    in_s = np.float32(max(event.onset_s - now_s, 0.0))
    if struck[STRUCK_ROW.window, e] == 0.0 or in_s < struck[STRUCK_ROW.window_in_s, e]:
        struck[STRUCK_ROW.window, e] = 1.0
        struck[STRUCK_ROW.window_in_s, e] = in_s
        struck[STRUCK_ROW.window_left_s, e] = event.until_s - now_s
