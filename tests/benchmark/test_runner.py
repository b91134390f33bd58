"""The benchmark: paired, never above the bound, and honest statistics."""

from __future__ import annotations

import json
import sys
import types
from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import trim_mean
from small_run import POLICIES, small_run

from qkd_gym.baselines import make_policy
from qkd_gym.benchmark import available_suites, get_suite, run_benchmark, worker
from qkd_gym.benchmark.plots import plot_suite
from qkd_gym.benchmark.policies import rows_of
from qkd_gym.benchmark.suites import available_splits, get_split
from qkd_gym.benchmark.summary import interquartile_mean
from qkd_gym.benchmark.table import markdown
from qkd_gym.cli import main
from qkd_gym.envs.tasks import get_task
from qkd_gym.errors import InvalidInput
from qkd_gym.evaluation import evaluate
from qkd_gym.network import get_scenario
from qkd_gym.network.scenarios import as_mapping


def test_suites_are_data_that_fit_together():
    for name in available_suites():
        suite = get_suite(name)
        rows = rows_of([*suite.heuristics(), *suite.rows], get_task(suite.env_id))
        assert len(rows) == len(suite.heuristics()) + len(suite.rows)
        for scenario in suite.scenarios:
            get_scenario(scenario)
        for field, names in suite.axes.items():
            configs = [as_mapping(get_scenario(scenario)) for scenario in names]
            differ = {key for c in configs for key in c if c[key] != configs[0][key]}
            assert differ - {"bank_size", "max_hops"} == {field}, (name, field)
            assert set(names) <= set(suite.scenarios)
    splits = [get_split(name) for name in available_splits()]
    assert len({split.split for split in splits}) == 3
    ends = sorted((split.first_seed, split.first_seed + split.seeds) for split in splits)
    assert all(end <= start for (_, end), (start, _) in pairwise(ends))


def test_numbers_are_those_of_the_evaluator(whole):
    _, results = whole
    scenario = results["scenarios"]["metro-10"]
    for name in POLICIES:
        policy = make_policy(name, scenario="metro-10")
        alone = evaluate(policy, episodes=6, seed=1_000_000, scenario="metro-10", split="test")
        found = scenario["policies"][name]
        assert found["episodes"]["seed"] == alone.seeds.tolist()
        assert found["episodes"]["delivered_share"] == alone.metrics["delivered_share"].tolist()
        assert found["metrics"]["delivered_share"]["mean"] == pytest.approx(alone.mean())
    best = scenario["best_baseline"]
    assert best == "demand-deficit" or best == "max-weight"
    gap = scenario["policies"]["static-plan"]["difference_to_best_baseline"]
    assert gap["interval_95"][1] < 0.0
    assert json.loads((whole[0] / "results.json").read_text()) == results


def test_processes_do_not_change_the_results(whole, tmp_path):
    small_run(tmp_path, workers=2)
    assert (tmp_path / "results.json").read_bytes() == (whole[0] / "results.json").read_bytes()


@pytest.mark.parametrize(
    ("suite", "policy"),
    [("sizes", "random"), ("network", "random"), ("network", "random+widest-path")],
)
def test_the_random_policy_draws_anew_in_every_episode(tmp_path, suite, policy):
    env_id = get_suite(suite).env_id
    scenario = "metro-10" if suite == "sizes" else "control-modules"
    results = run_benchmark(suite, tmp_path, [policy], episodes=2, scenarios=[scenario], workers=1)
    episodes = results["scenarios"][scenario]["policies"][policy]["episodes"]
    for seed, share in zip(episodes["seed"], episodes["delivered_share"], strict=True):
        alone = evaluate(make_policy(policy, seed=seed), env_id, 1, seed, scenario=scenario)
        assert alone.metrics["delivered_share"].tolist() == [share]


def fake_bounds(limit):
    """Bounds of which only the plumbing is tested here: a share of the offered key."""

    def trace(config, seed):
        result = evaluate("static-plan", episodes=1, seed=seed, scenario=as_mapping(config))
        return result.totals["offered_bits"][0]

    return types.SimpleNamespace(
        episode_trace=trace,
        clairvoyant_bound=lambda offered, switches_per_interval: types.SimpleNamespace(
            delivered_bits=limit * offered * switches_per_interval
        ),
        ForesightPolicy=lambda config, seed: make_policy("demand-deficit"),
    )


def test_no_policy_may_exceed_the_bound(tmp_path, monkeypatch):
    monkeypatch.setattr(worker, "bounds", fake_bounds(1.0))
    results = small_run(tmp_path, ["static-plan", "lowest-pool-first"], bounds=2)
    scenario = results["scenarios"]["metro-10"]
    assert scenario["bound_share"]["mean"] == pytest.approx(1.0)
    assert len(scenario["policies"]["foresight-reference"]["episodes"]["seed"]) == 2
    shares = {
        name: np.mean(facts["episodes"]["delivered_share"][:2])
        for name, facts in scenario["policies"].items()
    }
    closed = scenario["policies"]["static-plan"]["to_reference"]["closed"]
    best, reference = shares["lowest-pool-first"], shares["foresight-reference"]
    if reference > best:
        assert closed == pytest.approx((shares["static-plan"] - best) / (reference - best))
    else:
        assert closed is None
    assert "No policy can deliver more than 1.0000" in markdown(results)
    monkeypatch.setattr(worker, "bounds", fake_bounds(0.1))
    with pytest.raises(InvalidInput, match="but the bound allows at most"):
        small_run(tmp_path / "low", ["static-plan", "lowest-pool-first"], bounds=2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"policies": ["max-wieght"]}, "Did you mean 'max-weight'"),
        (
            {"policies": ["agent=/nowhere"]},
            "has none of schedule.json, paths.json",
        ),
        ({"policies": ["max-weight", "max-weight"]}, "is empty or taken"),
        (
            {"policies": ["../up=/nowhere"]},
            "has none of schedule.json, paths.json",
        ),
        ({"scenarios": ["metro-11"]}, "scenarios is 'metro-11'.* Did you mean 'metro-1"),
        ({"episodes": 0}, "episodes is 0"),
        ({"bounds": 7}, "bounds is 7"),
        ({"split": "test"}, "must be one of 'training', 'validation', 'held-out'"),
    ],
)
def test_bad_arguments_fail_before_anything_is_written(tmp_path, options, message):
    with pytest.raises(InvalidInput, match=message):
        small_run(tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("suite", ["routing", "network"])
def test_bounds_are_of_links_alone(tmp_path, suite):
    with pytest.raises(InvalidInput, match="only LinkActivation suites have bounds"):
        run_benchmark(suite, tmp_path / "out", ["random"], episodes=1, bounds=1)


def test_interquartile_mean():
    rng = np.random.default_rng(0)
    values = rng.normal(size=40)
    assert interquartile_mean(values) == pytest.approx(trim_mean(values, 0.25))
    # Half of the middle values' neighbours count where a quarter is no whole number.
    assert interquartile_mean(np.array([0.0, 1.0, 2.0])) == pytest.approx(1.0)
    assert interquartile_mean(np.array([0.0, 0.0, 0.0, 0.0, 4.0, 100.0])) == pytest.approx(2 / 3)
    assert interquartile_mean(np.array([np.nan, 3.0])) == 3.0


def test_command_line_writes_table_plot_and_episode_files(tmp_path, capsys):
    arguments = ["benchmark", "--suite", "routing", "--scenarios", "control-modules"]
    arguments += ["--policy", "shortest-path", "widest-path", "--episodes", "2", "--record"]
    main([*arguments, "--workers", "1", "--out", str(tmp_path)])
    out = capsys.readouterr().out
    assert "| widest-path |" in out
    assert (tmp_path / "page.png").read_bytes().startswith(b"\x89PNG")
    assert "µs" in (tmp_path / "timings.md").read_text()
    page = tmp_path / "RESULTS.md"
    main(["leaderboard", str(tmp_path / "episodes"), "--workers", "1", "--out", str(page)])
    assert "| widest-path | Routing | 2 |" in page.read_text()
    bad = next((tmp_path / "episodes").rglob("1000000.json"))
    bad.write_text(bad.read_text().replace('"seed":1000000', '"seed":1000005'))
    with pytest.raises(SystemExit) as stop:
        main(["validate", str(tmp_path / "episodes"), "--workers", "1"])
    assert stop.value.code == 2
    assert "checksum differs" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("program", "name"),
    [("/usr/bin/qkd-gym", "qkd-gym"), ("/x/qkd_gym/__main__.py", "python -m qkd_gym")],
)
def test_the_command_line_shows_the_name_it_was_called_by(monkeypatch, capsys, program, name):
    monkeypatch.setattr(sys, "argv", [program, "--help"])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: {name} ")


def test_plot_of_a_suite_with_axes(tmp_path):
    results = run_benchmark(
        "metro",
        tmp_path,
        ["static-plan"],
        episodes=1,
        scenarios=["metro", "metro-light"],
        workers=1,
    )
    plot_suite(tmp_path / "page.png", results)
    assert (tmp_path / "page.png").stat().st_size > 10_000


def test_trained_agents_play_from_their_folder(tmp_path):
    torch = pytest.importorskip("torch")
    pytest.importorskip("sb3_contrib")
    import gymnasium as gym
    from safetensors.torch import save_file

    from qkd_gym.sb3 import LinkPointerPolicy

    env = gym.make_vec("qkd_gym/LinkActivation-v0", num_envs=1, scenario="metro-10")
    torch.manual_seed(0)
    space = env.single_observation_space, env.single_action_space
    policy = LinkPointerPolicy(*space, lambda _: 0.0)
    with torch.no_grad():
        policy.mlp_extractor.link_score.weight.normal_()
    policy.set_training_mode(False)
    folder = tmp_path / "agent"
    folder.mkdir()
    tensors = {name: t.detach().clone().contiguous() for name, t in policy.state_dict().items()}
    save_file(tensors, folder / "policy.safetensors")
    facts = {"recipe": {"pointer": True}, "options": {"env": "LinkActivation"}}
    (folder / "config.json").write_text(json.dumps(facts))
    results = small_run(tmp_path / "out", [str(folder), "static-plan"], episodes=3)
    direct = evaluate(policy, episodes=3, seed=1_000_000, scenario="metro-10")
    found = results["scenarios"]["metro-10"]["policies"]["agent"]
    np.testing.assert_allclose(
        found["episodes"]["delivered_share"], direct.metrics["delivered_share"]
    )
    assert results["baselines"] == ["static-plan"]
    with pytest.raises(InvalidInput, match="which plays LinkActivation, but must play Routing"):
        run_benchmark("routing", tmp_path / "no", [str(folder)], episodes=1, workers=1)
    with pytest.raises(InvalidInput, match="its name must be one of a folder"):
        small_run(tmp_path / "no", [f"../up={folder}"])
    assert not (tmp_path / "no").exists()
