"""Checkpoints: the newest, the best, and damaged ones."""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("sb3_contrib")

from qkd_gym.errors import InvalidInput  # noqa: E402
from qkd_gym.sb3.checkpoint import (  # noqa: E402
    latest_checkpoint,
    load_best_checkpoint,
    load_checkpoint,
    save_checkpoint,
)
from qkd_gym.sb3.recipe import Recipe  # noqa: E402


@pytest.fixture(scope="module")
def model():
    recipe = Recipe(pointer=True, total_timesteps=64, num_envs=2)
    env = recipe.environment("qkd_gym/LinkActivation-v0", {"n_sites": 6, "bank_size": 1})
    return recipe.model(env, 0, None)


@pytest.fixture
def folder(tmp_path, model):
    """Three checkpoints with their number as the value's bias; the second is the best."""
    for number, score in enumerate((0.25, 0.75, 0.5)):
        model.num_timesteps = 10 * number
        torch.nn.init.constant_(bias(model), number)
        save_checkpoint(tmp_path, model, {"score": score})
    return tmp_path


def bias(model):
    return model.policy.mlp_extractor.value[-1].bias


def test_the_newest_is_restored_with_its_steps(folder, model):
    model.num_timesteps = 0
    torch.nn.init.constant_(bias(model), 9.0)
    facts = load_checkpoint(latest_checkpoint(folder), model)
    assert facts["score"] == 0.5
    assert (model.num_timesteps, bias(model).item()) == (20, 2.0)


def test_the_best_is_loaded(folder, model):
    curve, best = load_best_checkpoint(folder, model.policy, "score")
    assert curve == [(0, 0.25), (10, 0.75), (20, 0.5)]
    assert (best, bias(model).item()) == (1, 1.0)


@pytest.mark.parametrize(
    ("text", "words"), [("{", "not valid JSON"), ('{"format": 2}', "has format 2")]
)
def test_damaged_checkpoints_are_refused(folder, model, text, words):
    (latest_checkpoint(folder) / "checkpoint.json").write_text(text)
    with pytest.raises(InvalidInput, match=words):
        load_checkpoint(latest_checkpoint(folder), model)


def test_there_may_be_no_checkpoint(tmp_path):
    assert latest_checkpoint(tmp_path / "absent") is None
