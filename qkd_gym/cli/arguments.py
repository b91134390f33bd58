"""What the parsers of several commands have in common."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TypeAlias

from qkd_gym.envs.tasks import LINK_ACTIVATION, TASKS

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

POLICIES = (
    "a baseline, ENVIRONMENT:BASELINE, MODULE:CLASS of your own, agent:NAME for one that the "
    "package ships, FOLDER of a trained agent, or NAME=FOLDER"
)


def add_command(
    commands: Commands,
    name: str,
    run: Callable[..., None],
    summary: str,
    interrupted: str = "Nothing was kept.",
) -> argparse.ArgumentParser:
    """Adds a command.

    Args:
        commands: Where to.
        name: What one types.
        run: What it does; it gets every option of the parser as a keyword argument.
        summary: Its line in the help.
        interrupted: What to say after Ctrl-C: how the work goes on.

    Returns:
        Its parser, without options yet.
    """
    form = argparse.ArgumentDefaultsHelpFormatter
    parser = commands.add_parser(name, help=summary, description=summary, formatter_class=form)
    parser.set_defaults(run=run, interrupted=interrupted)
    return parser


def add_policies(parser: argparse.ArgumentParser) -> None:
    """Gives a command policies and what they play: ``policies``, ``--scenario`` and ``--env``."""
    parser.add_argument("policies", metavar="POLICY", nargs="+", help=POLICIES)
    parser.add_argument("--scenario", default="", help="default: that of the environment")
    parser.add_argument(
        "--env",
        default=LINK_ACTIVATION.name,
        choices=tuple(TASKS),
        help="environment of the baselines",
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    """Gives a command the option ``--json``, which it gets as ``as_json``."""
    parser.add_argument(
        "--json", dest="as_json", action="store_true", help="print JSON, for other programs"
    )
