"""Search for a rule's parameters on training episodes.

``python -m qkd_gym.baselines.tuning demand-deficit --scenario metro``
"""

from __future__ import annotations

import argparse
import sys
from typing import Any, NamedTuple

import numpy as np

from qkd_gym.baselines.registry import ROUTING_RULES, make_policy, search_space
from qkd_gym.errors import InvalidInput, require_integer
from qkd_gym.evaluation.episodes import evaluate


class Trial(NamedTuple):
    """Parameters and the mean delivered share that they reached."""

    delivered_share: float
    parameters: dict[str, float]


def tune(
    name: str,
    scenario: Any = "metro",
    *,
    episodes: int = 64,
    trials: int = 24,
    sweeps: int = 1,
    seed: int = 0,
    **overrides: Any,
) -> list[Trial]:
    """Random search, then coordinate descent from the best point, on ``split="train"``.

    Args:
        name: An activation or a routing rule with parameters.
        scenario: Scenario of the environment that asks for the rule's decision alone.
        episodes: Episodes per trial, the same for all.
        trials: Random points; the defaults are tried besides.
        sweeps: Passes over the parameters of the coordinate descent; it ends early where a pass
            finds nothing better.
        seed: Seed of the search and of the first episode.
        **overrides: Further arguments of the environment.

    Returns:
        All trials, best first.

    Raises:
        InvalidInput: On an unknown rule or scenario.
    """
    require_integer("trials", trials, 0)
    space = search_space(name)
    kind = "Routing" if name in ROUTING_RULES else "LinkActivation"
    tried: dict[tuple[float, ...], Trial] = {}

    def measure(parameters: dict[str, float]) -> float:
        point = tuple(parameters.values())
        if point not in tried:
            policy = make_policy(name, **parameters)
            settings = {"scenario": scenario, "split": "train", **overrides}
            result = evaluate(policy, f"qkd_gym/{kind}-v0", episodes, seed, **settings)
            tried[point] = Trial(result.mean(), parameters)
            print(f"{result.mean():.4f}  {parameters}", file=sys.stderr, flush=True)
        return tried[point].delivered_share

    rule = make_policy(name)
    default = rule.routing if kind == "Routing" else rule.activation
    measure({key: getattr(default, key) for key in space})
    rng = np.random.default_rng(seed)
    for _ in range(trials):
        measure({key: float(rng.choice(values)) for key, values in space.items()})
    for _ in range(sweeps):
        before = max(tried.values(), key=lambda trial: trial.delivered_share)
        for key, values in space.items():
            for value in values:
                best = max(tried.values(), key=lambda trial: trial.delivered_share)
                measure({**best.parameters, key: value})
        if max(trial.delivered_share for trial in tried.values()) == before.delivered_share:
            break
    return sorted(tried.values(), key=lambda trial: -trial.delivered_share)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Tune a baseline on training episodes.")
    parser.add_argument("policy")
    parser.add_argument("--scenario", default="metro")
    parser.add_argument("--episodes", type=int, default=64)
    parser.add_argument("--trials", type=int, default=24)
    parser.add_argument("--sweeps", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    options = vars(parser.parse_args())
    try:
        best = tune(options.pop("policy"), options.pop("scenario"), **options)[0]
    except InvalidInput as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    print(f"{best.delivered_share:.4f}  {best.parameters}")


if __name__ == "__main__":
    main()
