"""Checkpoints, agents, recipes and weights with random changes are accepted or refused by name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("sb3_contrib")

from qkd_gym.gnn import LinkViabilityGNN, load_weights, save_weights  # noqa: E402
from qkd_gym.gnn.weights import read_tensors  # noqa: E402
from qkd_gym.sb3 import agents, checkpoint, save_agent  # noqa: E402
from qkd_gym.sb3.recipe import Recipe, load_recipe  # noqa: E402
from tests.survival import survives  # noqa: E402

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]
AGENTS = Path(__file__).parents[2] / "agents"


def test_20000_mutated_facts_of_a_checkpoint(tmp_path):
    history = [{"steps": 100.0 * i, "delivered_share": 0.5} for i in range(3)]
    facts = {"format": 1, "steps": 300, "validation_share": 0.5, "history": history}
    file = tmp_path / "checkpoint.json"
    count = survives(
        lambda _: checkpoint.read_facts(tmp_path), file, json.dumps(facts).encode(), seed=1
    )
    assert 0 < count < 20_000


def test_20000_mutated_configurations_of_an_agent(tmp_path):
    recipe = Recipe(adviser="max-weight", ppo={"gamma": 0.9})
    save_agent(tmp_path, recipe, {"env": "LinkActivation"}, {"total_timesteps": 64})
    file = tmp_path / "config.json"
    count = survives(lambda _: agents._agent(tmp_path), file, file.read_bytes(), seed=2)
    assert 0 < count < 20_000


def test_20000_mutated_recipes(tmp_path):
    content = (AGENTS / "LinkActivation.toml").read_bytes()
    path = tmp_path / "recipes.toml"
    count = survives(lambda p: load_recipe(p, "pointer"), path, content, seed=3)
    assert 0 < count < 20_000


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / "weights.safetensors"
    save_weights(LinkViabilityGNN(hidden=4, heads=2, passes=1), path, {"seed": 0, "data": {"a": 1}})
    return path


def test_20000_mutated_cards(weights):
    card = weights.with_suffix(".json")
    count = survives(lambda _: load_weights(weights), card, card.read_bytes(), seed=4)
    assert 0 < count < 20_000


def test_20000_mutated_safetensors(weights):
    expected = load_weights(weights).state_dict()

    def read(path):
        read_tensors(path, "weights", expected)

    assert 0 < survives(read, weights, weights.read_bytes(), seed=5) < 20_000


def test_20000_mutated_headers_of_safetensors(weights):
    """The header alone is JSON; its length is written before it."""
    whole = weights.read_bytes()
    size = int.from_bytes(whole[:8], "little")
    expected = load_weights(weights).state_dict()

    def joined(header):
        return len(header).to_bytes(8, "little") + header + whole[8 + size :]

    def read(path):
        read_tensors(path, "weights", expected)

    count = survives(read, weights, whole[8 : 8 + size], seed=6, finish=joined)
    assert 0 < count < 20_000
