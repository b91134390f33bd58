"""What each environment decides: one record per environment, which everything else asks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from qkd_gym.errors import InvalidInput, require_choice


@dataclass(frozen=True)
class Task:
    """An environment and what its operator decides.

    Attributes:
        name: Short name, for instance ``"LinkActivation"``.
        decides_links: Whether a step may switch a link.
        decides_paths: Whether a step chooses the path of a request; a step is then one request,
            otherwise one decision interval in which the built-in router serves all of them.
        decides_releases: Whether the operator says which links make way for another: links may
            be switched one after the other before an interval passes, and the requests of the
            past interval are observed.
        default_scenario: Scenario of ``gym.make`` without arguments.
        baselines: Names of the baselines that a trained agent is reported beside.
        compared_with: Short name of another environment with the same events, whose last baseline
            a trained agent is reported beside too; empty for none.
    """

    name: str
    decides_links: bool
    decides_paths: bool
    decides_releases: bool
    default_scenario: str
    baselines: tuple[str, ...]
    compared_with: str = ""

    @property
    def env_id(self) -> str:
        """Name under which Gymnasium knows the environment."""
        return f"qkd_gym/{self.name}-v0"

    @property
    def events(self) -> str:
        """Short name of the environment whose events it has: episodes of a seed are comparable."""
        return self.compared_with or self.name

    def actions(self, n_links: int, n_paths: int) -> tuple[int, ...]:
        """Choices of each decision: paths and refusal, then links and hold.

        Args:
            n_links: Candidate links, E.
            n_paths: Candidate paths, K; not read where no path is decided.

        Returns:
            ``(E + 1,)``, ``(K + 1,)`` or ``(K + 1, E + 1)``.
        """
        paths = (n_paths + 1,) if self.decides_paths else ()
        return (*paths, n_links + 1) if self.decides_links else paths


LINK_ACTIVATION = Task(
    "LinkActivation",
    decides_links=True,
    decides_paths=False,
    decides_releases=False,
    default_scenario="metro",
    baselines=("random", "static-plan", "lowest-pool-first", "max-weight", "demand-deficit"),
)
LINK_SCHEDULING = Task(
    "LinkScheduling",
    decides_links=True,
    decides_paths=False,
    decides_releases=True,
    default_scenario=LINK_ACTIVATION.default_scenario,
    baselines=LINK_ACTIVATION.baselines,
    compared_with=LINK_ACTIVATION.name,
)
ROUTING = Task(
    "Routing",
    decides_links=False,
    decides_paths=True,
    decides_releases=False,
    # With two modules per site the static plan is nearly a tree and leaves no choice of path.
    default_scenario="control-modules",
    baselines=(
        "random",
        "shortest-path",
        "widest-path",
        "exponential-price",
        "class-reservation",
        "bid-price",
    ),
)
NETWORK = Task(
    "Network",
    decides_links=True,
    decides_paths=True,
    decides_releases=False,
    default_scenario="metro",
    baselines=(
        "random",
        "static-plan",
        "demand-deficit+shortest-path",
        "demand-deficit+widest-path",
        "demand-deficit+exponential-price",
    ),
)

TASKS = {task.name: task for task in (LINK_ACTIVATION, ROUTING, NETWORK, LINK_SCHEDULING)}
_BY_ID = {task.env_id: task for task in TASKS.values()}


def get_task(env_id: str) -> Task:
    """The record of one of the package's environments.

    Args:
        env_id: For instance ``"qkd_gym/LinkActivation-v0"``.

    Raises:
        InvalidInput: If the package has no such environment.
    """
    require_choice("env_id", env_id, tuple(_BY_ID))
    return _BY_ID[env_id]


def task_of(observation: Mapping[str, Any]) -> Task:
    """The task that an observation belongs to, for policies that are told nothing else.

    Args:
        observation: Arrays of an observation, of a batch of them, or their spaces, by field.

    Raises:
        InvalidInput: If no environment of the package gives such observations.
    """
    n_links, n_actions = observation["links"].shape[-2], observation["action_mask"].shape[-1]
    n_paths = observation["paths"].shape[-2] if "paths" in observation else 0
    for task in TASKS.values():
        fits = sum(task.actions(n_links, n_paths)) == n_actions
        fits &= task.decides_paths == (n_paths > 0)
        if fits and task.decides_releases == ("past_sizes" in observation):
            return task
    raise InvalidInput(
        f"action_mask has {n_actions} entries, but no environment has that many for {n_links} "
        f"links and {n_paths} candidate paths."
    )
