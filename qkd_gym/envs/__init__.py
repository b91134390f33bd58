"""Gymnasium environments over the simulator."""

from qkd_gym.envs.env import (
    LinkActivationEnv,
    LinkSchedulingEnv,
    NetworkEnv,
    QKDEnv,
    RoutingEnv,
)
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
    "NetworkEnv",
    "NetworkVectorEnv",
    "QKDEnv",
    "QKDVectorEnv",
    "RoutingEnv",
    "RoutingVectorEnv",
]
