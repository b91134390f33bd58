"""What a recipe says, and how it becomes a model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from sb3_contrib import MaskablePPO
from stable_baselines3 import PPO
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from qkd_gym.gnn import load_pretrained
from qkd_gym.sb3 import GraphFeaturesExtractor, LinkPointerPolicy, QKDVecEnv


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
        learning_rate: Adam's step size at the start; it falls linearly to a twentieth.
        reward_scale: Factor on the rewards.
        ppo: Further arguments of the algorithm.
    """

    pointer: bool
    total_timesteps: int
    num_envs: int = 64
    teacher: str = ""
    imitation_rounds: int = 0
    learning_rate: float = 1e-3
    reward_scale: float = 0.05
    ppo: dict[str, Any] = field(default_factory=dict)

    def environment(self, env_id: str, network: dict[str, Any]) -> QKDVecEnv:
        """Training environments, with the embeddings of the frozen viability network."""
        return QKDVecEnv(
            env_id,
            self.num_envs,
            reward_scale=self.reward_scale,
            subtract_offered=True,
            embedder=load_pretrained().eval() if self.pointer else None,
            **{**network, "split": "train"},
        )

    def model(self, env: QKDVecEnv, seed: int, tensorboard: str | None) -> OnPolicyAlgorithm:
        """A fresh model."""
        torch.manual_seed(seed)
        settings: dict[str, Any] = {
            "learning_rate": lambda left: self.learning_rate * max(left, 0.05),
            "seed": seed,
            "tensorboard_log": tensorboard,
            "device": "cpu",
            **self.ppo,
        }
        if self.pointer:
            return MaskablePPO(LinkPointerPolicy, env, **settings)
        graph = {
            "features_extractor_class": GraphFeaturesExtractor,
            "ortho_init": False,
        }
        return PPO("MultiInputPolicy", env, policy_kwargs=graph, **settings)
