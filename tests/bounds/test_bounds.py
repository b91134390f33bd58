"""Bounds: against sums done by hand, against each other, and against every policy that plays."""

from __future__ import annotations

import dataclasses

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import qkd_gym  # noqa: F401
from qkd_gym.baselines import make_policy
from qkd_gym.baselines.activation import DemandDeficit
from qkd_gym.bounds import (
    ForesightPolicy,
    clairvoyant_bound,
    episode_trace,
    exact_optimum,
)
from qkd_gym.bounds.rollout import FOLLOW
from qkd_gym.bounds.search import EpisodeSearch, rule_weights
from qkd_gym.errors import InvalidInput
from qkd_gym.network.config import NetworkConfig
from qkd_gym.network.scenarios import get_scenario
from qkd_gym.planning.schedule import Program, optimise, relaxed_bound

TINY = NetworkConfig(n_sites=6, bank_size=4, episode_s=600.0, requests_per_site_hour=30.0)
SMALL = NetworkConfig(n_sites=10, bank_size=4, episode_s=1800.0)
RULES = ["random", "static-plan", "max-weight", "demand-deficit", "lowest-pool-first"]


def play(config, seed, policy, env_id="LinkActivation"):
    """Delivered, offered and generated bits of one episode."""
    env = gym.make(f"qkd_gym/{env_id}-v0", scenario=config, disable_env_checker=True)
    obs, _ = env.reset(seed=seed)
    totals, state, over = np.zeros(3, np.int64), None, False
    while not over:
        action, state = policy.predict(obs, state)
        obs, _, terminated, truncated, info = env.step(action)
        totals += [info[f"{name}_bits"] for name in ("delivered", "offered", "generated")]
        over = terminated or truncated
    return totals


def one_link(made, requests, *, calibration=0, active=False, capacity=10.0, pool=0.0, steps=1):
    """A program of one link; ``requests`` are (slot, size)."""
    made = np.array(made, float)[:, None]
    slot, size = (np.array(part) for part in zip(*requests, strict=True))
    return Program(
        link_endpoints=np.array([[0, 1]]),
        modules=1,
        n_sites=2,
        made=made,
        making_share=np.ones_like(made),
        capacity=capacity,
        pool=np.array([pool]),
        active=np.array([active]),
        calibrating=np.zeros(1, int),
        calibration=calibration,
        starts_per_slot=1.0,
        request_slot=slot,
        request_size=size.astype(float),
        request_paths=np.zeros((len(slot), 1, 1), int),
        request_last=np.ones(len(slot), bool),
        stock_value=np.zeros(1),
        steps_per_slot=steps,
    )


@pytest.mark.parametrize(
    ("program", "value"),
    [
        (one_link([1, 1, 1], [(2, 3)], active=True), 3.0),
        # The first two slots calibrate.
        (one_link([1, 1, 1], [(2, 3)], calibration=2), 0.0),
        (one_link([1, 1, 2], [(2, 1)], calibration=2), 1.0),
        # A full pool loses key, and what comes in a slot must find room before it is used.
        (one_link([4, 4], [(1, 8)], active=True, capacity=5.0), 0.0),
        (one_link([4, 4], [(1, 5)], active=True, capacity=5.0), 5.0),
        # Key cannot be used before it is made; stored key can.
        (one_link([1, 9], [(0, 3), (1, 6)], active=True), 6.0),
        (one_link([1, 9], [(0, 3)], active=True, pool=2.0), 3.0),
    ],
)
def test_one_link_by_hand(program, value):
    plan = optimise(program, whole_requests=True)
    assert plan.value == pytest.approx(value, abs=1e-6)
    assert relaxed_bound(program) >= value - 1e-6


def test_links_that_run_in_part_share_a_module_and_its_calibration():
    # A relay with one module: whole links serve one side; half links lose half of a start-up.
    made = np.full((4, 2), 1.0)
    program = dataclasses.replace(
        one_link([1, 1, 1, 1], [(3, 4), (3, 4)], calibration=1),
        link_endpoints=np.array([[0, 1], [1, 2]]),
        n_sites=3,
        made=made,
        making_share=np.ones_like(made),
        pool=np.zeros(2),
        active=np.array([True, False]),
        calibrating=np.zeros(2, int),
        request_paths=np.array([[[0]], [[1]]]),
        stock_value=np.zeros(2),
    )
    assert optimise(program).value == pytest.approx(4.0)
    # Both directions of the trade are linear here: no start, no loss.
    assert relaxed_bound(program) == pytest.approx(4.0, rel=1e-3)


def test_the_trace_is_what_the_environment_plays():
    trace = episode_trace(SMALL, 3)
    env = gym.make("qkd_gym/LinkActivation-v0", scenario=SMALL)
    env.reset(seed=3)
    hold, on = env.action_space.n - 1, trace.active_at_start
    for t in range(trace.intervals):
        *_, info = env.step(hold)
        assert info["generated_bits"] == trace.made_bits[t, on].sum()
        now = trace.request_interval == t
        assert info["offered_bits"] == trace.request_bits[now].sum()
    for name in ("random", "max-weight"):
        assert play(SMALL, 3, make_policy(name))[1] == trace.offered_bits


@settings(max_examples=8, deadline=None, derandomize=True)
@given(st.integers(0, 10_000), st.sampled_from(RULES), st.sampled_from([0.0, 60.0, 100.0, 180.0]))
def test_no_policy_exceeds_the_bounds(seed, rule, calibration_s):
    # Six intervals, which the exact program solves in a fraction of a second.
    config = TINY.replace(calibration_s=calibration_s, load=1.5, initial_fill=0.02, episode_s=360.0)
    trace = episode_trace(config, seed)
    delivered = play(config, seed, make_policy(rule))[0]
    exact = exact_optimum(trace, time_limit_s=60.0).delivered_bits
    relaxed = clairvoyant_bound(trace).delivered_bits
    rounding = 1e-5 * trace.offered_bits
    assert delivered <= exact + rounding
    assert exact <= relaxed + rounding
    assert delivered <= relaxed
    for steps in (2, 3, 5):
        coarse = clairvoyant_bound(trace, intervals_per_slot=steps).delivered_bits
        assert delivered <= coarse


@pytest.mark.parametrize("seed", range(3))
def test_more_intervals_per_slot_never_tighten_the_bound(seed):
    trace = episode_trace(SMALL.replace(load=1.5), seed)
    fine = clairvoyant_bound(trace, intervals_per_slot=1).delivered_bits
    for steps in (2, 3, 4):
        coarse = clairvoyant_bound(trace, intervals_per_slot=steps).delivered_bits
        assert coarse >= fine * (1.0 - 2e-4)


def test_the_bound_holds_where_links_and_paths_are_chosen_at_every_request():
    config = SMALL.replace(load=1.5, initial_fill=0.05)
    bound = clairvoyant_bound(episode_trace(config, 1), switches_per_interval=np.inf)
    policy = make_policy("demand-deficit+widest-path")
    assert play(config, 1, policy, "Network")[0] <= bound.delivered_bits


@pytest.mark.parametrize(
    ("network", "modules"),
    [({"n_sites": 8, "bank_size": 2}, 16)]
    + [({"topology": tree, "bank_size": 1}, 4) for tree in ("trieste", "ukqntel")],
)
def test_where_all_links_run_nothing_is_left_to_gain(network, modules):
    # As many modules as links at every site, and steady links and demand: holding serves what can
    # be served, in a meshed network as in trees.
    config = get_scenario("control-instant").replace(
        **network, modules_per_site=modules, load=0.8, episode_s=7200.0
    )
    for seed in range(2):
        trace = episode_trace(config, seed)
        assert trace.active_at_start.all()
        delivered = play(config, seed, make_policy("static-plan"))[0]
        assert delivered >= 0.99 * clairvoyant_bound(trace).delivered_bits > 0.0


def test_max_weight_is_optimal_without_calibration():
    # The theorem is about the long run and large pools, so the pools are filled first. No bound
    # exceeds the offered key, so this share is one of the bound at least.
    config = get_scenario("control-instant").replace(
        n_sites=10, bank_size=4, load=0.9, pool_capacity_bits=300_000_000, episode_s=43_200.0
    )
    policy = make_policy("max-weight", hysteresis=0.0, least_gain=0.0, dwell_s=0.0)
    delivered = offered = 0
    for seed in range(3):
        env = gym.make("qkd_gym/LinkActivation-v0", scenario=config, disable_env_checker=True)
        obs, info = env.reset(seed=seed)
        over = False
        while not over:
            obs, _, _, over, info = env.step(policy.predict(obs)[0])
            if info["elapsed_s"] > 18_000.0:
                delivered += info["delivered_bits"]
                offered += info["offered_bits"]
    assert delivered >= 0.99 * offered > 0


def test_the_compiled_rule_is_the_rule():
    for seed, rule in enumerate([DemandDeficit(), DemandDeficit(dwell_s=360.0, kappa=1.0)]):
        search = EpisodeSearch(SMALL, seed)
        follow = np.full(search.intervals, FOLLOW)
        parameters = dataclasses.asdict(rule)
        delivered = play(SMALL, seed, make_policy("demand-deficit", **parameters))[0]
        assert search.delivered_bits(follow, rule_weights(rule)) == delivered


@pytest.mark.parametrize("slots", [0, 6])
def test_foresight_delivers_what_it_promises(slots):
    rule = bound = 0
    for seed in range(2):
        policy = ForesightPolicy(TINY.replace(load=1.5), seed, rules=3, slots=slots)
        config = TINY.replace(load=1.5)
        assert play(config, seed, policy)[0] == policy.delivered_bits
        rule += play(config, seed, make_policy("demand-deficit"))[0]
        bound += policy.delivered_bits
        assert (
            policy.delivered_bits <= clairvoyant_bound(episode_trace(config, seed)).delivered_bits
        )
    assert bound >= rule


def test_bad_arguments_of_foresight():
    with pytest.raises(InvalidInput, match="rules is -1"):
        ForesightPolicy(TINY, 0, rules=-1)
    policy = ForesightPolicy(TINY, 0, rules=0)
    with pytest.raises(InvalidInput, match="a batch of 2"):
        policy.predict({"links": np.zeros((2, 3, 4))})
    with pytest.raises(InvalidInput, match="after the end"):
        policy.predict({"links": np.zeros((3, 4))}, state=10**6)
