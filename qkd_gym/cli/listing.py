"""``qkd-gym list``: what there is by name."""

from __future__ import annotations

import json

from qkd_gym.baselines.agents import agent_summary, available_agents
from qkd_gym.baselines.registry import available_policies
from qkd_gym.benchmark.suites import available_suites
from qkd_gym.cli.arguments import Commands, add_command, add_json
from qkd_gym.envs.tasks import TASKS
from qkd_gym.network.scenarios import available_scenarios
from qkd_gym.physics.presets import available_presets
from qkd_gym.topology import available

_AGENTS = "agents"
_NAMES = {
    "environments": lambda: tuple(TASKS),
    _AGENTS: lambda: tuple(f"agent:{name}" for name in available_agents()),
    "baselines": available_policies,
    "suites": available_suites,
    "scenarios": available_scenarios,
    "topologies": available,
    "presets": available_presets,
}


def add(commands: Commands) -> None:
    """Adds the command."""
    parser = add_command(commands, "list", run, "show what there is by name")
    parser.add_argument(
        "part", nargs="?", choices=tuple(_NAMES), help="only these names; by default all"
    )
    add_json(parser)


def run(part: str | None, as_json: bool) -> None:
    """Prints the names."""
    names = {title: list(_NAMES[title]()) for title in ([part] if part else _NAMES)}
    if as_json:
        print(json.dumps(names, indent=2))
        return
    for title, lines in names.items():
        if title == _AGENTS:
            summaries = [agent_summary(name.partition(":")[2]) for name in lines]
            lines = [f"{a}  {b}".rstrip() for a, b in zip(lines, summaries, strict=True)]
        print("\n".join([f"{title}:", *(f"  {line}" for line in lines)]))
