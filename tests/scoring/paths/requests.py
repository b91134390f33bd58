"""Requests for scorers of paths, and weights."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np

import qkd_gym  # noqa: F401
from qkd_gym.scoring.paths.weights import PathWeights, starting_weights
from qkd_gym.scoring.weights import as_vector, from_vector

SMALL = {"n_sites": 10, "bank_size": 2, "episode_s": 3600.0}


def random_path_weights(seed: int, hidden: int = 0) -> PathWeights:
    """Weights near the starting ones."""
    start, rng = starting_weights(hidden, seed), np.random.default_rng(seed)
    vector = as_vector(start)
    return from_vector(vector + rng.normal(0.0, 0.2, len(vector)), start)


def asked(steps: int, seed: int = 0, **changes: Any) -> dict[str, np.ndarray]:
    """Observations of `Routing` after random legal decisions, one after the other on a leading
    axis."""
    settings = {"scenario": "classes", **SMALL, **changes}
    env = gym.make("qkd_gym/Routing-v0", **settings)
    observation, _ = env.reset(seed=seed)
    rng, found = np.random.default_rng(seed), [observation]
    for _ in range(steps):
        action = rng.choice(np.flatnonzero(observation["action_mask"]))
        observation, _, terminated, truncated, _ = env.step(action)
        if terminated or truncated:
            observation, _ = env.reset()
        found.append(observation)
    return {name: np.stack([one[name] for one in found]) for name in observation}
