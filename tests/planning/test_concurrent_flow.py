"""The fluid plan against networks whose optimum can be found by hand."""

from __future__ import annotations

import numpy as np
import pytest

from qkd_gym.errors import InvalidInput
from qkd_gym.planning import column_generation
from qkd_gym.planning import concurrent_flow as fluid
from qkd_gym.planning.concurrent_flow import max_concurrent_flow
from qkd_gym.topology import clustered, source_study


def demand_matrix(n: int, demands: dict[tuple[int, int], float]) -> np.ndarray:
    matrix = np.zeros((n, n))
    for (i, j), value in demands.items():
        matrix[i, j] = matrix[j, i] = value
    return matrix


LINE = np.array([[0, 1], [1, 2]])
TRIANGLE = np.array([[0, 1], [1, 2], [0, 2]])


def test_one_link_carries_its_rate():
    plan = max_concurrent_flow(
        2, np.array([[0, 1]]), np.array([500.0]), demand_matrix(2, {(0, 1): 100.0}), 1
    )
    assert plan.scale == pytest.approx(5.0)
    np.testing.assert_allclose(plan.time_share, [1.0])
    np.testing.assert_allclose(plan.flow_bps, [500.0])


def test_a_relay_with_one_module_shares_its_time():
    # Site 1 must split one module over links of 300 and 100 bit/s that carry the same flow f:
    # f/300 + f/100 = 1.
    rate, demand = np.array([300.0, 100.0]), demand_matrix(3, {(0, 2): 1.0})
    one = max_concurrent_flow(3, LINE, rate, demand, 1)
    assert one.scale == pytest.approx(75.0)
    np.testing.assert_allclose(one.time_share, [0.25, 0.75], atol=1e-7)
    two = max_concurrent_flow(3, LINE, rate, demand, np.array([1, 2, 1]))
    assert two.scale == pytest.approx(100.0)


def test_two_ways_round_a_triangle_add_up():
    rate = np.full(3, 10.0)
    plan = max_concurrent_flow(3, TRIANGLE, rate, demand_matrix(3, {(0, 1): 1.0}), 2)
    assert plan.scale == pytest.approx(20.0)
    # All pairs: each direct link serves its own pair, and nobody gains by a detour.
    everyone = demand_matrix(3, {(0, 1): 1.0, (1, 2): 1.0, (0, 2): 1.0})
    plan = max_concurrent_flow(3, TRIANGLE, rate, everyone, 2)
    assert plan.scale == pytest.approx(10.0)


def test_one_module_each_on_a_triangle_halves_the_time():
    everyone = demand_matrix(3, {(0, 1): 1.0, (1, 2): 1.0, (0, 2): 1.0})
    plan = max_concurrent_flow(3, TRIANGLE, np.full(3, 10.0), everyone, 1)
    assert plan.scale == pytest.approx(5.0)
    np.testing.assert_allclose(plan.time_share, 0.5, atol=1e-7)


@pytest.mark.parametrize("rates", [[10.0, 0.0], [0.0, 0.0]])
def test_unreachable_demand_has_scale_zero(rates):
    plan = max_concurrent_flow(3, LINE, np.array(rates), demand_matrix(3, {(0, 2): 1.0}), 2)
    assert plan.scale == 0.0


def test_no_demand_is_refused():
    with pytest.raises(InvalidInput, match="demand_bps"):
        max_concurrent_flow(3, LINE, np.ones(2), np.zeros((3, 3)), 2)


def test_a_metro_plan_respects_its_limits_and_is_monotone_in_modules():
    topology = clustered(12, seed=3)
    ends, n = topology.link_endpoints, topology.n_sites
    rate = 3e4 * 10.0 ** (-0.02 * topology.length_km)
    demand = np.ones((n, n)) - np.eye(n)
    scales = []
    for modules in (1, 2, 3):
        plan = max_concurrent_flow(n, ends, rate, demand, modules)
        used = np.zeros(n)
        np.add.at(used, ends, plan.time_share[:, None])
        assert (used <= modules + 1e-6).all()
        assert (plan.flow_bps <= rate * plan.time_share + 1e-3).all()
        scales.append(plan.scale)
    assert 0.0 < scales[0] < scales[1] <= scales[2] + 1e-6


@pytest.mark.parametrize("generate", [clustered, source_study])
def test_column_generation_agrees_with_the_direct_program(monkeypatch, generate):
    topology = generate(20, seed=5)
    ends, n = topology.link_endpoints, topology.n_sites
    rate = 3e4 * 10.0 ** (-0.02 * topology.length_km)
    demand = np.random.default_rng(1).random((n, n))
    exact = max_concurrent_flow(n, ends, rate, demand, 2)
    monkeypatch.setattr(fluid, "_LARGEST_DIRECT", 0)
    plan = max_concurrent_flow(n, ends, rate, demand, 2)
    assert plan.scale <= exact.scale * (1.0 + 1e-6)
    assert plan.upper_bound >= exact.scale * (1.0 - 1e-6)
    assert plan.upper_bound - plan.scale <= 1.001e-3 * plan.upper_bound
    used = np.zeros(n)
    np.add.at(used, ends, plan.time_share[:, None])
    assert (used <= 2.0 + 1e-6).all()
    assert (plan.time_share <= 1.0).all()


def test_parallel_links_carry_their_sum_in_both_programs(monkeypatch):
    ends, rate = np.array([[0, 1], [1, 0], [0, 1]]), np.array([1.0, 2.0, 4.0])
    demand = demand_matrix(2, {(0, 1): 1.0})
    for largest_direct in (30, 0):
        monkeypatch.setattr(fluid, "_LARGEST_DIRECT", largest_direct)
        assert max_concurrent_flow(2, ends, rate, demand, 3).scale == pytest.approx(7.0, rel=1e-3)
        assert max_concurrent_flow(2, ends, rate, demand, 2).scale == pytest.approx(6.0, rel=1e-3)


def metro_program(n, seed):
    topology = clustered(n, seed=seed)
    rate = 3e4 * 10.0 ** (-0.02 * topology.length_km)
    demand = np.random.default_rng(seed).random((n, n))
    return n, topology.link_endpoints, rate, demand, 2


@pytest.mark.parametrize("seed", range(4))
def test_every_solver_finds_the_same_plan(monkeypatch, seed):
    """Many plans have the largest scale; the rule that breaks the tie leaves one of them."""
    program = metro_program(12, seed)
    simplex = max_concurrent_flow(*program)
    linprog = fluid.linprog
    monkeypatch.setattr(
        fluid, "linprog", lambda *a, **k: linprog(*a, **k | {"method": "highs-ipm"})
    )
    interior = max_concurrent_flow(*program)
    assert interior.scale == pytest.approx(simplex.scale, rel=1e-6)
    np.testing.assert_allclose(interior.time_share, simplex.time_share, atol=1e-5)


def test_equal_links_take_turns_by_their_number():
    """Four ways of one hop between two sites that hold two modules: the first two run."""
    ends = np.repeat([[0, 1]], 4, axis=0)
    plan = max_concurrent_flow(2, ends, np.ones(4), demand_matrix(2, {(0, 1): 1.0}), 2)
    np.testing.assert_allclose(plan.time_share, [1.0, 1.0, 0.0, 0.0], atol=1e-6)


@pytest.mark.parametrize("rounds", [1, 3])
def test_a_plan_that_is_not_done_states_its_gap(monkeypatch, rounds):
    program = metro_program(20, 5)
    exact = max_concurrent_flow(*program)
    monkeypatch.setattr(fluid, "_LARGEST_DIRECT", 0)
    monkeypatch.setattr(fluid, "_TOLERANCE", 0.0)
    monkeypatch.setattr(column_generation, "_MAX_ROUNDS", rounds)
    plan = max_concurrent_flow(*program)
    assert plan.scale <= exact.scale * (1.0 + 1e-6) <= plan.upper_bound * (1.0 + 2e-6)
    assert 1.0 - plan.gap == pytest.approx(plan.scale / plan.upper_bound)
    assert 0.0 < plan.gap < 0.2


def test_a_solver_that_fails_leaves_a_plan_with_its_gap(monkeypatch):
    program = metro_program(12, 1)
    exact = max_concurrent_flow(*program)

    class Failed:
        x = None

    for module in (fluid, column_generation):
        monkeypatch.setattr(module, "linprog", lambda *args, **settings: Failed)
    plan = max_concurrent_flow(*program)
    assert 0.5 * exact.scale < plan.scale <= exact.scale <= plan.upper_bound * (1.0 + 1e-6)
    used = np.zeros(12)
    np.add.at(used, program[1], plan.time_share[:, None])
    assert (used <= 2.0 + 1e-6).all()


def test_rates_that_differ_by_a_factor_of_thousands_are_planned():
    """The weight of module time is small beside the scale, also where the scale is small."""
    n, ends, rate, demand, modules = metro_program(40, 7)
    rate = np.where(np.arange(len(rate)) % 4 > 0, rate / 5000.0, rate)
    plan = max_concurrent_flow(n, ends, rate, demand, modules)
    assert plan.scale > 0.0
    assert plan.gap <= 1.001e-3
