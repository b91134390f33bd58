"""What is scored: links to run, or paths of requests. One record each, which all else asks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qkd_gym.envs.core import Core
from qkd_gym.envs.tasks import LINK_SCHEDULING, ROUTING, Task
from qkd_gym.errors import InvalidInput
from qkd_gym.scoring import choice, play, weights
from qkd_gym.scoring.inputs import INPUT_NAMES
from qkd_gym.scoring.paths import choice as path_choice
from qkd_gym.scoring.paths import play as path_play
from qkd_gym.scoring.paths import weights as path_weights
from qkd_gym.scoring.paths.inputs import PATH_INPUT_NAMES, PRICED_NAMES
from qkd_gym.scoring.paths.policy import ScoredPaths
from qkd_gym.scoring.policy import ScoredSchedule

F64 = NDArray[np.float64]
AnyWeights = weights.Weights | path_weights.PathWeights
ScoredPolicy = ScoredSchedule | ScoredPaths


class Kind(NamedTuple):
    """A kind of scorers.

    Attributes:
        task: What they decide.
        file: Where a trained agent's folder has the weights.
        decisions_per_core_s: How many are played on their usual networks, on one of two cores of
            2024.
        objective: What is searched for, a name of `qkd_gym.evaluation.METRICS`.
        weights: Class of the weights. Its field ``hidden`` has a row for every hidden unit, those
            whose names begin with ``hidden_`` a number.
        names: What the numbers of the other fields, and of a row, are called.
        policy: Makes a policy of weights and a name.
        start: Weights that a search begins with, from the number of hidden units and a seed.
        new_scratch: Scratch space, from the numbers of links and sites.
        play: Plays all episodes to their ends by weights, with scratch space, and adds what the
            objective is the ratio of to two arrays of shape (B,): delivered and offered.
    """

    task: Task
    file: str
    decisions_per_core_s: int
    objective: str
    weights: type[Any]
    names: Mapping[str, tuple[str, ...]]
    policy: Callable[[Any, str], Any]
    start: Callable[[int, int], Any]
    new_scratch: Callable[[int, int], Any]
    play: Callable[[Core, Any, Any, F64, F64], None]

    @property
    def share(self) -> str:
        """The objective in words."""
        return self.objective.replace("_", " ")


def _play_schedules(
    core: Core, w: weights.Weights, scratch: choice.Scratch, delivered: F64, offered: F64
) -> None:
    sim = core.simulator
    intervals = int(sim.params["intervals"][0])
    # An opponent acts between intervals.
    at_once = intervals if core.opposition is None else 1
    for _ in range(0, intervals, at_once):
        play.play_on(
            w, sim.arrays, core.frame.buffer, sim.bank, sim.params, at_once, sim.work, scratch,
            delivered, offered,
        )  # fmt: skip
        if core.opposition is not None:
            core.opposition.act()


def _play_paths(
    core: Core,
    w: path_weights.PathWeights,
    scratch: path_choice.Scratch,
    delivered: F64,
    offered: F64,
) -> None:
    if core.opposition is not None:
        raise InvalidInput(
            f"opponent is {core.config.opponent!r}, but must be none for scored paths, whose "
            "episodes are played one after the other."
        )
    sim, now = core.simulator, core.contents()
    path_play.play_on(
        w, sim.arrays, now.observation, now.results, now.sums, sim.bank, sim.params, sim.work,
        scratch, np.zeros(core.batch, np.int64), delivered, offered,
    )  # fmt: skip


SCHEDULES = Kind(
    task=LINK_SCHEDULING,
    file="schedule.json",
    decisions_per_core_s=150_000,
    objective="delivered_share",
    weights=weights.Weights,
    names={
        "rule": weights.RULE_NAMES,
        "on": INPUT_NAMES,
        "off": INPUT_NAMES,
        "hidden": INPUT_NAMES,
    },
    policy=ScoredSchedule,
    start=weights.starting_weights,
    new_scratch=choice.new_scratch,
    play=_play_schedules,
)
PATHS = Kind(
    task=ROUTING,
    file="paths.json",
    decisions_per_core_s=50_000,
    objective="value_share",
    weights=path_weights.PathWeights,
    names={
        "price": PRICED_NAMES,
        "score": PATH_INPUT_NAMES,
        "hidden": PATH_INPUT_NAMES,
    },
    policy=ScoredPaths,
    start=path_weights.starting_weights,
    new_scratch=path_choice.new_scratch,
    play=_play_paths,
)

KINDS = {kind.task.name: kind for kind in (SCHEDULES, PATHS)}


def kind_of(weights: AnyWeights) -> Kind:
    """The kind of scorers that these weights are of."""
    return next(kind for kind in KINDS.values() if isinstance(weights, kind.weights))
