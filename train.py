"""Trains an agent on a QKD network and measures it against classical baselines.

``python train.py --scenario metro`` writes a folder with the configuration, the trained policy,
metrics as JSON, a learning curve and a picture of the network, and prints a table.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, Literal

import gymnasium as gym
import torch
import tyro
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from qkd_gym import __version__
from qkd_gym.children import child_processes
from qkd_gym.commands import exit_status
from qkd_gym.envs.tasks import TASKS, Task
from qkd_gym.errors import InvalidInput, require_choice, require_integer, shown
from qkd_gym.evaluation import EvaluationResult, compare, evaluate, print_comparison
from qkd_gym.evaluation.plots import plot_learning_curve
from qkd_gym.evaluation.report import comparison_table
from qkd_gym.files import require_writable_folder, write_bytes, write_figure, write_json
from qkd_gym.gnn import load_pretrained
from qkd_gym.gnn.weights import digest
from qkd_gym.network.scenarios import as_mapping, resolve
from qkd_gym.rendering import draw_network, snapshot
from qkd_gym.sb3 import save_agent
from qkd_gym.sb3.checkpoint import (
    checkpoints_in,
    latest_checkpoint,
    load_best_checkpoint,
    read_facts,
)
from qkd_gym.sb3.group import together
from qkd_gym.sb3.recipe import Recipe, load_recipes
from qkd_gym.sb3.training import Training, Validation

# Recipes of the agents: a file per environment.
AGENTS = Path(__file__).with_name("agents")
# Held-out episodes: networks of the test bank, seeds that training never uses.
HELD_OUT_SEED = 1_000_000
# Checkpoints are chosen on episodes of the validation bank, never on held-out ones.
VALIDATION_SEED = 500_000
_VALIDATION_EPISODES = 64
_CHECKPOINTS = 8


@dataclass
class Options:
    """Train an agent on a QKD network and measure it against classical baselines."""

    scenario: str = "metro"
    """Scenario: a tier such as metro or hidden, a real network such as madrid, or a .json file."""
    network: Annotated[tuple[tuple[str, ...], ...], tyro.conf.UseAppendAction] = ()
    """Changes to the scenario as FIELD=VALUE, for instance load=1.2 modules_per_site=3."""
    env: Literal[tuple(TASKS)] = "LinkActivation"  # type: ignore[valid-type]
    """What the agent decides."""
    agent: str = "pointer"
    """Recipe of the agent: pointer or ppo."""
    total_timesteps: int = 0
    """Steps of reinforcement learning; 0 for as many as the recipe says."""
    seed: int = 0
    """Seed of the training."""
    out: Path | None = None
    """Folder of the results; default runs/SCENARIO-ENV-AGENT-SEED."""
    resume: bool = False
    """Go on from the newest checkpoint in the folder of the results."""
    episodes: int = 100
    """Held-out episodes of the evaluation."""
    device: str = "auto"
    """Where the networks run: auto, cpu, or cuda (auto is a GPU if there is one)."""
    workers: int | Literal["auto"] = "auto"
    """Processes that train together, which the results hang on: a number, or auto for as many as
    there are cores and as divide the recipe's environments and minibatches evenly."""


def main() -> None:
    """The command line; bad input is one sentence and exit status 2."""
    options = tyro.cli(Options, description=__doc__)
    with exit_status("Add --resume to go on from the newest checkpoint."):
        run(options)


def run(options: Options) -> None:
    """Trains, evaluates and reports."""
    task = TASKS[options.env]
    recipes = load_recipes(AGENTS / f"{task.name}.toml")
    require_choice("agent", options.agent, recipes)
    require_integer("total_timesteps", options.total_timesteps, 0)
    require_integer("seed", options.seed, 0, 2**31)
    require_integer("episodes", options.episodes, 2)
    device = find_device(options.device)
    recipe = recipes[options.agent]
    workers = recipe.workers(options.workers, device)
    timesteps = options.total_timesteps or recipe.total_timesteps
    changes = list(chain.from_iterable(options.network))
    overrides = parse_overrides(changes)
    network = {"scenario": options.scenario, **overrides}
    config = resolve(options.scenario, overrides)
    facts = {"total_timesteps": timesteps, "workers": workers, "network": as_mapping(config)}
    name = "-".join([Path(options.scenario).stem, *changes])
    folder = options.out or Path("runs") / f"{name}-{task.name}-{options.agent}-{options.seed}"
    # One thread: on small graphs two are slower, and sums are the same in every run.
    torch.set_num_threads(1)
    newest = latest_checkpoint(folder / "checkpoints")
    if options.resume and newest is None:
        raise InvalidInput(f"out is {str(folder)!r}, but must hold a checkpoint to resume from.")
    if not options.resume and newest is not None:
        raise InvalidInput(
            f"out is {str(folder)!r}, but it holds checkpoints of an earlier run: add --resume, "
            "name another folder or delete it."
        )
    key = run_key(task, recipe, as_mapping(config), options.seed, workers)
    for checkpoint in checkpoints_in(folder / "checkpoints"):
        if read_facts(checkpoint).get("run") != key:
            raise InvalidInput(
                f"checkpoint {shown(str(checkpoint))} is of another run: version, environment, "
                "recipe, network, seed, number of workers or the shipped weights differ."
            )
    # A network that cannot be built stops the run before anything is written.
    env = recipe.environment(task.env_id, network, device)
    env.reset()
    env.close()
    require_writable_folder(folder, "out")
    require_writable_folder(folder / "checkpoints", "out")
    asked = {**dataclasses.asdict(options), "network": changes, "out": str(folder), "resume": False}
    save = partial(save_agent, folder, recipe, asked, facts)
    save()
    validation = Validation(task.env_id, network, _VALIDATION_EPISODES, VALIDATION_SEED)
    training = Training(
        recipe=recipe,
        env_id=task.env_id,
        network=network,
        seed=options.seed,
        timesteps=timesteps,
        device=device,
        folder=folder,
        saves=_CHECKPOINTS,
        key=key,
        validation=validation,
    )
    # This process is one of the workers.
    with child_processes(max(1, workers - 1)) as submit:
        with together(workers, submit, training.run) as group:
            model = training.run(group)
        curve, best = load_best_checkpoint(folder / "checkpoints", model.policy, "validation_share")
        steps, share = curve[best]
        print(f"Best checkpoint: {steps} steps, delivered share {share:.4f} in validation")
        save(policy=model.policy)
        draw_validation_curve(
            folder / "learning_curve.png", curve, recipe.starts_from, validation.share
        )
        play = partial(
            evaluate,
            env_id=task.env_id,
            episodes=options.episodes,
            seed=HELD_OUT_SEED,
            **network,
        )
        results = play_all(model.policy, task.baselines, play, submit if workers > 1 else None)
    report(model, task, network, results, options, folder)


def run_key(task: Task, recipe: Recipe, network: Mapping[str, Any], seed: int, workers: int) -> str:
    """Changes with whatever a checkpoint hangs on, besides how long it was trained."""
    weights = digest(load_pretrained())
    parts = [__version__, task.name, dataclasses.asdict(recipe), network, seed]
    parts += [workers, weights]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


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
    require_choice("device", name, ("auto", "cpu", "cuda"))
    present = torch.cuda.is_available()
    if name == "cuda" and not present:
        raise InvalidInput("device is 'cuda', but torch finds no GPU: use 'auto' or 'cpu'.")
    return torch.device("cuda" if present and name != "cpu" else "cpu")


def draw_validation_curve(
    path: Path,
    curve: list[tuple[int, float]],
    baseline: str,
    validate: Callable[[Any], float],
) -> None:
    """Draws validation shares against steps, with the level of the baseline, if there is one."""
    steps, shares = zip(*curve, strict=True)
    plot_learning_curve(
        path,
        steps,
        shares,
        label="agent",
        quantity="delivered share in validation",
        references={baseline: validate(baseline)} if baseline else {},
    )


def play_all(
    agent: Any,
    baselines: Sequence[str],
    play: Callable[..., EvaluationResult],
    submit: Callable[..., Future[EvaluationResult]] | None,
) -> dict[str, EvaluationResult]:
    """Evaluates agent and baselines on the same held-out episodes.

    Baselines have the parameters that were tuned for the scenario, where some ship.

    Args:
        agent: The agent's policy.
        baselines: Names of the baselines.
        play: Evaluates a policy, or a baseline by name; ``name`` is what reports call it.
        submit: Hands a function to another process; None if there is none.
    """
    waiting = {}
    if submit is not None:
        waiting = {name: submit(partial(play, name, name=name)) for name in baselines}
    print(f"Evaluating the agent and {len(baselines)} baselines on held-out episodes")
    played = {"agent": play(agent, name="agent")}
    # What the others have not begun with is done here.
    for name in reversed(baselines):
        future = waiting.get(name)
        if future is None or future.cancel():
            played[name] = play(name, name=name)
        else:
            played[name] = future.result()
    return {name: played[name] for name in ("agent", *baselines)}


def report(
    model: OnPolicyAlgorithm,
    task: Task,
    network: dict[str, Any],
    results: Mapping[str, EvaluationResult],
    options: Options,
    folder: Path,
) -> None:
    """Compares agent and baselines and writes the results."""
    rows = compare(results, baselines=task.baselines)
    draw_agent_network(model, task.env_id, network, folder / "network.png")
    write_json(
        folder / "metrics.json", {name: result.to_dict() for name, result in results.items()}
    )
    write_bytes(folder / "table.md", (comparison_table(rows) + "\n").encode())
    title = f"{options.scenario}, {task.name}: {options.episodes} held-out episodes"
    print_comparison(rows, title)
    print(f"Results are in {folder}")


def draw_agent_network(
    model: OnPolicyAlgorithm, env_id: str, network: dict[str, Any], path: Path
) -> None:
    """Draws the network half-way through a held-out episode of the agent."""
    env = gym.make(env_id, **{**network, "split": "test"})
    observation, info = env.reset(seed=HELD_OUT_SEED)
    over = False
    while not over and info["elapsed_s"] < env.unwrapped.config.episode_s / 2:  # type: ignore[attr-defined]
        action, _ = model.policy.predict(observation, deterministic=True)
        observation, _, _, over, info = env.step(action)
    write_figure(path, draw_network(snapshot(env.unwrapped.core.simulator)))  # type: ignore[attr-defined]


if __name__ == "__main__":
    main()
