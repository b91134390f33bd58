"""Trains an agent on a QKD network and measures it against classical baselines.

``python train.py --scenario metro`` writes a folder with the configuration, the trained policy,
metrics as JSON, a learning curve and a picture of the network, and prints a table.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import gymnasium as gym
import torch
import tyro
from stable_baselines3.common.callbacks import CallbackList, ProgressBarCallback
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from agents import RECIPES, Recipe
from qkd_gym import __version__
from qkd_gym.baselines import available_policies, make_policy
from qkd_gym.errors import InvalidInput, require_choice, require_integer
from qkd_gym.evaluation import EvaluationResult, compare, evaluate, print_comparison
from qkd_gym.evaluation.plots import plot_learning_curve
from qkd_gym.evaluation.report import comparison_table
from qkd_gym.files import write_bytes, write_figure, write_json
from qkd_gym.network.scenarios import as_mapping, resolve
from qkd_gym.rendering import draw_network, snapshot
from qkd_gym.sb3 import QKDVecEnv
from qkd_gym.sb3.callbacks import DomainMetrics, Periodically
from qkd_gym.sb3.checkpoint import (
    latest_checkpoint,
    load_checkpoint,
    load_policy,
    save_checkpoint,
    save_policy,
)
from qkd_gym.sb3.imitation import fit_critic, imitate

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
    network: tuple[str, ...] = ()
    """Changes to the scenario as FIELD=VALUE, for instance load=1.2 modules_per_site=3."""
    env: Literal["LinkActivation", "Routing", "Network"] = "LinkActivation"
    """What the agent decides."""
    agent: str = "pointer"
    """Recipe of the agent: pointer or ppo."""
    total_timesteps: int = 0
    """Steps of reinforcement learning; 0 takes the recipe's."""
    seed: int = 0
    """Seed of the training."""
    out: Path | None = None
    """Folder of the results; default runs/SCENARIO-ENV-AGENT-SEED."""
    resume: bool = False
    """Go on from the newest checkpoint in the folder of the results."""
    episodes: int = 100
    """Held-out episodes of the evaluation."""
    device: str = "auto"
    """Where the networks run: auto, cpu, or cuda (auto takes a GPU if there is one)."""


def main() -> None:
    """The command line; bad input is one sentence and exit status 2."""
    options = tyro.cli(Options, description=__doc__)
    try:
        run(options)
    except InvalidInput as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("\nInterrupted. Add --resume to go on from the newest checkpoint.", file=sys.stderr)
        sys.exit(130)


def run(options: Options) -> None:
    """Trains, evaluates and reports."""
    require_choice("agent", options.agent, tuple(RECIPES[options.env]))
    require_integer("total_timesteps", options.total_timesteps, 0)
    require_integer("seed", options.seed, 0, 2**31)
    require_integer("episodes", options.episodes, 2)
    device = find_device(options.device)
    recipe = RECIPES[options.env][options.agent]
    timesteps = options.total_timesteps or recipe.total_timesteps
    env_id = f"qkd_gym/{options.env}-v0"
    network = {"scenario": options.scenario, **changes(options.network)}
    name = "-".join([Path(options.scenario).stem, *options.network])
    folder = options.out or Path("runs") / f"{name}-{options.env}-{options.agent}-{options.seed}"
    config = {
        "version": __version__,
        "options": {**dataclasses.asdict(options), "out": str(folder), "resume": False},
        "recipe": dataclasses.asdict(recipe),
        "total_timesteps": timesteps,
        "network": as_mapping(resolve(options.scenario, changes(options.network))),
    }
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
    # A network that cannot be built stops the run before anything is written.
    env = recipe.environment(env_id, network, device)
    env.reset()
    write_json(folder / "config.json", config)
    judge = partial(validate, env_id=env_id, network=network)
    model = recipe.model(env, options.seed, str(folder / "tensorboard"), device)
    train(model, recipe, env, judge, options, timesteps, folder)
    course = choose(model, folder)
    save_policy(folder / "policy.safetensors", model)
    curve(course, recipe, judge, folder / "learning_curve.png")
    report(model, env_id, network, options, folder)


def changes(assignments: Sequence[str]) -> dict[str, Any]:
    """Parses FIELD=VALUE; values are JSON, or else text."""
    parsed: dict[str, Any] = {}
    for assignment in assignments:
        field, equals, text = assignment.partition("=")
        if not equals:
            raise InvalidInput(f"network is {assignment!r}, but must be FIELD=VALUE.")
        try:
            parsed[field] = json.loads(text)
        except json.JSONDecodeError:
            parsed[field] = text
    return parsed


def validate(policy: Any, env_id: str, network: Mapping[str, Any]) -> float:
    """Mean delivered share of a policy, or of a baseline by name, on the validation episodes."""
    settings: dict[str, Any] = {**network, "split": "validation"}
    return evaluate(policy, env_id, _VALIDATION_EPISODES, VALIDATION_SEED, **settings).mean()


def find_device(name: str) -> torch.device:
    """The device of a name; ``"auto"`` is a GPU if there is one.

    Raises:
        InvalidInput: On an unknown name, or a GPU that is not there.
    """
    require_choice("device", name, ("auto", "cpu", "cuda"))
    present = torch.cuda.is_available()
    if name == "cuda" and not present:
        raise InvalidInput("device is 'cuda', but torch finds no GPU: take 'auto' or 'cpu'.")
    return torch.device("cuda" if present and name != "cpu" else "cpu")


def train(
    model: OnPolicyAlgorithm,
    recipe: Recipe,
    env: QKDVecEnv,
    judge: Callable[[Any], float],
    options: Options,
    timesteps: int,
    folder: Path,
) -> None:
    """Starts from the recipe's baseline, then learns by reinforcement, with checkpoints."""
    metrics = DomainMetrics()

    def keep(_: int) -> None:
        facts = {
            "validation_share": judge(model.policy),
            "history": metrics.history,
        }
        save_checkpoint(folder / "checkpoints", model, facts)

    newest = latest_checkpoint(folder / "checkpoints") if options.resume else None
    if newest is not None:
        metrics.history = load_checkpoint(newest, model)["history"]
        print(f"Resuming from {newest}")
    # A resumed run must not replay the episodes of its beginning.
    env.seed(options.seed * 10_000 + model.num_timesteps)
    if newest is None and recipe.starts_from:
        if recipe.teacher:
            imitate(
                model.policy,  # type: ignore[arg-type]
                make_policy(recipe.teacher, scenario=options.scenario),
                env,
                rounds=recipe.imitation_rounds,
                steps=30,
                seed=options.seed,
            )
        fit_critic(model.policy, env, model.gamma, steps=300, seed=options.seed)  # type: ignore[arg-type]
        env.take_totals()
        keep(0)
    left = timesteps - model.num_timesteps
    if left > 0:
        every = max(1, timesteps // _CHECKPOINTS)
        callbacks = CallbackList([metrics, Periodically(every, keep), ProgressBarCallback()])
        model.learn(left, callback=callbacks, reset_num_timesteps=False)
        keep(model.num_timesteps)


def choose(model: OnPolicyAlgorithm, folder: Path) -> list[tuple[int, float]]:
    """Loads the checkpoint that did best in validation; returns steps and share of all."""
    course = []
    for checkpoint in sorted((folder / "checkpoints").glob("[0-9]*")):
        facts = json.loads((checkpoint / "checkpoint.json").read_text(encoding="utf-8"))
        course.append((facts["steps"], facts["validation_share"]))
    steps, share = max(course, key=lambda point: point[1])
    load_policy(folder / "checkpoints" / f"{steps:010d}" / "policy.safetensors", model.policy)
    print(f"Best checkpoint: {steps} steps, delivered share {share:.4f} in validation")
    return course


def curve(
    course: list[tuple[int, float]], recipe: Recipe, judge: Callable[[Any], float], path: Path
) -> None:
    """Draws the course of the validation, with the level of the baseline that it started from."""
    steps, shares = zip(*course, strict=True)
    start = recipe.starts_from
    references = {start: judge(start)} if start else {}
    plot_learning_curve(
        path,
        steps,
        shares,
        label="agent",
        quantity="delivered share in validation",
        references=references,
    )


def report(
    model: OnPolicyAlgorithm,
    env_id: str,
    network: dict[str, Any],
    options: Options,
    folder: Path,
) -> None:
    """Evaluates agent and baselines on the same held-out episodes and writes the results.

    Baselines have the parameters that were tuned for the scenario, where some ship.
    """
    results: dict[str, EvaluationResult] = {}
    rivals = baselines_for(options.env)
    for name in ("agent", *rivals):
        print(f"Evaluating {name} on {options.episodes} held-out episodes")
        policy: Any = model.policy if name == "agent" else name
        results[name] = evaluate(
            policy, env_id, options.episodes, HELD_OUT_SEED, name=name, **network
        )
    rows = compare(results, baselines=rivals)
    picture(model, env_id, network, folder / "network.png")
    write_json(
        folder / "metrics.json", {name: result.to_dict() for name, result in results.items()}
    )
    write_bytes(folder / "table.md", (comparison_table(rows) + "\n").encode())
    title = f"{options.scenario}, {options.env}: {options.episodes} held-out episodes"
    print_comparison(rows, title)
    print(f"Results are in {folder}")


def baselines_for(env: str) -> list[str]:
    """Names of the baselines that can play an environment."""
    if env == "Network":
        routes = ("shortest-path", "widest-path", "exponential-price")
        return ["random", "static-plan", *(f"demand-deficit+{route}" for route in routes)]
    links = ("random", "static-plan", "lowest-pool-first", "max-weight", "demand-deficit")
    paths = ("random", "shortest-path", "widest-path", "exponential-price")
    assert set(links + paths) <= set(available_policies())
    return list(links if env == "LinkActivation" else paths)


def picture(model: OnPolicyAlgorithm, env_id: str, network: dict[str, Any], path: Path) -> None:
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
