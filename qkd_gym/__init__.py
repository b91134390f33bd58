"""Gymnasium environments, baselines and graph policies for quantum-key-distribution networks."""

from __future__ import annotations

from gymnasium.envs.registration import register

__version__ = "0.4.0"

for _name in ("LinkActivation", "Routing", "Network", "LinkScheduling"):
    # Strings only: nothing is loaded until an environment is made.
    register(
        id=f"qkd_gym/{_name}-v0",
        entry_point=f"qkd_gym.envs.env:{_name}Env",
        vector_entry_point=f"qkd_gym.envs.vector:{_name}VectorEnv",
    )
