"""Cards of the schedules that ship say what they do on held-out episodes."""

import json

import numpy as np
import pytest

from qkd_gym.scoring import shipped_schedules
from studies import cards
from studies.settings import RULES


def test_a_card_names_the_best_rule_and_where_the_schedule_loses():
    rng = np.random.default_rng(3)
    base = rng.random(50)
    first, second = RULES
    played = {
        "good": {first: base, second: base - 0.1, "metro": base + 0.02},
        "bad": {first: base - 0.1, second: base, "metro": base - 0.03},
        "even": {first: base, second: base - 0.1, "metro": base + rng.permuted(base) - base},
    }
    facts = cards.facts("metro", played, 50)
    assert facts["held_out"]["good"] == f"+2.00 [+2.00, +2.00] to {first}"
    assert facts["held_out"]["bad"] == f"-3.00 [-3.00, -3.00] to {second}"
    assert facts["loses"] == ["bad"]
    assert "50 episodes" in facts["held_out"]["what"]


@pytest.mark.parametrize("name", shipped_schedules())
def test_cards_that_ship_have_it_for_every_scenario(name):
    card = json.loads((cards.CARDS / f"{name}.json").read_text())["card"]
    assert set(card["held_out"]) == {"what", *cards.scenarios()}
    assert set(card["loses"]) < set(cards.scenarios())
