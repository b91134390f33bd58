"""What more cores give to the recipe's training, in wall-clock time."""

from __future__ import annotations

import time
from functools import partial

import torch

from qkd_gym.children import child_processes
from qkd_gym.sb3.group import Group, together
from speed.clock import in_turns
from speed.forms import ENV_ID, RECIPE

TURNS = 3
ROLLOUTS = 6
# Few networks, so that building them is soon over.
NETWORK = {"scenario": "metro", "bank_size": 8}


def worker_scaling() -> dict[str, float]:
    """Steps per second with one worker and with as many as the recipe takes, medians of turns."""
    counts = sorted({1, RECIPE.workers("auto", torch.device("cpu"))})
    return in_turns({str(n): partial(_steps_per_s, n) for n in counts}, TURNS)


def _steps_per_s(workers: int) -> float:
    with child_processes(max(1, workers - 1)) as submit, together(workers, submit, _train) as group:
        return _train(group)


def _train(group: Group) -> float:
    """Steps per second of all workers, once all is warm."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    env = RECIPE.environment(ENV_ID, dict(NETWORK), group=group)
    env.seed(group.share(RECIPE.num_envs).start)
    model = RECIPE.model(env, 0, None, group=group)
    rollout = RECIPE.num_envs * model.n_steps
    model.learn(2 * rollout)
    start = time.perf_counter()
    model.learn(ROLLOUTS * rollout, reset_num_timesteps=False)
    rate = ROLLOUTS * rollout / (time.perf_counter() - start)
    torch.set_num_threads(before)
    return rate
