"""Gymnasium environments over the simulator."""

from qkd_gym.envs.env import LinkActivationEnv, NetworkEnv, QKDEnv, RoutingEnv
from qkd_gym.envs.vector import (
    LinkActivationVectorEnv,
    NetworkVectorEnv,
    QKDVectorEnv,
    RoutingVectorEnv,
)

__all__ = [
    "LinkActivationEnv",
    "LinkActivationVectorEnv",
    "NetworkEnv",
    "NetworkVectorEnv",
    "QKDEnv",
    "QKDVectorEnv",
    "RoutingEnv",
    "RoutingVectorEnv",
]
