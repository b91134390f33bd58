"""How good weights are: episodes that can be played again and again by different weights."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qkd_gym.envs.core import Core
from qkd_gym.envs.starting import new_generator
from qkd_gym.envs.tasks import LINK_SCHEDULING
from qkd_gym.network.config import NetworkConfig
from qkd_gym.network.scenarios import as_mapping
from qkd_gym.scoring.choice import new_scratch
from qkd_gym.scoring.play import play_on
from qkd_gym.scoring.weights import Weights


class Exercise(NamedTuple):
    """Episodes of one configuration.

    Attributes:
        config: The configuration.
        episodes: Number of episodes.
        seed: Seed of the first; each has the next one.
        weight: Weight of their mean delivered share.
    """

    config: NetworkConfig
    episodes: int
    seed: int
    weight: float


class Episodes:
    """Episodes side by side that start again for every candidate.

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
        self._beginning = [array.copy() for array in self._core.simulator.arrays]
        self._seed = seed

    def shares(self, weights: Weights) -> NDArray[np.float64]:
        """Delivered share of every episode, played by a scored schedule; 0 of no demand."""
        core, sim = self._core, self._core.simulator
        arrays: tuple[NDArray[Any], ...] = sim.arrays
        for array, content in zip(arrays, self._beginning, strict=True):
            array[...] = content
        delivered, offered = np.zeros(core.batch), np.zeros(core.batch)
        play_on(
            weights, sim.arrays, core.frame.buffer, sim.bank, sim.params,
            int(sim.params["intervals"][0]), sim.work, self._scratch, delivered, offered,
        )  # fmt: skip
        return np.divide(delivered, offered, out=np.zeros_like(offered), where=offered > 0)


# Of this process: candidates come one by one, and episodes take longer to start than to play.
_AT_HAND: dict[tuple[str, int], Episodes] = {}


def fitness(exercises: Sequence[Exercise], weights: Weights) -> float:
    """Weighted mean of the delivered shares of several configurations."""
    total = sum(exercise.weight for exercise in exercises)
    value = 0.0
    for exercise in exercises:
        key = json.dumps(as_mapping(exercise.config), sort_keys=True), exercise.episodes
        if key not in _AT_HAND:
            _AT_HAND[key] = Episodes(exercise.config, exercise.episodes)
        _AT_HAND[key].start(exercise.seed)
        value += exercise.weight / total * float(_AT_HAND[key].shares(weights).mean())
    return value
