"""``qkd-gym validate``: episode files are what they claim to be."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from qkd_gym.cli.arguments import Commands, add_command, add_json
from qkd_gym.cli.episode_files import add_files, episode_files, validated
from qkd_gym.workers import WorkerCount, add_workers


def add(commands: Commands) -> None:
    """Adds the command."""
    parser = add_command(commands, "validate", run, "play episode files again")
    add_files(parser)
    add_workers(parser)
    add_json(parser)


def run(files: Sequence[Path], workers: WorkerCount, as_json: bool) -> None:
    """Plays the files again."""
    found = validated(episode_files(files), workers)
    if as_json:
        print(json.dumps({"validated": len(found)}))
        return
    print(f"{len(found)} episodes are what they claim to be.")
