"""Registered names mean one thing, here and in the processes that work for this one."""

import pytest

from qkd_gym import names
from qkd_gym.errors import InvalidInput
from qkd_gym.evaluation import evaluate
from qkd_gym.network import NetworkConfig, available_scenarios, get_scenario, register_scenario
from qkd_gym.physics import BB84, preset, register_preset
from qkd_gym.workers import start_workers


@pytest.fixture(autouse=True)
def nothing_registered(monkeypatch):
    monkeypatch.setattr(names, "_REGISTERED", {})


def test_a_scenario_starts_from_another_and_is_known_by_its_name():
    register_scenario("quiet", "metro-10", load=0.5)
    assert get_scenario("quiet") == get_scenario("metro-10").replace(load=0.5)
    assert "quiet" in available_scenarios()
    assert evaluate("static-plan", scenario="quiet", episodes=1).settings["scenario"] == "quiet"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("metro", "must not be a name of the package's own"),
        ("madrid", "must not be a name of the package's own"),
        ("net.json", "must be a name of 1 to 64"),
        ("", "must be a name of 1 to 64"),
        (3, "scenario is 3, but must be a name"),
    ],
)
def test_names_of_others_and_no_names_are_refused(name, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        register_scenario(name, "metro-10")


def test_a_name_means_one_thing():
    for _ in range(2):
        register_scenario("mine", {"load": 0.5})
        register_preset("mine", BB84(misalignment=0.02))
    with pytest.raises(InvalidInput, match="'mine', but that name is registered for another scen"):
        register_scenario("mine", {"load": 0.6})
    with pytest.raises(InvalidInput, match="'mine', but that name is registered for another pres"):
        register_preset("mine", BB84(misalignment=0.03))
    with pytest.raises(InvalidInput, match=r"Did you mean 'metro-busy'|must be one of"):
        register_scenario("typo", "metro-buzy")


def _seen(name):
    return get_scenario(name).preset, float(preset("mine").misalignment)


def test_child_processes_know_what_is_registered_here():
    register_preset("mine", BB84(misalignment=0.02))
    register_scenario("mine", NetworkConfig(preset="mine"))
    with start_workers(2) as team:
        assert team.do(_seen, ["mine", "mine"]) == [("mine", 0.02)] * 2


def test_what_is_known_in_a_child_stays():
    names.register("scenario", "mine", 1, ())
    names.adopt({"scenario": {"mine": 2, "yours": 3}, "preset": {"mine": 4}})
    assert names.all_registered() == {"scenario": {"mine": 1, "yours": 3}, "preset": {"mine": 4}}
