"""Evaluation, benchmarks, tuning and validation, as ``qkd-gym`` or ``python -m qkd_gym``."""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from qkd_gym.baselines.registry import available_policies, is_baseline
from qkd_gym.benchmark.plots import plot_suite
from qkd_gym.benchmark.policies import Row, load, rows_of
from qkd_gym.benchmark.replay import Episode, validate
from qkd_gym.benchmark.runner import run_benchmark
from qkd_gym.benchmark.suites import available_splits, available_suites
from qkd_gym.benchmark.table import latency_markdown, leaderboard, markdown
from qkd_gym.benchmark.tuning import choose, read_table, require_search, search_size, ship, tune
from qkd_gym.commands import exit_status
from qkd_gym.envs.tasks import LINK_ACTIVATION, TASKS
from qkd_gym.errors import InvalidInput, require_integer, shown
from qkd_gym.evaluation import EvaluationResult, compare, evaluate, print_comparison
from qkd_gym.evaluation.episodes import HELD_OUT_SEED
from qkd_gym.evaluation.report import points_text
from qkd_gym.files import require_writable_file, write_bytes
from qkd_gym.network.scenarios import available_scenarios, resolve
from qkd_gym.reading import read_json
from qkd_gym.scoring import shipped_schedules, shipped_summary
from qkd_gym.workers import WorkerCount, add_workers, start_workers, take_workers, worker_count

_POLICIES = (
    "a baseline, ENVIRONMENT:BASELINE, agent:NAME for one that the package ships, FOLDER of a "
    "trained agent, or NAME=FOLDER"
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs a subcommand; bad input is one sentence and exit status 2.

    Args:
        arguments: Words of the command line; by default those of the process.
    """
    options = vars(_parser().parse_args(arguments))
    run = options.pop("run")
    with exit_status("The same command goes on from here."):
        if "workers" in options:
            take_workers(options)
        run(**options)


def _parser() -> argparse.ArgumentParser:
    as_module = Path(sys.argv[0]).name == "__main__.py"
    name = "python -m qkd_gym" if as_module else "qkd-gym"
    parser = argparse.ArgumentParser(prog=name, description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Callable[..., None], summary: str) -> argparse.ArgumentParser:
        form = argparse.ArgumentDefaultsHelpFormatter
        added = commands.add_parser(name, help=summary, formatter_class=form)
        added.set_defaults(run=run)
        return added

    command("list", _list, "show what there is by name")

    zero = command("evaluate", _evaluate, "play policies on the same held-out episodes")
    zero.add_argument("policies", metavar="POLICY", nargs="+", help=_POLICIES)
    zero.add_argument("--scenario", default="", help="default: that of the environment")
    zero.add_argument(
        "--env",
        default=LINK_ACTIVATION.name,
        choices=tuple(TASKS),
        help="environment of the baselines",
    )
    zero.add_argument("--episodes", type=int, default=100)
    zero.add_argument("--seed", type=int, default=HELD_OUT_SEED, help="seed of the first episode")

    one = command("benchmark", _benchmark, "run a suite")
    one.add_argument("--suite", default="metro", help=f"one of {', '.join(available_suites())}")
    one.add_argument(
        "--policy",
        dest="policies",
        metavar="POLICY",
        nargs="+",
        default=[],
        help=f"{_POLICIES}; 'heuristics' stands for all fast baselines; by default these and the "
        "further rows of the suite",
    )
    one.add_argument("--episodes", type=int, default=100, help="episodes per scenario")
    one.add_argument("--split", default="held-out", choices=available_splits())
    one.add_argument("--scenarios", nargs="+", default=[], help="only these of the suite")
    one.add_argument(
        "--bounds", type=int, default=0, help="episodes with bound and foresight reference"
    )
    one.add_argument("--record", action="store_true", help="write a file of every episode")
    one.add_argument("--out", type=Path, help="folder (default: benchmark/SUITE)")

    two = command("tune", _tune, "tune a baseline")
    two.add_argument("policy")
    two.add_argument("--scenario", default="metro")
    two.add_argument("--episodes", type=int, default=64, help="training episodes per trial")
    two.add_argument("--trials", type=int, default=24, help="random points")
    two.add_argument("--sweeps", type=int, default=1, help="passes of the coordinate descent")
    two.add_argument("--decision-episodes", type=int, default=256, help="episodes per finalist")
    two.add_argument("--seed", type=int, default=0)
    two.add_argument("--journal", type=Path, help="default: tuning/SCENARIO-POLICY.jsonl")
    two.add_argument(
        "--ship",
        dest="table",
        metavar="FILE",
        type=Path,
        help="table of tuned parameters to write the result into",
    )

    three = command("validate", _validate, "play episode files again")
    four = command("leaderboard", _leaderboard, "validate episode files and write RESULTS.md")
    for either in (three, four):
        either.add_argument("files", nargs="+", type=Path, help="episode files, or folders of them")
    for each in (zero, one, two, three, four):
        add_workers(each)
    four.add_argument("--out", type=Path, default=Path("RESULTS.md"))
    return parser


def _list() -> None:
    summaries = [f"agent:{name}  {shipped_summary(name)}".rstrip() for name in shipped_schedules()]
    parts = {
        "environments": list(TASKS),
        "agents": summaries,
        "baselines": available_policies(),
        "suites": available_suites(),
        "scenarios": available_scenarios(),
    }
    for title, lines in parts.items():
        print("\n".join([f"{title}:", *(f"  {line}" for line in lines)]))


def _evaluate(
    policies: Sequence[str],
    scenario: str,
    env: str,
    episodes: int,
    seed: int,
    workers: WorkerCount,
) -> None:
    task = TASKS[env]
    require_integer("episodes", episodes, 1)
    rows = rows_of(policies, task)
    settings = {"scenario": scenario or task.default_scenario, "split": "test"}
    resolve(settings["scenario"], {})
    with start_workers(workers) as team:
        found = team.do(partial(_evaluated, episodes, seed, settings), rows)
    results = {row.label: result for row, result in zip(rows, found, strict=True)}
    baselines = [row.label for row in rows if is_baseline(row.policy)]
    title = f"{settings['scenario']}: {episodes} held-out episodes from seed {seed}"
    print_comparison(compare(results, baselines=baselines), title)


def _evaluated(episodes: int, seed: int, settings: Mapping[str, Any], row: Row) -> EvaluationResult:
    policy = load(row.policy, row.env_id, settings)
    return evaluate(policy, row.env_id, episodes, seed, name=row.label, **settings)


def _benchmark(suite: str, out: Path | None, **run: Any) -> None:
    folder = out or Path("benchmark") / suite
    with _Progress(" episodes") as progress:
        results = run_benchmark(suite, folder, on_progress=progress, **run)
    text = markdown(results)
    timings = read_json(folder / "timings.json", dict[str, dict[str, float]], "timings")
    write_bytes(folder / "timings.md", latency_markdown(timings).encode())
    write_bytes(folder / "table.md", text.encode())
    print(text)
    written = "results.json, table.md, timings.md"
    try:
        plot_suite(folder / "page.png", results)
        written += ", page.png"
    except ModuleNotFoundError as error:  # a table needs no matplotlib
        print(error, file=sys.stderr)
    print(f"Results are in {folder}: {written}")


def _tune(
    policy: str,
    journal: Path | None,
    table: Path | None,
    decision_episodes: int,
    workers: WorkerCount,
    **search: Any,
) -> None:
    scenario = search["scenario"]
    journal = journal or Path("tuning") / f"{Path(scenario).stem}-{policy}.jsonl"
    require_integer("decision_episodes", decision_episodes, 1)
    worker_count(workers)
    if table is not None:
        asked = {key: value for key, value in search.items() if key != "scenario"}
        require_search(policy, settings={"scenario": scenario, "split": "train"}, **asked)
        require_writable_file(table, "ship")
        read_table(table)
    size, numbers = search_size(policy, search["trials"], search["sweeps"]), count(1)
    with _Progress(" trials at most") as progress:
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


def _validate(files: Sequence[Path], workers: WorkerCount) -> None:
    print(f"{len(_validated(_episode_files(files), workers))} episodes are what they claim to be.")


def _leaderboard(files: Sequence[Path], out: Path, workers: WorkerCount) -> None:
    found = _episode_files(files)
    worker_count(workers)
    require_writable_file(out, "out")
    episodes = _validated(found, workers)
    write_bytes(out, leaderboard(episodes).encode())
    print(f"{len(episodes)} episodes are what they claim to be; the leaderboard is {out}")


def _episode_files(paths: Sequence[Path]) -> list[Path]:
    files: list[Path] = []
    for path in paths:
        files += sorted(path.rglob("*.json")) if path.is_dir() else [path]
    if not files:
        raise InvalidInput(f"files is {shown(str(paths[0]))}, but there is no episode file in it.")
    return files


def _validated(files: Sequence[Path], workers: WorkerCount) -> list[Episode]:
    with _Progress(" episodes") as progress:
        return validate(files, lambda done: progress(done, len(files)), workers=workers)


class _Progress:
    """A bar, or without tqdm a line now and then, of what is counted, on standard error."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._bar: Any = None
        self._told_s = 0.0

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def __call__(self, done: int, total: int) -> None:
        """Shows how much is done."""
        try:
            from tqdm import tqdm
        except ImportError:
            now = time.monotonic()
            if done == total or now - self._told_s > 10.0:
                self._told_s = now
                print(f"{done} of {total} {self._what}", file=sys.stderr, flush=True)
            return
        if self._bar is None:
            # What an earlier run has done does not count for the speed.
            self._bar = tqdm(total=total, initial=done, unit=self._what, file=sys.stderr)
        self._bar.update(done - self._bar.n)
