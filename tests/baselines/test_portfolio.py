"""A portfolio plays the schedule that delivers most on the networks at hand."""

import gymnasium as gym
import numpy as np
import pytest

from qkd_gym.baselines import portfolio
from qkd_gym.baselines.portfolio import Portfolio, choose_schedule, members
from qkd_gym.baselines.registry import make_policy
from qkd_gym.benchmark.policies import Row, agent_digest, load, rows_of
from qkd_gym.envs.tasks import LINK_ACTIVATION, LINK_SCHEDULING
from qkd_gym.errors import InvalidInput
from qkd_gym.evaluation import evaluate
from qkd_gym.network.scenarios import resolve
from qkd_gym.scoring import ScoredSchedule, shipped_schedules
from qkd_gym.scoring.inputs import INPUT
from qkd_gym.scoring.weights import starting_weights

SMALL = {"n_sites": 8, "bank_size": 2, "episode_s": 2400.0}


def that_holds(name):
    """A schedule that never switches."""
    weights = starting_weights()
    weights.on[INPUT.one] = -1000.0
    return ScoredSchedule(weights, name)


@pytest.fixture
def few(monkeypatch):
    """Two schedules that never switch, and a rule between them."""
    made = (that_holds("first"), ScoredSchedule(starting_weights(), "rule"), that_holds("last"))
    monkeypatch.setattr(portfolio, "members", lambda: made)
    monkeypatch.setattr(portfolio, "_ROUNDS", (4, 4))
    choose_schedule.cache_clear()
    yield made
    choose_schedule.cache_clear()


def actions(policy):
    result = evaluate(policy, LINK_SCHEDULING.env_id, 3, 7, **SMALL, record_actions=True)
    return result.actions


def test_the_best_member_plays(few):
    chosen = Portfolio()
    for own, of_best in zip(actions(chosen), actions(few[1]), strict=True):
        np.testing.assert_array_equal(own, of_best)
    assert chosen.schedule is few[1]


def test_of_equals_the_first_is_taken(few, monkeypatch):
    monkeypatch.setattr(portfolio, "members", lambda: (few[0], few[2]))
    assert choose_schedule(resolve("metro", SMALL)).name == "first"


def test_what_is_chosen_does_not_hang_on_the_held_out_networks(few, monkeypatch):
    played = []

    class Episodes(portfolio.Episodes):
        def __init__(self, config, episodes):
            played.append(config.split)
            super().__init__(config, episodes)

    monkeypatch.setattr(portfolio, "Episodes", Episodes)
    choose_schedule(resolve("metro", {**SMALL, "split": "test"}))
    assert set(played) == {"train"}


@pytest.mark.usefixtures("few")
def test_a_portfolio_must_be_shown_its_environment():
    with pytest.raises(InvalidInput, match="must be shown its environment"):
        Portfolio().predict({})


def test_lookahead_follows_what_a_portfolio_chooses(few):
    never = {"candidates": 3, "futures": 8, "most_futures": 8, "significance": 100.0}
    looking = make_policy("lookahead", schedule="portfolio", **never)
    for own, of_best in zip(actions(looking), actions(few[1]), strict=True):
        np.testing.assert_array_equal(own, of_best)


def test_it_is_an_agent_of_the_package(few, monkeypatch):
    word = "agent:portfolio"
    assert rows_of([word], LINK_ACTIVATION) == [Row(word, word, LINK_SCHEDULING.env_id)]
    assert isinstance(load(word, LINK_SCHEDULING.env_id, {}), Portfolio)
    before = agent_digest(word)
    monkeypatch.setattr(portfolio, "members", lambda: few[:2])
    assert agent_digest(word) != before


def test_members_are_all_agents_and_rules_that_differ():
    found = members()
    assert [member.name for member in found][: len(shipped_schedules())] == [*shipped_schedules()]
    assert len({member.digest() for member in found}) == len(found)


@pytest.mark.parametrize(
    ("name", "rule", "parameters"),
    [
        ("demand-deficit, metro", "demand-deficit", {"scenario": "metro"}),
        (
            "max-weight, hysteresis 4", "max-weight",
            {"alpha": 1.0, "hysteresis": 4.0, "least_gain": 0.3, "dwell_s": 0.0},
        ),
    ],
)  # fmt: skip
def test_a_member_that_is_a_rule_decides_nearly_always_as_the_rule_does(name, rule, parameters):
    member = next(each for each in members() if each.name == name)
    rule = make_policy(f"LinkScheduling:{rule}", **parameters)
    # Without faults, on which the rule's gate of rates bears, that the member does without.
    calm = {"outages_per_link_minute": 0.0, "attacks_per_link_minute": 0.0}
    env = gym.make_vec(LINK_SCHEDULING.env_id, 8, **SMALL, **calm)
    obs, _ = env.reset(seed=7)
    same = []
    for _ in range(100):
        of_rule, own = rule.predict(obs)[0], member.predict(obs)[0]
        same.append(own == of_rule)
        obs, *_ = env.step(of_rule)
    assert np.mean(same) > 0.99
