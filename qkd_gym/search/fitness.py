"""How good weights are."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple

from qkd_gym.network.config import NetworkConfig
from qkd_gym.network.scenarios import as_mapping
from qkd_gym.scoring.episodes import Episodes
from qkd_gym.scoring.kinds import AnyWeights, kind_of


class Exercise(NamedTuple):
    """Episodes of one configuration.

    Attributes:
        config: The configuration.
        episodes: Number of episodes.
        seed: Seed of the first; each has the next one.
        weight: Weight of the mean of what the scorer's kind is searched for.
    """

    config: NetworkConfig
    episodes: int
    seed: int
    weight: float


# Of this process: candidates come one by one, and episodes take longer to start than to play.
_AT_HAND: dict[tuple[str, str, int], Episodes] = {}


def fitness(exercises: Sequence[Exercise], weights: AnyWeights) -> float:
    """Weighted mean over several configurations of what the weights' kind is searched for."""
    kind = kind_of(weights)
    total = sum(exercise.weight for exercise in exercises)
    value = 0.0
    for exercise in exercises:
        network = json.dumps(as_mapping(exercise.config), sort_keys=True)
        key = kind.task.name, network, exercise.episodes
        if key not in _AT_HAND:
            _AT_HAND[key] = Episodes(exercise.config, exercise.episodes, kind)
        _AT_HAND[key].start(exercise.seed)
        value += exercise.weight / total * float(_AT_HAND[key].shares(weights).mean())
    return value
