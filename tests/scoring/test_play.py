"""Whole episodes in compiled code are those of the policy in the environment, bit for bit."""

import numpy as np
import pytest

from qkd_gym.evaluation import evaluate
from qkd_gym.network.scenarios import resolve
from qkd_gym.scoring import ScoredSchedule
from qkd_gym.scoring.episodes import Episodes
from qkd_gym.search.fitness import Exercise, fitness
from tests.scoring.observations import random_weights

SHORT = {"bank_size": 3, "episode_s": 2400.0, "split": "train"}


def policy_shares(weights, scenario, changes, episodes, seed):
    settings = {"scenario": scenario, **SHORT, **changes}
    result = evaluate(ScoredSchedule(weights), episodes=episodes, seed=seed, **settings)
    return result.metrics["delivered_share"]


@pytest.mark.parametrize(
    ("scenario", "changes"),
    [
        ("metro-10", {}),
        ("metro-10", {"switches_per_interval": 1, "modules_per_site": 3, "calibration_s": 0.0}),
        ("metro-attacked", {"n_sites": 12}),
        ("metro-10", {"opponent": "busiest"}),
        ("vienna", {}),
    ],
)
def test_shares_are_those_of_the_evaluator(scenario, changes):
    weights = random_weights(5, hidden=3)
    shares = Episodes(resolve(scenario, {**SHORT, **changes}), 5)
    shares.start(40)
    found = shares.shares(weights)
    np.testing.assert_array_equal(found, policy_shares(weights, scenario, changes, 5, 40))
    assert len(set(found.tolist())) > 1


def test_every_candidate_plays_the_same_episodes_from_their_beginning():
    first, other = random_weights(1), random_weights(2)
    episodes = Episodes(resolve("metro-10", SHORT), 3)
    episodes.start(7)
    before = episodes.shares(first)
    assert (episodes.shares(other) != before).any()
    np.testing.assert_array_equal(episodes.shares(first), before)
    episodes.start(8)
    shifted = episodes.shares(first)
    np.testing.assert_array_equal(shifted[:2], before[1:])
    episodes.start(7)
    np.testing.assert_array_equal(episodes.shares(first), before)


def test_episodes_without_demand_count_as_nothing():
    idle = {**SHORT, "requests_per_site_hour": 0.001, "episode_s": 600.0}
    episodes = Episodes(resolve("metro-10", idle), 2)
    episodes.start(0)
    assert episodes.shares(random_weights(0)).tolist() == [0.0, 0.0]


def test_fitness_is_the_weighted_mean_over_configurations():
    weights = random_weights(3)
    exercises = [
        Exercise(resolve("metro-10", SHORT), 3, 11, 1.0),
        Exercise(resolve("vienna", SHORT), 2, 12, 3.0),
    ]
    means = [fitness([exercise], weights) for exercise in exercises]
    for exercise, scenario, mean in zip(exercises, ("metro-10", "vienna"), means, strict=True):
        shares = policy_shares(weights, scenario, {}, exercise.episodes, exercise.seed)
        assert mean == shares.mean()
    assert fitness(exercises, weights) == pytest.approx(0.25 * means[0] + 0.75 * means[1])
    assert means[0] != means[1]
