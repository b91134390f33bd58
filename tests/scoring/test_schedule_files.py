"""Files of scored schedules: exact, whole, harmless, and found by name or folder."""

import json
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from qkd_gym.errors import InvalidInput
from qkd_gym.scoring import agents
from qkd_gym.scoring.agents import (
    find_scored,
    load_schedule,
    save_scored,
    shipped_card,
    shipped_schedule,
    shipped_schedules,
)
from qkd_gym.scoring.weights import Weights
from tests.scoring.observations import random_weights

CARD = {"summary": "Searched in metro", "options": {"seed": 3}}


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "schedule.json"
    save_scored(path, random_weights(1, hidden=2), CARD)
    return path


@pytest.mark.parametrize("hidden", [0, 2])
def test_weights_come_back_bit_for_bit(tmp_path, hidden):
    weights = random_weights(4, hidden)
    save_scored(tmp_path / "a.json", weights, {})
    loaded = load_schedule(tmp_path / "a.json", "mine")
    assert loaded.name == "mine"
    assert loaded.env_id == "qkd_gym/LinkScheduling-v0"
    for name, one, other in zip(Weights._fields, weights, loaded.weights, strict=True):
        assert (one.dtype, one.shape) == (other.dtype, other.shape), name
        assert one.tobytes() == other.tobytes(), name


def test_weights_are_by_name_in_any_order(file):
    content = json.loads(file.read_text())
    before = load_schedule(file, "a").weights
    for field in ("rule", "on", "off"):
        content[field] = dict(reversed(content[field].items()))
    file.write_text(json.dumps(content))
    for one, other in zip(before, load_schedule(file, "a").weights, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda c: c.update(format=2), "has format 2, but this version reads 1"),
        (lambda c: c.pop("format"), "lacks the field 'format'"),
        (lambda c: c.update(env="Routing"), "is for 'Routing', but must be for 'LinkScheduling'"),
        (lambda c: c.update(env=3), "env is 3, but must be a text"),
        (lambda c: c.update(version=None), "version is None"),
        (lambda c: c.update(rul={}), "Did you mean 'rule'"),
        (lambda c: c["rule"].pop("kappa"), "rule lacks the field 'kappa'"),
        (lambda c: c["rule"].update(kapa=1.0), "rule has no field 'kapa'. Did you mean 'kappa'"),
        (lambda c: c["rule"].update(kappa=-0.1), "rule.kappa is -0.1, but must be a number >= 0.0"),
        (lambda c: c["rule"].update(hysteresis=-2), "rule.hysteresis is -2"),
        (
            lambda c: c["rule"].update(demand_power=2.5),
            "power is 2.5, but must be a number <= 2.0",
        ),
        (lambda c: c["rule"].update(rate_power=2.5), "rate_power is 2.5"),
        (lambda c: c["rule"].update(cover_weight=1.5), "cover_weight is 1.5"),
        (lambda c: c["on"].pop("lack"), "on lacks the field 'lack'"),
        (lambda c: c["on"].update(lakc=1.0), "on has no field 'lakc'. Did you mean 'lack'"),
        (lambda c: c["on"].update(lack="1"), "on.lack is '1', but must be a number"),
        (lambda c: c["on"].update(lack=1e39), "on.lack is 1e+39"),
        (lambda c: c["off"].update(lack=-1e300), "off.lack is -1e+300"),
        (lambda c: c["off"].update(lack=None), "off.lack is None, but must be a number"),
        (lambda c: c["off"].pop("pool"), "off lacks the field 'pool'"),
        (lambda c: c["hidden"][1].pop("one"), "hidden[1] lacks the field 'one'"),
        (lambda c: c["hidden"][1].update(one=1e99), "hidden[1].one is 1e+99"),
        (lambda c: c["hidden"].pop(), "has 2 numbers in hidden_on, but must have 1, one for each"),
        (lambda c: c["hidden_on"].pop(), "has 1 numbers in hidden_on, but must have 2"),
        (lambda c: c["hidden_off"].append(0.0), "has 3 numbers in hidden_off, but must have 2"),
        (lambda c: c.update(hidden_on=[0.1, 1e40]), "hidden_on[1] is 1e+40"),
        (lambda c: c.update(hidden_off=[0.1, -1e40]), "hidden_off[1] is -1e+40"),
        (lambda c: c.update(hidden_off=[0.1, True]), "hidden_off[1] is True"),
        (lambda c: c.pop("card"), "lacks the field 'card'"),
        (lambda c: c["card"].update(summary="two\nlines"), "card.summary is"),
        (lambda c: c["card"].update(summary=201 * "a"), "card.summary is"),
    ],
)
def test_every_damaged_field_is_refused_in_one_sentence(file, edit, message):
    content = json.loads(file.read_text())
    edit(content)
    file.write_text(json.dumps(content))
    with pytest.raises(InvalidInput) as refused:
        load_schedule(file, "a")
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) <= 300


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
@pytest.mark.parametrize("field", ["rule", "on", "off"])
def test_weights_that_are_not_finite_are_refused(file, field, number):
    content = json.loads(file.read_text())
    content[field][next(iter(content[field]))] = "HERE"
    file.write_text(json.dumps(content).replace('"HERE"', number))
    with pytest.raises(InvalidInput, match="numbers must be finite"):
        load_schedule(file, "a")


def test_weights_that_a_search_lost_are_refused(tmp_path):
    """JSON has no NaN, so it is written as null."""
    weights = random_weights(1)
    weights.on[3] = np.nan
    save_scored(tmp_path / "a.json", weights, {})
    with pytest.raises(InvalidInput, match="is None, but must be a number"):
        load_schedule(tmp_path / "a.json", "a")


class _Harmful:
    def __reduce__(self):
        return Path.touch, (Path("touched"),)


def test_no_file_runs_code(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "schedule.json"
    path.write_bytes(pickle.dumps(_Harmful()))
    with pytest.raises(InvalidInput, match="is not valid JSON"):
        load_schedule(path, "a")
    assert not Path("touched").exists()


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InvalidInput, match="absent.json"):
        load_schedule(tmp_path / "absent.json", "a")


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """Two agents, as if the package shipped them."""
    folder = tmp_path / "data"
    folder.mkdir()
    for seed, name in enumerate(("metro", "general")):
        save_scored(folder / f"{name}.json", random_weights(seed), {"summary": f"For {name}"})
    (folder / "notes.txt").write_text("no agent")
    monkeypatch.setattr(agents, "SHIPPED", folder)
    return folder


@pytest.mark.usefixtures("shipped")
def test_shipped_agents_are_found_by_name():
    assert shipped_schedules() == ("general", "metro")
    metro = shipped_schedule("metro")
    assert metro.name == "metro"
    np.testing.assert_array_equal(metro.weights.on, random_weights(0).on)
    assert shipped_card("general").summary == "For general"
    with pytest.raises(InvalidInput, match="Did you mean 'metro'"):
        shipped_schedule("metroo")
    with pytest.raises(InvalidInput, match="Did you mean 'metro'"):
        shipped_card("metroo")


@pytest.mark.usefixtures("shipped")
def test_a_schedule_is_found_by_name_or_folder(tmp_path, monkeypatch, file):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "metro").mkdir()
    file.rename(tmp_path / "metro" / "schedule.json")
    by_name, by_folder = find_scored("metro"), find_scored(Path("metro"))
    np.testing.assert_array_equal(by_name.weights.on, random_weights(0).on)
    np.testing.assert_array_equal(by_folder.weights.on, random_weights(1, hidden=2).on)
    assert by_folder.name == "metro"
    assert find_scored(tmp_path) is None
    assert find_scored("nowhere") is None


def test_what_the_package_ships_can_be_loaded():
    for name in shipped_schedules():
        assert shipped_schedule(name).name == name
        assert shipped_card(name).summary


def test_agents_are_loaded_without_torch_or_a_search():
    code = (
        "import sys, qkd_gym.search, qkd_gym.search.recipe;"
        "print(sorted({'torch', 'cmaes', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
