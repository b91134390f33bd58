"""Whole episodes in compiled code are those of the policy in the environment, bit for bit."""

import numpy as np
import pytest

from qkd_gym.evaluation import evaluate
from qkd_gym.network.scenarios import resolve
from qkd_gym.scoring import ScoredPaths
from qkd_gym.scoring.episodes import Episodes
from qkd_gym.scoring.kinds import PATHS
from qkd_gym.search.fitness import Exercise, fitness
from tests.scoring.paths.requests import SMALL, random_path_weights

SHORT = {**SMALL, "episode_s": 2400.0, "split": "train"}


@pytest.mark.parametrize("scenario", ["classes", "control-modules"])
def test_shares_are_those_of_the_evaluator(scenario):
    weights, settings = random_path_weights(5, hidden=2), {"scenario": scenario, **SHORT}
    episodes = Episodes(resolve(scenario, SHORT), 4, PATHS)
    episodes.start(40)
    found = episodes.shares(weights)
    result = evaluate(ScoredPaths(weights), episodes=4, seed=40, **settings)
    assert result.env_id == "qkd_gym/Routing-v0"
    np.testing.assert_array_equal(found, result.metrics["value_share"])
    assert (found != result.metrics["delivered_share"]).any() == (scenario == "classes")
    assert len(set(found.tolist())) > 1
    one = fitness([Exercise(resolve(scenario, SHORT), 4, 40, 1.0)], weights)
    assert one == found.mean()


def test_every_candidate_plays_the_same_episodes_from_their_beginning():
    first, other = random_path_weights(1), random_path_weights(2)
    episodes = Episodes(resolve("classes", SHORT), 3, PATHS)
    episodes.start(7)
    before = episodes.shares(first)
    assert (episodes.shares(other) != before).any()
    np.testing.assert_array_equal(episodes.shares(first), before)
