"""When the events of faults come, what they strike, and that the start is like any other time.

Tests of distributions fail by chance once in 10 000 times each.
"""

import numpy as np
import pytest
from scipy import stats

from qkd_gym.envs.core import Core
from qkd_gym.envs.tasks import LINK_ACTIVATION
from qkd_gym.network.faults import Fault
from qkd_gym.network.places import place_weights

ALPHA = 1e-4
EPISODES = 1500
INTERVAL_S = 30.0
QUIET = {"outages_per_link_minute": 0.0, "attacks_per_link_minute": 0.0, "bank_size": 1}
SITES = {"name": "sites", "strikes": "site", "per_hour": 3.0, "duration_min_s": 200.0,
         "duration_mean_s": 1000.0, "detection_s": 90.0}  # fmt: skip


def started(*faults, episodes=EPISODES, seed=41, **settings):
    core = Core("metro", {**QUIET, "faults": list(faults), **settings}, episodes, LINK_ACTIVATION)
    core.generators = [np.random.default_rng([seed, b]) for b in range(episodes)]
    core.start()
    return core


def hold(core, steps=1):
    for _ in range(steps):
        core.step(np.full(core.batch, core.simulator.max_links))


def now_s(core):
    return core.simulator.state.episodes["interval"][0] * INTERVAL_S


def lasting(core, f=0):
    """Whether each event is of fault ``f`` and has begun but not ended."""
    events, now = core.simulator.state.events, now_s(core)
    return (events["fault"] == f) & (events["onset_s"] <= now) & (events["until_s"] > now)


def struck(core, name):
    links = int(core.simulator.bank.networks["n_links"][0])
    return core.simulator.state.struck[name][:, :links]


@pytest.mark.parametrize("intervals", [0, 1, 60])
def test_as_many_events_last_at_the_start_as_later(intervals):
    core = started(SITES)
    hold(core, intervals)
    on = lasting(core).sum(axis=1)
    mean = 3.0 * 1200.0 / 3600.0
    test = stats.poisson(mean * EPISODES)
    assert min(test.cdf(on.sum()), test.sf(on.sum() - 1)) > ALPHA / 2.0
    seen = np.bincount(np.minimum(on, 4), minlength=5)
    expected = EPISODES * np.append(stats.poisson.pmf(range(4), mean), stats.poisson.sf(3, mean))
    assert stats.chisquare(seen, expected).pvalue > ALPHA


@pytest.mark.parametrize("intervals", [0, 60])
@pytest.mark.parametrize("side", ["age", "rest"])
def test_ages_and_remaining_times_are_stationary(intervals, side):
    """Of a duration a + Exp(m), both have the density (1 - F(x)) / (a + m)."""
    core = started(SITES)
    hold(core, intervals)
    events, now = core.simulator.state.events[lasting(core)], now_s(core)
    time_s = now - events["onset_s"] if side == "age" else events["until_s"] - now

    def cdf(x):
        beyond = -np.expm1(-np.maximum(x - 200.0, 0.0) / 1000.0)
        return (np.minimum(x, 200.0) + 1000.0 * beyond) / 1200.0

    assert stats.kstest(time_s, cdf).pvalue > ALPHA


def test_events_come_at_their_rate_and_last_as_long_as_they_should():
    core = started({**SITES, "duration_min_s": 1e5})  # so that none is missed
    before = core.simulator.state.events["until_s"].max(axis=1)
    hold(core, 20)
    events = core.simulator.state.events
    new = events[(events["until_s"] > 0.0) & (events["onset_s"] > 0.0)]
    assert len(before) == EPISODES
    test = stats.poisson(EPISODES * 3.0 * 600.0 / 3600.0)
    assert min(test.cdf(len(new)), test.sf(len(new) - 1)) > ALPHA / 2.0
    assert stats.kstest(new["onset_s"] / 600.0, "uniform").pvalue > ALPHA
    rest = (new["until_s"] - new["onset_s"] - 1e5) / 1000.0
    assert stats.kstest(rest, "expon").pvalue > ALPHA
    assert stats.chisquare(np.bincount(new["place"], minlength=20)).pvalue > ALPHA


def test_announced_events_are_known_in_time_and_as_many_at_the_start():
    window = {"name": "work", "strikes": "site", "per_place_hour": 0.1, "duration_min_s": 600.0,
              "announced_s": 1800.0}  # fmt: skip
    core = started(window, episodes=400)
    known = set()
    for step in range(80):
        events, now = core.simulator.state.events, now_s(core)
        ahead = events["onset_s"] > now
        if step in (0, 79):
            test = stats.poisson(400 * 20 * 0.1 * 1800.0 / 3600.0)
            assert min(test.cdf(ahead.sum()), test.sf(ahead.sum() - 1)) > ALPHA / 2.0
            in_s = (events["onset_s"][ahead] - now) / 1800.0
            assert stats.kstest(in_s, "uniform").pvalue > ALPHA
        found = {(b, events["onset_s"][b, i]) for b, i in zip(*np.nonzero(ahead), strict=True)}
        if step:
            assert all(onset - now > 1800.0 - INTERVAL_S for _, onset in found - known)
        known |= found
        hold(core)


@pytest.mark.parametrize("target", ["uniform", "degree", "betweenness"])
@pytest.mark.parametrize("strikes", ["link", "duct"])
def test_places_are_struck_in_proportion_to_their_weights(strikes, target):
    fault = Fault("f", strikes=strikes, target=target, per_hour=6.0, duration_min_s=3600.0)
    core = started(fault)
    bank, topology = core.simulator.bank, core.simulator.networks.topology(0)
    first = bank.path_links[0, :, 0, :]
    share = np.bincount(first[first < topology.n_links], minlength=topology.n_links) / 190.0
    weight = place_weights(topology, fault, bank.event_places[0, 0, :, : topology.n_links], share)
    seen = np.bincount(core.simulator.state.events["place"][lasting(core)], minlength=len(weight))
    assert seen[weight == 0.0].sum() == 0
    likely = weight > 0.0
    expected = seen.sum() * weight[likely] / weight.sum()
    assert stats.chisquare(seen[likely], expected).pvalue > ALPHA


def test_stored_key_draws_attacks_and_nothing_but_their_places_depends_on_it():
    thieves = {
        "name": "thieves",
        "target": "stored-key",
        "per_hour": 60.0,
        "duration_min_s": 3600.0,
    }
    core, other = (started(thieves, initial_fill=fill) for fill in (0.3, 0.9))
    state = core.simulator.state
    place = state.events["place"][lasting(core)]
    pool = state.links["pool"].sum(axis=0)[: struck(core, "dark").shape[1]]
    seen = np.bincount(place, minlength=len(pool))
    assert seen[pool == 0].sum() == 0
    # At the start all pools of links that run are alike.
    assert stats.chisquare(seen[pool > 0]).pvalue > ALPHA
    # One pool is emptied in one of two otherwise equal batches.
    emptied = int(np.flatnonzero(pool)[0])
    other.simulator.state.links["pool"][:, emptied] = 0
    hold(core)
    hold(other)
    events, others = core.simulator.state.events, other.simulator.state.events
    for name in ("onset_s", "until_s", "fault", "fraction"):
        np.testing.assert_array_equal(events[name], others[name])
    new = (events["onset_s"] > 0.0) & (events["until_s"] > 0.0)
    assert (events["place"][new] != others["place"][new]).any()
    of_emptied = [(each["place"][new] == emptied).mean() for each in (events, others)]
    assert of_emptied[1] < 0.1 * of_emptied[0]


def test_without_stored_key_its_thieves_strike_anything():
    thieves = {"name": "thieves", "target": "stored-key", "per_hour": 6.0, "duration_min_s": 3600.0}
    core = started(thieves, initial_fill=0.0)
    place = core.simulator.state.events["place"][lasting(core)]
    links = struck(core, "dark").shape[1]
    assert stats.chisquare(np.bincount(place, minlength=links)).pvalue > ALPHA


def test_a_fault_has_events_of_its_own_and_changes_nothing_else():
    other = {**SITES, "name": "more", "effect": "ageing", "strikes": "district"}
    alone, both, none = (started(*each, episodes=50) for each in ([SITES], [SITES, other], []))
    for _ in range(30):
        for core in (alone, both, none):
            hold(core)
        first, second = (core.simulator.state for core in (alone, both))
        mine, theirs = (
            [np.sort(state.events["onset_s"][b][on[b]]) for b in range(50)]
            for state, on in ((first, lasting(alone)), (second, lasting(both)))
        )
        for a, b in zip(mine, theirs, strict=True):
            np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(struck(alone, "dark"), struck(both, "dark"))
        for core in (both, none):
            state = core.simulator.state
            np.testing.assert_array_equal(state.links["drift"], first.links["drift"])
            np.testing.assert_array_equal(state.requests, first.requests)


def test_the_same_seed_gives_the_same_events_and_another_others():
    one, same, other = (started(SITES, episodes=8, seed=seed) for seed in (1, 1, 2))
    for core in (one, same, other):
        hold(core, 10)
    events = [core.simulator.state.events for core in (one, same, other)]
    assert (events[0] == events[1]).all()
    assert (events[0] != events[2]).any()


def test_alarms_begin_after_the_detection_time_and_end_with_the_fault():
    silent = {**SITES, "name": "silent", "detection_s": None, "strikes": "link"}
    core = started(SITES, silent, episodes=60)
    places = core.simulator.bank.event_places[0]
    for _ in range(50):
        events, now = core.simulator.state.events, now_s(core)
        alarm, age = np.zeros_like(struck(core, "alarm")), np.zeros_like(struck(core, "alarm"))
        dark = np.zeros_like(alarm)
        for b, i in zip(*np.nonzero(events["until_s"] > now), strict=True):
            event = events[b, i]
            hit = (places[event["fault"], :, : alarm.shape[1]] == event["place"]).any(axis=0)
            dark[b, hit] = 1.0
            if event["fault"] == 0 and event["onset_s"] + 90.0 <= now:
                alarm[b, hit] = 1.0
                age[b, hit] = np.maximum(age[b, hit], now - event["onset_s"] - 90.0)
        np.testing.assert_array_equal(struck(core, "dark"), dark)
        np.testing.assert_array_equal(struck(core, "alarm"), alarm)
        np.testing.assert_allclose(struck(core, "alarm_s"), age, rtol=1e-6)
        hold(core)
