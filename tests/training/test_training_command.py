"""The training command: results, repetition, resumption and bad input."""

import json
import shutil

import pytest

pytest.importorskip("stable_baselines3")

from qkd_gym.baselines import make_policy
from qkd_gym.cli import main
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

# Episodes of 60 decisions.
NETWORK = {"scenario": "vienna", "episode_s": 3600.0}
VIENNA = ["--scenario", "vienna", "--network", "episode_s=3600", "--episodes", "2"]
SHORT = ["--env", "LinkActivation", *VIENNA, "--total-timesteps", "128"]
TINY = [*SHORT, "--workers", "1"]
SEARCH = [*VIENNA, "--workers", "1"]


@pytest.fixture(scope="module", autouse=True)
def _small_recipes(tmp_path_factory):
    """The recipes in small: seconds of training instead of minutes."""
    folder = tmp_path_factory.mktemp("agents")
    sizes = """
total_timesteps = 64
num_envs = 4
ppo = { n_steps = 8, batch_size = 32, n_epochs = 1, gamma = 0.97 }
"""
    for env, start in (
        ("LinkScheduling", 'adviser = "demand-deficit"'),
        ("LinkActivation", 'adviser = "demand-deficit"\ncontrol_policy = "demand-deficit"'),
        ("Routing", 'teacher = "exponential-price"\nimitation_rounds = 1'),
        ("Network", 'teacher = "demand-deficit+exponential-price"\nimitation_rounds = 1'),
    ):
        text = f"[pointer]\npointer = true\n{start}{sizes}[ppo]\npointer = false{sizes}"
        small = "population = 4\ngenerations = 3\nepisodes = 2\n"
        search = f"[search]\nmethod = 'search'\n{small}"
        if env == "LinkScheduling":
            text = f"{search}{text}"
        if env == "Routing":
            text = f"{text}{search}"
        (folder / f"{env}.toml").write_text(text)
    fit = training.fit_critic
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training_run, "RECIPES", folder)
        patch.setattr(run.GradientRun, "episodes", 2)
        patch.setattr(run.GradientRun, "saves", 2)
        patch.setattr(training, "fit_critic", lambda *a, **more: fit(*a, **{**more, "steps": 30}))
        yield


def finished(tmp_path_factory, arguments):
    folder = tmp_path_factory.mktemp("finished") / "run"
    call(*arguments, "--out", str(folder))
    return folder


@pytest.fixture(scope="module")
def finished_training(tmp_path_factory):
    """The folder of a training by gradients."""
    return finished(tmp_path_factory, TINY)


@pytest.fixture(scope="module")
def finished_search(tmp_path_factory):
    """The folder of a search."""
    return finished(tmp_path_factory, SEARCH)


def stop(*arguments):
    """Stands for what a test does not wait for."""
    raise KeyboardInterrupt


def stopped_call(*arguments):
    with pytest.raises(SystemExit) as stopped:
        call(*arguments)
    assert stopped.value.code == 130


def call(*arguments):
    main(["train", *arguments])


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


def test_a_recipe_that_is_no_table_is_refused(tmp_path, monkeypatch, capsys):
    (tmp_path / "LinkScheduling.toml").write_text("search = 3")
    monkeypatch.setattr(training_run, "RECIPES", tmp_path)
    with pytest.raises(SystemExit) as stopped:
        call(*SEARCH, "--out", str(tmp_path / "run"))
    assert stopped.value.code == 2
    assert "'search' is 3, but must be a table" in capsys.readouterr().err


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


POINTER = ["--env", "LinkActivation"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--scenario", "metroo"], "Did you mean 'metro'"),
        (["--agent", "pionter"], "Did you mean 'pointer'"),
        (["--agent", "serach"], "Did you mean 'search'"),
        ([*POINTER, "--agent", "search"], "must be one of 'pointer', 'ppo'"),
        (["--total-timesteps", "-1"], "total_timesteps is -1"),
        (["--episodes", "1"], "episodes is 1"),
        (["--seed", "-1"], "seed is -1"),
        (["--resume"], "must hold a checkpoint"),
        ([*POINTER, "--resume"], "must hold a checkpoint"),
        (["--workers", "0"], "workers is 0, but must be 'auto' or an integer in [1, 1024]"),
        ([*POINTER, "--workers", "0"], "workers is 0, but must be 'auto' or an integer"),
        ([*POINTER, "--workers", "3"], "must divide num_envs, 4, and ppo.batch_size, 32"),
        (
            [*POINTER, "--workers", "2", "--agent", "ppo"],
            "must be 1 for an agent without pointer",
        ),
        (["--device", "gpu"], "device is 'gpu'"),
        (["--scenario", "missing.json"], "existing file"),
        (["--network", "modules_per_site=0"], "modules_per_site is 0, but must be in [1, 1000]"),
        (["--network", "detector_efficiency=1.2"], "must be in [1e-06, 1]"),
        (["--network", "laod=1.2"], "Did you mean 'load'"),
        (["--network", "load"], "FIELD=VALUE"),
        (["--network", "load=1.2", "--network", "load=1.3"], "sets 'load' twice"),
        (["--network", "load=" + 5000 * "["], "load is"),
        (["--scenario", "vienna", "--network", "n_sites=12"], "n_sites is 12"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_nothing(tmp_path, capsys, arguments, words):
    with pytest.raises(SystemExit) as stopped:
        call(*arguments, "--out", str(tmp_path / "run"))
    assert stopped.value.code == 2
    message = capsys.readouterr().err
    assert words in message
    assert message.count("\n") == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("resume", [[], ["--resume"]])
@pytest.mark.parametrize("kind", [TINY, SEARCH], ids=["gradients", "search"])
def test_output_that_cannot_be_written_is_told_before_training(
    tmp_path, monkeypatch, capsys, kind, resume
):
    monkeypatch.setattr(training.Training, "run", lambda *_: pytest.fail("trained"))
    monkeypatch.setattr(search, "fitness", lambda *_: pytest.fail("searched"))
    plain = tmp_path / "plain"
    plain.write_text("kept")
    for target in (plain, plain / "below", "/proc/run"):
        with pytest.raises(SystemExit) as stopped:
            call(*kind, "--out", str(target), *resume)
        assert stopped.value.code == 2
        message = capsys.readouterr().err
        assert message.startswith("error: out is ")
        assert message.count("\n") == 1
    assert plain.read_text() == "kept"
    assert list(tmp_path.iterdir()) == [plain]


def test_a_search_whose_folder_vanishes_ends_with_one_sentence(tmp_path, monkeypatch, capsys):
    folder, fitness = tmp_path / "run", search.fitness

    def vanish(*arguments):
        shutil.rmtree(folder, ignore_errors=True)
        return fitness(*arguments)

    monkeypatch.setattr(search, "fitness", vanish)
    with pytest.raises(SystemExit) as stopped:
        call(*SEARCH, "--out", str(folder))
    assert stopped.value.code == 2
    assert "has vanished" in capsys.readouterr().err
    assert not folder.exists()


def test_a_run_whose_folder_vanishes_ends_with_one_sentence(tmp_path, monkeypatch, capsys):
    folder, saved = tmp_path / "run", training.save_checkpoint

    def vanish(*arguments):
        path = saved(*arguments)
        shutil.rmtree(folder)
        return path

    monkeypatch.setattr(training, "save_checkpoint", vanish)
    with pytest.raises(SystemExit) as stopped:
        call(*TINY, "--out", str(folder))
    assert stopped.value.code == 2
    assert "has vanished" in capsys.readouterr().err
    assert not (folder / "checkpoints").exists()


@pytest.mark.parametrize("present", [False, True])
def test_devices(monkeypatch, present):
    monkeypatch.setattr("torch.cuda.is_available", lambda: present)
    assert training_run.find_device("cpu").type == "cpu"
    assert training_run.find_device("auto").type == ("cuda" if present else "cpu")
    if present:
        assert training_run.find_device("cuda").type == "cuda"
    else:
        with pytest.raises(InvalidInput, match="no GPU"):
            training_run.find_device("cuda")


def test_unknown_option_stops_with_status_2(capsys):
    with pytest.raises(SystemExit) as stopped:
        call("--scenaro", "metro")
    assert stopped.value.code == 2
    assert "--scenaro" in capsys.readouterr().err


def test_malformed_topology_file(tmp_path, capsys):
    file = tmp_path / "net.json"
    edge = {"source": "a", "target": "b", "length_km": -3}
    file.write_text(json.dumps({"name": "n", "nodes": [{"id": "a"}, {"id": "b"}], "edges": [edge]}))
    with pytest.raises(SystemExit) as stopped:
        call("--scenario", str(file), "--out", str(tmp_path / "run"))
    assert stopped.value.code == 2
    assert "length_km is -3" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("kind", [TINY, SEARCH], ids=["gradients", "search"])
def test_a_finished_folder_is_not_overwritten(capsys, finished_training, finished_search, kind):
    folder = finished_training if kind is TINY else finished_search
    before = (folder / "metrics.json").read_bytes()
    with pytest.raises(SystemExit) as stopped:
        call(*kind, "--out", str(folder))
    assert stopped.value.code == 2
    assert "--resume" in capsys.readouterr().err
    assert (folder / "metrics.json").read_bytes() == before
