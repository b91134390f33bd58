"""``qkd-gym train``: an agent, from learning to its comparison with the baselines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qkd_gym.cli.arguments import Commands, add_command
from qkd_gym.envs.tasks import TASKS
from qkd_gym.training.options import DEVICES, Options
from qkd_gym.workers import add_local_workers


def add(commands: Commands) -> None:
    """Adds the command."""
    summary = "train an agent, in minutes, and measure it against classical baselines"
    resumption = "Add --resume to go on from the newest checkpoint."
    parser = add_command(commands, "train", run, summary, resumption)
    default = Options()
    parser.add_argument(
        "--scenario",
        default=default.scenario,
        help="a tier such as metro or hidden, a real network such as madrid, or a .json file; by "
        "default the environment's own",
    )
    parser.add_argument(
        "--network",
        metavar="FIELD=VALUE",
        nargs="+",
        action="extend",
        default=[],
        help="changes to the scenario, for instance load=1.2 modules_per_site=3",
    )
    parser.add_argument(
        "--env", default=default.env, choices=tuple(TASKS), help="what the agent decides"
    )
    parser.add_argument(
        "--agent",
        default=default.agent,
        help="recipe, a section of the environment's file in agents/; by default its first",
    )
    parser.add_argument(
        "--total-timesteps",
        type=int,
        default=default.total_timesteps,
        help="decisions that are played in training; 0 for as many as the recipe says",
    )
    parser.add_argument("--seed", type=int, default=default.seed, help="seed of the training")
    parser.add_argument(
        "--out", type=Path, help="folder of the results (default: runs/SCENARIO-ENV-AGENT-SEED)"
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on from the newest checkpoint in the folder of the results",
    )
    parser.add_argument(
        "--episodes", type=int, default=default.episodes, help="held-out episodes of the evaluation"
    )
    parser.add_argument(
        "--device",
        default=default.device,
        help=f"where the networks run: {', '.join(DEVICES)} (auto is a GPU if there is one)",
    )
    add_local_workers(parser)


def run(network: Sequence[str], **asked: Any) -> None:
    """Trains; what that needs is loaded only now."""
    from qkd_gym.training.run import train

    train(Options(network=tuple(network), **asked))
