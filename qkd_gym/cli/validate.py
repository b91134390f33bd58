"""``qkd-gym validate``: episode files are what they claim to be."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from qkd_gym.cli.arguments import Commands, add_command
from qkd_gym.cli.episode_files import add_files, episode_files, validated
from qkd_gym.workers import WorkerCount, add_workers


def add(commands: Commands) -> None:
    """Adds the command."""
    parser = add_command(commands, "validate", run, "play episode files again")
    add_files(parser)
    add_workers(parser)


def run(files: Sequence[Path], workers: WorkerCount) -> None:
    """Plays the files again."""
    print(f"{len(validated(episode_files(files), workers))} episodes are what they claim to be.")
