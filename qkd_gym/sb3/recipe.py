"""What a recipe says, and how it becomes a model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from sb3_contrib import MaskablePPO
from stable_baselines3 import PPO
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from qkd_gym.baselines import make_policy
from qkd_gym.gnn import load_pretrained
from qkd_gym.sb3 import GraphFeaturesExtractor, LinkPointerPolicy, QKDVecEnv
from qkd_gym.sb3.advice import make_adviser
from qkd_gym.sb3.rollout import LeanRolloutBuffer


@dataclass(frozen=True)
class Recipe:
    """How an agent is trained.

    Attributes:
        pointer: Whether actions are scored one by one by `LinkPointerPolicy` under MaskablePPO;
            otherwise PPO decides from the pooled graph by a dense layer.
        total_timesteps: Default length of training.
        num_envs: Environments side by side.
        teacher: Baseline that is imitated first; empty for none.
        imitation_rounds: Rounds of imitation.
        adviser: Baseline whose scores the policy starts from; empty for none.
        rival: Baseline whose rewards on the same episodes are subtracted; empty for none.
        learning_rate: Adam's step size at the start; it falls linearly to a twentieth.
        reward_scale: Factor on the rewards.
        ppo: Further arguments of the algorithm.
    """

    pointer: bool
    total_timesteps: int
    num_envs: int = 64
    teacher: str = ""
    imitation_rounds: int = 0
    adviser: str = ""
    rival: str = ""
    learning_rate: float = 1e-3
    reward_scale: float = 0.05
    ppo: dict[str, Any] = field(default_factory=dict)

    @property
    def starts_from(self) -> str:
        """The baseline that the untrained policy imitates or is advised by, if any."""
        return self.teacher or self.adviser

    def environment(
        self, env_id: str, network: dict[str, Any], device: torch.device | str = "cpu"
    ) -> QKDVecEnv:
        """Training environments, with the embeddings of the frozen viability network."""
        return QKDVecEnv(
            env_id,
            self.num_envs,
            reward_scale=self.reward_scale,
            subtract_offered=True,
            rival=make_policy(self.rival) if self.rival else None,
            adviser=make_adviser(self.adviser) if self.adviser else None,
            embedder=load_pretrained().eval().to(device) if self.pointer else None,
            **{**network, "split": "train"},
        )

    def model(
        self,
        env: QKDVecEnv,
        seed: int,
        tensorboard: str | None,
        device: torch.device | str = "cpu",
    ) -> OnPolicyAlgorithm:
        """A fresh model; on a GPU its matrix products are computed in bfloat16."""
        device = torch.device(device)
        torch.manual_seed(seed)
        settings: dict[str, Any] = {
            "learning_rate": lambda left: self.learning_rate * max(left, 0.05),
            "seed": seed,
            "tensorboard_log": tensorboard,
            "device": device,
            **self.ppo,
        }
        if self.pointer:
            policy = {"adviser": self.adviser, "mixed_precision": device.type == "cuda"}
            settings |= {"policy_kwargs": policy, "rollout_buffer_class": LeanRolloutBuffer}
            return MaskablePPO(LinkPointerPolicy, env, **settings)
        graph = {
            "features_extractor_class": GraphFeaturesExtractor,
            "ortho_init": False,
        }
        return PPO("MultiInputPolicy", env, policy_kwargs=graph, **settings)
