"""One training by gradients in a folder: its checkpoints, its curve, its agent."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any, ClassVar

import torch
from stable_baselines3.common.policies import BasePolicy

from qkd_gym import __version__
from qkd_gym.envs.tasks import Task
from qkd_gym.errors import InvalidInput, shown
from qkd_gym.evaluation.episodes import VALIDATION_SEED
from qkd_gym.evaluation.plots import plot_learning_curve
from qkd_gym.files import require_writable_folder
from qkd_gym.gnn import load_pretrained
from qkd_gym.gnn.weights import digest
from qkd_gym.network.scenarios import as_mapping
from qkd_gym.sb3.agents import save_agent
from qkd_gym.sb3.checkpoint import (
    checkpoints_in,
    latest_checkpoint,
    load_best_checkpoint,
    read_facts,
)
from qkd_gym.sb3.group import together
from qkd_gym.sb3.named import named_digest
from qkd_gym.sb3.recipe import Recipe
from qkd_gym.sb3.training import Training, Validation

# On metro, from docs/speed.md.
_STEPS_PER_CORE_S = 4_600
_STEPS_PER_CORE_S_WITHOUT_POINTER = 980


class GradientRun:
    """A training by reinforcement learning in a folder.

    Args:
        task: What the agent decides.
        recipe: How it is trained.
        network: Keyword arguments of the environment, ``scenario`` among them.
        config: The configuration that they make.
        seed: Seed of the training.
        decisions: Steps of reinforcement learning; 0 for as many as the recipe says.
        workers: Processes that train together, see `Recipe.workers`.
        device: Where the networks run.
        folder: Where the run leaves its files.

    Raises:
        InvalidInput: If the number of workers does not suit the recipe.
    """

    episodes: ClassVar[int] = 64  # of a validation
    saves: ClassVar[int] = 8  # checkpoints on the way

    def __init__(
        self,
        task: Task,
        recipe: Recipe,
        network: dict[str, Any],
        config: Any,
        *,
        seed: int,
        decisions: int,
        workers: Any,
        device: torch.device,
        folder: Path,
    ) -> None:
        self._workers = recipe.workers(workers, device)
        self._task, self._recipe, self._network, self._folder = task, recipe, network, folder
        self._facts: dict[str, Any] = {
            "total_timesteps": decisions or recipe.total_timesteps,
            "workers": self._workers,
            "network": as_mapping(config),
        }
        key = run_key(task, recipe, self._facts["network"], seed, self._workers)
        validation = Validation(task.env_id, network, self.episodes, VALIDATION_SEED)
        self._training = Training(
            recipe=recipe,
            env_id=task.env_id,
            network=network,
            seed=seed,
            timesteps=self._facts["total_timesteps"],
            device=device,
            folder=folder,
            saves=self.saves,
            key=key,
            validation=validation,
        )

    @property
    def children(self) -> int:
        """Processes to start beside this one, which is one of the workers."""
        return self._workers - 1

    @property
    def has_begun(self) -> bool:
        """Whether the folder holds a checkpoint."""
        return latest_checkpoint(self._folder / "checkpoints") is not None

    def prepare(self, asked: Mapping[str, Any]) -> None:
        """Checks what the folder holds and the network, then writes what was asked for.

        Raises:
            InvalidInput: If a checkpoint is of another run, the network cannot be built or the
                folder cannot be written.
        """
        # One thread: on small graphs two are slower, and sums are the same in every run.
        torch.set_num_threads(1)
        for checkpoint in checkpoints_in(self._folder / "checkpoints"):
            if read_facts(checkpoint).get("run") != self._training.key:
                raise InvalidInput(
                    f"checkpoint {shown(str(checkpoint))} is of another run: version, environment, "
                    "recipe, network, seed, number of workers or the shipped weights differ."
                )
        # A network that cannot be built stops the run before anything is written.
        env = self._recipe.environment(self._task.env_id, self._network, self._training.device)
        env.reset()
        env.close()
        require_writable_folder(self._folder, "out")
        require_writable_folder(self._folder / "checkpoints", "out")
        save_agent(self._folder, self._recipe, asked, self._facts)
        steps, cores = self._facts["total_timesteps"], self._workers
        rate = _STEPS_PER_CORE_S if self._recipe.pointer else _STEPS_PER_CORE_S_WITHOUT_POINTER
        print(
            f"Learning by {steps:,} decisions on {cores} {'core' if cores == 1 else 'cores'}, some "
            f"{steps / rate / cores / 60.0:.0f} minutes, and some more for what goes before and "
            f"after; results go to {self._folder}"
        )

    def learn(
        self, asked: Mapping[str, Any], submit: Callable[..., Future[Any]] | None
    ) -> BasePolicy:
        """Trains, or goes on, and writes the agent of the best checkpoint and its curve.

        Args:
            asked: What was asked for, as for `prepare`.
            submit: Hands a function to another process, of which there are `children`.
        """
        with together(self._workers, submit, self._training.run) as group:
            model = self._training.run(group)
        curve, best = load_best_checkpoint(
            self._folder / "checkpoints", model.policy, "validation_share"
        )
        steps, share = curve[best]
        print(f"Best checkpoint: {steps} steps, delivered share {share:.4f} in validation")
        save_agent(self._folder, self._recipe, asked, self._facts, model.policy)
        start = self._recipe.starts_from
        plot_learning_curve(
            self._folder / "learning_curve.png",
            *zip(*curve, strict=True),
            label="agent",
            quantity="delivered share in validation",
            references={start: self._training.validation.share_of(start)} if start else {},
        )
        return model.policy


def run_key(task: Task, recipe: Recipe, network: Mapping[str, Any], seed: int, workers: int) -> str:
    """Changes with whatever a checkpoint hangs on, besides how long it was trained."""
    weights = digest(load_pretrained())
    parts = [__version__, task.name, dataclasses.asdict(recipe), network, seed]
    parts += [workers, weights, *map(named_digest, (recipe.adviser, recipe.control_policy))]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
