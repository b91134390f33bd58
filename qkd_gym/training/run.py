"""A training as one command does it: learn, play held-out episodes, report."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qkd_gym.children import child_processes
from qkd_gym.envs.compilation import announce_compilation
from qkd_gym.envs.tasks import TASKS, Task
from qkd_gym.errors import InvalidInput, require_choice, require_integer, shown
from qkd_gym.evaluation import EvaluationResult, compare, evaluate, print_comparison
from qkd_gym.evaluation.episodes import HELD_OUT_SEED
from qkd_gym.evaluation.player import Player
from qkd_gym.evaluation.report import comparison_table
from qkd_gym.files import write_bytes, write_json
from qkd_gym.network.scenarios import resolve
from qkd_gym.reading import read_table, read_tables
from qkd_gym.rendering import write_picture
from qkd_gym.scoring.kinds import KINDS
from qkd_gym.search.recipe import METHOD, load_search_recipe
from qkd_gym.training.options import DEVICES, Options
from qkd_gym.training.recipes import RECIPES

if TYPE_CHECKING:
    import torch

    from qkd_gym.sb3.run import GradientRun
    from qkd_gym.search.run import SearchRun


def train(options: Options) -> None:
    """Trains, evaluates and reports.

    Raises:
        InvalidInput: On an option that cannot be had; nothing has been written then.
    """
    task = TASKS[options.env]
    options = dataclasses.replace(options, scenario=options.scenario or task.default_scenario)
    names = list(read_tables(RECIPES / f"{task.name}.toml", "recipes"))
    agent = options.agent or names[0]
    require_choice("agent", agent, names)
    require_integer("total_timesteps", options.total_timesteps, 0)
    require_integer("seed", options.seed, 0, 2**31)
    require_integer("episodes", options.episodes, 2)
    require_choice("device", options.device, DEVICES)
    overrides = parse_overrides(options.network)
    network = {"scenario": options.scenario, **overrides}
    name = "-".join([Path(options.scenario).stem, *options.network])
    folder = options.out or Path("runs") / f"{name}-{task.name}-{agent}-{options.seed}"
    learner = _learner(task, agent, network, resolve(options.scenario, overrides), options, folder)
    if options.resume and not learner.has_begun:
        raise InvalidInput(f"out is {str(folder)!r}, but must hold a checkpoint to resume from.")
    if not options.resume and learner.has_begun:
        raise InvalidInput(
            f"out is {str(folder)!r}, but it holds checkpoints of an earlier run: add --resume, "
            "name another folder or delete it."
        )
    asked = {**dataclasses.asdict(options), "agent": agent, "network": list(options.network)}
    asked |= {"out": str(folder), "resume": False}
    learner.prepare(asked)
    announce_compilation()
    with child_processes(max(1, learner.children)) as start:
        submit = start if learner.children else None
        policy = learner.learn(asked, submit)
        play = partial(evaluate, episodes=options.episodes, seed=HELD_OUT_SEED, **network)
        results = play_all(policy, task, play, submit)
    report(policy, task, network, results, options, folder)


def _learner(
    task: Task,
    agent: str,
    network: dict[str, Any],
    config: Any,
    options: Options,
    folder: Path,
) -> GradientRun | SearchRun:
    """What the recipe of an agent learns by; a search needs no torch."""
    path = RECIPES / f"{task.name}.toml"
    common: dict[str, Any] = {
        "seed": options.seed,
        "decisions": options.total_timesteps,
        "workers": options.workers,
        "folder": folder,
    }
    if read_table(path, "recipes", agent).get("method") == METHOD:
        from qkd_gym.search.run import SearchRun

        require_choice("env (of a search)", task.name, KINDS)
        return SearchRun(KINDS[task.name], load_search_recipe(path, agent), network, **common)
    from qkd_gym.sb3.recipe import load_recipe
    from qkd_gym.sb3.run import GradientRun

    recipe, device = load_recipe(path, agent), find_device(options.device)
    return GradientRun(task, recipe, network, config, device=device, **common)


def parse_overrides(assignments: Sequence[str]) -> dict[str, Any]:
    """Parses FIELD=VALUE; values are JSON, or else text.

    Raises:
        InvalidInput: If there is no equals sign, or a field is set twice.
    """
    parsed: dict[str, Any] = {}
    for assignment in assignments:
        field, equals, text = assignment.partition("=")
        if not equals:
            raise InvalidInput(f"network is {shown(assignment)}, but must be FIELD=VALUE.")
        if field in parsed:
            raise InvalidInput(f"network sets {shown(field)} twice, but must set it once.")
        try:
            parsed[field] = json.loads(text)
        except (ValueError, RecursionError):
            parsed[field] = text
    return parsed


def find_device(name: str) -> torch.device:
    """The device of a name; ``"auto"`` is a GPU if there is one.

    Raises:
        InvalidInput: On an unknown name, or a GPU that is not there.
    """
    import torch

    require_choice("device", name, DEVICES)
    present = torch.cuda.is_available()
    if name == "cuda" and not present:
        raise InvalidInput("device is 'cuda', but torch finds no GPU: use 'auto' or 'cpu'.")
    return torch.device("cuda" if present and name != "cpu" else "cpu")


def play_all(
    agent: Any,
    task: Task,
    play: Callable[..., EvaluationResult],
    submit: Callable[..., Future[EvaluationResult]] | None,
) -> dict[str, EvaluationResult]:
    """Evaluates agent and baselines on the same held-out episodes.

    Baselines have the parameters that were tuned for the scenario, where some ship.

    Args:
        agent: The agent.
        task: What it decides.
        play: Evaluates a policy, or a baseline by name; ``name`` is what reports call it.
        submit: Hands a function to another process; None if there is none.
    """
    pieces = {name: partial(play, name, env_id=task.env_id, name=name) for name in task.baselines}
    if task.compared_with:
        other = TASKS[task.compared_with]
        name = f"{other.baselines[-1]} ({other.name})"
        pieces[name] = partial(play, other.baselines[-1], env_id=other.env_id, name=name)
    waiting = {}
    if submit is not None:
        waiting = {name: submit(piece) for name, piece in pieces.items()}
    print(f"Evaluating the agent and {len(pieces)} baselines on held-out episodes")
    played = {"agent": play(agent, env_id=task.env_id, name="agent")}
    # What the others have not begun with is done here.
    for name in reversed(pieces):
        future = waiting.get(name)
        if future is None or future.cancel():
            played[name] = pieces[name]()
        else:
            played[name] = future.result()
    return {name: played[name] for name in ("agent", *pieces)}


def report(
    agent: Any,
    task: Task,
    network: dict[str, Any],
    results: Mapping[str, EvaluationResult],
    options: Options,
    folder: Path,
) -> None:
    """Compares agent and baselines and writes the results."""
    rows = compare(results, baselines=[name for name in results if name != "agent"])
    draw_agent_network(agent, task.env_id, network, folder / "network.png")
    write_json(
        folder / "metrics.json", {name: result.to_dict() for name, result in results.items()}
    )
    write_bytes(folder / "table.md", (comparison_table(rows) + "\n").encode())
    title = f"{options.scenario}, {task.name}: {options.episodes} held-out episodes"
    print_comparison(rows, title)
    print(f"Results are in {folder}")


def draw_agent_network(agent: Any, env_id: str, network: dict[str, Any], path: Path) -> None:
    """Draws the network half-way through a held-out episode of the agent."""
    look = {"render_mode": "rgb_array", "render_options": {"size": (1200, 800)}}
    player = Player(agent, env_id, HELD_OUT_SEED, **look, **network)
    while player.elapsed_s < player.env.config.episode_s / 2 and not player.over:
        player.step()
    write_picture(path, player.frame())
