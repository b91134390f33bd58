"""``qkd-gym evaluate``: policies play the same held-out episodes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import count
from typing import Any

from qkd_gym.benchmark.policies import Row, counts_as_baseline, load, rows_of
from qkd_gym.cli.arguments import Commands, add_command, add_json, add_policies
from qkd_gym.cli.progress import Progress
from qkd_gym.envs.tasks import TASKS
from qkd_gym.errors import require_integer
from qkd_gym.evaluation import EvaluationResult, compare, evaluate, print_comparison
from qkd_gym.evaluation.episodes import HELD_OUT_SEED
from qkd_gym.network.scenarios import resolve
from qkd_gym.workers import WorkerCount, add_workers, start_workers


def add(commands: Commands) -> None:
    """Adds the command."""
    parser = add_command(commands, "evaluate", run, "play policies on the same held-out episodes")
    add_policies(parser)
    parser.add_argument("--episodes", type=int, default=100)
    parser.add_argument("--seed", type=int, default=HELD_OUT_SEED, help="seed of the first episode")
    add_workers(parser)
    add_json(parser)


def run(
    policies: Sequence[str],
    scenario: str,
    env: str,
    episodes: int,
    seed: int,
    workers: WorkerCount,
    as_json: bool,
) -> None:
    """Evaluates and prints the comparison, or every metric of every episode as JSON."""
    task = TASKS[env]
    require_integer("episodes", episodes, 1)
    require_integer("seed", seed, 0)
    rows = rows_of(policies, task)
    settings = {"scenario": scenario or task.default_scenario, "split": "test"}
    resolve(settings["scenario"], {})
    numbers = count(1)
    with start_workers(workers) as team, Progress(" policies") as progress:
        progress(0, len(rows))
        found = team.do(
            partial(_evaluated, episodes, seed, settings),
            rows,
            lambda *_: progress(next(numbers), len(rows)),
        )
    results = {row.label: result for row, result in zip(rows, found, strict=True)}
    if as_json:
        print(json.dumps({name: result.to_dict() for name, result in results.items()}, indent=2))
        return
    baselines = [row.label for row in rows if counts_as_baseline(row.policy)]
    title = f"{settings['scenario']}: {episodes} held-out episodes from seed {seed}"
    print_comparison(compare(results, baselines=baselines), title)


def _evaluated(episodes: int, seed: int, settings: Mapping[str, Any], row: Row) -> EvaluationResult:
    policy = load(row.policy, row.env_id, settings)
    return evaluate(policy, row.env_id, episodes, seed, name=row.label, **settings)
