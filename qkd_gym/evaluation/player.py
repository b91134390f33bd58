"""One episode of a policy, step by step, for whoever wants to look at it."""

from __future__ import annotations

import inspect
from typing import Any, cast

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

import qkd_gym  # noqa: F401  registers the environments
from qkd_gym.baselines import Policy
from qkd_gym.envs import QKDVectorEnv
from qkd_gym.rendering import Scene


class Player:
    """Plays an episode as `qkd_gym.evaluation.evaluate` does: the same seed is the same episode.

    Args:
        policy: Decides, deterministically.
        env_id: Environment that it plays.
        seed: Seed of the episode.
        **env_kwargs: Arguments of the environment; ``split`` is ``"test"`` unless given.

    Attributes:
        env: The environment, a vector of one.
        elapsed_s: Time since the start of the episode.
        over: Whether the episode is over.

    Raises:
        InvalidInput: On a bad argument of the environment.
    """

    def __init__(self, policy: Policy, env_id: str, seed: int, **env_kwargs: Any) -> None:
        # What has ended stays as it is, to be looked at.
        settings = {"split": "test", **env_kwargs, "autoreset_mode": AutoresetMode.DISABLED}
        self.env = cast("QKDVectorEnv", gym.make_vec(env_id, num_envs=1, **settings))
        self.over = False
        self._policy = policy
        if callable(getattr(policy, "watch", None)):
            policy.watch(self.env)  # type: ignore[attr-defined]
        self._wants_masks = "action_masks" in inspect.signature(policy.predict).parameters
        self._obs, infos = self.env.reset(seed=[seed])
        self.elapsed_s = float(infos["elapsed_s"][0])
        self._state: Any = None
        self._starting = np.ones(1, dtype=bool)

    def step(self) -> bool:
        """Takes one decision; whether time has passed."""
        masks: dict[str, Any] = {}
        if self._wants_masks:
            masks["action_masks"] = self._obs["action_mask"].astype(bool)
        actions, self._state = self._policy.predict(
            self._obs, state=self._state, episode_start=self._starting, deterministic=True, **masks
        )
        self._starting = np.zeros(1, dtype=bool)
        before = self.elapsed_s
        self._obs, _, _, over, infos = self.env.step(actions)
        self.over, self.elapsed_s = bool(over[0]), float(infos["elapsed_s"][0])
        return self.elapsed_s > before

    def pass_time(self) -> None:
        """Decides until time has passed or the episode is over."""
        while not self.step() and not self.over:
            pass

    def advance(self) -> None:
        """Goes on to the next request where paths are decided, and else to the next interval."""
        if self.env.task.decides_paths:
            self.step()
        else:
            self.pass_time()

    def frame(self) -> NDArray[np.uint8]:
        """A picture, (height, width, 3); the environment must have the mode ``"rgb_array"``."""
        frames: Any = self.env.render()
        return cast("NDArray[np.uint8]", frames[0])

    def scene(self) -> Scene:
        """What there is to be seen; the environment must have a render mode."""
        assert self.env.renderer is not None
        return self.env.renderer.scene(self.env.core.simulator)
