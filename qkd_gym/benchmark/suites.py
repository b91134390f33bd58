"""The suites, which are data: scenarios, the environment that plays them, and disjoint seeds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any, NamedTuple

from qkd_gym.baselines.registry import fast_policies
from qkd_gym.envs.tasks import TASKS, get_task
from qkd_gym.errors import require_choice, require_integer
from qkd_gym.reading import read_json


class Split(NamedTuple):
    """A bank of networks and the first of its seeds; no two splits share either."""

    name: str
    split: str
    first_seed: int
    seeds: int


@dataclass(frozen=True)
class Suite:
    """Scenarios that are reported together.

    Attributes:
        name: Name of the suite.
        purpose: What it asks.
        env_id: Environment that plays it.
        scenarios: Names of the scenarios.
        rows: Policies that belong into its table besides the heuristics, see
            `qkd_gym.benchmark.policies`.
        axes: Scenarios that differ in one field of `NetworkConfig`, by that field, for plots.
    """

    name: str
    purpose: str
    env_id: str
    scenarios: tuple[str, ...]
    rows: tuple[str, ...]
    axes: dict[str, tuple[str, ...]]

    def heuristics(self) -> tuple[str, ...]:
        """The baselines that play the suite in microseconds per decision."""
        return fast_policies(get_task(self.env_id))


@lru_cache(maxsize=1)
def _data() -> dict[str, Any]:
    return read_json(files("qkd_gym.benchmark") / "data/suites.json", dict[str, Any], "suites")


def available_suites() -> tuple[str, ...]:
    """Names that `get_suite` accepts."""
    return tuple(_data()["suites"])


def get_suite(name: str) -> Suite:
    """A suite by name.

    Raises:
        InvalidInput: If there is none of that name.
    """
    require_choice("suite", name, available_suites())
    facts = _data()["suites"][name]
    return Suite(
        name,
        facts["purpose"],
        TASKS[facts["env"]].env_id,
        tuple(facts["scenarios"]),
        tuple(facts["rows"]),
        {axis: tuple(names) for axis, names in facts["axes"].items()},
    )


def available_splits() -> tuple[str, ...]:
    """Names that `get_split` accepts."""
    return tuple(_data()["splits"])


def get_split(name: str, episodes: int = 1) -> Split:
    """A split by name, large enough for this number of episodes.

    Raises:
        InvalidInput: On an unknown name or a number outside [1, the split's seeds].
    """
    require_choice("split", name, available_splits())
    seeds = int(_data()["seeds_per_split"])
    require_integer("episodes", episodes, 1, seeds)
    facts = _data()["splits"][name]
    return Split(name, facts["split"], int(facts["first_seed"]), seeds)
