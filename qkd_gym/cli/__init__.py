"""Everything that the package does from a command line, ``qkd-gym`` or ``python -m qkd_gym``.

Every command has a module of its own, whose ``add`` gives it a parser and what to run.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from qkd_gym import __version__
from qkd_gym.cli import (
    benchmark,
    evaluate,
    leaderboard,
    listing,
    report,
    topology,
    train,
    tune,
    validate,
    watch,
)
from qkd_gym.commands import exit_status
from qkd_gym.workers import take_workers

# In the order of the help.
COMMANDS = (
    listing,
    train,
    evaluate,
    watch,
    report,
    benchmark,
    tune,
    validate,
    leaderboard,
    topology,
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs a command; bad input is one sentence and exit status 2.

    Args:
        arguments: Words of the command line; by default those of the process.
    """
    options = vars(parser().parse_args(arguments))
    run = options.pop("run")
    with exit_status(options.pop("interrupted")):
        if "backend" in options:
            take_workers(options)
        run(**options)


def parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    as_module = Path(sys.argv[0]).name == "__main__.py"
    name = "python -m qkd_gym" if as_module else "qkd-gym"
    top = argparse.ArgumentParser(
        prog=name,
        description="Train, evaluate and compare operators of quantum-key-distribution networks.",
        epilog="The first command that plays an episode compiles the simulator, which takes about "
        "half a minute and is kept.",
    )
    top.add_argument("--version", action="version", version=f"qkd-gym {__version__}")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    return top
