"""Evaluation: reproducible, paired, equal to playing by hand, and honest intervals."""

from __future__ import annotations

import dataclasses
import json

import gymnasium as gym
import numpy as np
import pytest

from qkd_gym.baselines import RulePolicy, make_policy
from qkd_gym.errors import InvalidInput
from qkd_gym.evaluation import bootstrap_interval, compare, evaluate, print_comparison
from qkd_gym.evaluation.plots import plot_learning_curve
from qkd_gym.evaluation.report import comparison_table
from qkd_gym.evaluation.result import EvaluationResult
from qkd_gym.files import write_json
from qkd_gym.network.scenarios import as_mapping, get_scenario

SMALL = {"n_sites": 10, "bank_size": 2, "episode_s": 1800.0}
ACTIVATION = "qkd_gym/LinkActivation-v0"


@pytest.mark.parametrize("env_id", [ACTIVATION, "qkd_gym/Routing-v0", "qkd_gym/Network-v0"])
def test_metrics_are_those_of_the_single_environment(env_id):
    policy = make_policy("random" if env_id == ACTIVATION else "exponential-price")
    if env_id == ACTIVATION:
        policy = make_policy("max-weight")
    result = evaluate(policy, env_id, episodes=3, seed=7, **SMALL)
    env = gym.make(env_id, split="test", **SMALL)
    for row in result.rows():
        obs, _ = env.reset(seed=row["seed"])
        totals = dict.fromkeys(["offered_bits", "delivered_bits", "blocked_bits", "switches"], 0)
        qber, reward, over = 0.0, 0.0, False
        while not over:
            obs, gain, _, over, info = env.step(policy.predict(obs)[0])
            for key in totals:
                totals[key] += info[key]
            qber += info["qber_weighted_bits"]
            reward += gain
        assert row["delivered_share"] == totals["delivered_bits"] / totals["offered_bits"]
        assert row["blocked_share"] == totals["blocked_bits"] / totals["offered_bits"]
        assert row["delivered_share"] + row["blocked_share"] == pytest.approx(1.0)
        assert row["mean_qber"] == pytest.approx(qber / totals["delivered_bits"])
        assert row["switches_per_hour"] == pytest.approx(2.0 * totals["switches"])
        assert row["reward"] == pytest.approx(reward)


def test_episodes_do_not_depend_on_how_they_are_batched(monkeypatch):
    together = evaluate("demand-deficit", episodes=5, seed=3, **SMALL)
    monkeypatch.setattr("qkd_gym.evaluation.episodes._BATCH", 2)
    counts = []
    apart = evaluate("demand-deficit", episodes=5, seed=3, on_progress=counts.append, **SMALL)
    np.testing.assert_equal(together.rows(), apart.rows())
    assert counts == [2, 4, 5]
    assert together.seeds.tolist() == [3, 4, 5, 6, 7]


ROUTING = "qkd_gym/Routing-v0"
HIDDEN = get_scenario("hidden")


@pytest.mark.parametrize(
    ("env_id", "scenario", "name", "parameters"),
    [
        (ACTIVATION, {"scenario": "hidden"}, "max-weight", {"hysteresis": 9.0}),
        (ACTIVATION, {"scenario": "hidden", "load": 0.5}, "max-weight", {"hysteresis": 9.0}),
        (ACTIVATION, {"scenario": "hidden-mild"}, "max-weight", {}),
        (ACTIVATION, {"scenario": HIDDEN}, "max-weight", {}),
        (ACTIVATION, {"scenario": as_mapping(HIDDEN)}, "max-weight", {}),
        # What the environments play where nobody names a scenario.
        (ACTIVATION, {}, "max-weight", {"hysteresis": 7.0}),
        (ROUTING, {}, "exponential-price", {"steepness": 3.0}),
    ],
)
def test_a_baseline_by_name_has_what_was_tuned_for_the_scenario(
    monkeypatch, env_id, scenario, name, parameters
):
    shipped = {
        "hidden": {"max-weight": {"parameters": {"hysteresis": 9.0}}},
        "metro": {
            "max-weight": {"parameters": {"hysteresis": 7.0}},
            "exponential-price": {"parameters": {"steepness": 2.0}},
        },
        "control-modules": {"exponential-price": {"parameters": {"steepness": 3.0}}},
    }
    monkeypatch.setattr("qkd_gym.baselines.tuned.table", lambda: shipped)
    made = []

    def make(name, **arguments):
        made.append(make_policy(name, **arguments))
        return made[-1]

    monkeypatch.setattr("qkd_gym.evaluation.episodes.make_policy", make)
    evaluate(name, env_id, 1, **SMALL, **scenario)
    expected = make_policy(name, **parameters)
    assert (made[0].activation, made[0].routing) == (expected.activation, expected.routing)


def test_a_policy_that_takes_masks_gets_them():
    class LastLegal:
        def predict(
            self, obs, state=None, episode_start=None, deterministic=True, action_masks=None
        ):
            assert action_masks.dtype == bool
            last = action_masks.shape[1] - 1 - action_masks[:, -2::-1].argmax(axis=1) - 1
            return last, state

    result = evaluate(LastLegal(), episodes=2, **SMALL)
    assert result.policy == "LastLegal"
    assert result.metrics["illegal_actions"].sum() == 0
    assert result.metrics["switches_per_hour"].min() > 0


def test_a_recurrent_policy_gets_its_state_back():
    class Counter:
        def predict(self, obs, state=None, episode_start=None, deterministic=True):
            if state is None:
                assert episode_start.all()
                state = 0
            self.steps = state + 1
            return np.full(len(obs["links"]), obs["links"].shape[1]), self.steps

    policy = Counter()
    evaluate(policy, episodes=2, **SMALL)
    assert policy.steps == 30


def test_comparison_is_paired_and_names_the_best_baseline():
    results = {
        name: evaluate(name, episodes=8, **SMALL) for name in ("static-plan", "demand-deficit")
    }
    ours = dataclasses.replace(results["static-plan"], policy="ours", is_baseline=False)
    delivered = results["demand-deficit"].metrics["value_share"] + 0.01
    ours = dataclasses.replace(ours, metrics={**ours.metrics, "value_share": delivered})
    rows = compare({"ours": ours, **results})
    assert [row.policy for row in rows] == ["ours", "demand-deficit", "static-plan"]
    assert {row.baseline for row in rows} == {"demand-deficit"}
    # The episodes differ by far more than a point, but their differences do not.
    np.testing.assert_allclose(rows[0].difference, [0.01, 0.01, 0.01])
    assert rows[1].difference is None
    assert rows[2].difference.high < 0
    text = comparison_table(rows)
    assert "+1.00 [+1.00, +1.00]" in text
    assert text.count("best baseline") == 2


class Hold:
    name = "static-plan"  # a name alone makes no baseline

    def predict(self, obs, state=None, episode_start=None, deterministic=True):
        return np.full(len(obs["links"]), obs["links"].shape[1]), state


RULE = make_policy("demand-deficit").activation


@pytest.mark.parametrize(
    ("policy", "name", "expected"),
    [
        ("demand-deficit", None, True),
        ("demand-deficit", "the one to beat", True),
        ("random+widest-path", None, True),
        (make_policy("demand-deficit", kappa=0.5), "mine", True),
        (RulePolicy("mine", RULE, None, RULE, RULE), None, False),
        (Hold(), None, False),
    ],
)
def test_a_result_says_whether_it_is_of_a_baseline(policy, name, expected):
    result = evaluate(policy, episodes=1, name=name, **SMALL)
    assert result.is_baseline is expected
    assert "is_baseline" not in result.to_dict()
    row = compare({"other": dataclasses.replace(result, is_baseline=False), "it": result})[0]
    assert row.baseline == ("it" if expected else None)


def test_results_of_other_episodes_are_not_compared():
    first = evaluate("static-plan", episodes=2, **SMALL)
    for other in (
        evaluate("static-plan", episodes=2, seed=1, **SMALL),
        evaluate("static-plan", episodes=2, **(SMALL | {"load": 0.5})),
    ):
        with pytest.raises(InvalidInput, match="other episodes"):
            compare({"a": first, "b": other})


def test_bootstrap_interval_covers_the_mean_about_as_often_as_it_says():
    rng = np.random.default_rng(1)
    covered = [
        low <= 0.0 <= high
        for _, low, high in (bootstrap_interval(rng.normal(size=60)) for _ in range(300))
    ]
    assert 0.90 < np.mean(covered) < 0.985
    assert bootstrap_interval(np.array([1.0, np.nan, 3.0])).mean == 2.0


def test_one_episode_has_no_interval(capsys):
    assert bootstrap_interval(np.array([0.5, np.nan])).mean == 0.5
    assert np.isnan(bootstrap_interval(np.array([0.5, np.nan]))[1:]).all()
    assert np.isfinite(bootstrap_interval(np.array([0.5, 0.6]))).all()
    names = ("static-plan", "demand-deficit")
    rows = compare({name: evaluate(name, episodes=1, **SMALL) for name in names})
    (difference,) = (row.difference for row in rows if row.difference is not None)
    assert np.isfinite(difference.mean)
    assert np.isnan(difference[1:]).all()
    assert f"{100 * difference.mean:+.2f} (no interval)" in comparison_table(rows)
    print_comparison(rows)
    printed = " ".join(capsys.readouterr().out.split())
    assert "interval)" in printed


def test_one_episode_has_no_interval_in_results(tmp_path):
    result = evaluate("static-plan", episodes=1, **SMALL)
    assert np.isnan(result.interval()).all()
    write_json(tmp_path / "metrics.json", result.to_dict())
    summary = json.loads((tmp_path / "metrics.json").read_text())["summary"]
    assert summary["delivered_share"]["interval_95"] == [None, None]
    assert summary["delivered_share"]["mean"] == result.mean()


@pytest.mark.parametrize("seed", [np.int64(3), np.uint8(3), np.int32(3)])
def test_seeds_may_be_integers_of_numpy(seed):
    result = evaluate("static-plan", episodes=np.int64(2), seed=seed, **SMALL)
    same = evaluate("static-plan", episodes=2, seed=3, **SMALL)
    np.testing.assert_equal(result.rows(), same.rows())  # NaN equals NaN
    assert json.loads(json.dumps(result.to_dict()))["episodes"][0]["seed"] == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"episodes": 0}, "episodes is 0"),
        ({"episodes": 10**30}, "episodes is 10000"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": 2**63}, "seed is 9223372036854775808, but must be in"),
        ({"seed": True}, "seed is True, but must be an integer"),
        ({"seed": 1.0}, "seed is 1.0, but must be an integer"),
        ({"env_id": "qkd_gym/LinkActivaton-v0"}, "Did you mean 'qkd_gym/LinkActivation-v0'"),
        ({"policy": "demand-defict"}, "Did you mean 'demand-deficit'"),
        ({"policy": object()}, "must have a method predict"),
        ({"laod": 1.0}, "Did you mean 'load'"),
        ({"autoreset_mode": "NextStep"}, "autoreset_mode is 'NextStep', but must be left out"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(InvalidInput, match=message):
        evaluate(**{"policy": "static-plan", **arguments})


def test_json_is_complete_or_absent(tmp_path):
    metrics = {"delivered_share": np.array([0.5, np.nan])}
    result = EvaluationResult("p", ACTIVATION, {"load": 1.0}, np.arange(2), metrics, 0.0)
    path = tmp_path / "metrics.json"
    write_json(path, {"result": result.to_dict(), "array": np.arange(3)})
    content = json.loads(path.read_text())
    assert content["array"] == [0, 1, 2]
    assert content["result"]["episodes"][1]["delivered_share"] is None
    before = path.read_text()
    with pytest.raises(TypeError):
        write_json(path, {"bad": object()})
    assert path.read_text() == before
    assert list(tmp_path.iterdir()) == [path]


def test_report_and_plot(tmp_path, capsys):
    rows = compare({"static-plan": evaluate("static-plan", episodes=2, **SMALL)})
    print_comparison(rows, title="a title")
    printed = capsys.readouterr().out
    assert "a title" in printed
    assert "static-plan" in printed
    path = tmp_path / "curve.png"
    steps, levels = np.array([0, 100]), {"demand-deficit": np.float64(0.66)}
    plot_learning_curve(path, steps, np.array([0.5, 0.6]), references=levels)
    assert path.read_bytes().startswith(b"\x89PNG")
    assert json.loads((tmp_path / "curve.json").read_text()) == {
        "steps": [0, 100],
        "values": [0.5, 0.6],
        "label": "policy",
        "quantity": "delivered share",
        "references": {"demand-deficit": 0.66},
    }


def test_names_in_a_table_are_printed_as_they_are(capsys):
    result = evaluate("static-plan", episodes=2, **SMALL)
    print_comparison(compare({"mine [bold]": result}), title="[red]run")
    printed = capsys.readouterr().out
    assert "mine [bold]" in printed
    assert "[red]run" in printed


def test_results_under_other_large_matrices_are_of_other_episodes():
    result = evaluate("static-plan", episodes=1, scenario="metro-10", bank_size=1, episode_s=600.0)
    matrices = np.zeros((3, 100, 100))
    matrices[2, 50, 51] = 1.0
    keys = [
        dataclasses.replace(result, settings={"demand": {"matrix": matrix}}).episodes_key()
        for matrix in matrices
    ]
    assert keys[0] == keys[1] != keys[2]
