"""Weights as one vector, and back."""

import numpy as np
import pytest

from qkd_gym.scoring.inputs import INPUT_NAMES
from qkd_gym.scoring.weights import (
    RULE,
    RULE_NAMES,
    Weights,
    as_vector,
    from_vector,
    starting_weights,
    step_sizes,
)


def same(one, other):
    return all(
        a.dtype == b.dtype and a.shape == b.shape and (a == b).all()
        for a, b in zip(one, other, strict=True)
    )


@pytest.mark.parametrize("hidden", [0, 3])
def test_weights_come_back_from_their_vector(hidden):
    start = starting_weights(hidden, seed=1)
    rng = np.random.default_rng(0)
    drawn = Weights(*(rng.uniform(0.0, 1.0, part.shape).astype(np.float32) for part in start))
    vector = as_vector(drawn)
    assert vector.dtype == np.float64
    assert len(vector) == len(RULE_NAMES) + (2 + hidden) * len(INPUT_NAMES) + 2 * hidden
    assert same(from_vector(vector, start), drawn)
    assert (as_vector(from_vector(vector, start)) == vector).all()


def test_the_rule_stays_in_its_ranges():
    start = starting_weights()
    below = from_vector(np.full(len(as_vector(start)), -9.0), start)
    above = from_vector(np.full(len(as_vector(start)), 9.0), start)
    assert dict(zip(RULE_NAMES, below.rule, strict=True)) == {
        "hysteresis": -1.0,
        "kappa": 0.0,
        "demand_power": 0.0,
        "rate_power": 0.0,
        "cover_weight": 0.0,
    }
    assert above.rule[[RULE.hysteresis, RULE.kappa]].tolist() == [9.0, 9.0]
    assert above.rule[[RULE.demand_power, RULE.rate_power]].tolist() == [2.0, 2.0]
    assert above.rule[RULE.cover_weight] == 1.0
    assert set(below.on) == {-9.0}  # nothing else is cut


def test_every_weight_has_the_step_of_its_kind():
    start = starting_weights(2)
    steps = from_vector(step_sizes(start), start)
    np.testing.assert_array_equal(steps.hidden_on, np.float32(0.05))
    np.testing.assert_array_equal(steps.hidden_off, np.float32(0.05))
    for name in ("rule", "on", "off", "hidden"):
        np.testing.assert_array_equal(getattr(steps, name), np.float32(0.1))


def test_hidden_units_start_at_random_and_uncounted():
    first, again, other = (starting_weights(4, seed) for seed in (0, 0, 1))
    assert same(first, again)
    assert not (first.hidden == other.hidden).any()
    assert not first.hidden_on.any()
    assert not first.hidden_off.any()
    assert same(first[:3], starting_weights()[:3])
