"""Search for a rule's parameters on training episodes.

``python -m qkd_gym tune demand-deficit --scenario metro``
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NamedTuple, cast

import gymnasium as gym
import msgspec
import numpy as np

import qkd_gym
from qkd_gym.baselines.registry import make_policy, search_space, task_of_rule
from qkd_gym.baselines.tuned import Table, Tuned
from qkd_gym.envs import QKDVectorEnv
from qkd_gym.errors import InvalidInput, require_integer, shown
from qkd_gym.evaluation.episodes import evaluate
from qkd_gym.evaluation.intervals import Interval, bootstrap_interval
from qkd_gym.evaluation.result import OBJECTIVE, EvaluationResult
from qkd_gym.files import read_journal, write_json
from qkd_gym.network.scenarios import as_mapping
from qkd_gym.reading import read_json
from qkd_gym.workers import WorkerCount, start_workers, worker_count

# Training seeds of the search lie below this, those of the decision between finalists above.
DECISION_SEED = 200_000
_FINALISTS = 5


class _Entry(msgspec.Struct, forbid_unknown_fields=True):
    """A trial as the journal keeps it."""

    parameters: dict[str, float]
    value_share: Annotated[float, msgspec.Meta(ge=0.0, le=1.0 + 1e-9)]  # a sum may round up


class Trial(NamedTuple):
    """Parameters and the mean share of the offered value that they delivered."""

    value_share: float
    parameters: dict[str, float]


class Choice(NamedTuple):
    """What a search ends with.

    Attributes:
        parameters: The chosen parameters.
        default_share: Mean value share of the defaults on fresh training episodes.
        gain: Paired difference of the chosen parameters to the defaults there.
    """

    parameters: dict[str, float]
    default_share: float
    gain: Interval


def tune(
    name: str,
    scenario: Any = "metro",
    *,
    episodes: int = 64,
    trials: int = 24,
    sweeps: int = 1,
    seed: int = 0,
    journal: Path | None = None,
    on_trial: Callable[[Trial], None] | None = None,
    workers: WorkerCount = 1,
    **overrides: Any,
) -> list[Trial]:
    """Random search, then coordinate descent from the best point, on ``split="train"``.

    Args:
        name: An activation or a routing rule with parameters.
        scenario: Scenario of the environment that asks for the rule's decision alone.
        episodes: Episodes per trial, the same for all.
        trials: Random points; the defaults are tried besides, and what ships for `metro` and the
            scenario.
        sweeps: Passes over the parameters of the coordinate descent; it ends early where a pass
            finds nothing better.
        seed: Seed of the search and of the first episode.
        journal: File that keeps every trial; a search that was interrupted goes on from it.
        on_trial: Called with every new trial.
        workers: Processes that share the trials, see `qkd_gym.workers.worker_count`; they change
            no result.
        **overrides: Further arguments of the environment.

    Returns:
        All trials, best first.

    Raises:
        InvalidInput: On an unknown rule or scenario, or a journal of another search.
    """
    settings = {"scenario": scenario, "split": "train", **overrides}
    worker_count(workers)
    network = require_search(name, episodes, trials, sweeps, seed, settings)
    space = search_space(name)
    known: dict[tuple[float, ...], float] = {}
    append = None
    if journal is not None:
        # The search is the same whatever its length, so a longer one may go on from a shorter one.
        header = {
            **{"version": qkd_gym.__version__, "policy": name, "defaults": _defaults(name)},
            **{"episodes": episodes, "seed": seed, "network": network, "parameters": list(space)},
        }
        entries, append = read_journal(journal, json.loads(json.dumps(header)), _Entry)
        for entry in entries:
            if set(entry.parameters) != set(space):
                raise InvalidInput(
                    f"journal {shown(str(journal))} has a trial with other parameters than "
                    f"{shown(list(space))}; delete it to start anew."
                )
            known[tuple(entry.parameters[key] for key in space)] = entry.value_share
    tried: dict[tuple[float, ...], Trial] = {}

    def best() -> Trial:
        return max(tried.values(), key=lambda trial: trial.value_share)

    with start_workers(workers) as team:

        def measure(choices: Iterable[Mapping[str, Any]]) -> None:
            """Tries what does not depend on each other's outcome."""
            points = [tuple(float(choice[key]) for key in space) for choice in choices]
            named = {point: dict(zip(space, point, strict=True)) for point in points}
            new = [point for point in named if point not in known]

            def note(index: int, played: EvaluationResult) -> None:
                trial = Trial(played.mean(OBJECTIVE), named[new[index]])
                known[new[index]] = trial.value_share
                if append is not None:
                    append(_Entry(trial.parameters, trial.value_share))
                if on_trial is not None:
                    on_trial(trial)

            play = partial(_played, name, episodes, seed, settings)
            team.do(play, [named[point] for point in new], note)
            for point, parameters in named.items():
                tried.setdefault(point, Trial(known[point], parameters))

        starts = (None, "metro", scenario if isinstance(scenario, str) else None)
        measure(current_parameters(name, start) for start in starts)
        rng = np.random.default_rng(seed)
        measure([{key: rng.choice(values) for key, values in space.items()} for _ in range(trials)])
        for _ in range(sweeps):
            before = best()
            for key, values in space.items():
                fixed = best().parameters
                measure({**fixed, key: value} for value in values)
            if best() == before:
                break
    return sorted(tried.values(), key=lambda trial: -trial.value_share)


def require_search(
    name: str, episodes: int, trials: int, sweeps: int, seed: int, settings: Mapping[str, Any]
) -> dict[str, Any]:
    """Checks all that `tune` is asked for, before anything is written.

    Args:
        name: The rule.
        episodes: As for `tune`, and so are ``trials``, ``sweeps`` and ``seed``.
        trials: Random points.
        sweeps: Passes over the parameters.
        seed: Seed of the search.
        settings: Arguments of the environment, ``scenario`` among them.

    Returns:
        The configuration of the networks that are searched on, as plain values.

    Raises:
        InvalidInput: On an unknown rule or scenario, or a number outside its range.
    """
    require_integer("episodes", episodes, 1, DECISION_SEED)
    require_integer("trials", trials, 0)
    require_integer("sweeps", sweeps, 0)
    require_integer("seed", seed, 0, DECISION_SEED - episodes)
    search_space(name)
    env = cast("QKDVectorEnv", gym.make_vec(task_of_rule(name).env_id, num_envs=1, **settings))
    env.reset(seed=0)
    env.close()
    return as_mapping(env.config)


def choose(
    name: str,
    scenario: Any,
    trials: list[Trial],
    *,
    episodes: int = 256,
    seed: int = DECISION_SEED,
    workers: WorkerCount = 1,
    **overrides: Any,
) -> Choice:
    """Decides between the best trials on training episodes that the search has not seen.

    The best of many trials owes part of its gain to luck; here it has to earn it again. The
    defaults stay unless the 95 % interval of the gain is above zero.

    Args:
        name: The rule.
        scenario: As for `tune`.
        trials: From `tune`, best first.
        episodes: Episodes per finalist.
        seed: Seed of the first of them.
        workers: Processes that share the finalists, see `qkd_gym.workers.worker_count`.
        **overrides: Further arguments of the environment.
    """
    settings = {"scenario": scenario, "split": "train", **overrides}
    default = current_parameters(name, None)
    finalists = [default, *(trial.parameters for trial in trials[:_FINALISTS])]
    with start_workers(workers) as team:
        played = team.do(partial(_played, name, episodes, seed, settings), finalists)
    shares = [result.metrics[OBJECTIVE] for result in played]
    base = shares[0]
    ranked = zip(shares, finalists, strict=True)
    best, parameters = max(ranked, key=lambda finalist: float(np.nanmean(finalist[0])))
    gain = bootstrap_interval(best - base)
    if not gain.low > 0.0:
        parameters, gain = default, Interval(0.0, 0.0, 0.0)
    return Choice(parameters, float(np.nanmean(base)), gain)


def _played(
    name: str, episodes: int, seed: int, settings: Mapping[str, Any], parameters: Mapping[str, Any]
) -> EvaluationResult:
    policy = make_policy(name, **parameters)
    return evaluate(policy, task_of_rule(name).env_id, episodes, seed, **settings)


def _rule(name: str, scenario: str | None = None) -> Any:
    policy = make_policy(name, scenario=scenario)
    return policy.activation or policy.routing


def _defaults(name: str) -> dict[str, Any]:
    """All parameters of a single rule, those that are not searched too."""
    return dataclasses.asdict(_rule(name))


def current_parameters(name: str, scenario: str | None) -> dict[str, float]:
    """The parameters that a single rule has in a scenario, or its defaults."""
    rule = _rule(name, scenario)
    return {key: float(getattr(rule, key)) for key in search_space(name)}


def search_size(name: str, trials: int, sweeps: int) -> int:
    """Number of points that `tune` measures at most."""
    return 3 + trials + sweeps * sum(len(values) for values in search_space(name).values())


def read_table(path: Path) -> Table:
    """A table of tuned parameters, see `qkd_gym.baselines.tuned`; empty if there is no file.

    Raises:
        InvalidInput: If the file is no such table.
    """
    return read_json(path, Table, "table") if path.exists() else {}


def ship(path: Path, name: str, scenario: str, choice: Choice, command: str) -> None:
    """Writes a choice into a table of tuned parameters.

    Raises:
        InvalidInput: If the file is no such table, or its folder is not there.
    """
    table = read_table(path)
    gain = [round(value, 5) for value in choice.gain]
    share = round(choice.default_share, 5)
    chosen = Tuned(choice.parameters, share, (gain[0], gain[1], gain[2]), command)
    table.setdefault(scenario, {})[name] = chosen
    ordered = {key: dict(sorted(table[key].items())) for key in sorted(table)}
    write_json(path, msgspec.to_builtins(ordered))
