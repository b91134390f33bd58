"""``qkd-gym tune``: a search for the parameters of a baseline."""

from __future__ import annotations

import shlex
from itertools import count
from pathlib import Path
from typing import Any

from qkd_gym.baselines.own import is_own
from qkd_gym.benchmark.tuning import choose, read_table, require_search, search_size, ship, tune
from qkd_gym.cli.arguments import Commands, add_command
from qkd_gym.cli.progress import Progress
from qkd_gym.errors import InvalidInput, require_integer, shown
from qkd_gym.evaluation.report import points_text
from qkd_gym.files import require_writable_file
from qkd_gym.workers import WorkerCount, add_workers, worker_count


def add(commands: Commands) -> None:
    """Adds the command."""
    resumption = "The same command goes on from here."
    parser = add_command(commands, "tune", run, "tune a baseline", resumption)
    parser.add_argument("policy")
    parser.add_argument("--scenario", default="metro")
    parser.add_argument("--episodes", type=int, default=64, help="training episodes per trial")
    parser.add_argument("--trials", type=int, default=24, help="random points")
    parser.add_argument("--sweeps", type=int, default=1, help="passes of the coordinate descent")
    parser.add_argument("--decision-episodes", type=int, default=256, help="episodes per finalist")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--journal", type=Path, help="default: tuning/SCENARIO-POLICY.jsonl")
    parser.add_argument(
        "--ship",
        dest="table",
        metavar="FILE",
        type=Path,
        help="table of tuned parameters to write the result into",
    )
    add_workers(parser)


def run(
    policy: str,
    journal: Path | None,
    table: Path | None,
    decision_episodes: int,
    workers: WorkerCount,
    **search: Any,
) -> None:
    """Tunes, chooses on further episodes, prints and ships the choice."""
    if is_own(policy):
        raise InvalidInput(
            f"policy is {shown(policy)}, but must be a rule of the package, whose parameters and "
            "their values are known; for a class of your own, compare evaluate(Class(parameter), "
            'scenario=..., split="train") over the values to try.'
        )
    scenario = search["scenario"]
    journal = journal or Path("tuning") / f"{Path(scenario).stem}-{policy}.jsonl"
    require_integer("decision_episodes", decision_episodes, 1)
    worker_count(workers)
    asked = {key: value for key, value in search.items() if key != "scenario"}
    require_search(policy, settings={"scenario": scenario, "split": "train"}, **asked)
    if table is not None:
        require_writable_file(table, "ship")
        read_table(table)
    require_writable_file(journal, "journal")
    size, numbers = search_size(policy, search["trials"], search["sweeps"]), count(1)
    with Progress(" trials at most") as progress:
        progress(0, size)
        trials = tune(
            policy,
            journal=journal,
            on_trial=lambda _: progress(next(numbers), size),
            workers=workers,
            **search,
        )
    choice = choose(policy, scenario, trials, episodes=decision_episodes, workers=workers)
    print(f"parameters: {choice.parameters}")
    print(f"defaults: {choice.default_share:.4f}, gain in points: {points_text(choice.gain)}")
    print(f"All trials are in {journal}")
    if table is not None:
        words = ["python", "-m", "qkd_gym", "tune", policy]
        for name in ("scenario", "episodes", "trials", "sweeps"):
            words += [f"--{name}", str(search[name])]
        words += ["--decision-episodes", str(decision_episodes), "--seed", str(search["seed"])]
        ship(table, policy, scenario, choice, shlex.join(words))
        print(f"Written to {table}")
