"""The episodes that a control policy plays beside those of a learner."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qkd_gym.baselines import Policy
from qkd_gym.envs.vector import Batch, QKDVectorEnv
from qkd_gym.jit import compiled

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]


class Control:
    """A control policy in environments of its own, in step with those of a learner.

    Args:
        env: The policy's environments, with the configuration of the learner's.
        policy: The control policy.

    Attributes:
        env: These environments.
        means: Mean features of the links of every member, (B, features).
        last_means: The same at the end of every member's last episode.
    """

    def __init__(self, env: QKDVectorEnv, policy: Policy) -> None:
        self.env = env
        self._policy = policy
        self._actions = np.zeros(env.num_envs, np.int64)
        self.means: F32 = np.zeros((0, 0), np.float32)
        self.last_means: F32 = np.zeros((0, 0), np.float32)

    @property
    def has_begun(self) -> bool:
        """Whether episodes have been started."""
        return bool(self.env.core.generators)

    def reset(self, seed: int | None) -> None:
        """Starts all episodes; see `QKDVectorEnv.reset`."""
        observation, _ = self.env.reset(seed=seed)
        self._actions, _ = self._policy.predict(observation)
        self.means = link_means(observation["links"])
        self.last_means = self.means.copy()

    def step(self) -> F64:
        """Steps all members, and returns their rewards, (B,)."""
        observation, rewards, _, over, infos = self.env.step(self._actions)
        for b in np.flatnonzero(over):
            self.last_means[b] = link_means(infos["final_obs"][b]["links"][None])[0]
        self._actions, _ = self._policy.predict(observation)
        self.means = link_means(observation["links"])
        return rewards

    def let_interval_pass(self, members: NDArray[np.int64]) -> F64:
        """Steps these members until an interval has passed for each, where that takes several.

        Args:
            members: Different indices in ascending order.

        Returns:
            The rewards of that interval, (B,); zero for others.
        """
        core = self.env.core
        rewards = np.zeros(self.env.num_envs)
        intervals = core.simulator.state.episodes["interval"]
        before = intervals.copy()
        while len(members):
            core.step_some(members, self._actions)
            rewards[members] = core.results.reward[members]
            goes_on = intervals[members] == before[members]
            over = members[core.results.over[members]]
            if len(over):
                self.last_means[over] = link_means(core.observe()["links"][over])
                core.restart(over)
            self._decide(core.observe(), members)
            members = members[goes_on]
        return rewards

    def _decide(self, observation: Batch, members: NDArray[np.int64]) -> None:
        seen = {name: array[members] for name, array in observation.items()}
        self._actions[members], _ = self._policy.predict(seen)
        self.means[members] = link_means(seen["links"])

    def close(self) -> None:
        """Ends the use of the environments."""
        self.env.close()


@compiled
def link_means(links: np.ndarray) -> F32:
    """Mean features of all links and padding, (B, features), of (B, E, features)."""
    batch, n_links, features = links.shape
    means = np.zeros((batch, features), np.float32)
    for b in range(batch):
        for e in range(n_links):
            for i in range(features):
                means[b, i] += links[b, e, i]
        for i in range(features):
            means[b, i] /= np.float32(n_links)
    return means
