"""Gymnasium environments over the simulator."""

from qkd_gym.envs.env import LinkActivationEnv, NetworkEnv, QKDEnv, RoutingEnv
from qkd_gym.envs.model import Model
from qkd_gym.envs.snapshot import Snapshot
from qkd_gym.envs.vector import (
    LinkActivationVectorEnv,
    NetworkVectorEnv,
    QKDVectorEnv,
    RoutingVectorEnv,
)

__all__ = [
    "LinkActivationEnv",
    "LinkActivationVectorEnv",
    "Model",
    "NetworkEnv",
    "NetworkVectorEnv",
    "QKDEnv",
    "QKDVectorEnv",
    "RoutingEnv",
    "RoutingVectorEnv",
    "Snapshot",
]
