"""Policies by module:Class: on command lines, and nowhere else."""

import json
import sys

import pytest

from qkd_gym.baselines import make_policy
from qkd_gym.baselines.own import own_class
from qkd_gym.baselines.registry import is_baseline
from qkd_gym.benchmark import run_benchmark
from qkd_gym.benchmark.policies import Row, load, rows_of
from qkd_gym.cli import main
from qkd_gym.envs.tasks import LINK_ACTIVATION, LINK_SCHEDULING
from qkd_gym.errors import InvalidInput
from qkd_gym.evaluation import evaluate

CODE = """
import numpy as np
from qkd_gym.network import register_scenario
register_scenario("tiny", "metro-10", episode_s=600.0)
class Holds:
    def __init__(self, scenario=None):
        self.scenario = scenario
    def predict(self, obs, state=None, episode_start=None, deterministic=True):
        return np.full(len(obs["links"]), obs["links"].shape[1]), state
class Elsewhere(Holds):
    env_id = "qkd_gym/LinkScheduling-v0"
class Plain(Holds):
    def __init__(self):
        pass
word = "no class"
"""


@pytest.fixture(autouse=True)
def module(tmp_path, monkeypatch):
    (tmp_path / "own_rules.py").write_text(CODE, encoding="utf-8")
    (tmp_path / "broken_rules.py").write_text("1 / 0", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr("qkd_gym.names._REGISTERED", {})
    yield
    for name in ("own_rules", "broken_rules"):
        sys.modules.pop(name, None)


def test_rows_and_what_they_are_made_with():
    words = ["own_rules:Holds", "own_rules:Elsewhere"]
    assert rows_of(words, LINK_ACTIVATION) == [
        Row(words[0], words[0], LINK_ACTIVATION.env_id),
        Row(words[1], words[1], LINK_SCHEDULING.env_id),
    ]
    env_id = LINK_ACTIVATION.env_id
    assert load(words[0], env_id, {"scenario": "metro-10"}).scenario == "metro-10"
    assert not hasattr(load("own_rules:Plain", env_id, {"scenario": "metro-10"}), "scenario")


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("own_rules:Nothing", "Nothing of 'own_rules' is None"),
        ("own_rules:word", "word of 'own_rules' is 'no class'"),
        ("own_rules.more:Holds", "importing 'own_rules.more' raises ModuleNotFoundError"),
        ("broken_rules:Holds", "importing 'broken_rules' raises ZeroDivisionError"),
        ("owm_rules:Holds", "before the colon, where there is no module .* is 'owm_rules'"),
    ],
)
def test_what_cannot_be_imported_is_one_sentence(word, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        rows_of([word], LINK_ACTIVATION)


def test_evaluate_plays_it_in_a_scenario_that_its_module_registers(capsys):
    words = ["own_rules:Holds", "demand-deficit", "--scenario", "tiny", "--episodes", "2"]
    main(["evaluate", *words, "--workers", "1"])
    assert "own_rules:Holds" in capsys.readouterr().out


def test_a_benchmark_counts_it_as_a_baseline_and_plays_it_anew_when_its_file_changes(tmp_path):
    def run():
        return run_benchmark(
            "sizes", tmp_path / "out", ["static-plan", "own_rules:Holds"],
            episodes=1, scenarios=["metro-10"], workers=1, record=True,
        )  # fmt: skip

    assert run()["baselines"] == ["static-plan", "own_rules:Holds"]
    lines = (tmp_path / "out/journal.jsonl").read_text(encoding="utf-8").splitlines()
    (tmp_path / "own_rules.py").write_text(f"{CODE}\n# changed", encoding="utf-8")
    run()
    more = (tmp_path / "out/journal.jsonl").read_text(encoding="utf-8").splitlines()
    assert more[: len(lines)] == lines
    assert [json.loads(line)["key"][1] for line in more[len(lines) :]] == ["own_rules:Holds"]
    assert len(list((tmp_path / "out/episodes/metro-10/own_rules-Holds").iterdir())) == 1


def test_tuning_says_what_to_do_instead(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["tune", "own_rules:Holds"])
    said = capsys.readouterr().err
    assert "policy is 'own_rules:Holds', but must be a rule of the package" in said
    assert "own_rules" not in sys.modules
    assert not (tmp_path / "tuning").exists()
    # What it says to do works.
    holds = own_class("own_rules:Holds")
    played = evaluate(holds(), episodes=1, scenario="tiny", split="train")
    assert played.mean("delivered_share") >= 0.0


def test_nothing_else_imports_by_name():
    with pytest.raises(InvalidInput):
        make_policy("own_rules:Holds")
    assert not is_baseline("own_rules:Holds")
    assert "own_rules" not in sys.modules
