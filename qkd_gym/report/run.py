"""What the folder of a run of ``train.py`` says: its results, its curve, what it played."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np

from qkd_gym.baselines import Policy
from qkd_gym.benchmark.policies import load
from qkd_gym.envs.metrics import METRICS
from qkd_gym.envs.tasks import get_task
from qkd_gym.errors import InvalidInput, require_known_keys, shown
from qkd_gym.evaluation import Comparison, EvaluationResult, compare
from qkd_gym.evaluation.plots import LearningCurve
from qkd_gym.network.config import FIELDS
from qkd_gym.reading import read_json

AGENT = "agent"  # its name in the results of a run
_METRICS, _CURVE = "metrics.json", "learning_curve.json"
_MOST_BYTES = 2**28


_Episode: Any = msgspec.defstruct(
    "_Episode", [("seed", int), *((metric, float | None) for metric in METRICS)]
)


class _Result(msgspec.Struct):
    """What ``metrics.json`` says of a policy."""

    env_id: str
    settings: dict[str, Any]
    episodes: Annotated[list[_Episode], msgspec.Meta(min_length=1)]


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        folder: Where it is.
        settings: Keyword arguments of the environment.
        results: Result of the agent and of every baseline, by name.
        comparison: The results compared, best first.
        curve: The learning curve, if the run left its numbers.
    """

    folder: Path
    settings: dict[str, Any]
    results: dict[str, EvaluationResult]
    comparison: list[Comparison]
    curve: LearningCurve | None

    @property
    def baseline(self) -> str:
        """Name of the best baseline."""
        return str(self.comparison[0].baseline)

    @property
    def seed(self) -> int:
        """Seed of the first episode that all have played."""
        return int(self.results[AGENT].seeds[0])

    def env_id(self, name: str) -> str:
        """Environment that a policy has played."""
        return self.results[name].env_id

    def policy(self, name: str) -> Policy:
        """The agent, or a baseline by its name in the results.

        Raises:
            InvalidInput: If it cannot be loaded.
        """
        env_id = self.env_id(name)
        word = os.path.join(os.curdir, self.folder)
        if name != AGENT:
            # One that plays another environment than the agent says so behind its name.
            word = name.removesuffix(f" ({get_task(env_id).name})")
        policy: Policy = load(word, env_id, self.settings)
        return policy


def read_run(folder: Path, scenario: str = "") -> Run:
    """Reads the folder of a run.

    Args:
        folder: As ``train.py`` has written it.
        scenario: Scenario of the run, instead of the one that its files name. It must be given
            where that is a file, for no file is opened because another one names it.

    Raises:
        InvalidInput: If the folder is not a finished run's, or a file in it is damaged.
    """
    found = read_json(folder / _METRICS, dict[str, _Result], "metrics", _MOST_BYTES)
    if AGENT not in found or len(found) < 2:
        raise InvalidInput(
            f"metrics {shown(str(folder / _METRICS))} is of {shown(sorted(found))}, but must be of "
            f"{AGENT!r} and at least one baseline."
        )
    settings = _settings(found[AGENT].settings, scenario)
    results = {name: _result(name, each) for name, each in found.items()}
    comparison = compare(results, baselines=[name for name in results if name != AGENT])
    path = folder / _CURVE
    curve = read_json(path, LearningCurve, "learning curve") if path.exists() else None
    if curve is not None and not len(curve.steps) == len(curve.values) > 0:
        raise InvalidInput(
            f"learning curve {shown(str(path))} has {len(curve.steps)} steps and "
            f"{len(curve.values)} values, but must have as many of both, and some."
        )
    return Run(folder, settings, results, comparison, curve)


def _settings(written: dict[str, Any], scenario: str) -> dict[str, Any]:
    """The arguments of the environment, none of which names a file unless a user does."""
    require_known_keys("settings", written, ["scenario", "split", *FIELDS])
    if scenario:
        others = {name: value for name, value in written.items() if name != "topology"}
        return {**others, "scenario": scenario}
    for name in ("scenario", "topology"):
        value = written.get(name)
        if isinstance(value, str) and value.endswith(".json"):
            raise InvalidInput(
                f"{name} of the run is the file {shown(value)}, but must be named by --scenario: "
                "no file is opened because another one names it."
            )
    return dict(written)


def _result(name: str, written: _Result) -> EvaluationResult:
    """A result as the evaluation had it."""
    get_task(written.env_id)
    columns = {
        metric: np.array([getattr(episode, metric) for episode in written.episodes], np.float64)
        for metric in METRICS
    }
    seeds = np.array([episode.seed for episode in written.episodes], np.int64)
    return EvaluationResult(
        name, written.env_id, written.settings, seeds, columns, decision_s=float("nan")
    )
