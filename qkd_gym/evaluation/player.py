"""One episode of a policy, step by step, for whoever wants to look at it."""

from __future__ import annotations

import inspect
from typing import Any, cast

import gymnasium as gym
import numpy as np

import qkd_gym  # noqa: F401  registers the environments
from qkd_gym.baselines import Policy
from qkd_gym.envs import QKDEnv
from qkd_gym.envs.tasks import get_task
from qkd_gym.rendering import Scene


class Player:
    """Plays an episode as `qkd_gym.evaluation.evaluate` does: the same seed is the same episode.

    Args:
        policy: Decides, deterministically.
        env_id: Environment that it plays.
        seed: Seed of the episode.
        **env_kwargs: Arguments of the environment; ``split`` is ``"test"`` unless given.

    Attributes:
        env: The environment.
        elapsed_s: Time since the start of the episode.
        over: Whether the episode is over.

    Raises:
        InvalidInput: On a bad argument of the environment.
    """

    def __init__(self, policy: Policy, env_id: str, seed: int, **env_kwargs: Any) -> None:
        settings = {"split": "test", **env_kwargs}
        self.env = cast("QKDEnv", gym.make(env_id, **settings).unwrapped)
        self.over = False
        self._policy = policy
        self._decides_paths = get_task(env_id).decides_paths
        if callable(getattr(policy, "watch", None)):
            policy.watch(self.env)  # type: ignore[attr-defined]
        self._wants_masks = "action_masks" in inspect.signature(policy.predict).parameters
        self._obs, info = self.env.reset(seed=seed)
        self.elapsed_s = float(info["elapsed_s"])
        self._state: Any = None
        self._starting = np.ones(1, dtype=bool)

    def step(self) -> bool:
        """Takes one decision; whether time has passed."""
        obs = {name: array[None] for name, array in self._obs.items()}
        masks: dict[str, Any] = {}
        if self._wants_masks:
            masks["action_masks"] = obs["action_mask"].astype(bool)
        actions, self._state = self._policy.predict(
            obs, state=self._state, episode_start=self._starting, deterministic=True, **masks
        )
        self._starting = np.zeros(1, dtype=bool)
        before = self.elapsed_s
        self._obs, _, _, self.over, info = self.env.step(actions[0])
        self.elapsed_s = float(info["elapsed_s"])
        return self.elapsed_s > before

    def pass_time(self) -> None:
        """Decides until time has passed or the episode is over."""
        while not self.step() and not self.over:
            pass

    def advance(self) -> None:
        """Goes on to the next request where paths are decided, and else to the next interval."""
        if self._decides_paths:
            self.step()
        else:
            self.pass_time()

    def scene(self) -> Scene:
        """What there is to be seen; the environment must have a render mode."""
        assert self.env.renderer is not None
        return self.env.renderer.scene(self.env.core.simulator)
