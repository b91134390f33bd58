"""CPU time of repeated work."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping

import gymnasium as gym
import numpy as np

ROUNDS = 5
TURNS = 5


def fastest(work: Callable[[], object], clock: Callable[[], float] = time.process_time) -> float:
    """Seconds of the fastest of several calls: what disturbs a call only makes it slower."""
    work()
    seconds = []
    gc.collect()
    for _ in range(ROUNDS):
        start = clock()
        work()
        seconds.append(clock() - start)
    return min(seconds)


def in_turns(measures: Mapping[str, Callable[[], float]]) -> dict[str, float]:
    """Medians of figures that are taken in turns, so that all see the processor fast and slow."""
    taken = [{name: measure() for name, measure in measures.items()} for _ in range(TURNS)]
    return {name: float(np.median([turn[name] for turn in taken])) for name in measures}


def cartpole_steps_per_cpu_s(steps: int = 40_000) -> float:
    """The yardstick: CartPole-v1, single, unwrapped, random actions drawn beforehand."""
    env = gym.make("CartPole-v1").unwrapped
    env.reset(seed=0)
    actions = np.random.default_rng(0).integers(0, 2, steps).tolist()

    def play() -> None:
        for action in actions:
            if env.step(action)[2]:
                env.reset()

    return steps / fastest(play)
