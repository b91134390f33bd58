"""``qkd-gym benchmark``: a suite, into a folder of results."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from qkd_gym.benchmark.plots import plot_suite
from qkd_gym.benchmark.runner import run_benchmark
from qkd_gym.benchmark.suites import available_splits, available_suites
from qkd_gym.benchmark.table import latency_markdown, markdown
from qkd_gym.cli.arguments import POLICIES, Commands, add_command
from qkd_gym.cli.progress import Progress
from qkd_gym.files import write_bytes
from qkd_gym.reading import read_json
from qkd_gym.workers import add_workers


def add(commands: Commands) -> None:
    """Adds the command."""
    resumption = "The same command goes on from here."
    parser = add_command(commands, "benchmark", run, "run a suite", resumption)
    parser.add_argument("--suite", default="metro", help=f"one of {', '.join(available_suites())}")
    parser.add_argument(
        "--policy",
        dest="policies",
        metavar="POLICY",
        nargs="+",
        default=[],
        help=f"{POLICIES}; 'heuristics' stands for all fast baselines; by default these and the "
        "further rows of the suite",
    )
    parser.add_argument("--episodes", type=int, default=100, help="episodes per scenario")
    parser.add_argument("--split", default="held-out", choices=available_splits())
    parser.add_argument("--scenarios", nargs="+", default=[], help="only these of the suite")
    parser.add_argument(
        "--bounds", type=int, default=0, help="episodes with bound and foresight reference"
    )
    parser.add_argument("--record", action="store_true", help="write a file of every episode")
    parser.add_argument("--out", type=Path, help="folder (default: benchmark/SUITE)")
    add_workers(parser)


def run(suite: str, out: Path | None, **asked: Any) -> None:
    """Runs the suite, writes the folder and prints the table."""
    folder = out or Path("benchmark") / suite
    with Progress(" episodes") as progress:
        results = run_benchmark(suite, folder, on_progress=progress, **asked)
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
