"""Evaluation, benchmarks, tuning and validation, as ``qkd-gym`` or ``python -m qkd_gym``.

Every command has a module of its own, whose ``add`` gives it a parser and what to run.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from qkd_gym.cli import (
    benchmark,
    evaluate,
    leaderboard,
    listing,
    report,
    tune,
    validate,
    watch,
)
from qkd_gym.commands import exit_status

# In the order of the help.
COMMANDS = (
    listing,
    evaluate,
    watch,
    report,
    benchmark,
    tune,
    validate,
    leaderboard,
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs a command; bad input is one sentence and exit status 2.

    Args:
        arguments: Words of the command line; by default those of the process.
    """
    options = vars(_parser().parse_args(arguments))
    run = options.pop("run")
    with exit_status("The same command goes on from here."):
        run(**options)


def _parser() -> argparse.ArgumentParser:
    as_module = Path(sys.argv[0]).name == "__main__.py"
    name = "python -m qkd_gym" if as_module else "qkd-gym"
    summary = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(prog=name, description=summary)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    return parser
