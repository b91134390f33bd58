"""What a fresh process pays: import, compilation and memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
IMPORT = """
import json, time
start = time.process_time()
import qkd_gym
print(json.dumps({"import_cpu_s": time.process_time() - start}))
"""
# The networks are built before the clock starts.
FIRST_STEP = """
import json, time
import gymnasium as gym, qkd_gym
from qkd_gym.network.bank import shared_bank
env = gym.make("qkd_gym/LinkActivation-v0", bank_size=1)
shared_bank(env.unwrapped.config).ensure(0)
start = time.process_time()
env.reset(seed=0)
env.step(0)
print(json.dumps({"first_step_cpu_s": time.process_time() - start}))
"""
MEMORY = """
import json, resource
import gymnasium as gym, numpy as np, qkd_gym
env = gym.make_vec("qkd_gym/LinkActivation-v0", num_envs={num_envs})
env.reset(seed=0)
for _ in range(20):
    observation = env.step(np.zeros({num_envs}, np.int64))
pages = int(open("/proc/self/statm").read().split()[1])
# Not ru_maxrss, which a child starts with its parent's peak.
status = open("/proc/self/status").read()
peak_mb = int(status.split("VmHWM:")[1].split()[0]) / 1024
print(json.dumps({{"peak_mb": peak_mb, "mb": pages * resource.getpagesize() / 2**20}}))
"""
# A whole rollout and its update.
TRAINING_MEMORY = """
import dataclasses, json, torch
from speed.forms import RECIPE, SCENARIO, of_recipe
torch.set_num_threads(1)
learner = of_recipe(dataclasses.replace(RECIPE, num_envs={num_envs}), 0, {{"scenario": SCENARIO}})
learner.learn(learner.rollout)
status = open("/proc/self/status").read()
print(json.dumps({{"peak_mb": int(status.split("VmHWM:")[1].split()[0]) / 1024}}))
"""


def _run(code: str, **environment: str) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def import_cpu_s() -> float:
    """CPU seconds of ``import qkd_gym``, with compiled bytecode."""
    return min(_run(IMPORT)["import_cpu_s"] for _ in range(3))


def first_step_cpu_s() -> dict[str, float]:
    """CPU seconds of the first reset and step, without compiled code and with it."""
    with tempfile.TemporaryDirectory() as folder:
        times = [_run(FIRST_STEP, NUMBA_CACHE_DIR=folder)["first_step_cpu_s"] for _ in range(2)]
    return {"compiling": times[0], "cached": times[1]}


def memory() -> dict[str, float]:
    """Peak memory of a process with one environment and with 1,024, and what each one keeps.

    A process's peak is that of compiling or of building networks if it has few environments.
    """
    one, many = (_run(MEMORY.format(num_envs=n)) for n in (1, 1024))
    kb_per_env = (many["mb"] - one["mb"]) * 1024 / 1023
    return {"peak_mb_1": one["peak_mb"], "peak_mb_1024": many["peak_mb"], "kb_per_env": kb_per_env}


def training_peak_mb(num_envs: int = 1024) -> float:
    """Peak memory in MiB of a process that trains the recipe with many environments."""
    return _run(TRAINING_MEMORY.format(num_envs=num_envs))["peak_mb"]
