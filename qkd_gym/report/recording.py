"""An episode at moments from its start to its end."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from qkd_gym.evaluation.player import Player
from qkd_gym.rendering import Scene

MOST_MOMENTS = 400


def moments_s(player: Player) -> NDArray[np.float64]:
    """When to look at an episode: after all its decision intervals, or every so many of them.

    Returns:
        Times in seconds from its start, (T,), the start and the end among them.
    """
    params = player.env.core.simulator.params
    intervals, interval_s = int(params["intervals"][0]), float(params["interval_s"][0])
    every = -(-intervals // MOST_MOMENTS)
    times: NDArray[np.float64] = np.append(np.arange(0, intervals, every), intervals) * interval_s
    return times


def record(
    player: Player, times_s: NDArray[np.float64], tell: Callable[[], None] = lambda: None
) -> list[Scene]:
    """Plays an episode to its end.

    Args:
        player: Just started.
        times_s: When to look, (T,), see `moments_s`.
        tell: Called after each of them.

    Returns:
        What there was to be seen at these times, T scenes.
    """
    scenes = []
    for time_s in times_s:
        # What is decided at the end is part of the episode too.
        while not player.over and (player.elapsed_s < time_s or time_s == times_s[-1]):
            player.step()
        scenes.append(player.scene())
        tell()
    return scenes
