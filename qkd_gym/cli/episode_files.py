"""Episode files of a command line, played again."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from qkd_gym.benchmark.replay import Episode, validate
from qkd_gym.cli.progress import Progress
from qkd_gym.errors import InvalidInput, shown
from qkd_gym.workers import WorkerCount


def add_files(parser: argparse.ArgumentParser) -> None:
    """Adds the argument ``files``."""
    parser.add_argument("files", nargs="+", type=Path, help="episode files, or folders of them")


def episode_files(paths: Sequence[Path]) -> list[Path]:
    """The files among paths, and those inside the folders among them.

    Raises:
        InvalidInput: If there are none.
    """
    files: list[Path] = []
    for path in paths:
        files += sorted(path.rglob("*.json")) if path.is_dir() else [path]
    if not files:
        raise InvalidInput(f"files is {shown(str(paths[0]))}, but there is no episode file in it.")
    return files


def validated(files: Sequence[Path], workers: WorkerCount) -> list[Episode]:
    """Plays every file again and shows how many are done.

    Raises:
        InvalidInput: If one is not what it claims to be.
    """
    with Progress(" episodes") as progress:
        return validate(files, lambda done: progress(done, len(files)), workers=workers)
