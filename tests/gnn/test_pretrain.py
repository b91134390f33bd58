"""Pretraining: it learns, repeats, and goes on from where it was interrupted, byte for byte."""

import copy
import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("torch_geometric")

from safetensors import safe_open  # noqa: E402
from safetensors.torch import save  # noqa: E402

from qkd_gym.errors import InvalidInput  # noqa: E402
from qkd_gym.gnn import LinkViabilityGNN, draw, load_weights, pretrain, training  # noqa: E402
from qkd_gym.gnn.mixture import TrainingMixture, draw_topologies  # noqa: E402

SMALL = {"steps": 100, "seed": 1, "topologies": 10, "simulated": 0, "networks": 4}
RESULTS = ("a.json", "a.png", "a.safetensors")


@pytest.fixture
def few_tests(monkeypatch):
    monkeypatch.setattr(pretrain, "TEST_SITES", (10,))
    monkeypatch.setattr(pretrain, "SPREAD_SITES", (10,))


def tiny():
    """What a small training starts from: network, mixture, validation networks."""
    rng = np.random.default_rng(0)
    topologies = draw_topologies(5, rng)
    validation = [draw(topologies[0], rng)]
    torch.manual_seed(0)
    return LinkViabilityGNN(hidden=4), TrainingMixture(topologies, [], rng), validation


def train_tiny(file, steps=40):
    model, mixture, validation = tiny()
    history = training.train(model, mixture, validation, steps, file, {"seed": 0})
    return history, save(model.state_dict()), mixture.rng.bit_generator.state, torch.get_rng_state()


def interrupted(monkeypatch, saves, work, *arguments, **settings):
    """Does some work up to a Ctrl-C after so many checkpoints."""
    saved, count = training.save_checkpoint, 0

    def save_and_stop(*facts):
        nonlocal count
        saved(*facts)
        count += 1
        if count == saves:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(training, "save_checkpoint", save_and_stop)
        with pytest.raises(KeyboardInterrupt):
            work(*arguments, **settings)


@pytest.fixture
def few_networks(monkeypatch):
    """Steps of few networks on one thread."""
    monkeypatch.setattr(training, "BATCH", 4)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("patience", [1, 12])
def test_an_interrupted_training_ends_as_if_it_never_had_been(
    tmp_path, monkeypatch, few_networks, patience
):
    monkeypatch.setattr(training, "_CHECK_EVERY", 10)
    monkeypatch.setattr(training, "_SAVE_EVERY", 5)
    monkeypatch.setattr(training, "_PATIENCE", patience)
    history, *whole = train_tiny(tmp_path / "whole.safetensors")
    file = tmp_path / "parts.safetensors"
    for saves in (1, 2, 1):  # at steps 5, 15 and 20
        interrupted(monkeypatch, saves, train_tiny, file)
    again, *parts = train_tiny(file)
    assert again == history
    assert parts[:2] == whole[:2]
    assert parts[2].equal(whole[2])
    assert file.read_bytes() == (tmp_path / "whole.safetensors").read_bytes()
    # One that is over is not trained further.
    assert train_tiny(file)[0] == history


def test_an_interrupted_pretraining_ends_as_if_it_never_had_been(tmp_path, monkeypatch, few_tests):
    """Whatever the number of workers, before and after."""
    whole = pretrain.pretrain(tmp_path / "whole" / "a.safetensors", **SMALL, workers=1)
    out = tmp_path / "parts" / "a.safetensors"
    numpy_settings = {key: np.int64(value) for key, value in SMALL.items()}
    interrupted(monkeypatch, 1, pretrain.pretrain, out, **numpy_settings, workers=1)
    assert [path.name for path in out.parent.iterdir()] == ["a.checkpoints"]
    pretrain.pretrain(out, **SMALL, workers=2)
    for folder in ("whole", "parts"):
        assert sorted(path.name for path in (tmp_path / folder).iterdir()) == list(RESULTS)
    for name in RESULTS:
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert len(whole["cross_validation"]["folds"]) == 5
    assert load_weights(out).card() == LinkViabilityGNN().card()
    assert whole["history"][-1]["validation"] < 0.69
    # The same sites with more and with less hidden.
    scores = [whole[f"unseen_{name}"]["10"] for name in ("weaker_spreads", "stronger_spreads")]
    assert scores[0] != scores[1] != whole["unseen_networks"]["10"] != scores[0]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_killed_pretraining_goes_on_and_leaves_no_child(tmp_path, few_tests):
    settings = SMALL
    out = tmp_path / "killed" / "a.safetensors"
    code = f"""
from pathlib import Path
from qkd_gym.gnn import pretrain
pretrain.pretrain(Path({str(out)!r}), **{settings!r})
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code], stderr=subprocess.PIPE, start_new_session=True
    )
    file = out.with_suffix(".checkpoints") / "network.safetensors"
    while not file.exists():
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)  # ends with the last holder of the pipe, which is the child
    assert not out.exists()
    pretrain.pretrain(out, **settings)
    whole = tmp_path / "whole" / "a.safetensors"
    pretrain.pretrain(whole, **settings)
    for name in RESULTS:
        assert (out.parent / name).read_bytes() == (whole.parent / name).read_bytes()


@pytest.mark.slow
def test_ctrl_c_is_one_sentence_and_leaves_a_checkpoint(tmp_path):
    code = """
import functools
from qkd_gym.gnn import pretrain
pretrain.pretrain = functools.partial(pretrain.pretrain, topologies=5, simulated=0, networks=2)
pretrain.main()
"""
    out = tmp_path / "a.safetensors"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "--out", str(out)],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    file = out.with_suffix(".checkpoints") / "network.safetensors"
    while not file.exists():
        assert process.poll() is None
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the child hears it too
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert errors.startswith("24000 steps of 32 networks")
    assert errors.endswith(
        f"\nInterrupted. What is done is in a folder beside {out}; the same command goes on from "
        "there.\n"
    )
    assert file.exists()


def test_checkpoints_that_do_not_fit_are_refused_before_the_work(
    tmp_path, monkeypatch, few_networks
):
    monkeypatch.setattr(training, "_SAVE_EVERY", 1)
    monkeypatch.setattr(pretrain, "draw_topologies", None)
    good = tmp_path / "good.safetensors"
    train_tiny(good, steps=2)
    folder = tmp_path / "a.checkpoints"
    folder.mkdir()
    with safe_open(good, "pt") as opened:
        facts = json.loads(opened.metadata()["facts"])
        tensors = {key: opened.get_tensor(key) for key in opened.keys()}  # noqa: SIM118

    def rejects(content, words):
        file = folder / "fold-2.safetensors"
        file.write_bytes(content)
        model, mixture, _ = tiny()
        with pytest.raises(InvalidInput, match=words) as caught:
            training.Training(model, mixture, {"seed": 0}).load(file)
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) <= 300
        with pytest.raises(InvalidInput, match="checkpoint"):
            pretrain.pretrain(tmp_path / "a.safetensors", **SMALL)

    def saved(named=tensors, **changes):
        return save(named, {"facts": json.dumps({**facts, **changes})})

    rejects(b"", "no safetensors")
    rejects(good.read_bytes()[:-9], "no safetensors")
    rejects(b"\x80\x04pickle", "no safetensors")
    rejects(save(tensors), "not valid JSON")
    rejects(save(tensors, {"facts": "[]"}), "must be an object")
    rejects(saved(format=9), "has format 9")
    rejects(saved(run={"seed": 1}), "of another run, whose seed is 1 instead of 0")
    rejects(saved(step="x"), "step is 'x', but must be an integer")
    rejects(saved(history=[{"step": 1}]), "validation")
    rejects(saved(generator={}), "no state of a generator")
    rejects(saved(generator={**facts["generator"], "state": {"state": -1, "inc": 1}}), "generator")
    rejects(saved({**tensors, "more": torch.zeros(1)}), "does not fit")
    rejects(saved({**tensors, "best.decoder.bias": torch.zeros(3)}), "does not fit")
    bad = copy.deepcopy(tensors)
    bad["model.decoder.bias"][0] = torch.nan
    rejects(saved(bad), "not finite")


@pytest.mark.parametrize(
    ("out", "settings", "words"),
    [
        ("c.pt", {}, "must end in '.safetensors'"),
        ("c.safetensors", {"steps": 4}, "steps is 4"),
        ("c.safetensors", {"seed": -1}, "seed is -1"),
        ("c.safetensors", {"workers": 0}, "workers is 0, but must be 'auto' or an integer"),
        ("file/c.safetensors", {}, "out is "),
        ("folder.safetensors", {}, "out is "),
    ],
)
def test_bad_arguments_are_refused_before_the_work(tmp_path, monkeypatch, out, settings, words):
    monkeypatch.setattr(pretrain, "draw_topologies", None)
    (tmp_path / "file").write_text("plain")
    (tmp_path / "folder.safetensors").mkdir()
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InvalidInput, match=words):
        pretrain.pretrain(tmp_path / out, **settings)
    assert sorted(tmp_path.rglob("*")) == before
