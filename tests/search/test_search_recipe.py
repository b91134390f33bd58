"""Recipes of searches are read from TOML and checked."""

from pathlib import Path

import pytest

from qkd_gym.errors import InvalidInput
from qkd_gym.search.recipe import Practice, SearchRecipe, load_search_recipe

AGENTS = Path(__file__).parents[2] / "agents"


def test_the_shipped_recipe_is_for_the_scenario_that_is_asked_for():
    recipe = load_search_recipe(AGENTS / "LinkScheduling.toml", "search")
    assert recipe.practices("vienna", {"load": 1.2}) == (
        Practice("vienna", {"load": 1.2}, recipe.episodes),
    )


def test_the_general_recipe_has_its_own_practice():
    recipe = load_search_recipe(AGENTS / "LinkScheduling.toml", "general")
    assert recipe.practices("vienna", {}) == recipe.practice
    kept_aside = {"vienna", "tokyo", "trieste", "polska-x0.2", "nsfnet-x0.05", "cost239-x0.05"}
    assert not kept_aside & {practice.scenario for practice in recipe.practice}


def test_a_recipe_may_have_its_own_practice(tmp_path):
    path = tmp_path / "a.toml"
    path.write_text(
        "[mine]\ngenerations = 7\n"
        "[[mine.practice]]\nscenario = 'vienna'\nchanges = { load = 1.2 }\nepisodes = 3\n"
        "[[mine.practice]]\nweight = 2.5\n"
    )
    recipe = load_search_recipe(path, "mine")
    assert (recipe.generations, recipe.population) == (7, SearchRecipe().population)
    first, second = recipe.practices("tokyo", {})
    assert (first.scenario, first.episodes, first.weight) == ("vienna", 3, 1.0)
    assert (second.scenario, second.weight) == ("metro", 2.5)
    config = first.config("validation")
    assert (config.load, config.split) == (1.2, "validation")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[a]\npopulaton = 4", "Did you mean 'population'"),
        ("[a]\nmethod = 'serach'", "method is 'serach'"),
        ("[a]\npopulation = 5", "population is 5, but must be even"),
        ("[a]\npopulation = 2", "population is 2, but must be in [4, 10000]"),
        ("[a]\ngenerations = 0", "generations is 0"),
        ("[a]\ngenerations = 1.5", "generations is 1.5"),
        ("[a]\nhidden = 65", "hidden is 65, but must be in [0, 64]"),
        ("[a]\nspread = 0", "spread is 0, but must be in (0, 10]"),
        ("[a]\nspread = nan", "spread is nan"),
        ("[a]\nepisodes = 0", "episodes is 0"),
        ("[a]\npractice = 3", "practice is 3, but must be a list of tables"),
        ("[a]\npractice = [3]", "practice is [3], but must be a list of tables"),
        ("[a]\n[[a.practice]]\nscenaro = 'metro'", "Did you mean 'scenario'"),
        ("[a]\n[[a.practice]]\nscenario = 'metroo'", "Did you mean 'metro'"),
        ("[a]\n[[a.practice]]\nchanges = 3", "changes is 3, but must be a table"),
        ("[a]\n[[a.practice]]\nchanges = { laod = 1 }", "Did you mean 'load'"),
        ("[a]\n[[a.practice]]\nweight = 0", "weight is 0"),
        ("[a]\n[[a.practice]]\nepisodes = true", "episodes is True"),
        ("a = 3", "'a' is 3, but must be a table"),
        ("[b]", "'a', but must be one of 'b'"),
        ("[a", "cannot be read"),
    ],
)
def test_bad_recipes_are_refused_in_one_sentence(tmp_path, text, words):
    path = tmp_path / "recipes.toml"
    path.write_text(text)
    with pytest.raises(InvalidInput) as refused:
        load_search_recipe(path, "a")
    message = str(refused.value)
    assert words in message
    assert path.name in message
    assert "\n" not in message
