"""What the training command refuses: one sentence, and nothing is left."""

import json
import shutil

import pytest

pytest.importorskip("stable_baselines3")

from command import SEARCH, TINY, call

from qkd_gym.errors import InvalidInput
from qkd_gym.sb3 import training
from qkd_gym.search import search
from qkd_gym.training import run as training_run

pytestmark = pytest.mark.usefixtures("small_recipes")


def test_a_recipe_that_is_no_table_is_refused(tmp_path, monkeypatch, capsys):
    (tmp_path / "LinkScheduling.toml").write_text("search = 3")
    monkeypatch.setattr(training_run, "RECIPES", tmp_path)
    with pytest.raises(SystemExit) as stopped:
        call(*SEARCH, "--out", str(tmp_path / "run"))
    assert stopped.value.code == 2
    assert "'search' is 3, but must be a table" in capsys.readouterr().err


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
