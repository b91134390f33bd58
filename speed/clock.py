"""CPU time of repeated work."""

from __future__ import annotations

import gc
import os
import resource
import time
from collections.abc import Callable, Mapping
from multiprocessing import active_children
from pathlib import Path
from typing import TypeVar

import gymnasium as gym
import numpy as np

ROUNDS = 5
TURNS = 5
Figures = TypeVar("Figures")


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


def take_turns(
    measures: Mapping[str, Callable[[], Figures]], turns: int = TURNS
) -> dict[str, list[Figures]]:
    """What each measure gave in each turn, so that all see the processor fast and slow."""
    taken = [{name: measure() for name, measure in measures.items()} for _ in range(turns)]
    return {name: [turn[name] for turn in taken] for name in measures}


def in_turns(measures: Mapping[str, Callable[[], float]], turns: int = TURNS) -> dict[str, float]:
    """Medians of figures that are taken in turns."""
    return {name: float(np.median(taken)) for name, taken in take_turns(measures, turns).items()}


def cpu_s() -> float:
    """CPU seconds of this process and, on Linux, of its children by multiprocessing."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    ticks = 0
    for child in active_children():
        file = Path(f"/proc/{child.pid}/stat")
        if file.exists():
            # Fields behind the name, which may hold blanks: utime and stime are 14th and 15th.
            fields = file.read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    running = ticks / os.sysconf("SC_CLK_TCK")
    return time.process_time() + ended.ru_utime + ended.ru_stime + running


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
