"""Gymnasium environments over the simulator."""

from qkd_gym.envs.env import (
    LinkActivationEnv,
    LinkSchedulingEnv,
    NetworkEnv,
    QKDEnv,
    RoutingEnv,
)
from qkd_gym.envs.masks import sample_mask
from qkd_gym.envs.model import Model
from qkd_gym.envs.snapshot import Snapshot
from qkd_gym.envs.vector import (
    LinkActivationVectorEnv,
    LinkSchedulingVectorEnv,
    NetworkVectorEnv,
    QKDVectorEnv,
    RoutingVectorEnv,
)

__all__ = [
    "LinkActivationEnv",
    "LinkActivationVectorEnv",
    "LinkSchedulingEnv",
    "LinkSchedulingVectorEnv",
    "Model",
    "NetworkEnv",
    "NetworkVectorEnv",
    "QKDEnv",
    "QKDVectorEnv",
    "RoutingEnv",
    "RoutingVectorEnv",
    "Snapshot",
    "sample_mask",
]
