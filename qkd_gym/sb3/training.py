"""One training from its first weights to its last checkpoint, as each of its processes runs it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.callbacks import CallbackList
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from qkd_gym.baselines import make_policy
from qkd_gym.errors import shown
from qkd_gym.evaluation import evaluate
from qkd_gym.reading import convert
from qkd_gym.sb3.callbacks import DomainMetrics, Periodically, Progress
from qkd_gym.sb3.checkpoint import latest_checkpoint, load_checkpoint, save_checkpoint
from qkd_gym.sb3.group import Group
from qkd_gym.sb3.imitation import fit_critic, imitate
from qkd_gym.sb3.named import named_schedule
from qkd_gym.sb3.recipe import Recipe

# Environments that the policy starts in, before reinforcement learning; enough for a critic.
_MOST_AT_START = 64


@dataclass(frozen=True)
class Validation:
    """Episodes on which checkpoints are compared.

    Attributes:
        env_id: Environment.
        network: Keyword arguments of the environment.
        episodes: Number of episodes, of the validation bank.
        seed: Seed of the first.
    """

    env_id: str
    network: Mapping[str, Any]
    episodes: int
    seed: int

    def share(self, policy: Any, group: Group | None = None) -> float:
        """Mean delivered share of a policy, or of a baseline by name.

        Args:
            policy: The policy.
            group: Processes that have the same policy, each of which plays a part of the episodes
                and gets the mean over all.
        """
        group = group or Group()
        own = group.share(self.episodes)
        shares = torch.zeros(self.episodes, dtype=torch.float64)
        if own:
            settings: dict[str, Any] = {**self.network, "split": "validation"}
            result = evaluate(policy, self.env_id, len(own), self.seed + own.start, **settings)
            shares[own.start : own.stop] = torch.as_tensor(result.metrics["delivered_share"])
        return float(np.nanmean(group.sum_(shares).numpy()))

    def share_of(self, name: str) -> float:
        """Mean delivered share of what a recipe calls by a name, see `qkd_gym.sb3.named`."""
        return self.share(named_schedule(name) or name)


@dataclass(frozen=True)
class Training:
    """What a training hangs on.

    Attributes:
        recipe: How the agent is trained.
        env_id: Environment.
        network: Keyword arguments of the environment, for instance ``scenario``.
        seed: Seed of the training.
        timesteps: Steps of reinforcement learning, of all environments together.
        device: Where the networks run.
        folder: Where ``checkpoints`` and ``tensorboard`` are.
        saves: How often a checkpoint is saved on the way.
        key: What checkpoints are marked with.
        validation: Episodes on which checkpoints are compared.
    """

    recipe: Recipe
    env_id: str
    network: dict[str, Any]
    seed: int
    timesteps: int
    device: torch.device
    folder: Path
    saves: int
    key: str
    validation: Validation

    def run(self, group: Group) -> OnPolicyAlgorithm:
        """Starts from the newest checkpoint, or else from the recipe's baseline, and learns by
        reinforcement, with checkpoints.

        Args:
            group: The processes that train together, each of which must call this.

        Returns:
            The model after the last step.

        Raises:
            InvalidInput: If the network cannot be built, or the newest checkpoint is damaged.
            Lost: If another process is gone.
        """
        recipe, checkpoints = self.recipe, self.folder / "checkpoints"
        env = recipe.environment(self.env_id, self.network, self.device, group)
        tensorboard = str(self.folder / "tensorboard") if group.leads else None
        model = recipe.model(env, self.seed, tensorboard, self.device, group)
        metrics = DomainMetrics(group)

        def validate_and_save(_: int) -> None:
            share = self.validation.share(model.policy, group)
            if group.leads:
                facts = {"run": self.key, "validation_share": share, "history": metrics.history}
                save_checkpoint(checkpoints, model, facts)

        newest = latest_checkpoint(checkpoints)
        if newest is not None:
            history = load_checkpoint(newest, model).get("history")
            where = f"history of checkpoint {shown(str(newest))}"
            metrics.history = convert(history, list[dict[str, float]], where)
            if group.leads:
                print(f"Resuming from {newest}")
        # A resumed run must not replay the episodes of its beginning.
        first_seed = self.seed * 10_000 + model.num_timesteps
        if newest is None and recipe.starts_from:
            if group.leads:
                self._start(model, first_seed)
            group.copy_first_(model.policy.state_dict().values())
            validate_and_save(0)
        left = self.timesteps - model.num_timesteps
        if left > 0:
            # Other episodes than those that the policy has started on.
            env.seed(first_seed + _MOST_AT_START + group.share(recipe.num_envs).start)
            every = max(1, self.timesteps // self.saves)
            callbacks = [metrics, Periodically(every, validate_and_save)]
            progress = [Progress(self.timesteps)] if group.leads else []
            try:
                model.learn(left, CallbackList([*callbacks, *progress]), reset_num_timesteps=False)
            finally:
                for bar in progress:
                    bar.close()
            validate_and_save(model.num_timesteps)
        return model

    def _start(self, model: OnPolicyAlgorithm, seed: int) -> None:
        """Makes the policy act as the recipe's baseline, and its critic foresee what comes of it.

        Args:
            model: Whose policy.
            seed: Seed of the environments.
        """
        few = dataclasses.replace(self.recipe, num_envs=min(self.recipe.num_envs, _MOST_AT_START))
        env = few.environment(self.env_id, self.network, self.device)
        env.seed(seed)
        policy: Any = model.policy
        if few.teacher:
            scenario = self.network.get("scenario")
            teacher = make_policy(few.teacher, scenario=scenario)
            imitate(policy, teacher, env, rounds=few.imitation_rounds, steps=30, seed=self.seed)
        fit_critic(policy, env, model.gamma, steps=300, seed=self.seed)
        env.close()
