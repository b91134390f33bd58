"""The episode files that the documentation publishes are what they claim to be, here too."""

from pathlib import Path

import pytest

from qkd_gym.benchmark import available_suites, get_suite
from qkd_gym.benchmark.replay import read_episode, validate

EPISODES = sorted((Path(__file__).parents[2] / "docs" / "episodes").glob("*.json"))


def test_there_is_one_of_every_scenario():
    episodes = {(one.env_id, one.scenario) for one in map(read_episode, EPISODES)}
    suites = [get_suite(name) for name in available_suites()]
    assert episodes == {(suite.env_id, name) for suite in suites for name in suite.scenarios}


LARGEST = [path for path in EPISODES if path.stem.endswith("metro-100")]


def test_all_but_the_largest_hold():
    others = [path for path in EPISODES if path not in LARGEST]
    assert len(validate(others)) == len(EPISODES) - 1


@pytest.mark.slow
def test_the_largest_holds():
    assert len(validate(LARGEST)) == 1
