"""Policies as command lines name them, and the environment that each of them plays.

A policy is a baseline (``demand-deficit``), a baseline in another environment of the same events
(``LinkScheduling:demand-deficit``), a class of the user's own (``module:Class``), an agent that the
package ships (``agent:NAME``), or the folder of a trained agent, under its own or another name
(``FOLDER``, ``NAME=FOLDER``).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from qkd_gym.baselines import make_policy
from qkd_gym.baselines.agents import shipped_agent
from qkd_gym.baselines.own import has_module, is_own, make_own, own_class
from qkd_gym.baselines.portfolio import Portfolio
from qkd_gym.baselines.registry import in_environment, is_baseline, parameter_names
from qkd_gym.envs.tasks import TASKS, Task, get_task
from qkd_gym.errors import InvalidInput, require_choice, shown
from qkd_gym.scoring import ScoredPolicy, find_scored
from qkd_gym.scoring.agents import PREFIX


class Row(NamedTuple):
    """A policy of a table.

    Attributes:
        label: Name in reports.
        policy: A baseline, ``module:Class``, ``agent:NAME``, or a folder, which has a separator in
            it.
        env_id: Environment that it plays.
    """

    label: str
    policy: str
    env_id: str


def rows_of(words: Iterable[str], task: Task, taken: Iterable[str] = ()) -> list[Row]:
    """What policies on a command line stand for.

    Args:
        words: The policies.
        task: What baselines play unless their word says otherwise, and whose events all have.
        taken: Names that no policy may have.

    Raises:
        InvalidInput: If there is no such policy, it plays an environment of other events, or its
            name is empty, taken or none of a folder.
    """
    rows: list[Row] = []
    used = set(map(file_name, taken))
    for word in words:
        row = _row(word, task)
        if not row.label or file_name(row.label) in used:
            raise InvalidInput(f"policy is {shown(word)}, but its name is empty or taken.")
        if Path(row.label).name != row.label or not row.label.isprintable():
            raise InvalidInput(f"policy is {shown(word)}, but its name must be one of a folder.")
        played = get_task(row.env_id)
        if played.events != task.events:
            raise InvalidInput(
                f"policy is {shown(word)}, which plays {played.name}, but must play {task.name} or "
                "an environment of the same events."
            )
        used.add(file_name(row.label))
        rows.append(row)
    return rows


def file_name(label: str) -> str:
    """The name of a policy as that of a folder; some systems take no colon."""
    return label.replace(":", "-")


def _row(word: str, task: Task) -> Row:
    if word.startswith(PREFIX):
        return Row(word, word, shipped_agent(word.removeprefix(PREFIX)).env_id)
    name, equals, folder = word.partition("=")
    if equals or os.sep in word or Path(word).is_dir():
        path = Path(folder if equals else word)
        label = name if equals else path.name
        policy = str(path) if os.sep in str(path) else os.path.join(os.curdir, path)
        return Row(label, policy, _env_id(word, path))
    if is_own(word) and has_module(word):
        return Row(word, word, getattr(own_class(word), "env_id", None) or task.env_id)
    environment, colon, baseline = word.partition(":")
    if colon:
        place = "policy (before the colon, where there is no module of that name)"
        require_choice(place, environment, ("agent", *TASKS))
        task = TASKS[environment]
    baseline = baseline if colon else word
    make_policy(baseline)
    return Row(word, baseline, task.env_id)


def _env_id(word: str, folder: Path) -> str:
    """Environment that the agent in a folder plays."""
    scored = find_scored(folder)
    if scored is not None:
        return scored.env_id
    if not (folder / "policy.safetensors").is_file():
        raise InvalidInput(
            f"policy is {shown(word)}, but {shown(str(folder))} has none of schedule.json, "
            "paths.json and policy.safetensors."
        )
    from qkd_gym.sb3.agents import agent_env_id  # here, so that others need no torch

    return agent_env_id(folder)


def is_agent(policy: str) -> bool:
    """Whether the policy of a row is an agent."""
    return policy.startswith(PREFIX) or os.sep in policy


def counts_as_baseline(policy: str) -> bool:
    """Whether the policy of a row is one that agents are measured against: no agent itself."""
    return is_own(policy) or is_baseline(policy)


def load(policy: str, env_id: str, settings: Mapping[str, Any], seed: int | None = None) -> Any:
    """The policy of a row.

    Args:
        policy: As `Row` has it.
        env_id: Environment that it shall play.
        settings: Keyword arguments of the environment; a scenario that is a name has baselines
            take what was tuned for it.
        seed: Of the draws of a baseline that draws.

    Raises:
        InvalidInput: If it is an agent that cannot be loaded or plays another environment.
    """
    if is_own(policy):
        return make_own(policy, settings.get("scenario"))
    if not is_agent(policy):
        draws = seed is not None and "seed" in parameter_names(policy)
        scenario = settings.get("scenario")
        name = in_environment(policy, get_task(env_id))
        return make_policy(name, scenario=scenario, **({"seed": seed} if draws else {}))
    scored = _scored(policy)
    if scored is not None:
        return scored
    from qkd_gym.sb3 import load_agent  # here, so that others need no torch

    return load_agent(Path(policy), env_id, settings)


def agent_digest(policy: str) -> str:
    """Changes with whatever the decisions of an agent hang on, the version aside.

    Raises:
        InvalidInput: If it cannot be loaded.
    """
    scored = _scored(policy)
    if scored is not None:
        return scored.digest()
    from qkd_gym.sb3 import agents  # here, so that others need no torch

    return agents.agent_digest(Path(policy))


def _scored(policy: str) -> ScoredPolicy | Portfolio | None:
    """The scorer or the portfolio that an agent is, if it is one."""
    if policy.startswith(PREFIX):
        return shipped_agent(policy.removeprefix(PREFIX))
    return find_scored(Path(policy))
