"""The bridge to Stable-Baselines3."""

from qkd_gym.extras import require_extra

require_extra("train", "torch", "stable_baselines3", "sb3_contrib")

from qkd_gym.baselines.agents import available_agents
from qkd_gym.sb3.agents import load_agent, save_agent
from qkd_gym.sb3.extractor import GraphFeaturesExtractor
from qkd_gym.sb3.policy import LinkPointerPolicy
from qkd_gym.sb3.ppo import GraphPPO
from qkd_gym.sb3.totals import LogsTotals
from qkd_gym.sb3.vec_env import QKDVecEnv

__all__ = [
    "GraphFeaturesExtractor",
    "GraphPPO",
    "LinkPointerPolicy",
    "LogsTotals",
    "QKDVecEnv",
    "available_agents",
    "load_agent",
    "save_agent",
]
