"""Episodes that can be played again and again by different schedules."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qkd_gym.envs.core import Core
from qkd_gym.envs.starting import new_generator
from qkd_gym.envs.tasks import LINK_SCHEDULING
from qkd_gym.network.config import NetworkConfig
from qkd_gym.scoring.choice import new_scratch
from qkd_gym.scoring.play import play_on
from qkd_gym.scoring.weights import Weights


class Episodes:
    """Episodes side by side that start again for every schedule.

    Args:
        config: The configuration.
        episodes: Number of episodes.
    """

    def __init__(self, config: NetworkConfig, episodes: int) -> None:
        self._core = Core(config, {}, episodes, LINK_SCHEDULING)
        observed = self._core.frame.buffer
        self._scratch = new_scratch(observed.links.shape[2], observed.nodes.shape[2])
        self._seed: int | None = None

    def start(self, seed: int) -> None:
        """Makes it the episodes whose first has this seed."""
        if seed == self._seed:
            return
        self._core.generators = [new_generator(seed + i) for i in range(self._core.batch)]
        self._core.start()
        self._beginning = [array.copy() for array in self._arrays()]
        self._seed = seed

    def shares(self, weights: Weights) -> NDArray[np.float64]:
        """Delivered share of every episode, played by a scored schedule; 0 of no demand."""
        core, sim = self._core, self._core.simulator
        for array, content in zip(self._arrays(), self._beginning, strict=True):
            array[...] = content
        delivered, offered = np.zeros(core.batch), np.zeros(core.batch)
        intervals = int(sim.params["intervals"][0])
        # An opponent acts between intervals.
        at_once = intervals if core.opposition is None else 1
        for _ in range(0, intervals, at_once):
            play_on(
                weights, sim.arrays, core.frame.buffer, sim.bank, sim.params,
                at_once, sim.work, self._scratch, delivered, offered,
            )  # fmt: skip
            if core.opposition is not None:
                core.opposition.act()
        return np.divide(delivered, offered, out=np.zeros_like(offered), where=offered > 0)

    def _arrays(self) -> tuple[NDArray[Any], ...]:
        """All arrays that an episode changes."""
        opposition = self._core.opposition
        attacks = () if opposition is None else opposition.attacks
        return (*self._core.simulator.arrays, *attacks)
