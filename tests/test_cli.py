"""Commands: bad output and bad arguments are one sentence before any work, and leave nothing."""

import json

import pytest

import qkd_gym
from qkd_gym.baselines import make_policy
from qkd_gym.cli import main
from qkd_gym.errors import InvalidInput
from qkd_gym.evaluation import evaluate
from qkd_gym.network.scenarios import available_scenarios
from qkd_gym.physics import available_presets
from qkd_gym.scoring.agents import save_scored, shipped_schedule
from qkd_gym.topology import available
from tests.scoring.observations import random_weights

BENCHMARK = ["benchmark", "--suite", "sizes", "--scenarios", "metro-10", "--policy", "static-plan"]
BENCHMARK += ["--episodes", "2", "--workers", "1"]
EVALUATE = ["evaluate", "static-plan", "--scenario", "vienna", "--episodes", "2"]
TUNE = ["tune", "threshold", "--scenario", "vienna", "--episodes", "1", "--trials", "1"]
TUNE += ["--sweeps", "0", "--decision-episodes", "2"]


def refused(capsys, *arguments):
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    assert stop.value.code == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert message.startswith("error: ")
    return message


@pytest.fixture
def plain(tmp_path):
    path = tmp_path / "plain"
    path.write_text("kept")
    return path


@pytest.fixture
def _no_work(monkeypatch):
    """Whatever plays an episode fails."""

    def play(*arguments, **options):
        raise AssertionError("work was done")

    for module in ("benchmark.worker", "benchmark.replay", "evaluation.episodes"):
        monkeypatch.setattr(f"qkd_gym.{module}.play", play)
    monkeypatch.setattr("qkd_gym.cli.episode_files.validate", play)


@pytest.mark.usefixtures("_no_work")
@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ([*BENCHMARK, "--out"], "out"),
        ([*TUNE, "--journal"], "journal"),
        ([*TUNE, "--ship"], "ship"),
        (["leaderboard", "episode.json", "--out"], "out"),
    ],
    ids=["benchmark", "journal", "ship", "leaderboard"],
)
def test_output_that_cannot_be_written_is_told_before_the_work(
    plain, tmp_path, monkeypatch, capsys, arguments, field
):
    monkeypatch.chdir(tmp_path)
    for target in (plain / "below", "/proc/results/below"):
        message = refused(capsys, *arguments, target)
        assert f"{field} is " in message
        assert "must be a folder that can be written" in message
    if field != "out" or arguments[0] == "leaderboard":
        assert f"{field} is '/dev/full', but must be a file" in refused(
            capsys, *arguments, "/dev/full"
        )
    assert [path.name for path in tmp_path.iterdir()] == ["plain"]
    assert plain.read_text() == "kept"


@pytest.mark.usefixtures("_no_work")
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--scenario", "foo"], "scenario is 'foo'"),
        (["--scenario", "missing.json"], "missing.json"),
        (["--episodes", "0"], "episodes is 0"),
        (["--trials", "-1"], "trials is -1"),
        (["--sweeps", "-1"], "sweeps is -1"),
        (["--seed", "-1"], "seed is -1"),
        (["--decision-episodes", "0"], "decision_episodes is 0"),
    ],
)
def test_tuning_with_bad_arguments_leaves_nothing(tmp_path, monkeypatch, capsys, options, words):
    monkeypatch.chdir(tmp_path)
    assert words in refused(capsys, *TUNE, *options)
    assert words in refused(capsys, *TUNE, *options, "--ship", "new/tuned.json")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("_no_work")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["static-paln"], "Did you mean 'static-plan'"),
        (["agent:none"], "agent is 'none'"),
        (["agent:none", "--env", "Routing"], "agent is 'none'"),
        (["static-plan", "--scenario", "metroo"], "Did you mean 'metro'"),
        (["static-plan", "--scenario", "absent.json"], "absent.json"),
        (["static-plan", "--episodes", "0"], "episodes is 0"),
        (["static-plan", "--seed", "-1"], "seed is -1"),
        (["Routing:random"], "plays Routing, but must play LinkActivation"),
    ],
)
def test_evaluations_with_bad_arguments(capsys, arguments, words):
    assert words in refused(capsys, "evaluate", *arguments, "--workers", "1")


def test_policies_are_evaluated_each_in_its_environment(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("qkd_gym.scoring.agents.SHIPPED", tmp_path)
    save_scored(tmp_path / "mine.json", random_weights(0), {"summary": "Drawn at random"})
    words = ["static-plan", "LinkScheduling:max-weight", "agent:mine"]
    main(["evaluate", *words, *EVALUATE[2:], "--workers", "1"])
    printed = capsys.readouterr().out
    policies = [
        make_policy("static-plan"),
        make_policy("max-weight", scenario="vienna"),
        shipped_schedule("mine"),
    ]
    env_ids = ["LinkActivation", "LinkScheduling", "LinkScheduling"]
    for word, policy, name in zip(words, policies, env_ids, strict=True):
        result = evaluate(policy, f"qkd_gym/{name}-v0", 2, 1_000_000, scenario="vienna")
        (line,) = [line for line in printed.splitlines() if f" {word} " in line]
        assert f" {result.mean():.4f} " in line
    main(["list"])
    assert "\n  agent:mine  Drawn at random\n" in capsys.readouterr().out


def test_lists_of_names_are_those_of_the_package(capsys):
    main(["list", "presets", "--json"])
    assert json.loads(capsys.readouterr().out) == {"presets": list(available_presets())}
    main(["list", "topologies"])
    assert capsys.readouterr().out.split() == ["topologies:", *available()]
    main(["list", "--json"])
    names = json.loads(capsys.readouterr().out)
    assert set(names["topologies"]) < set(names["scenarios"]) == set(available_scenarios())


def test_an_evaluation_as_json_has_every_episode(capsys):
    main([*EVALUATE, "--workers", "1", "--json"])
    (result,) = json.loads(capsys.readouterr().out).values()
    policy = make_policy("static-plan", scenario="vienna")
    again = evaluate(policy, result["env_id"], 2, 1_000_000, scenario="vienna")
    shares = [episode["delivered_share"] for episode in result["episodes"]]
    assert shares == again.metrics["delivered_share"].tolist()


def test_the_version_is_told(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out == f"qkd-gym {qkd_gym.__version__}\n"


@pytest.mark.usefixtures("_no_work")
@pytest.mark.parametrize(
    "command",
    [BENCHMARK, TUNE, ["leaderboard", "episode.json"], EVALUATE],
    ids=["benchmark", "tune", "leaderboard", "evaluate"],
)
@pytest.mark.parametrize("workers", ["0", "-1", "1025", "1.5", "many"])
def test_a_number_of_workers_means_the_same_everywhere(
    tmp_path, monkeypatch, capsys, command, workers
):
    monkeypatch.chdir(tmp_path)
    message = refused(capsys, *command, "--workers", workers)
    assert message.removeprefix("error: workers is ").strip("'").startswith(workers)
    assert message.endswith("but must be 'auto' or an integer in [1, 1024].\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("_no_work")
@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("[]", "is [], but must be an object"),
        ("", "not valid JSON"),
        ('{"metro": {"threshold": {"parameters": {}}}}', "lacks the field"),
        ('{"metro": {"threshold": 3}}', "but must be an object"),
    ],
)
def test_tuned_parameters_go_into_no_other_file(tmp_path, monkeypatch, capsys, table, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tuned.json").write_text(table)
    assert words in refused(capsys, *TUNE, "--ship", "tuned.json")
    assert (tmp_path / "tuned.json").read_text() == table
    assert [path.name for path in tmp_path.iterdir()] == ["tuned.json"]


def test_tuned_parameters_join_those_of_the_table(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    there = {"parameters": {"low": 0.5}, "default_share": 0.5, "gain": [0.0, 0.0, 0.0]}
    table = {"metro": {"threshold": {**there, "command": "tune"}}}
    (tmp_path / "tuned.json").write_text(json.dumps(table))
    main([*TUNE, "--workers", "1", "--ship", "tuned.json"])
    written = json.loads((tmp_path / "tuned.json").read_text())
    assert written["metro"] == table["metro"]
    assert list(written["vienna"]) == ["threshold"]
    assert (tmp_path / "tuning" / "vienna-threshold.jsonl").is_file()


def test_a_folder_that_vanishes_in_the_middle_of_a_run_is_noticed(tmp_path, monkeypatch):
    from qkd_gym.benchmark import run_benchmark

    out = tmp_path / "out"

    def remove(done, total):
        if done == 1:
            (out / "journal.jsonl").unlink()
            out.rmdir()

    with pytest.raises(InvalidInput, match="has vanished"):
        run_benchmark(
            "sizes",
            out,
            ["static-plan"],
            episodes=3,
            scenarios=["metro-10"],
            workers=1,
            on_progress=remove,
        )
    assert not out.exists()
