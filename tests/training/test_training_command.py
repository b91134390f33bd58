"""The training command: results, repetition, resumption, and that a finished folder is kept."""

import json

import pytest

pytest.importorskip("stable_baselines3")

from command import NETWORK, SEARCH, SHORT, TINY, call

from qkd_gym.baselines import make_policy
from qkd_gym.envs.tasks import TASKS
from qkd_gym.errors import InvalidInput
from qkd_gym.evaluation import evaluate
from qkd_gym.evaluation.episodes import HELD_OUT_SEED
from qkd_gym.gnn import LinkViabilityGNN
from qkd_gym.reading import read_tables
from qkd_gym.sb3 import load_agent, run, training
from qkd_gym.search import search
from qkd_gym.training import run as training_run
from qkd_gym.training.options import Options
from qkd_gym.training.recipes import RECIPES

pytestmark = pytest.mark.usefixtures("small_recipes")


def finished(tmp_path_factory, arguments):
    folder = tmp_path_factory.mktemp("finished") / "run"
    call(*arguments, "--out", str(folder))
    return folder


@pytest.fixture(scope="module")
def finished_training(tmp_path_factory, small_recipes):
    """The folder of a training by gradients."""
    return finished(tmp_path_factory, TINY)


@pytest.fixture(scope="module")
def finished_search(tmp_path_factory, small_recipes):
    """The folder of a search."""
    return finished(tmp_path_factory, SEARCH)


def stop(*arguments):
    """Stands for what a test does not wait for."""
    raise KeyboardInterrupt


def stopped_call(*arguments):
    with pytest.raises(SystemExit) as stopped:
        call(*arguments)
    assert stopped.value.code == 130


FOLDER = {"config.json", "metrics.json", "table.md", "network.png"}
FOLDER |= {"learning_curve.png", "learning_curve.json"}


@pytest.mark.parametrize(
    ("arguments", "env", "more"),
    [
        (SEARCH, "LinkScheduling", {"search.jsonl", "schedule.json"}),
        (
            [*SEARCH, "--env", "Routing", "--agent", "search"],
            "Routing",
            {"search.jsonl", "paths.json"},
        ),
        ([*TINY, "--env", "Routing"], "Routing", {"policy.safetensors", "tensorboard"}),
        ([*TINY, "--env", "Network"], "Network", {"policy.safetensors", "tensorboard"}),
        (TINY, "LinkActivation", {"policy.safetensors", "tensorboard"}),
        (
            [*TINY, "--env", "LinkScheduling", "--agent", "pointer"],
            "LinkScheduling",
            {"policy.safetensors", "tensorboard"},
        ),
    ],
    ids=["search", "search-Routing", "Routing", "Network", "LinkActivation", "LinkScheduling"],
)
def test_a_run_leaves_its_results(tmp_path, capsys, arguments, env, more):
    folder = tmp_path / "run"
    call(*arguments, "--out", str(folder))
    assert {path.name for path in folder.iterdir()} - {"checkpoints"} == FOLDER | more
    metrics = json.loads((folder / "metrics.json").read_text())
    for result in metrics.values():
        assert len(result["episodes"]) == 2
    scheduling = env == "LinkScheduling"
    assert ("demand-deficit (LinkActivation)" in metrics) == scheduling
    agent = load_agent(folder, settings={**NETWORK, "split": "test"})
    again = evaluate(agent, None, 2, HELD_OUT_SEED, **NETWORK)
    assert again.env_id == f"qkd_gym/{env}-v0"
    played = [episode["delivered_share"] for episode in metrics["agent"]["episodes"]]
    assert again.metrics["delivered_share"].tolist() == played
    printed = capsys.readouterr().out
    assert "agent" in printed
    assert str(folder) in printed.replace("\n", "")


def test_decisions_of_a_search_are_whole_generations(tmp_path, monkeypatch):
    monkeypatch.setattr(training_run, "play_all", stop)
    # A generation plays 4 candidates in 2 episodes of 60 decisions.
    for decisions, generations in ((1, 1), (960, 2), (2800, 6)):
        out = tmp_path / str(decisions)
        stopped_call(*SEARCH, "--total-timesteps", str(decisions), "--out", str(out))
        assert len((out / "search.jsonl").read_bytes().splitlines()) == 1 + generations
        recipe = json.loads((out / "config.json").read_text())["recipe"]
        assert recipe["generations"] == generations


def test_network_may_be_given_once_or_several_times(tmp_path, monkeypatch):
    together = ["--network", "load=1.2", "modules_per_site=3"]
    apart = ["--network", "load=1.2", "--network", "modules_per_site=3"]
    monkeypatch.setattr(run.GradientRun, "learn", stop)
    for name, words in (("together", together), ("apart", apart)):
        stopped_call(*TINY, "--agent", "ppo", *words, "--out", str(tmp_path / name))
        config = json.loads((tmp_path / name / "config.json").read_text())
        assert (config["network"]["load"], config["network"]["modules_per_site"]) == (1.2, 3)
        assert config["options"]["network"][-2:] == ["load=1.2", "modules_per_site=3"]


def test_baselines_have_what_was_tuned_for_the_scenario(tmp_path, monkeypatch):
    levels, draw = [], run.plot_learning_curve

    def plot_learning_curve(path, steps, shares, **options):
        levels.append(options["references"]["demand-deficit"])
        draw(path, steps, shares, **options)

    monkeypatch.setattr(run, "plot_learning_curve", plot_learning_curve)
    call(*TINY, "--out", str(tmp_path))
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    played = [episode["delivered_share"] for episode in metrics["demand-deficit"]["episodes"]]

    def shares(seed, split, **scenario):
        policy = make_policy("demand-deficit", **scenario)
        result = evaluate(policy, episodes=2, seed=seed, split=split, **NETWORK)
        return result.metrics["delivered_share"].tolist()

    held_out, validation = (1_000_000, "test"), (500_000, "validation")
    assert played == shares(*held_out, scenario="vienna") != shares(*held_out)
    (level,) = levels
    assert level == pytest.approx(sum(shares(*validation, scenario="vienna")) / 2)
    assert level != pytest.approx(sum(shares(*validation)) / 2)


def test_the_dense_agent_runs(tmp_path):
    call(*TINY, "--agent", "ppo", "--out", str(tmp_path / "run"))
    assert (tmp_path / "run" / "metrics.json").exists()


def test_the_same_command_gives_the_same_metrics(tmp_path, finished_training):
    call(*TINY, "--out", str(tmp_path))
    first, second = (path / "metrics.json" for path in (finished_training, tmp_path))
    assert first.read_bytes() == second.read_bytes()


def test_workers_share_a_run(tmp_path, finished_training):
    """Evaluations do not depend on who makes them."""
    call(*SHORT, "--workers", "2", "--out", str(tmp_path))
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["workers"] == 2
    alone, both = (
        json.loads((path / "metrics.json").read_text()) for path in (finished_training, tmp_path)
    )
    assert alone.keys() == both.keys()
    agent = load_agent(tmp_path, settings={**NETWORK, "split": "test"})
    again = evaluate(agent, None, 2, HELD_OUT_SEED, **NETWORK)
    played = [episode["delivered_share"] for episode in both.pop("agent")["episodes"]]
    assert again.metrics["delivered_share"].tolist() == played
    assert {name: alone[name] for name in both} == both


def test_an_interrupted_run_goes_on_from_its_newest_checkpoint(tmp_path, monkeypatch, capsys):
    saved = training.save_checkpoint
    count = 0

    def interrupt(*arguments):
        nonlocal count
        path = saved(*arguments)
        count += 1
        if count == 2:
            raise KeyboardInterrupt
        return path

    monkeypatch.setattr(training, "save_checkpoint", interrupt)
    folder = tmp_path / "run"
    stopped_call(*TINY, "--out", str(folder))
    left = sorted(path.name for path in (folder / "checkpoints").iterdir())
    assert len(left) == 2
    monkeypatch.setattr(training, "save_checkpoint", saved)
    config = (folder / "config.json").read_bytes()
    again = [*TINY, "--out", str(folder), "--resume"]

    def refused(*arguments):
        with pytest.raises(SystemExit) as stopped:
            call(*again, *arguments)
        assert stopped.value.code == 2
        return capsys.readouterr().err

    # A checkpoint goes on only where all that it hangs on is the same.
    for other in (
        ["--workers", "2"],
        ["--seed", "1"],
        ["--scenario", "madrid"],
        ["--network", "load=1.2"],
    ):
        assert "is of another run" in refused(*other)
    with monkeypatch.context() as patch:
        patch.setattr(run, "__version__", "9.9.9")
        assert "is of another run" in refused()
    with monkeypatch.context() as patch:
        patch.setattr(run, "load_pretrained", LinkViabilityGNN)
        assert "is of another run" in refused()
    facts_of_newest = folder / "checkpoints" / left[-1] / "checkpoint.json"
    facts = facts_of_newest.read_text()
    facts_of_newest.write_text(facts.replace('"history"', '"hitsory"'))
    assert "history of checkpoint" in refused()
    facts_of_newest.write_text(facts)
    assert (folder / "config.json").read_bytes() == config
    call(*again)
    assert f"Resuming from {folder / 'checkpoints' / left[-1]}" in capsys.readouterr().out
    after = sorted(path.name for path in (folder / "checkpoints").iterdir())
    assert after[: len(left)] == left
    assert int(after[-1]) >= 128


def test_an_interrupted_search_goes_on_to_the_same_agent(
    tmp_path, monkeypatch, capsys, finished_search
):
    whole, folder = finished_search, tmp_path / "run"
    fitness, left = search.fitness, 7  # a validation, a generation, and half another

    def interrupt(*arguments):
        nonlocal left
        left -= 1
        if left < 0:
            raise KeyboardInterrupt
        return fitness(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(search, "fitness", interrupt)
        stopped_call(*SEARCH, "--out", str(folder))
    assert "--resume" in capsys.readouterr().err
    kept = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert set(kept) == {"config.json", "search.jsonl"}

    def refused(*arguments):
        with pytest.raises(SystemExit) as stopped:
            call(*SEARCH, "--out", str(folder), *arguments)
        assert stopped.value.code == 2
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == kept
        return capsys.readouterr().err

    assert "add --resume" in refused()
    for other in (["--seed", "1"], ["--scenario", "madrid"], ["--network", "load=1.2"]):
        assert "is of another run" in refused("--resume", *other)
    call(*SEARCH, "--out", str(folder), "--resume")
    assert (folder / "search.jsonl").read_bytes() == (whole / "search.jsonl").read_bytes()
    assert (folder / "metrics.json").read_bytes() == (whole / "metrics.json").read_bytes()
    weights = [
        (path / "schedule.json").read_bytes().partition(b'"card"')[0] for path in (folder, whole)
    ]
    assert weights[0] == weights[1]


def test_without_options_it_searches():
    assert Options() == Options(env="LinkScheduling", agent="")
    for env in TASKS:
        names = list(read_tables(RECIPES / f"{env}.toml", "recipes"))
        assert names[0] == ("search" if env == "LinkScheduling" else "pointer")


@pytest.mark.parametrize("env", TASKS)
def test_an_environment_is_trained_for_in_its_own_scenario(env, monkeypatch):
    asked = []

    def refuse(scenario, overrides):
        asked.append(scenario)
        raise InvalidInput("enough")

    monkeypatch.setattr(training_run, "resolve", refuse)
    for options in (Options(env=env), Options(env=env, scenario="madrid")):
        with pytest.raises(InvalidInput, match="enough"):
            training_run.train(options)
    assert asked == [TASKS[env].default_scenario, "madrid"]


@pytest.mark.parametrize("kind", [TINY, SEARCH], ids=["gradients", "search"])
def test_a_finished_folder_is_not_overwritten(capsys, finished_training, finished_search, kind):
    folder = finished_training if kind is TINY else finished_search
    before = (folder / "metrics.json").read_bytes()
    with pytest.raises(SystemExit) as stopped:
        call(*kind, "--out", str(folder))
    assert stopped.value.code == 2
    assert "--resume" in capsys.readouterr().err
    assert (folder / "metrics.json").read_bytes() == before
