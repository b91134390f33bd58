"""Trained agents as policies: what `train.py` leaves in a run's folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gymnasium as gym

from qkd_gym.errors import InvalidInput


def load_agent(folder: Path, env_id: str, settings: dict[str, Any]) -> Any:
    """The policy of a run, fitted to the sizes of a scenario.

    Args:
        folder: A run's folder, with ``config.json`` and ``policy.safetensors``.
        env_id: Environment that the policy shall play.
        settings: Keyword arguments of the environment.

    Raises:
        InvalidInput: If the folder is no run's, or its policy does not fit the environment.
    """
    try:
        facts = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        recipe, trained_on = facts["recipe"], facts["options"]["env"]
        pointer, adviser = bool(recipe["pointer"]), str(recipe.get("adviser", ""))
    except (OSError, ValueError, KeyError, TypeError):
        raise InvalidInput(
            f"policy is {str(folder)!r}, but must be a baseline or the folder of a trained agent, "
            "with config.json and policy.safetensors."
        ) from None
    if env_id != f"qkd_gym/{trained_on}-v0":
        raise InvalidInput(
            f"policy {str(folder)!r} was trained to play qkd_gym/{trained_on}-v0, "
            f"but must play {env_id}."
        )
    # Here, so that baselines need no torch.
    import torch
    from stable_baselines3.common.policies import MultiInputActorCriticPolicy

    from qkd_gym.sb3 import GraphFeaturesExtractor, LinkPointerPolicy
    from qkd_gym.sb3.checkpoint import load_policy

    torch.set_num_threads(1)
    env: Any = gym.make_vec(env_id, num_envs=1, **settings)
    spaces = env.single_observation_space, env.single_action_space
    env.close()
    policy: Any
    if pointer:
        policy = LinkPointerPolicy(*spaces, lambda _: 0.0, adviser=adviser)
    else:
        policy = MultiInputActorCriticPolicy(
            *spaces,
            lambda _: 0.0,
            features_extractor_class=GraphFeaturesExtractor,
            ortho_init=False,
        )
    load_policy(folder / "policy.safetensors", policy)
    policy.set_training_mode(False)
    return policy
