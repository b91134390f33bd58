"""``qkd-gym list``: what there is by name."""

from __future__ import annotations

from qkd_gym.baselines.registry import available_policies
from qkd_gym.benchmark.suites import available_suites
from qkd_gym.cli.arguments import Commands, add_command
from qkd_gym.envs.tasks import TASKS
from qkd_gym.network.scenarios import available_scenarios
from qkd_gym.scoring import shipped_schedules, shipped_summary


def add(commands: Commands) -> None:
    """Adds the command."""
    add_command(commands, "list", run, "show what there is by name")


def run() -> None:
    """Prints the names."""
    summaries = [f"agent:{name}  {shipped_summary(name)}".rstrip() for name in shipped_schedules()]
    parts = {
        "environments": list(TASKS),
        "agents": summaries,
        "baselines": available_policies(),
        "suites": available_suites(),
        "scenarios": available_scenarios(),
    }
    for title, lines in parts.items():
        print("\n".join([f"{title}:", *(f"  {line}" for line in lines)]))
