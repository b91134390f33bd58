"""Files of scorers and recipes with random changes are accepted or refused by name."""

import pytest

from qkd_gym.scoring.agents import load_scored, save_scored
from qkd_gym.search.recipe import load_search_recipe
from tests.scoring.observations import random_weights
from tests.scoring.paths.requests import random_path_weights
from tests.survival import survives

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


@pytest.mark.parametrize("weights", [random_weights(0, hidden=1), random_path_weights(0, hidden=1)])
def test_20000_mutated_scorers(tmp_path, weights):
    path = tmp_path / "scorer.json"
    save_scored(path, weights, {"summary": "Searched in metro"})
    content = path.read_bytes()
    assert 0 < survives(lambda p: load_scored(p, "a"), path, content, seed=1) < 20_000


def test_20000_mutated_recipes(tmp_path):
    content = b"[search]\npopulation = 20\nspread = 0.5\n[[search.practice]]\nscenario = 'metro'\n"
    path = tmp_path / "recipes.toml"
    read = load_search_recipe
    assert 0 < survives(lambda p: read(p, "search"), path, content, seed=2) < 20_000
