"""An adapted schedule is what a short search finds on the networks at hand, if it is better."""

import gymnasium as gym
import numpy as np
import pytest

pytest.importorskip("cmaes")

from qkd_gym.baselines import adapted, portfolio
from qkd_gym.baselines.adapted import Adapted, adapt_schedule
from qkd_gym.baselines.agents import agent_summary, available_agents, shipped_agent
from qkd_gym.baselines.portfolio import Portfolio, choose_schedule
from qkd_gym.baselines.registry import make_policy
from qkd_gym.envs.tasks import LINK_SCHEDULING
from qkd_gym.network.scenarios import resolve
from qkd_gym.scoring import ScoredSchedule
from qkd_gym.scoring.episodes import Episodes
from qkd_gym.scoring.weights import RULE, starting_weights

SMALL = {"n_sites": 8, "bank_size": 2, "episode_s": 2400.0}
CONFIG = resolve("metro", SMALL)


@pytest.fixture
def greedy(monkeypatch):
    """A rule that looks at little but rates, from which there is much to gain; a short search."""
    weights = starting_weights()
    weights.rule[RULE.rate_power] = 2.0
    monkeypatch.setattr(portfolio, "members", lambda: (ScoredSchedule(weights, "greedy"),))
    monkeypatch.setattr(adapted, "_GENERATIONS", 2)
    monkeypatch.setattr(adapted, "_TRIALS", 64)
    for one in (choose_schedule, adapt_schedule):
        one.cache_clear()
    yield weights
    for one in (choose_schedule, adapt_schedule):
        one.cache_clear()


def test_it_delivers_more_than_what_it_starts_from_on_held_out_networks(greedy, monkeypatch):
    monkeypatch.setattr(adapted, "_GENERATIONS", 8)
    found = adapt_schedule(CONFIG)
    assert found.name == "greedy, adapted"
    held_out = Episodes(CONFIG.replace(split="test"), 128)
    held_out.start(1_000_000)
    lead = held_out.shares(found.weights) - held_out.shares(greedy)
    assert lead.mean() > 4.0 * lead.std() / np.sqrt(128)


@pytest.mark.usefixtures("greedy")
def test_what_it_finds_does_not_hang_on_the_held_out_networks_and_comes_again(monkeypatch):
    played = []

    class Watched(Episodes):
        def __init__(self, config, episodes):
            played.append(config.split)
            super().__init__(config, episodes)

    monkeypatch.setattr(adapted, "Episodes", Watched)
    monkeypatch.setattr(portfolio, "Episodes", Watched)
    first = adapt_schedule(CONFIG.replace(split="test")).digest()
    assert set(played) == {"train"}
    adapt_schedule.cache_clear()
    assert adapt_schedule(CONFIG.replace(split="test")).digest() == first


@pytest.mark.usefixtures("greedy")
def test_what_is_found_is_left_where_it_is_not_better(monkeypatch):
    class Idle(Episodes):
        def shares(self, weights):
            return np.zeros_like(super().shares(weights))

    monkeypatch.setattr(adapted, "Episodes", Idle)
    assert adapt_schedule(CONFIG).name == "greedy"


@pytest.mark.usefixtures("greedy")
def test_large_networks_play_fewer_episodes(monkeypatch):
    counts = []

    class Watched(Episodes):
        def __init__(self, config, episodes):
            counts.append(episodes)
            super().__init__(config, episodes)

    monkeypatch.setattr(adapted, "Episodes", Watched)
    monkeypatch.setattr(adapted, "_GENERATIONS", 1)
    for most in (10**6, 500, 1):
        adapt_schedule.cache_clear()
        monkeypatch.setattr(adapted, "_MOST_LINKS", most)
        adapt_schedule(CONFIG)
    of_generations = counts[::2]
    assert of_generations[0] == 48
    assert 8 < of_generations[1] < 48
    assert of_generations[2] == 8


@pytest.mark.usefixtures("greedy")
def test_agents_and_lookahead_play_it():
    assert {Portfolio.name, Adapted.name} < set(available_agents())
    assert agent_summary("adapted") == Adapted.summary
    agent = shipped_agent("adapted")
    assert agent.digest() != Portfolio.digest()
    before = adapt_schedule.cache_info().misses
    env = gym.make_vec(LINK_SCHEDULING.env_id, 2, **SMALL)
    make_policy("lookahead", schedule="adapted").watch(env)
    agent.watch(env)
    assert adapt_schedule.cache_info().misses == before + 1  # both have come to the same
    assert agent.schedule is adapt_schedule(env.config)
