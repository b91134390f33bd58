"""What policies on a command line stand for, and rows that play another environment."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from qkd_gym.baselines import make_policy
from qkd_gym.benchmark import run_benchmark, runner, validate, worker
from qkd_gym.benchmark.policies import Row, agent_digest, load, rows_of
from qkd_gym.benchmark.suites import Suite, get_suite
from qkd_gym.benchmark.table import leaderboard, markdown
from qkd_gym.envs.tasks import LINK_ACTIVATION, LINK_SCHEDULING, NETWORK, ROUTING
from qkd_gym.errors import InvalidInput
from qkd_gym.evaluation import evaluate
from qkd_gym.scoring import agents
from qkd_gym.scoring.agents import save_scored
from tests.scoring.observations import random_weights

ACTIVATION, SCHEDULING = LINK_ACTIVATION.env_id, LINK_SCHEDULING.env_id


@pytest.fixture(autouse=True)
def shipped(tmp_path, monkeypatch):
    """An agent, as if the package shipped it, and another in a folder."""
    folder, run = tmp_path / "data", tmp_path / "run"
    folder.mkdir()
    run.mkdir()
    save_scored(folder / "metro.json", random_weights(0), {})
    save_scored(run / "schedule.json", random_weights(1), {})
    monkeypatch.setattr(agents, "SHIPPED", folder)
    monkeypatch.chdir(tmp_path)
    return folder


def test_every_word_has_its_row():
    words = ["max-weight", "LinkScheduling:max-weight", "agent:metro", "run", "mine=run"]
    assert rows_of(words, LINK_ACTIVATION) == [
        Row("max-weight", "max-weight", ACTIVATION),
        Row("LinkScheduling:max-weight", "max-weight", SCHEDULING),
        Row("agent:metro", "agent:metro", SCHEDULING),
        Row("run", "./run", SCHEDULING),
        Row("mine", "./run", SCHEDULING),
    ]
    assert rows_of(["max-weight", "LinkActivation:max-weight"], LINK_SCHEDULING) == [
        Row("max-weight", "max-weight", SCHEDULING),
        Row("LinkActivation:max-weight", "max-weight", ACTIVATION),
    ]


@pytest.mark.parametrize(
    ("words", "task", "message"),
    [
        (["agent:metroo"], LINK_ACTIVATION, "agent is 'metroo'.* Did you mean 'metro'"),
        (["agent:"], LINK_ACTIVATION, "agent is ''"),
        (["agnet:metro"], LINK_ACTIVATION, "before the colon.* is 'agnet'.* mean 'agent'"),
        (["LinkSheduling:random"], LINK_ACTIVATION, "Did you mean 'LinkScheduling'"),
        (["LinkScheduling:rondom"], LINK_ACTIVATION, "policy is 'rondom'"),
        (["Routing:random"], LINK_ACTIVATION, "plays Routing, but must play LinkActivation"),
        (["agent:metro"], ROUTING, "plays LinkScheduling, but must play Routing"),
        (["agent:metro"], NETWORK, "plays LinkScheduling, but must play Network"),
        (["run"], NETWORK, "plays LinkScheduling, but must play Network"),
        (
            ["data"],
            LINK_ACTIVATION,
            "'data' has none of schedule.json, paths.json",
        ),
        (["random", "random"], LINK_ACTIVATION, "empty or taken"),
        (["agent:metro", "agent-metro=run"], LINK_ACTIVATION, "empty or taken"),
        (["=run"], LINK_ACTIVATION, "empty or taken"),
        (["taken=run"], LINK_ACTIVATION, "empty or taken"),
        (["../up=run"], LINK_ACTIVATION, "must be one of a folder"),
    ],
)
def test_bad_words_are_refused_in_one_sentence(words, task, message):
    with pytest.raises(InvalidInput, match=message) as refused:
        rows_of(words, task, taken=("taken",))
    assert "\n" not in str(refused.value)


def test_agents_are_loaded_and_told_apart_by_their_weights(shipped):
    for policy, seed in (("agent:metro", 0), ("./run", 1)):
        agent = load(policy, SCHEDULING, {"scenario": "metro"})
        np.testing.assert_array_equal(agent.weights.on, random_weights(seed).on)
    before = agent_digest("agent:metro"), agent_digest("./run")
    assert before[0] != before[1]
    save_scored(shipped / "metro.json", random_weights(0), {"summary": "Other words"})
    assert agent_digest("agent:metro") == before[0]
    save_scored(shipped / "metro.json", random_weights(1), {})
    assert agent_digest("agent:metro") == before[1]


def small_run(out, policies, **options):
    settings = {"episodes": 3, "scenarios": ["metro-10"], "workers": 1} | options
    return run_benchmark("sizes", out, policies, **settings)


def test_rows_of_another_environment_are_paired_and_can_be_replayed(tmp_path):
    words = ["max-weight", "LinkScheduling:max-weight", "agent:metro", "run"]
    results = small_run(tmp_path / "out", words, record=True)
    assert results["baselines"] == words[:2]
    found = results["scenarios"]["metro-10"]["policies"]
    tuned = make_policy("max-weight", scenario="metro-10")
    played = {
        "max-weight": (tuned, ACTIVATION),
        "LinkScheduling:max-weight": (tuned, SCHEDULING),
        "agent:metro": (load("agent:metro", SCHEDULING, {}), None),
        "run": (load("./run", SCHEDULING, {}), None),
    }
    shares = {}
    for label, (policy, env_id) in played.items():
        alone = evaluate(policy, env_id, 3, 1_000_000, scenario="metro-10")
        shares[label] = alone.metrics["delivered_share"].tolist()
        assert found[label]["episodes"]["delivered_share"] == shares[label]
        assert found[label]["env_id"] == alone.env_id
        # Of one seed all are asked for the same.
        offered = found["max-weight"]["episodes"]["offered_bits"]
        assert found[label]["episodes"]["offered_bits"] == offered
    assert len(set(map(str, shares.values()))) == 4
    gap = found["run"]["difference_to_best_baseline"]["mean"]
    best = max(words[:2], key=lambda label: sum(shares[label]))
    assert gap == pytest.approx((sum(shares["run"]) - sum(shares[best])) / 3)
    files = sorted((tmp_path / "out" / "episodes").rglob("*.json"))
    assert {path.parent.name for path in files} == {
        "max-weight",
        "LinkScheduling-max-weight",
        "agent-metro",
        "run",
    }
    for path in files:
        episode = json.loads(path.read_text())
        assert episode["env_id"] == found[episode["policy"]]["env_id"]
    text = leaderboard(validate(files))
    assert text.count("## metro-10") == 1
    for table, after in ((text, "3 |"), (markdown(results), "0.")):
        assert f"| agent:metro | LinkScheduling | {after}" in table
        assert f"| LinkScheduling:max-weight | LinkScheduling | {after}" in table
        assert f"| max-weight | LinkActivation | {after}" in table


def test_an_agent_of_other_weights_is_played_again(tmp_path, shipped):
    def shares():
        found = small_run(tmp_path / "out", ["agent:metro"])["scenarios"]["metro-10"]
        return found["policies"]["agent:metro"]["episodes"]["delivered_share"]

    before = shares()
    assert shares() == before
    save_scored(shipped / "metro.json", random_weights(1), {})
    assert shares() != before


def test_the_bound_is_that_of_who_may_switch_the_most(tmp_path, monkeypatch):
    asked, bounds = [], worker.bounds

    class Bounds:
        episode_trace = staticmethod(bounds.episode_trace)
        ForesightPolicy = staticmethod(lambda config, seed: make_policy("max-weight"))

        @staticmethod
        def clairvoyant_bound(trace, switches_per_interval):
            asked.append(switches_per_interval)
            return dataclasses.make_dataclass("Bound", ["delivered_bits"])(1e18)

    monkeypatch.setattr(worker, "bounds", Bounds)
    for words in (["static-plan"], ["static-plan", "LinkScheduling:static-plan"]):
        small_run(tmp_path / "out", words, episodes=1, bounds=1)
    assert asked == [1, 3]


def test_rows_of_a_suite_are_played_by_default(tmp_path, monkeypatch):
    suite = dataclasses.replace(get_suite("sizes"), rows=("agent:metro",))
    monkeypatch.setattr(Suite, "heuristics", lambda _: ("static-plan",))
    monkeypatch.setattr(runner, "get_suite", lambda _: suite)
    for words, labels in (((), {"static-plan", "agent:metro"}), (("heuristics",), {"static-plan"})):
        found = small_run(tmp_path / str(len(words)), words, episodes=1)
        assert set(found["scenarios"]["metro-10"]["policies"]) == labels


def test_scored_schedules_need_no_torch(tmp_path):
    code = (
        "import sys; from qkd_gym.benchmark.policies import *;"
        "from qkd_gym.envs.tasks import LINK_ACTIVATION;"
        f"(row,) = rows_of([{str(tmp_path / 'run')!r}], LINK_ACTIVATION);"
        "load(row.policy, row.env_id, {}); agent_digest(row.policy);"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert done.stdout.strip() == "False"
