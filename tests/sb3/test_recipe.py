"""Recipes are read from TOML and checked."""

from pathlib import Path

import pytest

pytest.importorskip("sb3_contrib")

from qkd_gym.envs.tasks import TASKS
from qkd_gym.errors import InvalidInput
from qkd_gym.reading import read_tables
from qkd_gym.sb3.recipe import load_recipe

AGENTS = Path(__file__).parents[2] / "agents"
LEAST = "pointer = true\ntotal_timesteps = 64\n"


@pytest.mark.parametrize("task", TASKS)
def test_every_environment_has_its_recipes(task):
    path = AGENTS / f"{task}.toml"
    expected = {
        "LinkScheduling": [
            "search",
            "general",
            "real",
            "hidden",
            "small-pools",
            "large-pools",
            "pointer",
            "ppo",
        ],
        "Routing": ["pointer", "search", "classes", "ppo"],
    }
    assert list(read_tables(path, "recipes")) == expected.get(task, ["pointer", "ppo"])
    assert load_recipe(path, "pointer").pointer
    assert not load_recipe(path, "ppo").pointer


def test_a_recipe_says_what_is_not_the_default(tmp_path):
    path = tmp_path / "a.toml"
    path.write_text(f"[mine]\n{LEAST}adviser = 'max-weight'\nppo = {{ gamma = 0.9 }}\n")
    recipe = load_recipe(path, "mine")
    assert recipe.adviser == recipe.starts_from == "max-weight"
    assert recipe.ppo == {"gamma": 0.9}
    assert (recipe.num_envs, recipe.control_policy) == (64, "")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"[a]\n{LEAST}advisor = 'max-weight'", "Did you mean 'adviser'"),
        (f"[a]\n{LEAST}adviser = 'max-wieght'", "Did you mean 'max-weight'"),
        (f"[a]\n{LEAST}adviser = 'static-plan'", "must be a baseline that scores links"),
        (f"[a]\n{LEAST}control_policy = 'maxweight'", "Did you mean 'max-weight'"),
        (f"[a]\n{LEAST}num_envs = 0", "num_envs is 0, but must be in [1, 4096]"),
        (f"[a]\n{LEAST}imitation_rounds = 1.5", "imitation_rounds is 1.5"),
        (f"[a]\n{LEAST}learning_rate = 0", "learning_rate is 0, but must be in (0, 1]"),
        (f"[a]\n{LEAST}reward_scale = 'x'", "reward_scale is 'x', but must be one number"),
        (f"[a]\n{LEAST}ppo = {{ gama = 0.9 }}", "Did you mean 'gamma'"),
        (f"[a]\n{LEAST}ppo = {{ gamma = 1.9 }}", "ppo.gamma is 1.9, but must be in [0, 1]"),
        (f"[a]\n{LEAST}ppo = {{ n_steps = 0.5 }}", "ppo.n_steps is 0.5"),
        (f"[a]\n{LEAST}ppo = {{ gamma = [0.9] }}", "ppo.gamma is [0.9], but must be one number"),
        (f"[a]\n{LEAST}ppo = {{ n_steps = 1000000000 }}", "ppo.n_steps is 1000000000"),
        (f"[a]\n{LEAST}adviser = []", "adviser is [], but must be the name of a baseline"),
        (f"[a]\nppo = {1000 * '['}{1000 * ']'}", "cannot be read"),
        ("[a]\nteacher = 'x'\nteacher = 'y'", "cannot be read"),
        (f"[a]\n{LEAST}ppo = 3", "ppo is 3, but must be a table"),
        ("[a]\npointer = 1\ntotal_timesteps = 64", "pointer is 1, but must be true or false"),
        ("[a]\ntotal_timesteps = 0", "total_timesteps is 0, but must be in [1, 1e+12]"),
        ("[a]\npointer = false\ntotal_timesteps = 64\nteacher = 'random'", "pointer is false"),
        ("a = 3", "is 3, but must be a table"),
        ("[a", "cannot be read"),
    ],
)
def test_bad_recipes_are_refused_in_one_sentence(tmp_path, text, words):
    path = tmp_path / "recipes.toml"
    path.write_text(text)
    with pytest.raises(InvalidInput) as refused:
        load_recipe(path, "a")
    assert words in str(refused.value)
    assert path.name in str(refused.value)
    assert len(str(refused.value)) <= 300
    assert "\n" not in str(refused.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InvalidInput, match="absent.toml"):
        load_recipe(tmp_path / "absent.toml", "a")
