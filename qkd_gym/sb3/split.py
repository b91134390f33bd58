"""Environments in several parts, one of which can be stepped while a device decides for others."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, chain, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv

from qkd_gym.sb3.vec_env import QKDVecEnv


class SplitVecEnv(VecEnv):
    """Several vector environments as one, which `qkd_gym.sb3.ppo.GraphPPO` steps in turn.

    Args:
        parts: Vector environments with the same spaces.

    Attributes:
        parts: These.
        members: Which members of the whole each of them has.
    """

    def __init__(self, parts: Sequence[QKDVecEnv]) -> None:
        self.parts = list(parts)
        edges = accumulate((part.num_envs for part in parts), initial=0)
        self.members = [slice(*ends) for ends in pairwise(edges)]
        first = self.parts[0]
        super().__init__(self.members[-1].stop, first.observation_space, first.action_space)
        self._actions: NDArray[np.int64] = np.zeros(self.num_envs, dtype=np.int64)

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """Seeds the next reset; member i gets ``seed + i``.

        Raises:
            InvalidInput: If the seed is neither None nor a non-negative integer.
        """
        return list(
            chain.from_iterable(
                part.seed(None if seed is None else seed + members.start)
                for part, members in zip(self.parts, self.members, strict=True)
            )
        )

    def reset(self) -> dict[str, NDArray[Any]]:  # type: ignore[override]
        """Starts all episodes."""
        return joined([part.reset() for part in self.parts])

    def step_async(self, actions: NDArray[Any]) -> None:
        """Holds the actions until `step_wait`."""
        self._actions = actions

    def step_wait(self) -> Any:
        """Steps all parts, one after the other."""
        results = [
            part.step(self._actions[members])
            for part, members in zip(self.parts, self.members, strict=True)
        ]
        observations, rewards, dones, infos = zip(*results, strict=True)
        everything = list(chain.from_iterable(infos))
        return joined(observations), np.concatenate(rewards), np.concatenate(dones), everything

    def pop_totals(self) -> dict[str, float]:
        """The accounts of all steps since the last call, which begin anew."""
        totals = [part.pop_totals() for part in self.parts]
        return {name: sum(each[name] for each in totals) for name in totals[0]}

    def close(self) -> None:
        """Closes all parts."""
        for part in self.parts:
            part.close()

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """The attribute of each asked member."""
        values = list(chain.from_iterable(part.get_attr(attr_name) for part in self.parts))
        return [values[i] for i in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Fails as in each part: members share one simulator."""
        for part in self.parts:
            part.set_attr(attr_name, value)

    def has_attr(self, attr_name: str) -> bool:
        """Whether the parts have the attribute."""
        return all(part.has_attr(attr_name) for part in self.parts)

    def env_method(
        self, method_name: str, *method_args: Any, indices: Any = None, **method_kwargs: Any
    ) -> list[Any]:
        """Calls a method of every part and returns a row per asked member."""
        rows = chain.from_iterable(
            part.env_method(method_name, *method_args, **method_kwargs) for part in self.parts
        )
        every = list(rows)
        return [every[i] for i in self._get_indices(indices)]

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        """No member is wrapped."""
        return [False for _ in self._get_indices(indices)]


def joined(observations: Sequence[dict[str, NDArray[Any]]]) -> dict[str, NDArray[Any]]:
    """Observations of several parts as one."""
    if len(observations) == 1:
        return observations[0]
    return {name: np.concatenate([one[name] for one in observations]) for name in observations[0]}
