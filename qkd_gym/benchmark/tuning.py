"""Search for a rule's parameters on training episodes.

``python -m qkd_gym tune demand-deficit --scenario metro``
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qkd_gym.baselines.registry import make_policy, search_space, task_of_rule
from qkd_gym.errors import InvalidInput, require_integer
from qkd_gym.evaluation.episodes import evaluate
from qkd_gym.evaluation.intervals import Interval, bootstrap_interval
from qkd_gym.evaluation.result import EvaluationResult
from qkd_gym.files import read_journal, write_json

# Training seeds of the search lie below this, those of the decision between finalists above.
DECISION_SEED = 200_000
_FINALISTS = 5


class Trial(NamedTuple):
    """Parameters and the mean delivered share that they reached."""

    delivered_share: float
    parameters: dict[str, float]


class Choice(NamedTuple):
    """What a search ends with.

    Attributes:
        parameters: The chosen parameters.
        default_share: Mean delivered share of the defaults on fresh training episodes.
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
        **overrides: Further arguments of the environment.

    Returns:
        All trials, best first.

    Raises:
        InvalidInput: On an unknown rule or scenario, or a journal of another search.
    """
    require_integer("trials", trials, 0)
    require_integer("sweeps", sweeps, 0)
    require_integer("seed", seed, 0, DECISION_SEED - episodes)
    space = search_space(name)
    settings = {"scenario": scenario, "split": "train", **overrides}
    # The search is the same whatever its length, so a longer one may go on from a shorter one.
    header = {"policy": name, "episodes": episodes, "seed": seed, "settings": settings}
    header["parameters"] = list(space)
    known: dict[tuple[float, ...], float] = {}
    append = None
    if journal is not None:
        entries, append = read_journal(journal, json.loads(json.dumps(header, default=repr)))
        known = {tuple(e["parameters"][k] for k in space): e["delivered_share"] for e in entries}
    tried: dict[tuple[float, ...], Trial] = {}

    def measure(parameters: Mapping[str, Any]) -> None:
        chosen: dict[str, Any] = {key: float(parameters[key]) for key in space}
        point = tuple(chosen.values())
        if point in tried:
            return
        if point not in known:
            known[point] = _played(name, chosen, episodes, seed, settings).mean()
            if append is not None:
                append({"parameters": chosen, "delivered_share": known[point]})
            if on_trial is not None:
                on_trial(Trial(known[point], chosen))
        tried[point] = Trial(known[point], chosen)

    def best() -> Trial:
        return max(tried.values(), key=lambda trial: trial.delivered_share)

    for start in (None, "metro", scenario if isinstance(scenario, str) else None):
        measure(current_parameters(name, start))
    rng = np.random.default_rng(seed)
    for _ in range(trials):
        measure({key: float(rng.choice(values)) for key, values in space.items()})
    for _ in range(sweeps):
        before = best()
        for key, values in space.items():
            for value in values:
                measure({**best().parameters, key: value})
        if best() == before:
            break
    return sorted(tried.values(), key=lambda trial: -trial.delivered_share)


def choose(
    name: str,
    scenario: Any,
    trials: list[Trial],
    *,
    episodes: int = 256,
    seed: int = DECISION_SEED,
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
        **overrides: Further arguments of the environment.
    """
    settings = {"scenario": scenario, "split": "train", **overrides}

    def shares(parameters: Mapping[str, Any]) -> NDArray[np.float64]:
        return _played(name, parameters, episodes, seed, settings).metrics["delivered_share"]

    default = current_parameters(name, None)
    base = shares(default)
    finalists = [(base, default)]
    finalists += [(shares(t.parameters), t.parameters) for t in trials[:_FINALISTS]]
    best, parameters = max(finalists, key=lambda finalist: float(np.nanmean(finalist[0])))
    gain = bootstrap_interval(best - base)
    if not gain.low > 0.0:
        parameters, gain = default, Interval(0.0, 0.0, 0.0)
    return Choice(parameters, float(np.nanmean(base)), gain)


def _played(
    name: str, parameters: Mapping[str, Any], episodes: int, seed: int, settings: Mapping[str, Any]
) -> EvaluationResult:
    policy = make_policy(name, **parameters)
    return evaluate(policy, task_of_rule(name).env_id, episodes, seed, **settings)


def current_parameters(name: str, scenario: str | None) -> dict[str, float]:
    """The parameters that a single rule has in a scenario, or its defaults."""
    policy = make_policy(name, scenario=scenario)
    rule = policy.activation or policy.routing
    return {key: float(getattr(rule, key)) for key in search_space(name)}


def search_size(name: str, trials: int, sweeps: int) -> int:
    """Number of points that `tune` measures at most."""
    return 3 + trials + sweeps * sum(len(values) for values in search_space(name).values())


def ship(path: Path, name: str, scenario: str, choice: Choice, command: str) -> None:
    """Writes a choice into a table of tuned parameters, see `qkd_gym.baselines.tuned`."""
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        table = {}
    except ValueError:
        raise InvalidInput(f"table {str(path)!r} is not readable JSON.") from None
    table.setdefault(scenario, {})[name] = {
        "parameters": choice.parameters,
        "default_share": round(choice.default_share, 5),
        "gain": [round(value, 5) for value in choice.gain],
        "command": command,
    }
    write_json(path, {key: dict(sorted(table[key].items())) for key in sorted(table)})
