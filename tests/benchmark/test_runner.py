"""The benchmark: paired, resumable to the byte, never above the bound, and honest statistics."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
import types
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import trim_mean

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

POLICIES = ["static-plan", "max-weight", "demand-deficit"]
ROOT = Path(__file__).parents[2]
ACTIVATION, SCHEDULING = "qkd_gym/LinkActivation-v0", "qkd_gym/LinkScheduling-v0"


def small_run(out, policies=tuple(POLICIES), **options):
    settings = {"episodes": 6, "scenarios": ["metro-10"], "workers": 1} | options
    return run_benchmark("sizes", out, policies, **settings)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    out = tmp_path_factory.mktemp("whole")
    return out, small_run(out)


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


def finished_lines(journal):
    return journal.read_bytes().split(b"\n")[:-1] if journal.exists() else []


def kill_after(command, journal, lines, further_s):
    """Runs a command until its journal has so many lines, and for a moment longer."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 240.0
    while len(finished_lines(journal)) < lines and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.002)
    time.sleep(further_s)
    process.send_signal(signal.SIGKILL)
    process.wait()


def note_played(monkeypatch):
    """The keys of the units that are played in this process from now on."""
    played, original = [], worker.run_unit

    def run_unit(unit):
        played.append(unit.key)
        return original(unit)

    monkeypatch.setattr("qkd_gym.benchmark.runner.run_unit", run_unit)
    return played


def test_killed_runs_lose_only_the_episodes_in_flight(tmp_path, monkeypatch):
    episodes, out = 30, tmp_path / "killed"
    small_run(tmp_path / "whole", episodes=episodes)
    journal, kept = out / "journal.jsonl", []
    moments = np.random.default_rng(0)
    for workers in ("1", "2", "1"):
        command = [sys.executable, "-m", "qkd_gym", "benchmark", "--suite", "sizes", "--out"]
        command += [str(out), "--scenarios", "metro-10", "--episodes", str(episodes)]
        command += ["--workers", workers, "--policy", *POLICIES]
        # The header, and an episode more than before.
        kill_after(command, journal, max(len(kept), 1) + 1, moments.uniform(0.0, 0.3))
        after = finished_lines(journal)
        assert after[: len(kept)] == kept
        kept = after
    # The kill may have come in the middle of a line.
    with journal.open("ab") as file:
        file.write(b'{"key": ["metro-10", "demand-def')
    (out / "results.json").unlink(missing_ok=True)
    progress, played = [], note_played(monkeypatch)
    small_run(
        out, episodes=episodes, on_progress=lambda done, total: progress.append((done, total))
    )
    before = {tuple(json.loads(line)["key"]) for line in kept[1:]}
    total = episodes * len(POLICIES)
    assert len(before) == len(kept) - 1 >= 3
    assert progress == [(done, total) for done in range(len(before), total + 1)]
    assert len(played) == total - len(before)
    assert not before & set(played)
    assert finished_lines(journal)[: len(kept)] == kept
    expected = (tmp_path / "whole" / "results.json").read_bytes()
    assert (out / "results.json").read_bytes() == expected


def test_more_policies_and_episodes_extend_a_run(whole, tmp_path, monkeypatch):
    small_run(tmp_path, ["static-plan"], episodes=2)
    played = note_played(monkeypatch)
    small_run(tmp_path)
    new = [("static-plan", seed) for seed in range(2, 6)]
    new += [(name, seed) for name in POLICIES[1:] for seed in range(6)]
    assert played == [("metro-10", name, 1_000_000 + seed) for name, seed in new]
    assert (tmp_path / "results.json").read_bytes() == (whole[0] / "results.json").read_bytes()
    with pytest.raises(InvalidInput, match="is of another run"):
        small_run(tmp_path, split="validation")


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


def test_asking_for_episode_files_later_plays_for_them(tmp_path, monkeypatch):
    results = small_run(tmp_path, ["static-plan"], episodes=2)
    assert small_run(tmp_path, ["static-plan"], episodes=2, record=True) == results
    files = sorted(path.name for path in tmp_path.glob("episodes/metro-10/static-plan/*"))
    assert files == ["1000000.json", "1000001.json"]
    played = note_played(monkeypatch)
    assert small_run(tmp_path, ["static-plan"], episodes=2, record=True) == results
    assert played == []


def test_a_changed_baseline_is_played_again(tmp_path, monkeypatch):
    small_run(tmp_path, ["max-weight"])
    monkeypatch.setattr(
        "qkd_gym.baselines.tuned.table", lambda: {"metro-10": {"max-weight": TUNED}}
    )
    changed = small_run(tmp_path, ["max-weight"])
    direct = evaluate(
        make_policy("max-weight", hysteresis=7.0),
        episodes=6,
        seed=1_000_000,
        scenario="metro-10",
    )
    found = changed["scenarios"]["metro-10"]["policies"]["max-weight"]
    assert found["episodes"]["delivered_share"] == direct.metrics["delivered_share"].tolist()


TUNED = {"parameters": {"hysteresis": 7.0}}


@pytest.mark.parametrize("what", ["version", "weights", "recipe"])
def test_finished_episodes_are_kept_under_all_that_they_hang_on(tmp_path, monkeypatch, what):
    """Version, shipped weights and recipe of an agent, besides its own weights."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("sb3_contrib")
    from qkd_gym.benchmark.runner import _fingerprint
    from qkd_gym.gnn import LinkViabilityGNN
    from qkd_gym.sb3 import agents

    config = {"recipe": {"pointer": True}, "options": {"env": "LinkActivation"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "policy.safetensors").write_bytes(b"weights")
    folder = str(tmp_path)
    before = _fingerprint(folder, ACTIVATION, "metro-10", "test")
    assert _fingerprint(folder, ACTIVATION, "metro-10", "test") == before
    if what == "version":
        monkeypatch.setattr(agents, "__version__", "9.9.9")
    elif what == "weights":
        torch.manual_seed(0)
        monkeypatch.setattr(agents, "load_pretrained", LinkViabilityGNN)
    else:
        config["recipe"]["adviser"] = "max-weight"
        (tmp_path / "config.json").write_text(json.dumps(config))
    assert _fingerprint(folder, ACTIVATION, "metro-10", "test") != before


def test_a_changed_fallback_rule_is_played_again(monkeypatch):
    """`Network` completes a rule for links by one for paths."""
    from qkd_gym.benchmark.runner import _fingerprint

    before = _fingerprint("max-weight", ACTIVATION, "metro-10", "test")
    made = make_policy("max-weight", scenario="metro-10")
    other = dataclasses.replace(made.fallback_routing, steepness=7.0)
    changed = dataclasses.replace(made, fallback_routing=other)
    monkeypatch.setattr("qkd_gym.benchmark.runner.make_policy", lambda *_, **__: changed)
    assert _fingerprint("max-weight", ACTIVATION, "metro-10", "test") != before


def test_a_journal_of_another_version_is_refused(tmp_path, monkeypatch):
    small_run(tmp_path, ["static-plan"], episodes=1)
    monkeypatch.setattr("qkd_gym.__version__", "9.9.9")
    with pytest.raises(InvalidInput, match="is of another run"):
        small_run(tmp_path, ["static-plan"], episodes=1)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda e: e.pop("numbers"), "lacks the field 'numbers'"),
        (lambda e: e.update(numbers=[]), "numbers is"),
        (lambda e: e["numbers"].pop("reward"), "has other numbers of"),
        (lambda e: e["numbers"].update(more=1.0), "has other numbers of"),
        (lambda e: e["numbers"].update(seed=3.0), "has other numbers of"),
        (lambda e: e["numbers"].update(delivered_share=None), "delivered_share is None"),
        (lambda e: e["numbers"].update(delivered_share=1.5), "delivered_share is 1.5"),
        (lambda e: e["numbers"].update(delivered_bits=-1.0), "delivered_bits is -1"),
        (lambda e: e["numbers"].update(offered_bits=0.0), "offered_bits is 0"),
        (lambda e: e["numbers"].update(offered_bits="1"), "numbers"),
        (lambda e: e["numbers"].update(offered_bits=1e300), "numbers"),
        (lambda e: e.update(decision_s=None), "has other numbers of"),
        (lambda e: e.update(key=["metro-10", "static-plan"]), "key"),
        (lambda e: e.update(kye=1), "Did you mean 'key'"),
    ],
)
def test_a_journal_with_other_numbers_is_refused(whole, tmp_path, edit, message):
    header, line = (whole[0] / "journal.jsonl").read_text().splitlines()[:2]
    entry = json.loads(line)
    edit(entry)
    (tmp_path / "journal.jsonl").write_text(f"{header}\n{json.dumps(entry)}\n")
    with pytest.raises(InvalidInput, match=message) as refused:
        small_run(tmp_path)
    assert len(str(refused.value)) <= 300
    assert not (tmp_path / "results.json").exists()


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
