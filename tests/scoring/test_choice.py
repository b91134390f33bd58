"""Which link is switched next: worth, who makes way, what is allowed, and when to hold."""

import numpy as np
import pytest

from qkd_gym.features import LINK
from qkd_gym.scoring import ScoredSchedule
from qkd_gym.scoring.inputs import INPUT, INPUT_NAMES
from qkd_gym.scoring.weights import RULE
from tests.scoring.observations import (
    by_hand,
    observed,
    random_weights,
    scored,
    worth_and_price_by_feature,
)

PATH = [(0, 1), (1, 2), (2, 3), (0, 3)]


def decided(observation):
    """Choice and gains by the features `length`, worth, and `demand_now`, price."""
    schedule = ScoredSchedule(worth_and_price_by_feature())
    batch = {name: array[None] for name, array in observation.items()}
    choices, gains, _ = schedule.choices(batch)
    assert schedule.predict(observation)[0] == choices[0]
    return int(choices[0]), gains[0].tolist()


@pytest.mark.parametrize("hidden", [0, 3])
def test_worth_and_price_are_rule_plus_linear_plus_hidden(hidden):
    weights = random_weights(1, hidden)
    observation = {name: array[0] for name, array in observed(60).items()}
    found = scored(weights, observation)
    x = dict(zip(INPUT_NAMES, found.inputs.astype(np.float64), strict=True))
    w = type(weights)(*(part.astype(np.float64) for part in weights))
    demand, rate = np.expm1(x["demand"]), np.expm1(x["rate"])
    lack = x["lack"] + w.rule[RULE.cover_weight] * (x["uncovered"] - x["lack"])
    power = np.maximum(demand, 1e-6) ** w.rule[RULE.demand_power]
    power *= np.maximum(rate, 1e-6) ** w.rule[RULE.rate_power]
    unmet = np.expm1(x["blocked"]) * np.minimum(1.0, rate / np.maximum(demand, 1e-6))
    rule = lack * power + w.rule[RULE.kappa] * unmet
    units = np.maximum(w.hidden @ found.inputs, 0.0)
    worth = rule + w.on @ found.inputs + w.hidden_on @ units
    price = (1.0 + w.rule[RULE.hysteresis]) * rule + w.off @ found.inputs + w.hidden_off @ units
    np.testing.assert_allclose(found.worth, worth, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(found.price, price, rtol=1e-3, atol=1e-4)
    assert np.std(rule) > 0.01
    assert not hidden or np.std(w.hidden_on @ units) > 0.001


def test_the_link_of_the_greatest_gain_is_switched_on():
    observation = by_hand(PATH, 4 * [False], [0, 0, 0, 0], length=[1.0, 3.0, 2.0, 3.0])
    assert decided(observation) == (1, [1.0, 3.0, 2.0, 3.0])


def test_a_running_link_is_no_option():
    observation = by_hand(PATH, 4 * [False], [0, 1, 0, 0], length=[1.0, 3.0, 2.0, 0.5])
    assert decided(observation) == (2, [1.0, -np.inf, 2.0, 0.5])


@pytest.mark.parametrize("worth", [0.0, -1.0])
def test_nothing_is_switched_for_no_gain(worth):
    observation = by_hand(PATH, 4 * [False], 4 * [0], length=4 * [worth])
    assert decided(observation)[0] == 4


def test_a_full_site_gives_up_its_link_of_the_least_price():
    # Links 0 and 1 run at site 1, links 1 and 2 at site 2; link 4 wants to join both.
    ends = [(0, 1), (1, 2), (2, 3), (1, 3), (0, 2)]
    full = [False, True, True, False]
    observation = by_hand(
        ends,
        full,
        [1, 1, 1, 0, 0],
        length=[0.0, 0.0, 0.0, 5.0, 4.0],
        demand_now=[2.0, 3.0, 1.5, 0.0, 0.0],
    )
    # Link 3 costs link 0 at site 1, and link 4 costs link 2 at site 2.
    choice, gains = decided(observation)
    assert gains == [-np.inf, -np.inf, -np.inf, 3.0, 2.5]
    assert choice == 0
    batch = {name: array[None] for name, array in observation.items()}
    choices = ScoredSchedule(worth_and_price_by_feature()).choices(batch)
    assert choices.makes_way.tolist() == [[-1, 0, 2, -1]]
    batch["action_mask"] = np.array([[1, 0, 0, 1, 1, 1]], np.int8)
    choices = ScoredSchedule(worth_and_price_by_feature()).choices(batch)
    assert choices.makes_way.tolist() == [[-1, 0, 5, -1]]


def test_both_ends_make_way_one_after_the_other_and_then_the_link_comes():
    ends = [(0, 1), (2, 3), (1, 2)]
    observation = by_hand(
        ends, 4 * [True], [1, 1, 0], length=[0.0, 0.0, 5.0], demand_now=[1.0, 2.0, 0.0]
    )
    assert decided(observation) == (0, [-np.inf, -np.inf, 2.0])
    observation["nodes"][:2, :] = 0.0  # link 0 is off, and sites 0 and 1 have a module
    observation["links"][0, LINK.active] = 0.0
    assert decided(observation)[0] == 1
    observation["nodes"][:] = 0.0
    observation["links"][1, LINK.active] = 0.0
    assert decided(observation)[0] == 2


def test_a_link_that_makes_way_at_both_ends_is_paid_for_once():
    ends = [(0, 1), (0, 1)]  # side by side
    observation = by_hand(ends, [True, True], [1, 0], length=[0.0, 5.0], demand_now=[3.0, 0.0])
    assert decided(observation) == (0, [-np.inf, 2.0])


def test_what_may_not_be_switched_makes_no_way_and_is_no_option():
    ends = [(0, 1), (0, 2), (0, 3)]
    observation = by_hand(
        ends,
        [True, False, False, False],
        [1, 1, 0],
        length=[0.0, 0.0, 9.0],
        demand_now=[1.0, 4.0, 0.0],
    )
    assert decided(observation) == (0, [-np.inf, -np.inf, 8.0])
    observation["action_mask"][0] = 0
    assert decided(observation) == (1, [-np.inf, -np.inf, 5.0])
    observation["action_mask"][1] = 0
    assert decided(observation) == (3, 3 * [-np.inf])
    observation["action_mask"][:] = [1, 1, 0, 1]
    assert decided(observation) == (3, 3 * [-np.inf])


def test_a_price_below_zero_counts():
    observation = by_hand(
        [(0, 1), (1, 2)], 3 * [True], [1, 0], length=[0.0, -1.0], demand_now=[-2.0, 0.0]
    )
    # Site 2 is full, but no link that runs there can be given up.
    assert decided(observation) == (2, [-np.inf, -np.inf])
    observation["nodes"][2] = 0.0
    assert decided(observation) == (0, [-np.inf, 1.0])


def test_padding_is_never_chosen_and_changes_nothing():
    schedule = ScoredSchedule(random_weights(2, hidden=2))
    observation = {name: array[0] for name, array in observed(30).items()}
    choice, gains, _ = schedule.choices({k: v[None] for k, v in observation.items()})
    wider = dict(observation)
    count, more = len(observation["links"]), 21
    for name in ("links", "link_endpoints", "link_mask"):
        rows = np.zeros((more, *observation[name].shape[1:]), observation[name].dtype)
        wider[name] = np.concatenate([observation[name], rows])
    wider["links"][count:] = 7.0
    sites = np.ones((5, observation["nodes"].shape[1]), np.float32)
    wider["nodes"] = np.concatenate([observation["nodes"], sites])
    hold = observation["action_mask"][-1:]
    wider["action_mask"] = np.concatenate(
        [observation["action_mask"][:-1], np.ones(more, np.int8), hold]
    )
    found, found_gains, _ = schedule.choices({k: v[None] for k, v in wider.items()})
    assert choice[0] < count
    assert found[0] == choice[0]
    np.testing.assert_array_equal(found_gains[0, :count], gains[0])
    assert (found_gains[0, count:] == -np.inf).all()


def test_observations_of_a_batch_do_not_see_each_other():
    schedule = ScoredSchedule(random_weights(3, hidden=2))
    batch = observed(25, seed=4, batch=6)
    together = schedule.predict(batch)[0]
    alone = [
        schedule.predict({name: array[b] for name, array in batch.items()})[0] for b in range(6)
    ]
    backwards = schedule.predict({name: array[::-1] for name, array in batch.items()})[0]
    assert together.tolist() == [int(choice) for choice in alone] == backwards[::-1].tolist()
    assert len(set(together.tolist())) > 1


def test_only_observations_of_scheduling_are_taken():
    observation = {name: array[0] for name, array in observed(0).items()}
    del observation["past_sizes"]
    with pytest.raises(ValueError, match="policy is 'mine', but must be one that plays LinkAct"):
        ScoredSchedule(random_weights(0), "mine").predict(observation)


def test_names_of_inputs_and_their_columns_agree():
    assert [getattr(INPUT, name) for name in INPUT_NAMES] == list(range(len(INPUT_NAMES)))
