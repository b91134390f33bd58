"""``qkd-gym leaderboard``: the page of results, from episode files that were played again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from qkd_gym.benchmark.table import leaderboard
from qkd_gym.cli.arguments import Commands, add_command
from qkd_gym.cli.episode_files import add_files, episode_files, validated
from qkd_gym.files import require_writable_file, write_bytes
from qkd_gym.workers import WorkerCount, add_workers, worker_count


def add(commands: Commands) -> None:
    """Adds the command."""
    summary = "validate episode files and write RESULTS.md"
    parser = add_command(commands, "leaderboard", run, summary)
    add_files(parser)
    add_workers(parser)
    parser.add_argument("--out", type=Path, default=Path("RESULTS.md"))


def run(files: Sequence[Path], out: Path, workers: WorkerCount) -> None:
    """Plays the files again and writes the page."""
    found = episode_files(files)
    worker_count(workers)
    require_writable_file(out, "out")
    episodes = validated(found, workers)
    write_bytes(out, leaderboard(episodes).encode())
    print(f"{len(episodes)} episodes are what they claim to be; the leaderboard is {out}")
