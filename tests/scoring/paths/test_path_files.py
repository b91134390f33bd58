"""Files of scored paths: exact, whole, no schedules, and found by name or folder."""

import json

import numpy as np
import pytest

from qkd_gym.baselines.agents import REHEARSING, available_agents, shipped_agent
from qkd_gym.baselines.portfolio import members
from qkd_gym.errors import InvalidInput
from qkd_gym.scoring import (
    ScoredPaths,
    agents,
    find_scored,
    load_schedule,
    load_scored,
    save_scored,
    shipped_card,
    shipped_schedules,
)
from tests.scoring.observations import random_weights
from tests.scoring.paths.requests import random_path_weights


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "paths.json"
    save_scored(path, random_path_weights(1, hidden=2), {"summary": "Searched on classes"})
    return path


@pytest.mark.parametrize("hidden", [0, 2])
def test_weights_come_back_bit_for_bit(tmp_path, hidden):
    weights = random_path_weights(4, hidden)
    save_scored(tmp_path / "a.json", weights, {})
    loaded = load_scored(tmp_path / "a.json", "mine")
    assert (type(loaded), loaded.name) == (ScoredPaths, "mine")
    for name, one, other in zip(weights._fields, weights, loaded.weights, strict=True):
        assert (one.dtype, one.shape) == (other.dtype, other.shape), name
        assert one.tobytes() == other.tobytes(), name
    assert loaded.digest() == ScoredPaths(weights).digest()
    assert loaded.digest() != ScoredPaths(random_path_weights(5, hidden)).digest()


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda c: c.update(env="Ruoting"), "is for 'Ruoting', but must be for 'LinkSche"),
        (lambda c: c.update(env="LinkScheduling"), "has no field 'price'"),
        (lambda c: c["price"].pop("lack"), "price lacks the field 'lack'"),
        (lambda c: c["score"].update(valeu=1.0), "Did you mean 'value'"),
        (lambda c: c["score"].update(value="1"), "score.value is '1', but must be a number"),
        (lambda c: c["price"].update(lack=1e39), "price.lack is 1e+39"),
        (lambda c: c["hidden"].pop(), "has 2 numbers in hidden_score, but must have 1"),
    ],
)
def test_damaged_files_are_refused_in_one_sentence(file, edit, message):
    content = json.loads(file.read_text())
    edit(content)
    file.write_text(json.dumps(content))
    with pytest.raises(InvalidInput) as refused:
        load_scored(file, "a")
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_who_wants_a_schedule_gets_no_paths(file):
    with pytest.raises(InvalidInput, match="is for 'Routing', but must be for 'LinkScheduling'"):
        load_schedule(file, "a")


def test_paths_are_found_beside_schedules(tmp_path, monkeypatch, file):
    assert type(find_scored(tmp_path)) is ScoredPaths
    save_scored(tmp_path / "metro.json", random_weights(0), {})
    monkeypatch.setattr(agents, "SHIPPED", tmp_path)
    assert available_agents() == ("metro", "paths", *REHEARSING)
    np.testing.assert_array_equal(
        shipped_agent("paths").weights.price, random_path_weights(1, hidden=2).price
    )
    assert shipped_card("paths").summary == "Searched on classes"
    # A portfolio of schedules has none.
    assert shipped_schedules() == ("metro",)
    assert [member.name for member in members()][:2] == ["metro", "metro, halved"]
