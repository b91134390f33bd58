"""Episodes that can be played again and again by different scorers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qkd_gym.envs.core import Core
from qkd_gym.envs.starting import new_generator
from qkd_gym.network.config import NetworkConfig
from qkd_gym.scoring.kinds import SCHEDULES, AnyWeights, Kind


class Episodes:
    """Episodes side by side that start again for every scorer.

    Args:
        config: The configuration.
        episodes: Number of episodes.
        kind: What is scored.
    """

    def __init__(self, config: NetworkConfig, episodes: int, kind: Kind = SCHEDULES) -> None:
        self._core, self._kind = Core(config, {}, episodes, kind.task), kind
        observed = self._core.frame.buffer
        self._scratch = kind.new_scratch(observed.links.shape[2], observed.nodes.shape[2])
        self._seed: int | None = None

    def start(self, seed: int) -> None:
        """Makes it the episodes whose first has this seed."""
        if seed == self._seed:
            return
        self._core.generators = [new_generator(seed + i) for i in range(self._core.batch)]
        self._core.start()
        self._beginning = [array.copy() for array in self._arrays()]
        self._seed = seed

    def shares(self, weights: AnyWeights) -> NDArray[np.float64]:
        """The kind's objective in every episode, played by such weights; 0 of no demand."""
        core = self._core
        for array, content in zip(self._arrays(), self._beginning, strict=True):
            array[...] = content
        delivered, offered = np.zeros(core.batch), np.zeros(core.batch)
        self._kind.play(core, weights, self._scratch, delivered, offered)
        return np.divide(delivered, offered, out=np.zeros_like(offered), where=offered > 0)

    def _arrays(self) -> tuple[NDArray[Any], ...]:
        """All arrays that an episode changes."""
        opposition = self._core.opposition
        attacks = () if opposition is None else opposition.attacks
        return (*self._core.simulator.arrays, *self._core.frame.buffer, *attacks)
