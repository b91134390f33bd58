"""Steps per CPU-second of the environments, alone, in vectors and under the SB3 adapter.

Actions are random and legal, drawn anew at every step by a compiled function of the masks; the
time of the draws is part of the figures. Episodes end and restart as they do in training.
"""

from __future__ import annotations

import os
import time
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
from numba import njit
from numpy.typing import NDArray

import qkd_gym  # noqa: F401  registers the environments
from qkd_gym.network.compiled.rng import stream, uniform
from speed.clock import fastest, in_turns

ENV_ID = "qkd_gym/LinkActivation-v0"
EPISODE_STEPS = 300


@njit(cache=True)
def legal_actions(masks: NDArray[Any], step: int, actions: NDArray[np.int64]) -> None:
    """Draws one legal action per row of masks, (B, actions), each with the same chance."""
    for b in range(len(masks)):
        state, draw = uniform(stream(np.uint64(step), b, 0))
        while not masks[b, int(draw * masks.shape[1])]:
            state, draw = uniform(state)
        actions[b] = int(draw * masks.shape[1])


def single_env(wrapped: bool = True) -> float:
    """Steps per CPU-second of one environment, with or without the wrappers of `gym.make`."""
    made = gym.make(ENV_ID)
    env = made if wrapped else made.unwrapped
    observation, _ = env.reset(seed=0)
    actions = np.zeros(1, np.int64)
    steps = 2 * EPISODE_STEPS

    def play() -> None:
        nonlocal observation
        for step in range(steps):
            legal_actions(observation["action_mask"][None], step, actions)
            observation, _, _, over, _ = env.step(actions[0])
            if over:
                observation, _ = env.reset()

    return steps / fastest(play)


def vector_env(
    num_envs: int, clock: Any = time.process_time, threads: int = 1, **overrides: Any
) -> float:
    """Steps per second of a vector environment on some threads, all its members counted."""
    env = gym.make_vec(ENV_ID, num_envs=num_envs, threads=threads, **overrides)
    observation, _ = env.reset(seed=0)
    actions = np.zeros(num_envs, np.int64)
    rounds = max(EPISODE_STEPS // 4, 20_000 // num_envs)

    def play() -> None:
        nonlocal observation
        for step in range(rounds):
            legal_actions(observation["action_mask"], step, actions)
            observation = env.step(actions)[0]

    return rounds * num_envs / fastest(play, clock)


def adapter(num_envs: int = 64) -> float:
    """Steps per CPU-second of the adapter to Stable-Baselines3 under its VecMonitor."""
    from stable_baselines3.common.vec_env import VecMonitor

    from qkd_gym.sb3 import QKDVecEnv

    env = VecMonitor(QKDVecEnv(ENV_ID, num_envs=num_envs))
    observation: Any = env.reset()
    actions = np.zeros(num_envs, np.int64)
    rounds = 2 * EPISODE_STEPS

    def play() -> None:
        nonlocal observation
        for step in range(rounds):
            legal_actions(observation["action_mask"], step, actions)
            observation = env.step(actions)[0]

    return rounds * num_envs / fastest(play)


def reset_us(num_envs: int = 256) -> float:
    """CPU microseconds to start an episode on a network of the bank that was used before."""
    env = gym.make_vec(ENV_ID, num_envs=num_envs)
    return 1e6 / num_envs * fastest(lambda: env.reset())


def thread_scaling(num_envs: int) -> dict[str, float]:
    """Steps per second of wall-clock time on one thread and, if there are two cores, on two."""
    present = min(2, len(os.sched_getaffinity(0)))
    return in_turns(
        {
            str(threads): partial(vector_env, num_envs, time.perf_counter, threads)
            for threads in range(1, present + 1)
        }
    )


def of_size(n_sites: int, topology: str) -> dict[str, Any]:
    """Arguments of an environment with one network of a size."""
    return {"topology": topology, "n_sites": n_sites, "bank_size": 1}


def scaling(sizes: tuple[int, ...], topology: str) -> list[dict[str, float]]:
    """Cost of a step against the size of the network, one network per size."""
    rows = []
    for n_sites in sizes:
        settings = of_size(n_sites, topology)
        start = time.process_time()
        env: Any = gym.make_vec(ENV_ID, num_envs=1, **settings)
        env.reset(seed=0)
        build_s = time.process_time() - start
        links = int(env.unwrapped.core.simulator.bank.networks["n_links"][0])
        env.close()
        rate = vector_env(16, **settings)
        rows.append(
            {
                "sites": n_sites,
                "links": links,
                "build_cpu_s": build_s,
                "us_per_step": 1e6 / rate,
                "ns_per_link_step": 1e9 / rate / links,
            }
        )
    return rows
