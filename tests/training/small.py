"""The long commands in small: what they do, what they save, and how all of it is read."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import qkd_gym
from qkd_gym.benchmark import runner, tuning
from qkd_gym.benchmark.replay import read_episode
from qkd_gym.cli import main
from qkd_gym.commands import exit_status
from qkd_gym.files import read_journal
from qkd_gym.gnn import LinkViabilityGNN, load_weights, pretrain
from qkd_gym.gnn import training as gnn_training
from qkd_gym.gnn.mixture import TrainingMixture
from qkd_gym.reading import read_json
from qkd_gym.sb3 import load_agent, run, training
from qkd_gym.sb3.checkpoint import checkpoints_in, read_facts
from qkd_gym.scoring import find_scored
from qkd_gym.search import run as search_run
from qkd_gym.search.search import Generation
from qkd_gym.training import run as training_run
from tests.killing import OUT, Command

NETWORK = {"scenario": "vienna", "episode_s": 3600.0}
_VIENNA = ["--scenario", "vienna", "--network", "episode_s=3600", "--episodes", "2"]
_RECIPES = {
    "LinkScheduling": """
[search]
method = "search"
population = 6
generations = 16
episodes = 8
""",
    "LinkActivation": """
[pointer]
pointer = true
adviser = "demand-deficit"
control_policy = "demand-deficit"
total_timesteps = 640
num_envs = 4
ppo = { n_steps = 16, batch_size = 32, n_epochs = 2, gamma = 0.97 }
""",
}
_fit_critic = training.fit_critic


def _train(env: str, workers: int) -> None:
    """With ``--resume`` where something has begun, as the command asks for."""
    recipes = Path("recipes")
    recipes.mkdir(exist_ok=True)
    (recipes / f"{env}.toml").write_text(_RECIPES[env])
    training_run.RECIPES = recipes
    run.GradientRun.episodes = 4
    training.fit_critic = _few_steps
    begun = (Path(OUT) / search_run._JOURNAL).exists() or checkpoints_in(Path(OUT) / "checkpoints")
    words = ["train", "--env", env, *_VIENNA, "--workers", str(workers), "--out", OUT]
    main([*words, "--resume"] if begun else words)


def _few_steps(*arguments: Any, **more: Any) -> Any:
    return _fit_critic(*arguments, **{**more, "steps": 5})


search = functools.partial(_train, "LinkScheduling")
ppo = functools.partial(_train, "LinkActivation")


def benchmark(workers: int) -> None:
    words = "benchmark --suite sizes --scenarios metro-10 --episodes 16 --record --policy"
    policies = ["static-plan", "max-weight", "demand-deficit"]
    main([*words.split(), *policies, "--workers", str(workers), "--out", OUT])


def tune(workers: int) -> None:
    words = "tune demand-deficit --scenario vienna --episodes 8 --trials 12 --decision-episodes 16"
    files = ["--journal", f"{OUT}/journal.jsonl", "--ship", f"{OUT}/table.json"]
    main([*words.split(), *files, "--workers", str(workers)])


_SMALL = {"steps": 40, "seed": 1, "topologies": 10, "simulated": 0, "networks": 4}
_WEIGHTS = "a.safetensors"


def pretraining(workers: int) -> None:
    """Checkpoints come every second, and where there are several workers every fifty steps."""
    pretrain.TEST_SITES = pretrain.SPREAD_SITES = (10,)
    gnn_training._SAVE_EVERY = 4
    with exit_status("The same command goes on."):
        pretrain.pretrain(Path(OUT) / _WEIGHTS, **_SMALL, workers=workers)


def _lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def _newest_checkpoint(folder: Path) -> int:
    return max((int(path.name) for path in checkpoints_in(folder / "checkpoints")), default=0)


def _pretrained(folder: Path) -> int:
    """Training steps in checkpoints; no fewer once these are replaced by the results."""
    if (folder / _WEIGHTS).exists():
        return 2 * _SMALL["steps"]
    return sum(
        json.loads(_metadata(path)["facts"])["step"]
        for path in (folder / "a.checkpoints").glob("*.safetensors")
    )


def _metadata(path: Path) -> dict[str, str]:
    content = path.read_bytes()
    head = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    return dict(head["__metadata__"])


def _read_plainly(folder: Path) -> None:
    """Reads every file but the unfinished ones, which have names that no reader looks for."""
    for path in folder.rglob("*"):
        if path.is_dir() or "/." in f"/{path.relative_to(folder)}":
            continue
        if path.suffix == ".json":
            read_json(path, dict[str, Any], path.name)
        elif path.suffix == ".md":
            assert path.read_text()
        elif path.suffix == ".png":
            with Image.open(path) as picture:
                picture.load()
        elif path.suffix == ".safetensors":
            load_file(path)
        elif "tfevents" in path.name:
            EventAccumulator(str(path)).Reload()
        else:
            assert path.suffix == ".jsonl", path


def _journal(path: Path, schema: type[msgspec.Struct]) -> list[Any]:
    """The entries of a journal, which say nothing twice; whatever it is of."""
    if _lines(path) == 0:
        return []
    header = json.loads(path.read_bytes().split(b"\n")[0])
    return read_journal(path, header, schema)[0]


def _read_search(folder: Path) -> None:
    _read_plainly(folder)
    _journal(folder / search_run._JOURNAL, Generation)
    if (folder / "schedule.json").exists():
        assert find_scored(folder) is not None


def _read_ppo(folder: Path) -> None:
    _read_plainly(folder)
    for checkpoint in checkpoints_in(folder / "checkpoints"):
        names = {path.name for path in checkpoint.iterdir()}
        assert names == {"checkpoint.json", "optimizer.safetensors", "policy.safetensors"}
        read_facts(checkpoint)
    if (folder / "policy.safetensors").exists():
        load_agent(folder, settings=NETWORK)


def _read_benchmark(folder: Path) -> None:
    _read_plainly(folder)
    entries = _journal(folder / "journal.jsonl", runner._Entry)
    assert len({entry.key for entry in entries}) == len(entries)
    for path in folder.rglob("episodes/*/*/*.json"):
        read_episode(path)


def _read_tuning(folder: Path) -> None:
    _read_plainly(folder)
    entries = _journal(folder / "journal.jsonl", tuning._Entry)
    assert len({tuple(entry.parameters.values()) for entry in entries}) == len(entries)
    tuning.read_table(folder / "table.json")


def _read_pretraining(folder: Path) -> None:
    _read_plainly(folder)
    run = {"version": qkd_gym.__version__, **_SMALL}
    generator = torch.get_rng_state()  # which a checkpoint replaces
    for path in (folder / "a.checkpoints").glob("*.safetensors"):
        mixture = TrainingMixture([], [], np.random.default_rng())
        gnn_training.Training(LinkViabilityGNN(), mixture, run).load(path)
    torch.set_rng_state(generator)
    if (folder / "a.json").exists():
        load_weights(folder / _WEIGHTS)


COMMANDS = {
    # The configuration says how many workers went on last.
    "search": Command(
        search,
        lambda folder: _lines(folder / search_run._JOURNAL),
        _read_search,
        lambda name: name != "config.json",
    ),
    # What a training learns after a kill is another thing, but no worse: other episodes follow.
    "ppo": Command(
        ppo,
        _newest_checkpoint,
        _read_ppo,
        lambda name: name == "config.json" or name.startswith("checkpoints/0000000000/"),
        workers=(1,),
    ),
    "benchmark": Command(
        benchmark,
        lambda folder: _lines(folder / "journal.jsonl"),
        _read_benchmark,
        lambda name: not name.startswith(("journal", "timings")),
    ),
    # Workers note trials in any order.
    "tune": Command(
        tune,
        lambda folder: _lines(folder / "journal.jsonl"),
        _read_tuning,
        lambda name: name == "table.json",
    ),
    "pretrain": Command(pretraining, _pretrained, _read_pretraining, lambda _: True),
}
