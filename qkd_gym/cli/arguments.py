"""What the parsers of several commands have in common."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TypeAlias

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

POLICIES = (
    "a baseline, ENVIRONMENT:BASELINE, agent:NAME for one that the package ships, FOLDER of a "
    "trained agent, or NAME=FOLDER"
)


def add_command(
    commands: Commands, name: str, run: Callable[..., None], summary: str
) -> argparse.ArgumentParser:
    """Adds a command.

    Args:
        commands: Where to.
        name: What one types.
        run: What it does; it gets every option of the parser as a keyword argument.
        summary: Its line in the help.

    Returns:
        Its parser, without options yet.
    """
    form = argparse.ArgumentDefaultsHelpFormatter
    parser = commands.add_parser(name, help=summary, formatter_class=form)
    parser.set_defaults(run=run)
    return parser
