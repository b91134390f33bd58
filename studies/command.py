"""What the command lines of studies have in common."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from qkd_gym.commands import exit_status
from qkd_gym.workers import take_workers

DOCS = Path(__file__).parents[1] / "docs"


def command_line(module: str, description: str | None) -> argparse.ArgumentParser:
    """A parser whose help shows defaults.

    Args:
        module: Name of the module that is run.
        description: What it does.
    """
    return argparse.ArgumentParser(
        prog=f"python -m {module}",
        description=description,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )


def add_out(parser: argparse.ArgumentParser) -> None:
    """Adds the option ``--out``, by default the folder of the documentation."""
    parser.add_argument("--out", type=Path, default=DOCS, help="folder of the page")


def run_command(
    parser: argparse.ArgumentParser,
    run: Callable[..., object],
    arguments: Sequence[str] | None,
    interrupted: str = "The same command goes on from there.",
) -> None:
    """Runs what a command line asks for; bad input is one sentence and exit status 2.

    Args:
        parser: Its options, by the names of the function's arguments, and those of
            `qkd_gym.workers.add_workers` for ``workers``.
        run: The function.
        arguments: The command line; None for that of the process.
        interrupted: What to say after an interruption, see `exit_status`.
    """
    options = vars(parser.parse_args(arguments))
    with exit_status(interrupted):
        if "workers" in options:
            take_workers(options)
        run(**options)
