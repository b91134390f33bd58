"""The load that policies carry at an equal delivered share."""

import dataclasses

import numpy as np
import pytest

from qkd_gym.benchmark.replay import Episode
from qkd_gym.benchmark.supported_load import supported_loads
from qkd_gym.benchmark.table import leaderboard
from qkd_gym.network.scenarios import as_mapping, resolve

LOADS = (1.5, 0.5, 1.0)  # in any order


def falling(above, spread):
    """Shares of 50 episodes that fall by .3 per unit of load."""
    episodes = spread * np.random.default_rng(3).standard_normal(50)
    return {load: 1.0 - 0.3 * load + above + episodes for load in LOADS}


def test_loads_of_shares_that_fall_in_a_line():
    found = supported_loads({"own": falling(0.06, 0.1), "rule": falling(0.0, 0.1)}, "rule", 1.0)
    # Episodes are paired, so that how they differ from each other does not matter.
    np.testing.assert_allclose(found["rule"], 1.0)
    np.testing.assert_allclose(found["own"], 1.2)


def test_the_interval_covers_what_is_so():
    """Of 200 studies whose episodes differ at random, some 95 % hold the true load."""
    rng, held = np.random.default_rng(0), 0
    for _ in range(200):
        shares = {
            name: {
                load: 1.0 - 0.3 * load + above + 0.03 * rng.standard_normal(30) for load in LOADS
            }
            for name, above in (("rule", 0.0), ("own", 0.06))
        }
        _, low, high = supported_loads(shares, "rule", 1.0)["own"]
        held += low <= 1.2 <= high
    # Outside of [174, 198] by chance in fewer than one of a thousand such tests.
    assert 174 <= held <= 198


@pytest.mark.parametrize("above", [0.2, -0.2])
def test_there_is_no_load_beyond_those_played(above):
    found = supported_loads({"own": falling(above, 0.0), "rule": falling(0.0, 0.0)}, "rule", 1.0)
    assert np.isnan(found["own"]).all()


def played(policy, scenario, share, seeds=(7, 8), **changes):
    config = as_mapping(resolve(scenario, changes))
    offered = {"offered_bits": 1000.0, "fairness": 1.0, "delivered_bits": 1000.0 * share}
    others = dict.fromkeys(
        ("blocked_bits", "qber_weighted_bits", "elapsed_s", "overflow_bits", "generated_bits",
         "expired_bits", "switches", "fault_s", "faults", "fault_lost_bits", "illegal_actions",
         "reward"), 1.0,
    )  # fmt: skip
    env_id = "qkd_gym/LinkActivation-v0"
    totals = {**others, **offered}
    name = f"{scenario}{changes}"
    return [Episode(policy, env_id, name, config, seed, [], totals) for seed in seeds]


def test_the_leaderboard_has_a_section_for_scenarios_that_differ_in_load_alone():
    episodes = [
        *played("demand-deficit", "metro", 0.70),
        *played("demand-deficit", "metro-busy", 0.64),
        *played("max-weight", "metro", 0.72),
        *played("max-weight", "metro-busy", 0.67),
        *played("threshold", "metro", 0.5),  # not at both loads
        *played("static-plan", "metro", 0.4),
        *played("static-plan", "metro-busy", 0.3),
        *played("demand-deficit", "metro-slow", 0.6),
    ]
    section = leaderboard(episodes).split("## Supported load")[1]
    assert "2 episodes at each of the loads 1, 1.2;" in section
    assert [line.strip("| ").split(" | ") for line in section.splitlines()[6:]] == [
        ["max-weight", "LinkActivation", "1.080 [1.080, 1.080]"],
        ["demand-deficit", "LinkActivation", "1.000 [1.000, 1.000]"],
        ["static-plan", "LinkActivation", "-"],
    ]


def test_there_is_no_section_without_the_reference_or_other_loads():
    alone = [*played("demand-deficit", "metro", 0.7), *played("max-weight", "metro", 0.7)]
    without = [
        dataclasses.replace(each, policy="threshold")
        for each in [*alone[:2], *played("x", "metro-busy", 0.6)]
    ]
    for episodes in (alone, without):
        assert "Supported load" not in leaderboard(episodes)
