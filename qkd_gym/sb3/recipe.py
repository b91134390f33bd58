"""How an agent is trained: what a recipe says, how it is read and how it becomes a model."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.policies import MultiInputActorCriticPolicy

from qkd_gym.baselines import make_policy
from qkd_gym.errors import (
    InvalidInput,
    require_integer,
    require_known_keys,
    require_number,
    shown,
)
from qkd_gym.fields import check_fields, flag, integer, number
from qkd_gym.reading import read_table
from qkd_gym.sb3.advice import make_adviser
from qkd_gym.sb3.extractor import GraphFeaturesExtractor
from qkd_gym.sb3.group import Group
from qkd_gym.sb3.named import named_policy
from qkd_gym.sb3.policy import LinkPointerPolicy
from qkd_gym.sb3.ppo import GraphPPO
from qkd_gym.sb3.split import SplitVecEnv
from qkd_gym.sb3.vec_env import QKDVecEnv
from qkd_gym.workers import WorkerCount, usable_cores, worker_count

# Arguments of PPO that a recipe may set: integers with their lowest and highest values, and other
# numbers, which are not negative, with their highest.
_INTEGERS = {"n_steps": (1, 100_000), "batch_size": (2, 1_000_000), "n_epochs": (1, 1000)}
_NUMBERS = {"gamma": 1.0, "gae_lambda": 1.0} | dict.fromkeys(
    ("clip_range", "ent_coef", "vf_coef", "max_grad_norm", "target_kl"), 1e6
)
_BATCH_SIZE = 64  # rows of a minibatch, where a recipe does not say, as in Stable-Baselines3


@dataclass(frozen=True)
class Recipe:
    """How an agent is trained.

    Attributes:
        pointer: Whether actions are scored one by one by `LinkPointerPolicy` under `GraphPPO`;
            otherwise PPO decides from the pooled graph by a dense layer.
        total_timesteps: Default length of training.
        num_envs: Environments side by side.
        teacher: Baseline that is imitated first; empty for none.
        imitation_rounds: Rounds of imitation.
        adviser: Baseline or scored schedule whose scores the policy starts from, by the names of
            `qkd_gym.sb3.named`; empty for none.
        control_policy: Baseline or scored schedule whose rewards on the same episodes are
            subtracted, as a control variate; empty for none.
        learning_rate: Adam's step size at the start; it falls linearly to a twentieth.
        reward_scale: Factor on the rewards.
        ppo: Further arguments of the algorithm, for instance ``n_steps`` or ``gamma``.

    Raises:
        InvalidInput: On a value outside its range, or a baseline or schedule that does not exist.
    """

    pointer: bool = flag(True)
    total_timesteps: int = integer(64_000, 1, 10**12)
    num_envs: int = integer(64, 1, 4096)
    teacher: str = ""
    imitation_rounds: int = integer(0, 0, 1000)
    adviser: str = ""
    control_policy: str = ""
    learning_rate: float = number(1e-3, 0.0, 1.0, low_open=True)
    reward_scale: float = number(0.05, 0.0, 1e6, low_open=True)
    ppo: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("teacher", "adviser", "control_policy"):
            if not isinstance(getattr(self, name), str):
                raise InvalidInput(
                    f"{name} is {shown(getattr(self, name))}, but must be the name of a baseline."
                )
        check_fields(self)
        if self.starts_from and not self.pointer:
            raise InvalidInput("pointer is false, but must be true with a teacher or an adviser.")
        if self.adviser:
            make_adviser(self.adviser)
        if self.teacher:
            make_policy(self.teacher)
        if self.control_policy:
            named_policy(self.control_policy)
        if not isinstance(self.ppo, dict):
            raise InvalidInput(f"ppo is {shown(self.ppo)}, but must be a table.")
        require_known_keys("ppo", self.ppo, [*_INTEGERS, *_NUMBERS])
        for name, value in self.ppo.items():
            if name in _INTEGERS:
                require_integer(f"ppo.{name}", value, *_INTEGERS[name])
            else:
                require_number(f"ppo.{name}", value, 0.0, _NUMBERS[name])

    @property
    def starts_from(self) -> str:
        """What the untrained policy imitates or is advised by, if anything."""
        return self.teacher or self.adviser

    @property
    def policy_class(self) -> tuple[type[Any], dict[str, Any]]:
        """The class of the agent's policy and the arguments that its weights hang on."""
        if self.pointer:
            return LinkPointerPolicy, {"adviser": self.adviser}
        graph = {"features_extractor_class": GraphFeaturesExtractor, "ortho_init": False}
        return MultiInputActorCriticPolicy, graph

    def environment(
        self,
        env_id: str,
        network: dict[str, Any],
        device: torch.device | str = "cpu",
        group: Group | None = None,
    ) -> QKDVecEnv | SplitVecEnv:
        """Training environments.

        Where a GPU decides, they come in two halves, of which the host steps one meanwhile, on all
        its cores.

        Args:
            env_id: One of the package's environments.
            network: Keyword arguments of the environment, for instance ``scenario``.
            device: Where the model runs.
            group: The processes that train the model; each has its share of the environments.

        Raises:
            InvalidInput: If the network cannot be built.
        """
        members = len((group or Group()).share(self.num_envs))
        on_gpu = torch.device(device).type == "cuda"
        halves = 2 if on_gpu and self.pointer and members % 2 == 0 else 1
        parts = [
            QKDVecEnv(
                env_id,
                members // halves,
                reward_scale=self.reward_scale,
                subtract_offered=True,
                control_policy=named_policy(self.control_policy) if self.control_policy else None,
                adviser=make_adviser(self.adviser) if self.adviser else None,
                threads=usable_cores() if on_gpu else None,
                **{**network, "split": "train"},
            )
            for _ in range(halves)
        ]
        return SplitVecEnv(parts) if halves > 1 else parts[0]

    def model(
        self,
        env: QKDVecEnv | SplitVecEnv,
        seed: int,
        tensorboard: str | None,
        device: torch.device | str = "cpu",
        group: Group | None = None,
    ) -> OnPolicyAlgorithm:
        """An untrained model.

        Args:
            env: From `environment`.
            seed: Seed of the weights and of the training.
            tensorboard: Folder of the logs; None for no logs.
            device: Where the model runs; on a GPU its matrix products are computed in bfloat16.
            group: The processes that train the model. All get the same weights, and each draws its
                own actions.
        """
        device = torch.device(device)
        torch.manual_seed(seed)
        policy, arguments = self.policy_class
        settings: dict[str, Any] = {
            "learning_rate": lambda left: self.learning_rate * max(left, 0.05),
            "seed": seed,
            "tensorboard_log": tensorboard,
            "device": device,
            "policy_kwargs": arguments,
            **self.ppo,
        }
        if not self.pointer:
            return PPO(policy, env, **settings)
        arguments["mixed_precision"] = device.type == "cuda"
        model = GraphPPO(policy, env, group=group, **settings)
        if group is not None and group.size > 1:
            own = np.random.SeedSequence([seed, group.rank]).generate_state(1)
            torch.manual_seed(int(own[0]))
        return model

    def workers(self, asked: WorkerCount, device: torch.device) -> int:
        """How many processes train the model.

        Args:
            asked: Number of processes; ``"auto"`` for as many as there are cores and as
                environments and minibatches can be shared among evenly, and for one where a GPU is
                used.
            device: Where the model runs.

        Raises:
            InvalidInput: If the number is not in its range or does not divide evenly.
        """
        batch_size = self.ppo.get("batch_size", _BATCH_SIZE)
        common = math.gcd(self.num_envs, batch_size)
        alone = not self.pointer or device.type == "cuda"
        count = worker_count(asked)
        if asked == "auto":
            most = 1 if alone else count
            return max(n for n in range(1, most + 1) if common % n == 0)
        if count > 1 and alone:
            why = "on a GPU" if self.pointer else "for an agent without pointer"
            raise InvalidInput(f"workers is {count}, but must be 1 {why}.")
        if common % count:
            raise InvalidInput(
                f"workers is {count}, but must divide num_envs, {self.num_envs}, and "
                f"ppo.batch_size, {batch_size}."
            )
        return count


def load_recipe(path: Path, name: str) -> Recipe:
    """A recipe of a TOML file.

    Args:
        path: The file, in which every table is a recipe of this or another kind.
        name: Which one.

    Raises:
        InvalidInput: If the file cannot be read, or the table is missing or has an unknown or bad
            field.
    """
    owner, table = f"recipe {shown(name)} of {shown(path.name)}", read_table(path, "recipes", name)
    require_known_keys(owner, table, Recipe.__dataclass_fields__)
    try:
        return Recipe(**table)
    except InvalidInput as error:
        raise InvalidInput(f"{owner}: {error}") from None
