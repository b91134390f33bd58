"""One training of a form from a seed, with validations that its CPU time does not count."""

from __future__ import annotations

import dataclasses
import hashlib
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import torch

from qkd_gym import __version__
from qkd_gym.evaluation import evaluate
from qkd_gym.evaluation.episodes import VALIDATION_SEED
from qkd_gym.files import write_json
from qkd_gym.gnn import load_pretrained
from qkd_gym.gnn.weights import digest
from qkd_gym.network.bank import shared_bank
from qkd_gym.network.scenarios import resolve
from qkd_gym.reading import read_json
from qkd_gym.sb3.checkpoint import checkpoints_in, read_facts
from qkd_gym.sb3.group import Group
from qkd_gym.sb3.recipe import Recipe
from qkd_gym.sb3.training import Training
from qkd_gym.scoring import ScoredSchedule, save_scored
from qkd_gym.scoring.weights import Weights
from qkd_gym.search.recipe import SearchRecipe
from qkd_gym.search.search import Search
from qkd_gym.workers import Workers
from studies.forms import Form, Study


class Validated(msgspec.Struct, forbid_unknown_fields=True):
    """A validation on the way.

    Attributes:
        cpu_s: CPU seconds of training before it, with those of what the training starts from.
        delivered_share: Of every episode.
        mean_qber: Of every episode; None where nothing was delivered.
    """

    cpu_s: float
    delivered_share: list[float]
    mean_qber: list[float | None]


class Run(msgspec.Struct, forbid_unknown_fields=True):
    """A finished training, as its file keeps it.

    Attributes:
        key: Changes with whatever it hangs on.
        steps: Steps of reinforcement learning, or decision intervals of a search, before every
            validation.
        validations: The validations.
    """

    key: str
    steps: list[float]
    validations: list[Validated]


class Unit(NamedTuple):
    """A training to do.

    Attributes:
        study: What it is part of.
        form: Name of the form.
        seed: Seed of the training.
        folder: Where finished trainings of the study lie.
    """

    study: Study
    form: str
    seed: int
    folder: Path

    @property
    def told(self) -> Form:
        """The form."""
        return self.study.forms[self.form]

    @property
    def file(self) -> Path:
        """Of the finished training."""
        return self.folder / f"{self.form}-{self.seed}.json"

    @property
    def schedule(self) -> Path:
        """Of what a search has found."""
        return self.folder / f"{self.form}-{self.seed}-schedule.json"

    @property
    def before(self) -> Unit | None:
        """The training whose schedule it starts from."""
        return self._replace(form=self.told.starts_from) if self.told.starts_from else None

    @property
    def network(self) -> dict[str, Any]:
        """Keyword arguments of the environment."""
        return {"scenario": self.study.scenario, **self.told.changes}


def key(unit: Unit) -> str:
    """Changes with whatever a training hangs on, those before it too."""
    study = dataclasses.replace(unit.study, title="", forms={})
    told = dataclasses.replace(unit.told, title="")
    parts = [__version__, study, told, unit.seed, digest(load_pretrained())]
    parts += [key(unit.before)] if unit.before else []
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def finished(unit: Unit) -> Run | None:
    """The training's file, if it is there and of all that it hangs on today.

    Raises:
        InvalidInput: If it is damaged.
    """
    run = read_json(unit.file, Run, "finished training") if unit.file.exists() else None
    return run if run is not None and run.key == key(unit) else None


class Watch:
    """Validates policies, and counts the CPU time of this process in between.

    Args:
        unit: What is trained.
        cpu_s: CPU seconds that were spent before.

    Attributes:
        validations: All so far.
    """

    def __init__(self, unit: Unit, cpu_s: float) -> None:
        self.validations: list[Validated] = []
        self._unit, self._cpu_s = unit, cpu_s
        self._since = time.process_time()

    def share(self, policy: Any, group: Group | None = None) -> float:
        """Mean delivered share of a policy; see `qkd_gym.sb3.training.Validation`."""
        self._cpu_s += time.process_time() - self._since
        network = {**self._unit.network, "split": "validation"}
        study = self._unit.study
        played = evaluate(policy, study.env_id, study.episodes, VALIDATION_SEED, **network)
        shares, qber = (played.metrics[name].tolist() for name in ("delivered_share", "mean_qber"))
        known = [value if value == value else None for value in qber]
        self.validations.append(Validated(self._cpu_s, shares, known))
        mean = played.mean()
        self._since = time.process_time()
        return mean


@dataclass(frozen=True, kw_only=True)
class WatchedSearch(Search):
    """A search whose validations are watched."""

    watch: Watch

    def validate(self, team: Workers, weights: Weights) -> float:
        """Mean delivered share on validation episodes."""
        return self.watch.share(ScoredSchedule(weights, "found"))


def train(unit: Unit) -> None:
    """Trains, and writes the file of the finished training."""
    torch.set_num_threads(1)
    for split in ("train", "validation"):
        config = resolve(unit.study.scenario, {**unit.told.changes, "split": split})
        for index in range(config.bank_size):  # or the first training would build them all
            shared_bank(config).ensure(index)
    spent_s = 0.0
    if unit.before is not None:
        spent_s = read_json(unit.before.file, Run, "training").validations[-1].cpu_s
    recipe, watch = unit.told.recipe, Watch(unit, spent_s)
    with tempfile.TemporaryDirectory() as folder:
        learn = _search if isinstance(recipe, SearchRecipe) else _reinforce
        steps = learn(unit, recipe, watch, Path(folder))
    write_json(unit.file, msgspec.to_builtins(Run(key(unit), steps, watch.validations)))


def _search(unit: Unit, recipe: SearchRecipe, watch: Watch, folder: Path) -> list[float]:
    search = WatchedSearch(
        recipe=recipe,
        practices=recipe.practices(unit.study.scenario, unit.told.changes),
        seed=unit.seed,
        validations=unit.study.validations,
        watch=watch,
    )
    weights, curve = search.run(Workers(None), folder / "search.jsonl")
    save_scored(unit.schedule, weights, {"seed": unit.seed})
    return [search.decisions / recipe.generations * number for number, _ in curve]


def _reinforce(unit: Unit, recipe: Recipe, watch: Watch, folder: Path) -> list[float]:
    if unit.before is not None:
        found = str(unit.before.schedule)
        recipe = dataclasses.replace(recipe, adviser=found, control_policy=found)
    checkpoints = folder / "checkpoints"
    checkpoints.mkdir()
    training = Training(
        recipe=recipe,
        env_id=unit.study.env_id,
        network=unit.network,
        seed=unit.seed,
        timesteps=unit.study.steps,
        device=torch.device("cpu"),
        folder=folder,
        saves=unit.study.validations,
        key="study",
        validation=watch,  # type: ignore[arg-type]
    )
    training.run(Group())
    return [float(read_facts(checkpoint)["steps"]) for checkpoint in checkpoints_in(checkpoints)]
