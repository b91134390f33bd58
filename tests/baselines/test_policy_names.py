"""Baselines by name: what can be made, of what, and with which parameters."""

from __future__ import annotations

import pytest

import qkd_gym  # noqa: F401
from qkd_gym.baselines import available_policies, make_policy, tuned
from qkd_gym.baselines.registry import (
    ACTIVATION_RULES,
    ROUTING_RULES,
    fast_policies,
    in_environment,
    is_baseline,
    parameter_names,
    solves_programs,
    task_of_rule,
)
from qkd_gym.envs.tasks import LINK_ACTIVATION, LINK_SCHEDULING, ROUTING
from qkd_gym.errors import InvalidInput
from qkd_gym.network import available_scenarios


def test_tuned_parameters_ship_and_given_ones_go_first(monkeypatch):
    monkeypatch.setattr(
        "qkd_gym.baselines.tuned.table",
        lambda: {"hidden": {"max-weight": {"parameters": {"hysteresis": 9.0, "alpha": 2.0}}}},
    )
    assert make_policy("max-weight", scenario="hidden").activation.hysteresis == 9.0
    given = make_policy("max-weight", scenario="hidden", hysteresis=1.0).activation
    assert (given.hysteresis, given.alpha) == (1.0, 2.0)
    assert (
        make_policy("max-weight").activation == make_policy("max-weight", scenario="x").activation
    )


def test_what_ships_is_made_of_known_scenarios_and_parameters():
    for scenario, policies in tuned.table().items():
        assert scenario in available_scenarios()
        for name, facts in policies.items():
            make_policy(name, **facts["parameters"])
            assert facts["command"].startswith(f"python -m qkd_gym tune {name} --scenario")
            # The choice was never worse than the defaults on the episodes that decided it.
            assert facts["gain"][0] >= 0.0


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("mpc-belief", True),
        ("random", True),
        ("max-weight+widest-path", True),
        ("widest-path+max-weight", False),
        ("max-weight+widest-path+random", False),
        ("max-weight+", False),
        ("runs/max-weight", False),
    ],
)
def test_a_baseline_is_what_can_be_made_by_name(name, known):
    assert is_baseline(name) is known
    if known:
        assert make_policy(name).name == name
    else:
        with pytest.raises(InvalidInput):
            make_policy(name)


def test_lookahead_predictive_controllers_and_bid_prices_alone_are_slow():
    slow = {name for name in available_policies() if solves_programs(name)}
    assert slow == {"lookahead", "mpc", "mpc-belief", "bid-price"}
    assert solves_programs("mpc+widest-path")
    assert not solves_programs("demand-deficit+widest-path")
    assert set(fast_policies(LINK_ACTIVATION)) == set(ACTIVATION_RULES) - slow
    assert set(fast_policies(ROUTING)) == set(ROUTING_RULES) - slow


def test_names_with_an_environment():
    assert make_policy("LinkScheduling:demand-deficit").env_id == LINK_SCHEDULING.env_id
    assert make_policy("demand-deficit").env_id is None
    assert task_of_rule("LinkScheduling:demand-deficit") is LINK_SCHEDULING
    assert in_environment("demand-deficit", LINK_SCHEDULING) == "LinkScheduling:demand-deficit"
    assert in_environment("demand-deficit", LINK_ACTIVATION) == "demand-deficit"
    with pytest.raises(InvalidInput, match="Did you mean 'LinkScheduling'"):
        make_policy("LinkSchedulin:demand-deficit")


def test_what_a_baseline_is_made_of():
    assert task_of_rule("demand-deficit") is LINK_ACTIVATION
    assert task_of_rule("widest-path") is ROUTING
    assert parameter_names("static-plan") == ()
    assert parameter_names("random") == parameter_names("random+widest-path") == ("seed",)
    names = parameter_names("max-weight+exponential-price")
    assert {"hysteresis", "price_weight"} <= set(names)


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("demand-defizit", {}, "Did you mean 'demand-deficit'"),
        ("max-weight+shortest", {}, "Did you mean 'shortest-path'"),
        ("demand-deficit", {"hysterisis": 1.0}, "Did you mean 'hysteresis'"),
        ("demand-deficit", {"kappa": -1.0}, "kappa is -1, but must be at least 0"),
        ("demand-deficit", {"cover_weight": 2.0}, "cover_weight is 2, but must be in"),
        ("static-plan", {"kappa": 1.0}, "no field 'kappa'"),
    ],
)
def test_bad_names_and_parameters(name, parameters, message):
    with pytest.raises(InvalidInput, match=message):
        make_policy(name, **parameters)
