"""Requests of service classes: who asks, who waits and for how long, and what is accounted."""

import gymnasium as gym
import numpy as np
import pytest

from qkd_gym.envs.core import Core
from qkd_gym.envs.tasks import LINK_ACTIVATION, NETWORK, ROUTING
from qkd_gym.network.accounts import ACCOUNT
from qkd_gym.network.parameters import MOST_WAITING

CLASSES = (
    {"name": "rekey", "share": 0.5, "size": 0.5, "value": 4.0, "patience_s": 90.0},
    {"name": "bulk", "share": 0.3, "size": 2.0, "value": 1.0, "patience_s": 240.0},
    {"name": "urgent", "share": 0.2, "size": 1.0, "value": 8.0},
)
SETTINGS = {"bank_size": 1, "load": 1.5, "modules_per_site": 3, "service_classes": CLASSES}


def started(task, seed=0, **changes):
    core = Core("metro", {**SETTINGS, "episode_s": 1800.0, **changes}, 1, task)
    core.generators = [np.random.default_rng([5, seed])]
    core.start()
    return core


def account(core, name):
    return int(core.simulator.state.accounts[0, getattr(ACCOUNT, name)])


def episode(core):
    return core.simulator.state.episodes[0]


def arrivals(core):
    """Requests of every interval of an episode of `LinkActivation` in which nothing is switched."""
    state, hold, found = core.simulator.state, core.simulator.max_links, []
    while not core.results.over[0]:
        core.step(np.array([hold]))
        found.append(state.requests[0, : episode(core)["n_requests"]].copy())
    return np.concatenate(found)


def asked(core):
    """The request that is to be decided; None at the end."""
    now, arrays = episode(core), core.simulator.arrays
    if now["cursor"] < now["n_held"]:
        return arrays.waiting[0, now["cursor"]].copy()
    at = now["cursor"] - now["n_held"]
    return arrays.requests[0, at].copy() if at < now["n_requests"] else None


def test_classes_change_nothing_of_who_asks_when():
    alike = [{"name": name, "share": 0.5} for name in ("one", "other")]
    plain = arrivals(started(LINK_ACTIVATION, service_classes=()))
    same, other = (
        arrivals(started(LINK_ACTIVATION, service_classes=each)) for each in (alike, CLASSES)
    )
    for name in ("first", "second", "bits"):
        np.testing.assert_array_equal(same[name], plain[name])
    np.testing.assert_array_equal(other["first"], plain["first"])
    # Sizes are those of the request without classes, times the factor of its class.
    size = np.array([0.5, 2.0, 1.0])[other["service"]] / (0.5 * 0.5 + 0.3 * 2.0 + 0.2)
    np.testing.assert_allclose(other["bits"], plain["bits"] * size, atol=3.0)


def test_classes_have_their_shares():
    """Counts of 20 episodes, each within 5 standard deviations: one failure in a million."""
    kinds = np.concatenate(
        [
            arrivals(started(LINK_ACTIVATION, seed, episode_s=9000.0))["service"]
            for seed in range(20)
        ]
    )
    counts, share = np.bincount(kinds, minlength=3), np.array([0.5, 0.3, 0.2])
    spread = np.sqrt(len(kinds) * share * (1.0 - share))
    assert (np.abs(counts - share * len(kinds)) < 5.0 * spread).all()
    # One draw per request: the class of one says nothing of the next one's.
    both = np.corrcoef(kinds[1:], kinds[:-1])[0, 1]
    assert abs(both) < 5.0 / np.sqrt(len(kinds))


@pytest.mark.parametrize("task", [ROUTING, LINK_ACTIVATION, NETWORK], ids=lambda task: task.name)
def test_what_is_offered_is_delivered_blocked_or_waits(task):
    env = gym.make(task.env_id, scenario="metro", **{**SETTINGS, "episode_s": 3600.0}).unwrapped
    _, info = env.reset(seed=3)
    env.action_space.seed(3)
    rng, arrays = np.random.default_rng(3), env.core.simulator.arrays
    waiting, over, totals, most = info["waiting_bits"], False, np.zeros(3, int), 0
    assert waiting == 0
    while not over:
        action = env.action_space.sample()
        if task is ROUTING:
            action = rng.choice(np.flatnonzero(info["action_mask"]))
        _, _, _, over, info = env.step(action)
        parts = info["delivered_bits"] + info["blocked_bits"]
        assert info["offered_bits"] == parts + info["waiting_bits"] - waiting
        waiting = info["waiting_bits"]
        totals += [info["offered_bits"], parts, info["blocked_bits"]]
        now = env.core.simulator.state.episodes[0]
        # Those that wait for the next interval, and those of this one that are not yet asked.
        held = [*range(now["n_waiting"]), *range(now["cursor"], now["n_held"])]
        assert waiting == arrays.waiting[0, held]["bits"].sum()
        most = max(most, waiting)
    assert most > 0
    assert totals[2] > 0
    assert totals[0] == totals[1] + waiting


def test_a_refused_request_is_asked_in_every_interval_until_its_patience_has_run_out():
    core = started(ROUTING)
    refuse, asks, blocked = core.config.candidate_paths, {}, {}
    while (request := asked(core)) is not None:
        now = int(episode(core)["interval"])
        asks.setdefault(request.tobytes(), []).append(now)
        core.step(np.array([refuse]))
        assert account(core, "delivered_bits") == 0
        is_blocked = account(core, "blocked_bits") > 0
        assert account(core, "requests") == is_blocked
        assert (
            account(core, "offered_bits") == (len(asks[request.tobytes()]) == 1) * request["bits"]
        )
        if is_blocked:
            assert account(core, "blocked_bits") == request["bits"]
            blocked[request.tobytes()] = request["service"]
    last = int(core.simulator.params["intervals"][0])
    counted = np.zeros(3, int)
    for key, times in asks.items():
        assert times == list(range(times[0], times[-1] + 1))
        if key in blocked:
            patience = [3, 8, 0][blocked[key]]  # intervals of 30 s
            assert len(times) == 1 + patience
            counted[blocked[key]] += 1
        else:
            assert times[-1] == last
    assert (counted > 5).all()


def test_those_that_have_waited_are_asked_first_and_in_their_order():
    core = started(ROUTING)
    refuse, before, order = core.config.candidate_paths, -1, []
    while (request := asked(core)) is not None:
        now = int(episode(core)["interval"])
        if now != before:
            assert order == sorted(order)
            before, order = now, []
        patience = [3, 8, 0][request["service"]]
        order.append(int(request["until"]) - patience)  # when it came
        core.step(np.array([refuse]))


def test_a_request_that_waited_is_served_once():
    core = started(ROUTING, initial_fill=1.0)
    refuse, seen, served = core.config.candidate_paths, {}, 0
    while (request := asked(core)) is not None:
        key = request.tobytes()
        assert seen.get(key) != "served"
        legal = np.flatnonzero(core.masks[0])
        again = key in seen
        action = int(legal[0]) if again else refuse
        core.step(np.array([action]))
        seen[key] = "served" if action < refuse else "refused"
        if action < refuse:
            assert account(core, "delivered_bits") == request["bits"]
            assert account(core, "offered_bits") == 0
            served += 1
    assert served > 20


def test_no_more_wait_than_there_is_room_for():
    patient = [{"name": "patient", "patience_s": 1e6}]
    core = started(ROUTING, service_classes=patient, requests_per_site_hour=60.0)
    refuse, blocked, most = core.config.candidate_paths, 0, 0
    while asked(core) is not None:
        core.step(np.array([refuse]))
        blocked += account(core, "blocked_bits") > 0
        most = max(most, int(episode(core)["n_waiting"]))
    assert most == MOST_WAITING
    assert blocked > 100
    assert account(core, "waiting_bits") > 0


def test_where_nobody_may_wait_there_is_no_room():
    assert started(ROUTING, service_classes=()).simulator.arrays.waiting.shape[1] == 0
    short = [{"name": "short", "patience_s": 29.0}]  # less than an interval
    assert started(ROUTING, service_classes=short).simulator.arrays.waiting.shape[1] == 0


def test_demand_counts_once_and_blocked_demand_when_it_is_blocked():
    core = started(ROUTING)
    state, refuse = core.simulator.state, core.config.candidate_paths
    while (request := asked(core)) is not None:
        is_new = episode(core)["cursor"] >= episode(core)["n_held"]
        now, ends = episode(core)["interval"], [request["first"], request["second"]]
        names = ("demand_average", "blocked_average")
        before = [state.sites[name][0, ends].copy() for name in names]
        core.step(np.array([refuse]))
        if episode(core)["interval"] != now:
            continue  # averages have decayed
        grown = [state.sites[name][0, ends] > old for name, old in zip(names, before, strict=True)]
        assert (grown[0] == is_new).all()
        assert (grown[1] == (account(core, "blocked_bits") > 0)).all()


@pytest.mark.parametrize("task", [ROUTING, LINK_ACTIVATION], ids=lambda task: task.name)
def test_the_reward_counts_what_classes_are_worth(task):
    core = started(task, initial_fill=1.0, key_weight=2.0)
    bank = core.simulator.bank
    value = np.array([4.0, 1.0, 8.0])
    bits = np.array([0.5, 0.3, 0.2]) * np.array([0.5, 2.0, 1.0])
    value = value * bits.sum() / (bits * value).sum()
    mean_bits = bank.networks["mean_request_bits"][0]
    if task is LINK_ACTIVATION:
        mean_bits = bank.networks["mean_offered_bps"][0] * core.simulator.params["interval_s"][0]
    offered, delivered = 0.0, 0.0
    while not core.results.over[0]:
        request = asked(core)
        legal = np.flatnonzero(core.masks[0])
        core.step(np.array([legal[0] if task is ROUTING else core.simulator.max_links]))
        info = core.info()
        worth = info["delivered_value_bits"][0]
        assert info["reward_terms"]["key"][0] == pytest.approx(2.0 * worth / mean_bits)
        if task is ROUTING:
            expected = value[request["service"]] * account(core, "delivered_bits")
            assert worth == pytest.approx(expected)
        offered += info["offered_value_bits"][0]
        delivered += worth
    if task is LINK_ACTIVATION:
        again = arrivals(started(task, initial_fill=1.0))
        assert offered == pytest.approx((value[again["service"]] * again["bits"]).sum())
    assert 0.0 < delivered < offered


def test_arrivals_do_not_depend_on_actions():
    def new_ones(choose):
        core, found = started(ROUTING), []
        while (request := asked(core)) is not None:
            if episode(core)["cursor"] >= episode(core)["n_held"]:
                found.append(request.tobytes())
            core.step(np.array([choose(core)]))
        return found

    refusing = new_ones(lambda core: core.config.candidate_paths)
    assert refusing == new_ones(lambda core: int(np.flatnonzero(core.masks[0])[0]))
